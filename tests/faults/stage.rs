//! The stage of a run: the real store, scheduler and prober on paused time and real sockets.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use hex_token_exporter::{
    clock::{Clock, ManualClock},
    domain::{
        Cadence, Credential, CredentialProblem, Moment, Name, Scope, Secret, TokenSpec, TokenState, Uuid,
        Workspace,
    },
    lifecycle::Tasks,
    metrics::OwnMetrics,
    probe::HexProber,
    schedule::{Assignment, Scheduler, Settings, plan},
    store::{Snapshot, Store},
};
use jiff::{SignedDuration, Timestamp};

use crate::{
    catalogue::Fault,
    chance::Chance,
    elsewhere::Elsewhere,
    hex::{Account, PROJECT},
    raw_upstream::{Step, Upstream},
    sky::{Outside, Sky},
};

/// When runs start: 2026-09-21T14:13:20Z.
pub(crate) const START: i64 = 1_790_000_000;

/// A wall clock that can be set; its uptime can't.
#[derive(Debug)]
pub(crate) struct SetClock {
    steady: ManualClock,
    jumped: AtomicI64,
}

impl Clock for SetClock {
    fn now(&self) -> Moment {
        let Moment { at, up } = self.steady.now();
        Moment { at: at + SignedDuration::from_secs(self.jumped.load(Ordering::Relaxed)), up }
    }
}

/// One token, as configured and as it really is.
#[derive(Debug, Clone)]
pub(crate) struct Token {
    pub(crate) spec: Arc<TokenSpec>,
    pub(crate) credential: String,
    pub(crate) readable: bool,
    pub(crate) account: Account,
    /// What was ever true of it, so what may ever have been shown.
    pub(crate) ever: BTreeSet<TokenState>,
    rotations: u32,
}

impl Token {
    /// Notes what may be shown of it from now on.
    fn note(&mut self) {
        self.ever.insert(self.truth());
    }

    /// What must be shown of it once everything is known.
    pub(crate) fn truth(&self) -> TokenState {
        match self.account {
            Account { alive: false, .. } => TokenState::Invalid,
            Account { may_read: false, .. } if !self.spec.required_scopes.is_empty() => {
                TokenState::UnderScoped
            }
            _ => TokenState::Valid,
        }
    }
}

/// See the module.
pub(crate) struct Stage {
    pub(crate) clock: Arc<SetClock>,
    pub(crate) sky: Arc<Sky>,
    pub(crate) store: Arc<Store>,
    pub(crate) own: Arc<OwnMetrics>,
    pub(crate) tasks: Tasks,
    pub(crate) scheduler: Scheduler<Outside>,
    pub(crate) settings: Settings,
    pub(crate) workspace: Arc<Workspace>,
    pub(crate) tokens: Vec<Token>,
}

impl Stage {
    /// Starts a process under a sky that may know these faults.
    pub(crate) async fn start(seed: u64, chance: &mut Chance, faults: &BTreeSet<Fault>) -> Self {
        let date = Timestamp::from_second(START).unwrap();
        let clock = Arc::new(SetClock { steady: ManualClock::at(date), jumped: AtomicI64::new(0) });
        let sky = Arc::new(Sky::new(seed, clock.clone()));
        let dialogue = sky.dialogue();
        let elsewhere = Elsewhere::open(faults, &dialogue).await;
        let hex = Upstream::start(move |_| vec![Step::Converse(dialogue.clone())]).await;
        let cadence = Cadence {
            interval: Duration::from_secs(chance.pick(&[30, 60, 120])),
            scope_interval: Duration::from_mins(5),
            run_interval: Duration::from_mins(5),
            timeout: Duration::from_secs(5),
            confirm_after: Duration::from_secs(chance.pick(&[5, 15])),
            mass_rejection_hold: Duration::from_mins(3),
            rejected_interval: Duration::from_mins(4),
        };
        let workspace = workspace(&hex.origin("http"), chance.pick(&[10, 30, 600]));
        let real = HexProber::new(cadence.timeout, move || date);
        let outside = Outside { real, sky: sky.clone(), elsewhere, _hex: hex };
        let store = Arc::new(Store::new(clock.clone(), sky.key.clone()));
        let own = Arc::new(OwnMetrics::new(0, 1).unwrap());
        own.retain_workspaces([workspace.name.clone()]);
        let tasks = Tasks::new();
        let scheduler =
            Scheduler::new(outside, store.clone(), clock.clone(), own.clone(), tasks.clone(), || {});
        let settings = Settings { cadence, max_concurrency: chance.pick(&[1, 16]) };
        let tokens = tokens(&workspace, chance);
        let stage = Self { clock, sky, store, own, tasks, scheduler, settings, workspace, tokens };
        for token in &stage.tokens {
            stage.sky.account(&token.credential, token.account);
        }
        stage.conform();
        stage
    }

    /// Brings what is configured to all parts, as a reload does.
    pub(crate) fn conform(&self) {
        let demand: f64 =
            self.tokens.iter().map(|it| plan::demand(&it.spec, &self.settings.cadence).per_minute()).sum();
        let assignments: Vec<Assignment> = self.tokens.iter().map(Self::assignment).collect();
        let tokens = assignments.iter().map(|it| (it.spec.clone(), it.credential.clone()));
        self.store.conform(self.settings.cadence, [(self.workspace.clone(), demand)], tokens, |_, _| None);
        self.scheduler.reconcile(self.settings.clone(), std::slice::from_ref(&self.workspace), assignments);
    }

    fn assignment(token: &Token) -> Assignment {
        let credential = if token.readable {
            let secret = Secret::credential(&token.credential).unwrap();
            Credential::Loaded { secret, loaded_at: Timestamp::from_second(START).unwrap() }
        } else {
            Credential::Unreadable(CredentialProblem::PermissionDenied)
        };
        Assignment { spec: token.spec.clone(), credential }
    }

    /// Changes what is true of a token.
    pub(crate) fn change(&mut self, token: usize, edit: impl FnOnce(&mut Account)) {
        let token = &mut self.tokens[token];
        edit(&mut token.account);
        token.note();
        self.sky.account(&token.credential, token.account);
    }

    /// Replaces a token's credential: the old one is dead from now on.
    pub(crate) fn rotate(&mut self, token: usize) {
        let dead = Account { alive: false, ..self.tokens[token].account };
        self.sky.account(&self.tokens[token].credential, dead);
        let token = &mut self.tokens[token];
        token.rotations += 1;
        token.credential = credential(token.spec.name.as_str(), token.rotations);
        token.account.alive = true;
        token.note();
        self.sky.account(&token.credential, token.account);
        self.conform();
    }

    /// Sets the wall clock.
    pub(crate) fn jump(&self, seconds: i64) {
        self.clock.jumped.fetch_add(seconds, Ordering::Relaxed);
    }

    pub(crate) fn up(&self) -> Duration {
        self.clock.now().up
    }

    pub(crate) fn snapshot(&self) -> Snapshot {
        self.store.snapshot()
    }
}

/// A workspace at this address, with this budget.
pub(crate) fn workspace(origin: &str, requests_per_minute: u32) -> Arc<Workspace> {
    let workspace = Workspace::new(Name::parse("main").unwrap(), origin);
    Arc::new(Workspace { requests_per_minute, ..workspace })
}

/// A token that needs nothing but its life.
pub(crate) fn spec(name: &str, workspace: &Arc<Workspace>) -> Arc<TokenSpec> {
    Arc::new(TokenSpec::new(Name::parse(name).unwrap(), workspace.clone()))
}

fn tokens(workspace: &Arc<Workspace>, chance: &mut Chance) -> Vec<Token> {
    let project = || (Name::parse("kpis").unwrap(), Uuid::parse(PROJECT).unwrap());
    let mut tokens = Vec::new();
    for (name, scopes, projects) in [
        ("plain", vec![], BTreeMap::new()),
        ("reader", vec![Scope::ProjectsRead], BTreeMap::from([project()])),
        ("scoped", vec![Scope::ProjectsRead], BTreeMap::new()),
    ] {
        let required_scopes = scopes.into_iter().collect();
        let spec = TokenSpec { required_scopes, projects, ..(*spec(name, workspace)).clone() };
        let expires = chance.percent(50).then_some(START + 30 * 86_400);
        let account = Account { alive: chance.percent(80), may_read: chance.percent(85), expires };
        let mut token = Token {
            spec: Arc::new(spec),
            credential: credential(name, 0),
            readable: true,
            account,
            ever: BTreeSet::from([TokenState::Unknown]),
            rotations: 0,
        };
        token.note();
        tokens.push(token);
    }
    tokens
}

/// Stands in every credential again and again, so that no longer piece of one is without it.
pub(crate) const CANARY: &str = "f3a91c7e5b08";

/// A credential of Hex's form.
fn credential(name: &str, rotations: u32) -> String {
    let seed = name.bytes().fold(u64::from(rotations), |seed, byte| seed * 131 + u64::from(byte));
    let mut chance = Chance::of(seed, &[]);
    (0..6).fold("hxtw_".to_owned(), |text, _| format!("{text}{CANARY}{:04x}", chance.below(0x1_0000)))
}
