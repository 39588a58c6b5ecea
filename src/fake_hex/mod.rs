//! A faithful fake of the Hex API, for the demo, for the tests, and for anybody's own trials.
//!
//! It answers real HTTP as Hex's documentation and the clients in the field describe it, and lets
//! go wrong whatever the scenario says. `docs/FAKE-HEX.md` describes the scenario file and what is
//! faithful. It uses nothing else of this crate, so that it cannot share its mistakes.
//!
//! A request goes through `gate` (log, faults), `auth` (401, 429, 404, 403) and one of
//! `routes`; all of them look at and change one [`World`].

mod auth;
mod behaviour;
mod credential;
mod durations;
mod errors;
mod faults;
mod gate;
mod kernel;
mod limits;
mod route;
mod routes;
mod scenario;
mod server;
mod state;
mod validation;

use std::{
    fmt, io,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::{net::TcpListener, task::JoinSet};
use tokio_util::sync::CancellationToken;

pub use self::{
    behaviour::{Behaviour, Denial, Limits, RetryAfter, Unauthorized, VersionForm},
    credential::{TokenKind, credential},
    durations::Lifetime,
    faults::{Action, Fault, FaultBody},
    kernel::{Run, RunStatus},
    route::{Family, Route, Scope},
    scenario::{ExpForm, Plan, Project, Role, RunEnd, Scenario, Stack, Token, User, Workspace},
    state::{Received, UnknownToken, World},
    validation::ScenarioError,
};

/// One fake stack that is being served. Dropping it ends it at once.
pub struct FakeHex {
    name: String,
    address: SocketAddr,
    shared: Shared,
    /// Holds the one task that owns the connections.
    server: JoinSet<()>,
}

impl fmt::Debug for FakeHex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FakeHex")
            .field("name", &self.name)
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

/// What the requests of a stack have in common.
#[derive(Clone)]
struct Shared {
    world: Arc<Mutex<World>>,
    stop: CancellationToken,
}

impl Shared {
    fn world(&self) -> MutexGuard<'_, World> {
        // A test that panics inside `update` fails by itself; the world is still usable.
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl FakeHex {
    /// Serves `stack` on `listener`. Everything that is dated "after the start" counts from now.
    ///
    /// # Errors
    /// If the listener has no address.
    pub fn start(listener: TcpListener, stack: Stack) -> io::Result<Self> {
        let address = listener.local_addr()?;
        let name = stack.name.clone();
        let shared = Shared {
            world: Arc::new(Mutex::new(World::new(stack, format!("http://{address}")))),
            stop: CancellationToken::new(),
        };
        let mut server = JoinSet::new();
        server.spawn(server::serve(listener, routes::router(&shared), shared.stop.clone()));
        Ok(Self { name, address, shared, server })
    }

    /// Serves every stack of `scenario`: the first at `listen`, each further one at the next port
    /// (or, where the port is 0, each at a free one).
    ///
    /// # Errors
    /// If an address cannot be bound.
    pub async fn start_all(listen: SocketAddr, scenario: Scenario) -> io::Result<Vec<Self>> {
        let mut stacks = Vec::new();
        let mut address = listen;
        for stack in scenario.stacks {
            stacks.push(Self::start(TcpListener::bind(address).await?, stack)?);
            if address.port() != 0 {
                let next = address.port().checked_add(1);
                address.set_port(next.ok_or(io::ErrorKind::AddrNotAvailable)?);
            }
        }
        Ok(stacks)
    }

    /// The stack's name in the scenario.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The workspace URL to configure: `http://` and the address.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The requests so far, oldest first; the newest 10,000 are kept.
    pub fn requests(&self) -> Vec<Received> {
        self.shared.world().requests()
    }

    /// Looks at or changes the world between two requests.
    pub fn update<R>(&self, change: impl FnOnce(&mut World) -> R) -> R {
        change(&mut self.shared.world())
    }

    /// Stops listening, gives the requests on the way two seconds to end, and returns when all is
    /// closed.
    pub async fn shutdown(mut self) {
        self.shared.stop.cancel();
        while self.server.join_next().await.is_some() {}
    }
}

/// Serves every stack of `scenario` from `listen` on, as [`FakeHex::start_all`] does, until
/// `shutdown` is done.
///
/// # Errors
/// If an address cannot be bound.
pub async fn run(
    listen: SocketAddr,
    scenario: Scenario,
    shutdown: impl Future<Output = ()>,
) -> io::Result<()> {
    let stacks = FakeHex::start_all(listen, scenario).await?;
    for stack in &stacks {
        let (name, address) = (stack.name(), stack.address());
        tracing::info!(stack = name, %address, "serving the fake Hex stack {name} at {address}");
    }
    shutdown.await;
    for stack in stacks {
        stack.shutdown().await;
    }
    Ok(())
}
