//! The stage: a real store and a real scheduler on paused time, and a note of all that happened.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{
        Arc, Mutex, OnceLock,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use hex_token_exporter::{
    clock::{Clock, ManualClock},
    domain::{
        Cadence, Check, Credential, DigestKey, Name, Observer, RequestEnded, TokenState, Workspace,
        heard::Remembered,
    },
    lifecycle::Tasks,
    schedule::{Assignment, Scheduler, Settings, plan},
    store::{Store, TokenView, WorkspaceView},
};
use tokio::time::sleep;

use crate::{
    cast::{Token, date, mins, name, secs},
    hex::{Account, Call, Hex, Scripted},
};

/// How often time passing is judged.
const STEP: Duration = secs(5);

/// A change of a token's state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Change {
    pub(crate) at: Duration,
    pub(crate) token: Name,
    pub(crate) state: TokenState,
}

#[derive(Debug)]
struct Recorder {
    clock: Arc<dyn Clock>,
    store: OnceLock<Arc<Store>>,
    changes: Mutex<Vec<Change>>,
    states: Mutex<BTreeMap<Name, TokenState>>,
    waited: Mutex<Duration>,
}

impl Recorder {
    fn look(&self) {
        let Some(store) = self.store.get() else { return };
        let at = self.clock.now().up;
        let mut states = self.states.lock().unwrap();
        for view in store.snapshot().tokens {
            let state = view.record.state();
            if states.get(&view.spec.name) != Some(&state) {
                states.insert(view.spec.name.clone(), state);
                self.changes.lock().unwrap().push(Change { at, token: view.spec.name.clone(), state });
            }
        }
    }
}

impl Observer for Recorder {
    fn request_ended(&self, _: &RequestEnded<'_>) {
        self.look();
    }
    fn budget_waited(&self, _: &Name, waited: Duration) {
        *self.waited.lock().unwrap() += waited;
    }
    fn woke_late(&self, _: Duration) {}
}

/// A process, from its start on.
pub(crate) struct Sim {
    pub(crate) hex: Arc<Hex>,
    pub(crate) store: Arc<Store>,
    pub(crate) scheduler: Scheduler<Scripted>,
    pub(crate) tasks: Tasks,
    pub(crate) tokens: Vec<Token>,
    pub(crate) settings: Settings,
    pub(crate) stale_asked: Arc<AtomicUsize>,
    clock: Arc<dyn Clock>,
    recorder: Arc<Recorder>,
    remembered: BTreeMap<Name, Remembered>,
    /// The most requests that this story may make, per token and minute; more is a loop.
    pub(crate) ceiling: f64,
}

impl Sim {
    /// Starts with these tokens, under the default cadence.
    pub(crate) fn start(tokens: impl IntoIterator<Item = Token>) -> Self {
        Self::with(tokens, |_| {})
    }

    /// Starts after an edit of the process: its settings, what it remembers.
    pub(crate) fn with(tokens: impl IntoIterator<Item = Token>, edit: impl FnOnce(&mut Self)) -> Self {
        let clock: Arc<dyn Clock> = Arc::new(ManualClock::at(date(Duration::ZERO)));
        let hex = Hex::new(clock.clone());
        let store = Arc::new(Store::new(clock.clone(), DigestKey::from_bytes([7; 32])));
        let recorder = Arc::new(Recorder {
            clock: clock.clone(),
            store: OnceLock::new(),
            changes: Mutex::default(),
            states: Mutex::default(),
            waited: Mutex::default(),
        });
        recorder.store.set(store.clone()).unwrap();
        let (tasks, stale_asked) = (Tasks::new(), Arc::new(AtomicUsize::new(0)));
        let asked = stale_asked.clone();
        let scheduler = Scheduler::new(
            Scripted(hex.clone()),
            store.clone(),
            clock.clone(),
            recorder.clone(),
            tasks.clone(),
            move || {
                asked.fetch_add(1, Ordering::Relaxed);
            },
        );
        let settings = Settings { cadence: Cadence::default(), max_concurrency: 16 };
        let mut sim = Self {
            hex,
            store,
            scheduler,
            tasks,
            tokens: Vec::new(),
            settings,
            stale_asked,
            clock,
            recorder,
            remembered: BTreeMap::new(),
            ceiling: 1.5,
        };
        edit(&mut sim);
        let tokens: Vec<Token> = tokens.into_iter().collect();
        sim.configure(|configured| *configured = tokens);
        sim
    }

    /// Has an earlier process know this of a token.
    pub(crate) fn remember(&mut self, token: &str, remembered: Remembered) {
        self.remembered.insert(name(token), remembered);
    }

    /// Changes configuration or credentials, and brings the change to all parts as the program does.
    pub(crate) fn configure(&mut self, edit: impl FnOnce(&mut Vec<Token>)) {
        let (workspaces, assignments) = self.begin_to_configure(edit);
        self.scheduler.reconcile(self.settings.clone(), &workspaces, assignments);
    }

    /// The first half of that, on another thread than the workers': the store has the change and they don't yet.
    pub(crate) fn begin_to_configure(
        &mut self,
        edit: impl FnOnce(&mut Vec<Token>),
    ) -> (Vec<Arc<Workspace>>, Vec<Assignment>) {
        edit(&mut self.tokens);
        let mut workspaces: BTreeMap<Name, Arc<Workspace>> = BTreeMap::new();
        for token in &mut self.tokens {
            let shared =
                workspaces.entry(token.spec.workspace.name.clone()).or_insert(token.spec.workspace.clone());
            token.spec.workspace = shared.clone();
            if let (Ok(secret), Ok(text)) = (token.secret(), &token.credential) {
                self.hex.knows(&secret, text);
                self.hex.script().accounts.entry(text.clone()).or_insert(token.account.clone());
            }
        }
        let demand = |workspace: &Name| -> f64 {
            let own = self.tokens.iter().filter(|token| token.spec.workspace.name == *workspace);
            own.map(|token| plan::demand(&token.spec, &self.settings.cadence).per_minute()).sum()
        };
        let planned: Vec<_> = workspaces.values().map(|it| (it.clone(), demand(&it.name))).collect();
        let assignments: Vec<Assignment> = self
            .tokens
            .iter()
            .map(|token| Assignment {
                spec: Arc::new(token.spec.clone()),
                credential: match token.secret() {
                    Ok(secret) => Credential::Loaded { secret, loaded_at: self.clock.now().at },
                    Err(problem) => Credential::Unreadable(problem),
                },
            })
            .collect();
        self.store.conform(
            self.settings.cadence,
            planned,
            assignments.iter().map(|it| (it.spec.clone(), it.credential.clone())),
            |spec, _| self.remembered.get(&spec.name).copied(),
        );
        self.recorder.look();
        (workspaces.into_values().collect(), assignments)
    }

    /// Changes one token.
    pub(crate) fn change(&mut self, token: &str, edit: impl FnOnce(&mut Token)) {
        self.configure(|tokens| {
            edit(tokens.iter_mut().find(|it| it.spec.name.as_str() == token).unwrap());
        });
    }

    /// Puts another credential in place of a token's.
    pub(crate) fn swap_credential(&mut self, token: &str, text: &str, account: Account) {
        self.hex.script().accounts.insert(text.to_owned(), account);
        self.change(token, |token| token.credential = Ok(text.to_owned()));
    }

    /// Changes what Hex knows of a credential.
    pub(crate) fn account(&self, credential: &str, edit: impl FnOnce(&mut Account)) {
        edit(self.hex.script().account(credential));
    }

    /// Lets time run until so long after the start.
    pub(crate) async fn until(&self, end: Duration) {
        while self.now() < end {
            sleep(STEP.min(end.saturating_sub(self.now()))).await;
            if !self.store.settle().is_empty() {
                self.recorder.look();
            }
        }
    }

    pub(crate) fn now(&self) -> Duration {
        self.clock.now().up
    }

    pub(crate) fn view(&self, token: &str) -> Arc<TokenView> {
        self.store.token(&name(token)).unwrap()
    }

    pub(crate) fn state(&self, token: &str) -> TokenState {
        self.view(token).record.state()
    }

    pub(crate) fn workspace(&self) -> WorkspaceView {
        self.store.snapshot().workspaces.first().unwrap().clone()
    }

    /// All states that a token has shown, in order.
    pub(crate) fn states(&self, token: &str) -> Vec<TokenState> {
        self.changes(token).into_iter().map(|change| change.state).collect()
    }

    pub(crate) fn changes(&self, token: &str) -> Vec<Change> {
        let changes = self.recorder.changes.lock().unwrap();
        changes.iter().filter(|change| change.token.as_str() == token).cloned().collect()
    }

    /// When a token came to its present state, in seconds.
    pub(crate) fn changed_at(&self, token: &str) -> u64 {
        self.changes(token).last().unwrap().at.as_secs()
    }

    pub(crate) fn calls(&self) -> Vec<Call> {
        self.hex.script().calls.clone()
    }

    /// When requests of a check were started for a credential, in seconds.
    pub(crate) fn times(&self, credential: &str, check: Check) -> Vec<u64> {
        let script = self.hex.script();
        let calls = script.calls.iter().filter(|call| call.credential == credential && call.check == check);
        calls.map(|call| call.start.as_secs()).collect()
    }

    pub(crate) fn count(&self, check: Check) -> usize {
        self.hex.script().calls.iter().filter(|call| call.check == check).count()
    }

    pub(crate) fn budget_waited(&self) -> Duration {
        *self.recorder.waited.lock().unwrap()
    }

    /// What must hold in every story.
    fn check_manners(&self) {
        let calls = self.calls();
        let mut starts: BTreeMap<&str, VecDeque<Duration>> = BTreeMap::new();
        let budget = self.tokens.first().map_or(30, |it| it.spec.workspace.requests_per_minute) as usize;
        let mut sorted: Vec<&Call> = calls.iter().collect();
        sorted.sort_by_key(|call| call.start);
        for call in sorted {
            let window = starts.entry(&call.origin).or_default();
            window.push_back(call.start);
            while window.front().is_some_and(|first| call.start >= *first + mins(1)) {
                window.pop_front();
            }
            assert!(window.len() <= budget, "over budget at {:?}", call.start);
        }
        let minutes = self.now().as_secs_f64() / 60.0;
        for view in self.store.snapshot().tokens {
            #[expect(clippy::cast_precision_loss, reason = "small numbers")]
            let probes = view.counts.probes as f64;
            let most = 30.0 + minutes * self.ceiling;
            assert!(probes <= most, "{} was probed {probes} times in {minutes} minutes", view.spec.name);
        }
    }
}

impl Drop for Sim {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.check_manners();
        }
    }
}
