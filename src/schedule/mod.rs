//! When to probe what, within each workspace's budget. Knows a [`Prober`], not HTTP.
//!
//! `timing`, `phase` and `plan` are pure: what is due when, on which grid, at which cost. `budget` and
//! `dry_runs` hold a workspace's tokens together; a `worker` carries one token.

pub mod budget;
mod dry_runs;
pub mod phase;
pub mod plan;
pub mod round;
pub mod timing;
mod worker;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::sync::{Notify, Semaphore, oneshot};
use tokio_util::sync::CancellationToken;

use self::{
    budget::Budget,
    dry_runs::DryRuns,
    phase::Anchor,
    worker::{Handle, Worker},
};
use crate::{
    clock::Clock,
    domain::{Cadence, Credential, Name, Observer, TokenSpec, Workspace},
    lifecycle::Tasks,
    probe::Prober,
    store::Store,
};

/// How long a worker may be overdue before the probe loop counts as stalled.
const STALLED: Duration = Duration::from_mins(2);

/// Settings of the process that a reload may change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// How often what is asked.
    pub cadence: Cadence,
    /// The most requests under way at once, over all workspaces.
    pub max_concurrency: usize,
}

/// One token to watch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assignment {
    /// What is configured.
    pub spec: Arc<TokenSpec>,
    /// Its credential now.
    pub credential: Credential,
}

/// Keeps one worker a token.
pub struct Scheduler<P> {
    shared: Arc<Shared<P>>,
    tasks: Tasks,
}

impl<P> fmt::Debug for Scheduler<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scheduler").finish_non_exhaustive()
    }
}

/// What the workers share.
struct Shared<P> {
    prober: P,
    store: Arc<Store>,
    clock: Arc<dyn Clock>,
    observer: Arc<dyn Observer>,
    anchor: Anchor,
    /// Asks whoever reads the credentials to look again.
    credentials_stale: Box<dyn Fn() + Send + Sync>,
    settings: Mutex<(Settings, Arc<Semaphore>)>,
    lanes: Mutex<BTreeMap<Name, Arc<Lane>>>,
    handles: Mutex<BTreeMap<Name, Arc<Handle>>>,
    /// Cancelled when all workers are to end.
    stopping: CancellationToken,
}

/// One workspace, as its tokens share it.
#[derive(Debug)]
struct Lane {
    workspace: Name,
    origin: String,
    budget: Arc<Budget>,
    dry_runs: DryRuns,
    /// The stretch of all its intervals, as the bits of an `f64`.
    stretch: AtomicU64,
}

impl Lane {
    fn stretch(&self) -> f64 {
        f64::from_bits(self.stretch.load(Ordering::Relaxed))
    }
}

impl<P: Prober> Scheduler<P> {
    /// A scheduler without tokens, to be made where tasks can be spawned. `credentials_stale` is called when a
    /// 401 makes it likely that a credential has been replaced.
    pub fn new(
        prober: P,
        store: Arc<Store>,
        clock: Arc<dyn Clock>,
        observer: Arc<dyn Observer>,
        tasks: Tasks,
        credentials_stale: impl Fn() + Send + Sync + 'static,
    ) -> Self {
        let settings = Settings { cadence: Cadence::default(), max_concurrency: 1 };
        let shared = Shared {
            prober,
            store,
            anchor: Anchor::of(clock.now()),
            clock,
            observer,
            credentials_stale: Box::new(credentials_stale),
            settings: Mutex::new((settings, Arc::new(Semaphore::new(1)))),
            lanes: Mutex::new(BTreeMap::new()),
            handles: Mutex::new(BTreeMap::new()),
            stopping: tasks.stopping(),
        };
        let shared = Arc::new(shared);
        tasks.spawn("stopper", Arc::clone(&shared).wake_all_to_stop());
        Self { shared, tasks }
    }

    /// Makes the tokens to watch the given ones, by difference: a token that stays keeps its worker, which
    /// hears of it only where something changes for it. The store must know them already.
    pub fn reconcile(&self, settings: Settings, workspaces: &[Arc<Workspace>], tokens: Vec<Assignment>) {
        let all_change = self.shared.set(settings);
        let stretched = self.open_lanes(workspaces, &tokens);
        let mut handles = lock(&self.shared.handles);
        let homes: BTreeMap<&Name, &Workspace> =
            tokens.iter().map(|token| (&token.spec.name, &*token.spec.workspace)).collect();
        handles.retain(|name, handle| {
            let lane = &handle.lane;
            let stays =
                homes.get(name).is_some_and(|home| home.name == lane.workspace && home.origin == lane.origin);
            if !stays {
                handle.stop();
            }
            stays
        });
        let mut started = BTreeMap::new();
        for assignment in tokens {
            let name = assignment.spec.name.clone();
            if let Some(handle) = handles.get(&name) {
                let mut current = lock(&handle.assignment);
                if all_change || *current != assignment || stretched.contains(&handle.lane.workspace) {
                    *current = assignment;
                    handle.changed.notify_one();
                }
            } else if let Some(handle) = self.start(assignment) {
                started.insert(name, handle);
            }
        }
        // A tree that takes in another is written anew, without room to spare.
        handles.append(&mut started);
    }

    /// Asks for the due checks of a token now. Resolves when they are done; a probe that is under way
    /// already is joined. `None`: no such token.
    pub fn probe_now(&self, name: &Name) -> Option<oneshot::Receiver<()>> {
        let (done, answer) = oneshot::channel();
        lock(&self.shared.handles).get(name)?.ask(done);
        Some(answer)
    }

    /// Whether no worker is overdue by minutes.
    pub fn is_moving(&self) -> bool {
        let now = self.shared.clock.now().up;
        lock(&self.shared.handles).values().all(|handle| {
            let quiet_until = handle.quiet_until.load(Ordering::Relaxed);
            now <= Duration::from_millis(quiet_until).saturating_add(STALLED)
        })
    }

    /// Returns the workspaces whose intervals are stretched otherwise than before.
    fn open_lanes(&self, workspaces: &[Arc<Workspace>], tokens: &[Assignment]) -> BTreeSet<Name> {
        let cadence = self.shared.settings().cadence;
        let demand = plan::demand_by_workspace(tokens.iter().map(|token| &*token.spec), &cadence);
        let mut lanes = lock(&self.shared.lanes);
        let is_gone = |name: &Name, lane: &mut Arc<Lane>| {
            !workspaces.iter().any(|w| w.name == *name && w.origin == lane.origin)
        };
        let mut gone: Vec<Arc<Lane>> = lanes.extract_if(.., is_gone).map(|(_, lane)| lane).collect();
        let mut stretched = BTreeSet::new();
        for workspace in workspaces {
            let lane = lanes.entry(workspace.name.clone()).or_insert_with(|| {
                // Under another name it is the same stack, and what was spent there is spent.
                let renamed = gone.iter().position(|lane| lane.origin == workspace.origin);
                let budget = renamed.map(|index| gone.swap_remove(index).budget.clone());
                Arc::new(Lane {
                    workspace: workspace.name.clone(),
                    origin: workspace.origin.clone(),
                    budget: budget.unwrap_or_else(|| Arc::new(Budget::new(workspace.requests_per_minute))),
                    dry_runs: DryRuns::default(),
                    stretch: AtomicU64::new(1f64.to_bits()),
                })
            });
            lane.budget.set(workspace.requests_per_minute);
            let demand = demand.get(&workspace.name).copied().unwrap_or_default();
            let stretch = plan::stretch(demand, workspace.requests_per_minute).to_bits();
            if lane.stretch.swap(stretch, Ordering::Relaxed) != stretch {
                stretched.insert(workspace.name.clone());
            }
        }
        stretched
    }

    fn start(&self, assignment: Assignment) -> Option<Arc<Handle>> {
        let lane = lock(&self.shared.lanes).get(&assignment.spec.workspace.name)?.clone();
        let handle = Arc::new(Handle {
            name: assignment.spec.name.clone(),
            lane,
            assignment: Mutex::new(assignment),
            askers: Mutex::new(Some(Vec::new())),
            changed: Notify::new(),
            stopped: AtomicBool::new(false),
            quiet_until: AtomicU64::new(u64::MAX),
        });
        let mut worker = Worker::new(self.shared.clone(), handle.clone());
        self.tasks.spawn("worker", async move { worker.run().await });
        Some(handle)
    }

    /// A reload gives the dry runs of all workspaces a new chance, and asks for new proof.
    pub fn reset_dry_runs(&self) {
        let lanes: Vec<_> = lock(&self.shared.lanes).values().cloned().collect();
        for lane in lanes {
            if lane.dry_runs.reset() {
                self.shared.nudge_workspace(&lane.workspace);
            }
        }
    }
}

impl<P> Shared<P> {
    fn settings(&self) -> Settings {
        lock(&self.settings).0.clone()
    }

    fn concurrency(&self) -> Arc<Semaphore> {
        lock(&self.settings).1.clone()
    }

    /// Whether that changes anything.
    fn set(&self, settings: Settings) -> bool {
        let mut current = lock(&self.settings);
        let changes = current.0 != settings;
        if current.0.max_concurrency != settings.max_concurrency {
            current.1 = Arc::new(Semaphore::new(settings.max_concurrency));
        }
        current.0 = settings;
        changes
    }

    /// Makes workers look at their token's record anew.
    fn nudge(&self, names: &[Name]) {
        if names.is_empty() {
            return;
        }
        let handles = lock(&self.handles);
        for handle in names.iter().filter_map(|name| handles.get(name)) {
            handle.changed.notify_one();
        }
    }

    /// One task waits for the end on behalf of all workers, of which each would take more memory for it.
    async fn wake_all_to_stop(self: Arc<Self>) {
        self.stopping.cancelled().await;
        for handle in lock(&self.handles).values() {
            handle.changed.notify_one();
        }
    }

    fn nudge_workspace(&self, workspace: &Name) {
        for handle in lock(&self.handles).values() {
            if handle.lane.workspace == *workspace {
                handle.changed.notify_one();
            }
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A panic while holding it ends the process through the task's owner; until then others may go on.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
