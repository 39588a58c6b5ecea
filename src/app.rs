//! The composition root: a configuration and listeners become running parts. The only place where the
//! parts meet.

use std::{
    net::SocketAddr,
    path::PathBuf,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use anyhow::{Context, anyhow};
use tokio::{net::TcpListener, sync::watch, time::interval};
use tracing::{error, info, warn};

use crate::{
    clock::{Clock, SystemClock},
    config::{
        DesiredToken, Environment, Source,
        watch::{Desired, Reload, Reloader, Watcher},
        web::{
            WebConfig,
            watch::{WebReloader, WebWatcher},
        },
    },
    domain::{DigestKey, Name, Shard, Workspace},
    http::{
        self, BoxFuture,
        server::{Limits, Server},
        threads::Threads,
    },
    lifecycle::{Request, Signals, Tasks, off_this_thread, systemd::Supervisor},
    metrics::OwnMetrics,
    probe::HexProber,
    schedule::{Assignment, Scheduler, Settings, plan},
    store::{self, ReloadStatus, Store, persist::StateFile},
};

pub use crate::http::ExternalUrl;

/// How often all tokens are judged anew, since an expiry may pass without an answer.
const SETTLE_EVERY: Duration = Duration::from_secs(2);

/// How often the state file is brought up to date.
const SAVE_EVERY: Duration = Duration::from_secs(10);

/// From when on the exporter is ready even if a token was not asked yet.
const READY_AFTER: Duration = Duration::from_mins(1);

/// What a monitor is started with. The sockets come from outside, bound.
#[derive(Debug)]
pub struct Options {
    /// Where the configuration is.
    pub source: Source,
    /// The environment of the process.
    pub environment: Environment,
    /// Where to serve.
    pub listeners: Vec<TcpListener>,
    /// How to serve there: TLS and users. `None`: in plain HTTP, to everybody.
    pub web_config: Option<PathBuf>,
    /// Where to serve the health paths alone, in plain HTTP and to everybody.
    pub health_listener: Option<TcpListener>,
    /// Whether `POST /-/reload` is allowed.
    pub enable_lifecycle: bool,
    /// Which of the configured tokens are this process's.
    pub shard: Shard,
    /// Where people reach it.
    pub external_url: Option<ExternalUrl>,
}

/// A running monitor.
#[derive(Debug)]
pub struct App {
    tasks: Tasks,
    reloads: Reloads,
    addresses: Vec<SocketAddr>,
    keeper: Keeper,
    supervisor: Arc<Supervisor>,
    /// Serve until the end.
    _serving: Threads,
}

impl App {
    /// Starts all parts. What is wrong with the configuration is an error; credentials and Hex may come
    /// and go.
    pub fn start(options: Options) -> anyhow::Result<Self> {
        let shard = options.shard;
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::start());
        let supervisor = Arc::new(Supervisor::of(|name| options.environment.get(name)));
        let (watcher, reloader, desired) = Watcher::start(options.source, options.environment, clock.clone())
            .context("the configuration cannot be used")?;
        let tasks = Tasks::new();
        let (web, web_reloader) = watch_web(&tasks, options.web_config)?;
        let reloads = Reloads { config: reloader.clone(), web: web_reloader };
        let config = desired.borrow().config.clone();
        let memory = config.state_file.as_deref().map(open_state_file).transpose()?;
        let key = match &memory {
            Some(file) => file.digest_key(),
            None => DigestKey::random()?,
        };
        let store = Arc::new(Store::new(clock.clone(), key));
        let own = Arc::new(OwnMetrics::new(shard.index(), shard.total())?);
        let wall = clock.clone();
        let prober = HexProber::new(config.cadence.timeout, move || wall.now().at);
        let scheduler = Arc::new(Scheduler::new(
            prober,
            store.clone(),
            clock.clone(),
            own.clone(),
            tasks.clone(),
            move || reloader.reread_credentials(),
        ));
        let memory = Arc::new(Mutex::new(memory));
        let conductor = Arc::new(Conductor {
            shard,
            memory: memory.clone(),
            scheduler: scheduler.clone(),
            store: store.clone(),
            own: own.clone(),
        });
        let first = desired.borrow().clone();
        conductor.conform(&first)?;
        let handle = Arc::new(Handle { scheduler, store: store.clone(), clock, reloads: reloads.clone() });
        let parts = http::Parts {
            store: store.clone(),
            own,
            on_demand: handle.clone(),
            reload: options.enable_lifecycle.then(|| handle.clone() as Arc<dyn http::Reload>),
            health: handle.clone(),
            external_url: options.external_url,
        };
        let serving = Threads::start()?;
        let addresses = serve(&tasks, &serving, options.listeners, options.health_listener, &parts, web)?;
        tasks.spawn("config watcher", watcher.run(tasks.stopping()));
        tasks.spawn("conductor", conductor.follow(desired, tasks.stopping()));
        let keeper = Keeper { store, memory, save_failed: Arc::default() };
        tasks.spawn("housekeeping", keeper.clone().keep(tasks.stopping()));
        let (health, told, stop) = (handle, supervisor.clone(), tasks.stopping());
        tasks.spawn("watchdog", async move {
            told.reassure(|| http::Health::is_alive(&*health), stop).await;
        });
        Ok(Self { tasks, reloads, addresses, keeper, supervisor, _serving: serving })
    }

    /// Where it serves.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Runs until a signal or a dead task ends it, then drains. `true`: all went well.
    pub async fn run(self, mut signals: Signals, grace: Duration) -> bool {
        let stopping = self.tasks.stopping();
        self.supervisor.ready();
        loop {
            let request = tokio::select! {
                () = stopping.cancelled() => Request::Stop,
                request = signals.next() => request,
            };
            match request {
                Request::Stop => break,
                Request::Reload => {
                    self.supervisor.reloading();
                    // What is wrong is logged by the watchers, with the rest of what it finds.
                    let _ = self.reloads.reload().await;
                    self.supervisor.ready();
                }
            }
        }
        self.supervisor.stopping();
        let ended_well = self.tasks.finish(grace).await;
        self.keeper.save();
        info!("stopped");
        ended_well
    }
}

fn open_state_file(path: &std::path::Path) -> anyhow::Result<StateFile> {
    let (file, trouble) = StateFile::open(path)?;
    if let Some(trouble) = trouble {
        warn!(path = %path.display(), "starting without the state of an earlier run: the state file: {trouble}");
    }
    Ok(file)
}

/// The web configuration as it changes. Without a file, it never does.
fn watch_web(
    tasks: &Tasks,
    path: Option<PathBuf>,
) -> anyhow::Result<(watch::Receiver<Arc<WebConfig>>, Option<WebReloader>)> {
    let Some(path) = path else { return Ok((watch::channel(Arc::default()).1, None)) };
    let (watcher, reloader, web) = WebWatcher::start(path).context("the web configuration cannot be used")?;
    tasks.spawn("web config watcher", watcher.run(tasks.stopping()));
    Ok((web, Some(reloader)))
}

fn serve(
    tasks: &Tasks,
    serving: &Threads,
    listeners: Vec<TcpListener>,
    health: Option<TcpListener>,
    parts: &http::Parts,
    web: watch::Receiver<Arc<WebConfig>>,
) -> anyhow::Result<Vec<SocketAddr>> {
    let mut addresses = Vec::new();
    let public = Server::new(http::router(parts.clone()), web, Limits::default())?;
    let all = listeners.into_iter().map(|listener| (listener, public.clone()));
    // Its limits are its own: who crowds the other addresses can't make the process look dead.
    let alone = Server::open(http::health_router(parts.health.clone()), Limits::of_health())?;
    for (listener, server) in all.chain(health.map(|listener| (listener, alone))) {
        let address = listener.local_addr()?;
        info!(%address, "listening on {address}");
        addresses.push(address);
        let owner = tasks.clone();
        let served = serving.run(server.serve(listener, tasks.stopping()));
        tasks.spawn("http server", async move {
            if let Some(Err(error)) = served.await {
                error!("the server on {address} has ended, and the process with it: {error}");
                owner.fail();
            }
        });
    }
    Ok(addresses)
}

/// What is read again when somebody asks for it.
#[derive(Debug, Clone)]
struct Reloads {
    config: Reloader,
    web: Option<WebReloader>,
}

impl Reloads {
    /// Reads all of it again, and tells all that is wrong.
    async fn reload(&self) -> Result<(), String> {
        let mut wrong = Vec::new();
        wrong.extend(self.config.reload().await.err());
        if let Some(web) = &self.web {
            wrong.extend(web.reload().await.err());
        }
        let wrong: Vec<String> = wrong.iter().map(ToString::to_string).collect();
        if wrong.is_empty() { Ok(()) } else { Err(wrong.join("\n")) }
    }
}

/// Brings every change of the configuration and the credentials to all parts.
struct Conductor {
    shard: Shard,
    memory: Memory,
    scheduler: Arc<Scheduler<HexProber>>,
    store: Arc<Store>,
    own: Arc<OwnMetrics>,
}

impl Conductor {
    async fn follow(
        self: Arc<Self>,
        mut desired: watch::Receiver<Arc<Desired>>,
        stop: tokio_util::sync::CancellationToken,
    ) {
        let mut config = desired.borrow_and_update().config.clone();
        while let Some(Ok(())) = stop.run_until_cancelled(desired.changed()).await {
            let next = desired.borrow_and_update().clone();
            if !Arc::ptr_eq(&config, &next.config) {
                config = next.config.clone();
                self.store.reset_dry_runs();
                self.scheduler.reset_dry_runs();
            }
            let (conductor, last_success) = (Arc::clone(&self), next.reload.last_success);
            // Thousands of tokens take longer than a probe should wait for its thread.
            if let Err(error) = off_this_thread(move || conductor.conform(&next)).await {
                warn!("the new configuration cannot be put in force: {error:#}");
                self.store.note_reload(ReloadStatus { successful: false, last_success });
            }
        }
    }

    fn conform(&self, desired: &Desired) -> anyhow::Result<()> {
        let config = &desired.config;
        let workspaces: Vec<Arc<Workspace>> = config.workspaces.values().cloned().collect();
        self.scheduler.prober().configure(config.cadence.timeout, &workspaces).map_err(|errors| {
            let errors: Vec<String> = errors.iter().map(ToString::to_string).collect();
            anyhow!(errors.join("\n"))
        })?;
        let tokens: Vec<&DesiredToken> =
            desired.tokens.iter().filter(|token| self.shard.watches(&token.spec.name)).collect();
        let planned = plan::demand_by_workspace(tokens.iter().map(|token| &*token.spec), &config.cadence);
        for workspace in &workspaces {
            let (demand, budget) =
                (planned.get(&workspace.name).copied().unwrap_or_default(), workspace.requests_per_minute);
            if demand > f64::from(budget) {
                warn!(workspace = %workspace.name,
                    "workspace {} asks for {demand:.1} requests a minute and may make {budget}: all its intervals are stretched; see the plan command",
                    workspace.name);
            }
        }
        self.store.conform(
            config.cadence,
            workspaces.iter().map(|workspace| {
                (workspace.clone(), planned.get(&workspace.name).copied().unwrap_or_default())
            }),
            tokens.iter().map(|token| (token.spec.clone(), token.credential.clone())),
            |spec, digest| lock(&self.memory).as_ref().and_then(|memory| memory.remembered(spec, digest)),
        );
        let Reload { successful, last_success } = desired.reload;
        self.store.note_reload(ReloadStatus { successful, last_success });
        self.own.retain_workspaces(config.workspaces.keys().cloned());
        let settings = Settings { cadence: config.cadence, max_concurrency: config.max_concurrency };
        let assignments = tokens
            .iter()
            .map(|token| Assignment { spec: token.spec.clone(), credential: token.credential.clone() })
            .collect();
        self.scheduler.reconcile(settings, &workspaces, assignments);
        Ok(())
    }
}

/// The state file, where one is configured.
type Memory = Arc<Mutex<Option<StateFile>>>;

fn lock(memory: &Memory) -> MutexGuard<'_, Option<StateFile>> {
    memory.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Judges as time passes, and keeps the state file.
#[derive(Debug, Clone)]
struct Keeper {
    store: Arc<Store>,
    memory: Memory,
    /// Whether the last attempt to write failed, which is said once.
    save_failed: Arc<AtomicBool>,
}

impl Keeper {
    async fn keep(self, stop: tokio_util::sync::CancellationToken) {
        let (mut settle, mut save) = (interval(SETTLE_EVERY), interval(SAVE_EVERY));
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = settle.tick() => {
                    for (name, before, after) in self.store.settle() {
                        store::tell_change(&name, before, after);
                    }
                }
                _ = save.tick() => {
                    let keeper = self.clone();
                    off_this_thread(move || keeper.save()).await;
                }
            }
        }
    }

    fn save(&self) {
        let save = |file: &mut StateFile| file.save(&self.store.snapshot());
        let Some(outcome) = lock(&self.memory).as_mut().map(save) else { return };
        let had_failed = self.save_failed.swap(outcome.is_err(), Ordering::Relaxed);
        match outcome {
            Err(error) if !had_failed => warn!("the state file cannot be written: {error}"),
            Ok(()) if had_failed => info!("the state file is written again"),
            _ => {}
        }
    }
}

/// What the server may ask of the rest.
struct Handle {
    scheduler: Arc<Scheduler<HexProber>>,
    store: Arc<Store>,
    clock: Arc<dyn Clock>,
    reloads: Reloads,
}

impl http::OnDemand for Handle {
    fn probe(&self, name: &Name) -> Option<BoxFuture<()>> {
        let done = self.scheduler.probe_now(name)?;
        Some(Box::pin(async move {
            // A worker that is gone has nothing to tell; the store has.
            let _ = done.await;
        }))
    }
}

impl http::Reload for Handle {
    fn reload(&self) -> BoxFuture<Result<(), String>> {
        let reloads = self.reloads.clone();
        Box::pin(async move { reloads.reload().await })
    }
}

impl http::Health for Handle {
    fn is_alive(&self) -> bool {
        self.scheduler.is_moving()
    }

    fn is_ready(&self) -> bool {
        self.clock.now().up >= READY_AFTER
            || self.store.snapshot().tokens.iter().all(|token| token.last_probe.is_some())
    }
}
