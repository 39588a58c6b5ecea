//! Asks Hex, over one kept client for each connection that the workspaces are configured with.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use jiff::Timestamp;
use tokio::time::timeout;

use super::{
    Prober,
    connection::{Connection, ConnectionError},
    exchange::exchange,
    phases::Stopwatch,
};
use crate::domain::{Failure, Observation, Question, Secret, Seen, Workspace};

/// The real [`Prober`].
pub struct HexProber {
    now: Box<dyn Fn() -> Timestamp + Send + Sync>,
    settings: Mutex<Settings>,
}

struct Settings {
    timeout: Duration,
    connections: Vec<Arc<Connection>>,
}

impl HexProber {
    /// A prober without workspaces: the clients that [`HexProber::configure`] does not build are built at
    /// the first question. `now` is the local wall clock; `timeout` the longest that one request may take.
    pub fn new(timeout: Duration, now: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        Self { now: Box::new(now), settings: Mutex::new(Settings { timeout, connections: Vec::new() }) }
    }

    /// Takes the settings of a new configuration, all or none. Clients whose settings did not change keep
    /// their connections; those of workspaces that are gone end. Requests under way are not disturbed.
    ///
    /// # Errors
    ///
    /// Every workspace that cannot be connected to as configured; what was set before stays.
    pub fn configure(
        &self,
        timeout: Duration,
        workspaces: &[Arc<Workspace>],
    ) -> Result<(), Vec<ConnectionError>> {
        // Building one reads the system's certificates: no probe waits for that.
        let known = self.settings().connections.clone();
        let (mut connections, mut errors): (Vec<Arc<Connection>>, _) = (Vec::new(), Vec::new());
        for workspace in workspaces {
            if find(&connections, workspace).is_some() {
                continue;
            }
            match find(&known, workspace).map_or_else(|| build(workspace), Ok) {
                Ok(connection) => connections.push(connection),
                Err(error) => errors.push(error),
            }
        }
        if !errors.is_empty() {
            return Err(errors);
        }
        *self.settings() = Settings { timeout, connections };
        Ok(())
    }

    /// The connection of a workspace, built where a worker still asks for one that is gone from the
    /// configuration.
    fn connection(&self, workspace: &Arc<Workspace>) -> Result<(Arc<Connection>, Duration), ConnectionError> {
        let mut settings = self.settings();
        if let Some(connection) = find(&settings.connections, workspace) {
            return Ok((connection, settings.timeout));
        }
        let connection = build(workspace)?;
        settings.connections.push(Arc::clone(&connection));
        Ok((connection, settings.timeout))
    }

    async fn see(
        &self,
        workspace: &Arc<Workspace>,
        secret: &Secret,
        question: &Question,
        stopwatch: &Arc<Stopwatch>,
    ) -> Seen {
        let (connection, limit) = match self.connection(workspace) {
            Ok(found) => found,
            Err(error) => {
                tracing::error!(%error, "a question was not sent");
                return Seen::Failed(Failure::Connect);
            }
        };
        let request = match connection.request(secret, question) {
            Ok(request) => request,
            Err(failure) => return Seen::Failed(failure),
        };
        let exchange = exchange(connection.client(), request, question.check, &self.now, stopwatch);
        timeout(limit, exchange).await.unwrap_or(Seen::Failed(Failure::Timeout))
    }

    fn settings(&self) -> MutexGuard<'_, Settings> {
        self.settings.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Prober for HexProber {
    async fn ask(&self, workspace: &Arc<Workspace>, secret: &Secret, question: Question) -> Observation {
        let stopwatch = Stopwatch::start();
        let seen = self.see(workspace, secret, &question, &stopwatch).await;
        Observation { question, seen, duration: stopwatch.elapsed(), phases: stopwatch.phases() }
    }
}

impl fmt::Debug for HexProber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HexProber").finish_non_exhaustive()
    }
}

fn find(connections: &[Arc<Connection>], workspace: &Workspace) -> Option<Arc<Connection>> {
    connections.iter().find(|connection| connection.serves(workspace)).map(Arc::clone)
}

fn build(workspace: &Arc<Workspace>) -> Result<Arc<Connection>, ConnectionError> {
    Connection::build(workspace).map(Arc::new)
}
