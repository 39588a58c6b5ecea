//! The exporter in a month: the real scheduler, budget, store and rules on paused time.
//!
//! As in the program, a replaced credential is noticed within ten seconds, and at once where a 401 makes it
//! likely.
//!
//! Unlike in the program, tokens are judged anew once a minute and not every two seconds, since that would make
//! it take seven times as long. It shows where no answer tells of an expiry, as in an outage: up to a minute late.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use hex_token_exporter::{
    clock::{Clock, ManualClock},
    domain::{
        Cadence, Credential, DigestKey, Name, Observer, RequestEnded, Scope, TokenSpec, TokenState, Uuid,
        Workspace,
    },
    lifecycle::Tasks,
    schedule::{Assignment, Scheduler, Settings, plan},
    store::Store,
};
use jiff::Timestamp;
use tokio::{
    runtime::Builder,
    sync::Notify,
    time::{Instant, sleep_until},
};

use super::{
    hex::{Hex, Ledger, secret},
    month::Month,
};

/// How often the credential sources are read.
const READ_EVERY: Duration = Duration::from_secs(10);

/// How often all tokens are judged anew, since an expiry may pass without an answer: see the module.
const SETTLE_EVERY: Duration = Duration::from_mins(1);

/// How a workspace is watched.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Way {
    pub(crate) cadence: Cadence,
    pub(crate) requests_per_minute: u32,
}

impl Default for Way {
    fn default() -> Self {
        Self { cadence: Cadence::default(), requests_per_minute: 30 }
    }
}

/// A change of a token's state.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Change {
    pub(crate) at: Duration,
    pub(crate) token: usize,
    /// Which of its credentials was in use.
    pub(crate) credential: usize,
    pub(crate) state: TokenState,
}

/// What came of it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Watched {
    pub(crate) changes: Vec<Change>,
    pub(crate) ledger: Ledger,
    pub(crate) longest_wait: Duration,
    /// What the plan says, in requests a day of all tokens.
    pub(crate) planned_a_day: f64,
}

/// What the schedule tells.
#[derive(Debug)]
struct Witness {
    clock: Arc<dyn Clock>,
    store: Arc<Store>,
    names: Vec<Name>,
    seen: Mutex<Seen>,
}

#[derive(Debug)]
struct Seen {
    states: Vec<TokenState>,
    credentials: Vec<usize>,
    changes: Vec<Change>,
    longest_wait: Duration,
}

impl Witness {
    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn look(&self) {
        let at = self.clock.now().up;
        let mut seen = self.seen();
        for (token, name) in self.names.iter().enumerate() {
            let Some(view) = self.store.token(name) else { continue };
            let state = view.record.state();
            if seen.states[token] != state {
                seen.states[token] = state;
                let credential = seen.credentials[token];
                seen.changes.push(Change { at, token, credential, state });
            }
        }
    }
}

impl Observer for Witness {
    fn request_ended(&self, _: &RequestEnded<'_>) {
        self.look();
    }
    fn budget_waited(&self, _: &Name, waited: Duration) {
        let mut seen = self.seen();
        seen.longest_wait = seen.longest_wait.max(waited);
    }
    fn woke_late(&self, _: Duration) {}
}

/// Watches a month.
pub(crate) fn watch(month: &Arc<Month>, way: Way) -> Watched {
    let runtime = Builder::new_current_thread().enable_time().start_paused(true).build();
    let runtime = runtime.unwrap_or_else(|error| panic!("no runtime: {error}"));
    runtime.block_on(async { Watch::begin(month.clone(), way).finish().await })
}

struct Watch {
    way: Way,
    started: Instant,
    hex: Hex,
    store: Arc<Store>,
    scheduler: Scheduler<Hex>,
    tasks: Tasks,
    witness: Arc<Witness>,
    workspace: Arc<Workspace>,
    specs: Vec<Arc<TokenSpec>>,
    stale: Arc<Notify>,
}

impl Watch {
    fn begin(month: Arc<Month>, way: Way) -> Self {
        let started = Instant::now();
        let clock: Arc<dyn Clock> = Arc::new(ManualClock::at(Timestamp::constant(1_790_000_000, 0)));
        let hex = Hex::new(month, clock.clone());
        let store = Arc::new(Store::new(clock.clone(), DigestKey::from_bytes([7; 32])));
        let workspace = Arc::new(Workspace {
            requests_per_minute: way.requests_per_minute,
            ..Workspace::new(name("production"), "https://app.hex.tech")
        });
        let scopes = hex.month.tokens.iter().map(|token| &token.scopes).enumerate();
        let specs: Vec<_> =
            scopes.map(|(index, scopes)| Arc::new(spec(index, scopes.clone(), &workspace))).collect();
        let seen = Seen {
            states: vec![TokenState::Unknown; specs.len()],
            credentials: vec![0; specs.len()],
            changes: Vec::new(),
            longest_wait: Duration::ZERO,
        };
        let names = specs.iter().map(|spec| spec.name.clone()).collect();
        let witness = Witness { clock: clock.clone(), store: store.clone(), names, seen: Mutex::new(seen) };
        let (witness, tasks, stale) = (Arc::new(witness), Tasks::new(), Arc::new(Notify::new()));
        let told = stale.clone();
        let scheduler =
            Scheduler::new(hex.clone(), store.clone(), clock, witness.clone(), tasks.clone(), move || {
                told.notify_one();
            });
        Self { way, started, hex, store, scheduler, tasks, witness, workspace, specs, stale }
    }

    async fn finish(self) -> Watched {
        self.conform();
        let end = self.hex.month.end;
        let (mut settle, mut read) = (SETTLE_EVERY, self.next_read(Duration::ZERO));
        loop {
            let next = settle.min(read).min(end);
            tokio::select! {
                () = self.stale.notified() => {}
                () = sleep_until(self.started + next) => {}
            }
            let now = self.started.elapsed();
            if now >= end {
                break;
            }
            if now >= settle {
                settle += SETTLE_EVERY;
                if !self.store.settle().is_empty() {
                    self.witness.look();
                }
            }
            if self.read_credentials(now) {
                read = self.next_read(now);
            }
        }
        assert!(self.tasks.finish(Duration::from_mins(1)).await, "a task has died");
        let seen = self.witness.seen();
        Watched {
            changes: seen.changes.clone(),
            ledger: self.hex.ledger().clone(),
            longest_wait: seen.longest_wait,
            planned_a_day: self.demand() * 24.0 * 60.0,
        }
    }

    /// When a changed credential is next read, if nothing asks for it earlier.
    fn next_read(&self, now: Duration) -> Duration {
        let credentials = self.hex.month.tokens.iter().flat_map(|token| &token.credentials);
        let next = credentials.map(|credential| credential.from).filter(|from| *from > now).min();
        next.map_or(self.hex.month.end, |from| {
            READ_EVERY * u32::try_from(from.as_secs() / 10 + 1).unwrap_or(u32::MAX)
        })
    }

    /// Takes what has been put in place by now. `true`: there was something new.
    fn read_credentials(&self, now: Duration) -> bool {
        let mut changed = false;
        for (token, month) in self.hex.month.tokens.iter().enumerate() {
            let newest = month.credentials.iter().rposition(|credential| credential.from <= now).unwrap_or(0);
            let in_use = &mut self.witness.seen().credentials[token];
            changed |= *in_use != newest;
            *in_use = newest;
        }
        if changed {
            self.conform();
        }
        changed
    }

    /// Brings what is configured to all parts, as a reload does.
    fn conform(&self) {
        let credentials = self.witness.seen().credentials.clone();
        let loaded_at = self.hex.clock.now().at;
        let assignments: Vec<_> = self
            .specs
            .iter()
            .zip(credentials)
            .enumerate()
            .map(|(token, (spec, credential))| Assignment {
                spec: spec.clone(),
                credential: Credential::Loaded { secret: secret(token, credential), loaded_at },
            })
            .collect();
        let tokens = assignments.iter().map(|it| (it.spec.clone(), it.credential.clone()));
        let planned = [(self.workspace.clone(), self.demand())];
        self.store.conform(self.way.cadence, planned, tokens, |_, _| None);
        let settings = Settings { cadence: self.way.cadence, max_concurrency: 16 };
        self.scheduler.reconcile(settings, std::slice::from_ref(&self.workspace), assignments);
    }

    /// Requests a minute, as `plan` tells them.
    fn demand(&self) -> f64 {
        self.specs.iter().map(|spec| plan::demand(spec, &self.way.cadence).per_minute()).sum()
    }
}

fn name(text: &str) -> Name {
    Name::parse(text).unwrap_or_else(|_| panic!("{text} is a name"))
}

fn spec(index: usize, scopes: std::collections::BTreeSet<Scope>, workspace: &Arc<Workspace>) -> TokenSpec {
    let id = Uuid::parse("5a8591dd-4039-49df-9202-96385ba3eff8");
    let runs = scopes.contains(&Scope::ProjectsRun);
    let projects = id.filter(|_| runs).map(|id| (name("kpis"), id));
    TokenSpec {
        required_scopes: scopes,
        projects: projects.into_iter().collect(),
        ..TokenSpec::new(name(&format!("token-{index:02}")), workspace.clone())
    }
}
