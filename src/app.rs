//! The composition root: a configuration and listeners become running parts. The only place where the
//! parts meet.

mod conductor;
mod keeper;

use std::{net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use anyhow::Context;
use tokio::{net::TcpListener, sync::watch};
use tracing::{error, info};

use self::{conductor::Conductor, keeper::Keeper};
use crate::{
    clock::{Clock, SystemClock},
    config::{
        Config, Environment, Finding, Source,
        reload::Reloader,
        watch::{Desired, Watcher},
        web::{WebConfig, watch::WebWatcher},
    },
    domain::{Cadence, DigestKey, Name, Shard},
    http::{
        self, BoxFuture,
        server::{Limits, Server},
        threads::Threads,
    },
    lifecycle::{Request, Signals, Tasks, systemd::Supervisor},
    metrics::OwnMetrics,
    probe::HexProber,
    schedule::Scheduler,
    store::Store,
};

pub use crate::http::ExternalUrl;

/// From when on the exporter is ready even if a token was not asked yet.
const READY_AFTER: Duration = Duration::from_mins(1);

/// What an exporter is started with. The sockets come from outside, bound.
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

/// A running exporter.
#[derive(Debug)]
pub struct App {
    tasks: Tasks,
    reloads: Reloads,
    addresses: Vec<SocketAddr>,
    keeper: Option<Keeper>,
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
        let wall = clock.clone();
        let prober = Arc::new(HexProber::new(Cadence::default().timeout, move || wall.now().at));
        let connecting = prober.clone();
        let accept = move |config: &Config| connect(&connecting, config);
        let (watcher, reloader, mut desired) =
            Watcher::start(options.source, options.environment, clock.clone(), accept)
                .context("the configuration cannot be used")?;
        let tasks = Tasks::new();
        let (web, web_reloader) = watch_web(&tasks, options.web_config)?;
        let first = desired.borrow_and_update().clone();
        let (conformed, in_force) = watch::channel(first.generation);
        let reloads =
            Reloads { config: reloader.clone(), web: web_reloader, desired: desired.clone(), in_force };
        let memory = first.config.state_file.as_deref().map(keeper::open).transpose()?.flatten();
        let key = match &memory {
            Some(file) => file.digest_key(),
            None => DigestKey::random()?,
        };
        let store = Arc::new(Store::new(clock.clone(), key));
        let own = Arc::new(OwnMetrics::new(shard.index(), shard.total())?);
        let scheduler = Arc::new(Scheduler::new(
            prober,
            store.clone(),
            clock.clone(),
            own.clone(),
            tasks.clone(),
            move || reloader.look_soon(),
        ));
        let conductor = Arc::new(Conductor {
            shard,
            memory: memory.clone(),
            scheduler: scheduler.clone(),
            store: store.clone(),
            own: own.clone(),
        });
        conductor.conform(&first);
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
        tasks
            .spawn("conductor", conductor.follow(first.config.clone(), desired, conformed, tasks.stopping()));
        tasks.spawn("judge", keeper::judge(store.clone(), tasks.stopping()));
        let keeper = memory.map(|file| Keeper::new(store, file));
        if let Some(keeper) = keeper.clone() {
            tasks.spawn("keeper", keeper.keep(tasks.stopping()));
        }
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
                // Apart, since a file may lie on a mount that hangs, and SIGTERM must be heard meanwhile.
                Request::Reload => self.tasks.spawn("reload", self.reload()),
            }
        }
        self.supervisor.stopping();
        let ended_well = self.tasks.finish(grace).await;
        if let Some(keeper) = self.keeper {
            keeper.finish().await;
        }
        info!("stopped");
        ended_well
    }

    /// Reads the configuration again because a signal asks for it.
    fn reload(&self) -> impl Future<Output = ()> + use<> {
        let (reloads, supervisor, stopping) =
            (self.reloads.clone(), self.supervisor.clone(), self.tasks.stopping());
        async move {
            supervisor.reloading();
            // What is wrong is logged by the watchers, with the rest of what they find.
            let _ = reloads.reload().await;
            if !stopping.is_cancelled() {
                supervisor.ready();
            }
        }
    }
}

/// Has the prober connect as configured, or says why it can't. Nothing is sent.
pub(crate) fn connect(prober: &HexProber, config: &Config) -> Vec<Finding> {
    let workspaces: Vec<_> = config.workspaces.values().cloned().collect();
    let errors = prober.configure(config.cadence.timeout, &workspaces).err().unwrap_or_default();
    errors.iter().map(|error| Finding::workspace(&error.workspace, error.problem.to_string())).collect()
}

/// The web configuration as it changes. Without a file, it never does.
fn watch_web(
    tasks: &Tasks,
    path: Option<PathBuf>,
) -> anyhow::Result<(watch::Receiver<Arc<WebConfig>>, Option<Reloader>)> {
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
    web: Option<Reloader>,
    desired: watch::Receiver<Arc<Desired>>,
    /// The generation of what is desired that is in force.
    in_force: watch::Receiver<u64>,
}

impl Reloads {
    /// Reads all of it again, tells all that is wrong, and waits until what is right is in force.
    async fn reload(&self) -> Result<(), String> {
        let mut wrong = Vec::new();
        wrong.extend(self.config.reload().await.err());
        let wanted = self.desired.borrow().generation;
        // An error: the process ends.
        let _ = self.in_force.clone().wait_for(|generation| *generation >= wanted).await;
        if let Some(web) = &self.web {
            wrong.extend(web.reload().await.err());
        }
        let wrong: Vec<String> = wrong.iter().map(ToString::to_string).collect();
        if wrong.is_empty() { Ok(()) } else { Err(wrong.join("\n")) }
    }
}

/// What the server may ask of the rest.
struct Handle {
    scheduler: Arc<Scheduler<Arc<HexProber>>>,
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
