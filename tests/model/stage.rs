//! The stage: the real store and scheduler on paused time, and beside them the reference, which hears what
//! they hear and is compared with them after every answer.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, OnceLock},
    time::Duration,
};

use hex_token_exporter::{
    clock::{Clock, ManualClock},
    domain::{
        Credential, CredentialProblem, Digest, DigestKey, Name, Observation, Observer, Phases, Question,
        RequestEnded, Secret, Seen, Workspace,
    },
    lifecycle::Tasks,
    probe::Prober,
    schedule::{Assignment, Scheduler, Settings, plan},
    store::{Store, persist::StateFile},
};
use jiff::Timestamp;
use tempfile::TempDir;
use tokio::time::{Instant, sleep};

use crate::{
    cast::{self, Config, STACKS, START},
    compare::{compare, compare_one},
    hex::{Said, Truth, Weather},
    model::{Model, Request},
};

/// A request and its answer: what was said, with which date.
type Heard = (Request, Said, Option<i64>);

/// What all parts of a history share.
#[derive(Debug)]
pub(crate) struct World {
    started: Instant,
    pub(crate) truth: Mutex<Truth>,
    pub(crate) model: Mutex<Model>,
    complaints: Mutex<Vec<String>>,
    /// The answer that the store is about to be told.
    answer: Mutex<Option<Heard>>,
    secrets: Mutex<BTreeMap<Digest, String>>,
    key: DigestKey,
    requests: Mutex<u64>,
    folder: TempDir,
}

impl World {
    /// Time since the start of the history.
    pub(crate) fn now(&self) -> Duration {
        self.started.elapsed()
    }

    /// The same in seconds since 1970, on our clock.
    pub(crate) fn date(&self) -> i64 {
        START + i64::try_from(self.now().as_secs()).unwrap()
    }

    pub(crate) fn model(&self) -> MutexGuard<'_, Model> {
        self.model.lock().unwrap()
    }

    /// Notes what does not hold.
    pub(crate) fn note(&self, finding: Result<(), String>) {
        if let Err(complaint) = finding {
            self.complaints.lock().unwrap().push(complaint);
        }
    }

    fn state_file(&self) -> PathBuf {
        self.folder.path().join("state.json")
    }

    /// How long the next answer takes: mostly little.
    fn latency(&self) -> Duration {
        let mut requests = self.requests.lock().unwrap();
        *requests += 1;
        Duration::from_millis(if requests.is_multiple_of(17) { 4_000 } else { 50 + *requests * 37 % 300 })
    }
}

/// The prober: asks the truth.
#[derive(Debug)]
struct Asker(Arc<World>);

impl Prober for Asker {
    async fn ask(&self, workspace: &Arc<Workspace>, secret: &Secret, question: Question) -> Observation {
        let world = &self.0;
        let credential = world.secrets.lock().unwrap()[&secret.digest(&world.key)].clone();
        let stack: usize = workspace.name.as_str()[1..].parse().unwrap();
        let asked = (question.check, question.project_name().map(cast::project_of));
        let began = world.now();
        let request = world.model().begin(&credential, stack, asked, began);
        let latency = {
            let truth = world.truth.lock().unwrap();
            let weather = truth.stacks[stack].weather.or(truth.accounts[&credential].weather);
            if weather == Some(Weather::Silent) { Duration::from_secs(10) } else { world.latency() }
        };
        sleep(latency).await;
        let (seen, said) = world.truth.lock().unwrap().answer(&credential, stack, asked, world.date());
        let duration = world.now().saturating_sub(began);
        let observation = Observation { question, seen, duration, phases: Phases::default() };
        let date = match &observation.seen {
            Seen::Answer(answer) => answer.date.map(Timestamp::as_second),
            Seen::Failed(_) => None,
        };
        match request {
            Ok(request) => {
                *world.answer.lock().unwrap() = Some((request, said, date));
            }
            Err(complaint) => world.note(Err(complaint)),
        }
        observation
    }
}

/// Hears of every answer right after the store has.
#[derive(Debug)]
struct Witness {
    world: Arc<World>,
    store: OnceLock<Arc<Store>>,
}

impl Observer for Witness {
    fn request_ended(&self, _: &RequestEnded<'_>) {
        let Some((request, said, date)) = self.world.answer.lock().unwrap().take() else { return };
        let now = self.world.now();
        let mut model = self.world.model();
        model.end(&request, said, date, now);
        let store = self.store.get().unwrap();
        self.world.note(compare_one(&mut model, request.slot, |name| store.token(name), now));
    }
    fn budget_waited(&self, _: &Name, _: Duration) {}
    fn woke_late(&self, _: Duration) {}
}

/// Plays on time that is paused, and jumps to whatever is due next.
pub(crate) fn on_paused_time<T>(play: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.unwrap().block_on(play)
}

/// One process, and the world that outlives it.
pub(crate) struct Stage {
    pub(crate) world: Arc<World>,
    store: Arc<Store>,
    scheduler: Scheduler<Asker>,
    tasks: Tasks,
    /// As the process has found it.
    file: StateFile,
}

impl Stage {
    /// The first process of a history starts.
    pub(crate) fn open(config: Config, truth: Truth) -> Self {
        let world = Arc::new(World {
            started: Instant::now(),
            truth: Mutex::new(truth),
            model: Mutex::new(Model::start(config, BTreeMap::new(), Duration::ZERO)),
            complaints: Mutex::default(),
            answer: Mutex::default(),
            secrets: Mutex::default(),
            key: DigestKey::from_bytes([3; 32]),
            requests: Mutex::default(),
            folder: tempfile::tempdir().unwrap(),
        });
        Self::start(world)
    }

    fn start(world: Arc<World>) -> Self {
        let (file, _) = StateFile::open(&world.state_file()).unwrap();
        let date = Timestamp::from_second(START).unwrap().checked_add(world.now()).unwrap();
        let clock: Arc<dyn Clock> = Arc::new(ManualClock::at(date));
        let store = Arc::new(Store::new(clock.clone(), file.digest_key()));
        let witness = Arc::new(Witness { world: world.clone(), store: OnceLock::new() });
        witness.store.set(store.clone()).unwrap();
        let tasks = Tasks::new();
        let scheduler =
            Scheduler::new(Asker(world.clone()), store.clone(), clock, witness, tasks.clone(), || {});
        let stage = Self { world, store, scheduler, tasks, file };
        stage.bring();
        stage
    }

    /// Ends the process and starts another, with a state file or without.
    pub(crate) async fn restart(&mut self, with_file: bool) {
        let Self { world, store, tasks, file, .. } = self;
        let world = world.clone();
        if !tasks.finish(Duration::from_mins(1)).await {
            world.note(Err("a task has died".to_owned()));
        }
        let memory = if with_file {
            file.save(|| store.snapshot()).unwrap();
            world.model().memory(world.now())
        } else {
            // There may be none yet.
            let _ = std::fs::remove_file(world.state_file());
            BTreeMap::new()
        };
        let config = world.model().config.clone();
        *world.model() = Model::start(config, memory, world.now());
        *self = Self::start(world);
    }

    /// Brings what the reference has as its configuration to all parts of the program.
    fn bring(&self) {
        let config = self.world.model().config.clone();
        let workspaces: Vec<_> = (0..STACKS).map(|it| cast::workspace(it, config.budgets[it])).collect();
        let assignments: Vec<Assignment> = config
            .tokens
            .iter()
            .filter(|cast| cast.listed)
            .map(|cast| Assignment {
                spec: Arc::new(cast::spec(cast, &workspaces[cast.stack])),
                credential: self.credential(&cast.credential, cast.readable),
            })
            .collect();
        let demand = |workspace: &Workspace| -> f64 {
            let own = assignments.iter().filter(|it| it.spec.workspace.name == workspace.name);
            own.map(|it| plan::demand(&it.spec, &config.cadence).per_minute()).sum()
        };
        self.store.conform(
            config.cadence,
            workspaces.iter().map(|it| (it.clone(), demand(it))),
            assignments.iter().map(|it| (it.spec.clone(), it.credential.clone())),
            |spec, digest| self.file.remembered(spec, digest),
        );
        let settings = Settings { cadence: config.cadence, max_concurrency: 16 };
        self.scheduler.reconcile(settings, &workspaces, assignments);
    }

    fn credential(&self, text: &str, readable: bool) -> Credential {
        if !readable {
            return Credential::Unreadable(CredentialProblem::PermissionDenied);
        }
        let secret = Secret::credential(text).unwrap();
        self.world.secrets.lock().unwrap().insert(secret.digest(&self.world.key), text.to_owned());
        Credential::Loaded { secret, loaded_at: Timestamp::from_second(START).unwrap() }
    }

    /// Changes the configuration or a credential. `reload`: the configuration was read again.
    pub(crate) fn configure(&self, reload: bool, edit: impl FnOnce(&mut Config)) {
        {
            let mut model = self.world.model();
            let mut config = model.config.clone();
            edit(&mut config);
            if reload {
                model.stacks.iter_mut().for_each(|stack| stack.proofs.reset());
            }
            model.conform(config, self.world.now());
        }
        if reload {
            self.store.reset_dry_runs();
            self.scheduler.reset_dry_runs();
        }
        self.bring();
    }

    /// Somebody asks for a probe of a token, and waits for it.
    pub(crate) fn ask(&self, slot: usize) {
        let (world, asked) = (self.world.clone(), self.world.now());
        let name = Name::parse(&world.model().config.tokens[slot].name).unwrap();
        let Some(answer) = self.scheduler.probe_now(&name) else { return };
        self.world.model().ask(slot, asked);
        self.tasks.spawn("asker", async move {
            // A worker that has gone answers nobody.
            let _ = answer.await;
            let answered = world.model().answered(slot, asked, world.now());
            world.note(answered);
        });
    }

    /// Lets time pass, and looks at everything.
    pub(crate) async fn pass(&self, time: Duration) -> Result<(), String> {
        sleep(time).await;
        self.look()
    }

    /// Judges as time passes, compares everything, and tells what has not held since the last look.
    pub(crate) fn look(&self) -> Result<(), String> {
        let now = self.world.now();
        {
            let mut model = self.world.model();
            model.settle(now);
            self.store.settle();
            self.world.note(compare(&mut model, &self.store.snapshot(), now));
            self.world.note(model.nothing_is_overdue(now));
        }
        if self.tasks.stopping().is_cancelled() {
            self.world.note(Err("a task has died".to_owned()));
        }
        if !self.scheduler.is_moving() {
            self.world.note(Err("the probe loop has stalled".to_owned()));
        }
        match self.world.complaints.lock().unwrap().first() {
            Some(complaint) => Err(complaint.clone()),
            None => Ok(()),
        }
    }
}
