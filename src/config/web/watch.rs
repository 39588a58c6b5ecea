//! Keeps the web configuration current while the process runs: the file and every certificate it names are
//! read again and compared by content. What can't be used never replaces what could.

use std::{fmt, path::PathBuf, sync::Arc, time::Duration};

use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;

use super::{LoadedWeb, WebConfig, load_recorded};
use crate::{
    config::{ConfigErrors, inputs::Inputs, watch::ReloadError},
    lifecycle::off_this_thread,
};

/// The longest that a change goes unnoticed.
const LOOK_EVERY: Duration = Duration::from_secs(10);

/// Reloads that may wait for their turn.
const WAITING_RELOADS: usize = 8;

type Answer = oneshot::Sender<Result<(), ConfigErrors>>;

/// Asks the [`WebWatcher`] to look now.
#[derive(Debug, Clone)]
pub struct WebReloader(mpsc::Sender<Answer>);

impl WebReloader {
    /// Reads the web configuration again, and waits for what comes of it.
    pub async fn reload(&self) -> Result<(), ReloadError> {
        let (answer, outcome) = oneshot::channel();
        self.0.send(answer).await.map_err(|_| ReloadError::ShuttingDown)?;
        Ok(outcome.await.map_err(|_| ReloadError::ShuttingDown)??)
    }
}

/// Looks for changes until it is stopped.
pub struct WebWatcher {
    path: PathBuf,
    inputs: Inputs,
    published: watch::Sender<Arc<WebConfig>>,
    reloads: mpsc::Receiver<Answer>,
}

impl fmt::Debug for WebWatcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebWatcher").field("path", &self.path).finish_non_exhaustive()
    }
}

impl WebWatcher {
    /// Reads the file for the first time.
    pub fn start(
        path: PathBuf,
    ) -> Result<(Self, WebReloader, watch::Receiver<Arc<WebConfig>>), ConfigErrors> {
        let (inputs, loaded) = load_recorded(&path);
        let (published, config) = watch::channel(Arc::new(told(loaded?)));
        let (ask, reloads) = mpsc::channel(WAITING_RELOADS);
        Ok((Self { path, inputs, published, reloads }, WebReloader(ask), config))
    }

    /// Publishes every change, until `stop`.
    pub async fn run(self, stop: CancellationToken) {
        stop.run_until_cancelled(self.look_again_and_again()).await;
    }

    async fn look_again_and_again(mut self) {
        loop {
            let asked = tokio::select! {
                () = tokio::time::sleep(LOOK_EVERY) => None,
                Some(answer) = self.reloads.recv() => Some(answer),
            };
            let reload = asked.is_some();
            // A network mount may hang: no thread that serves anything waits for it.
            let outcome;
            (self, outcome) = off_this_thread(move || {
                let outcome = self.look(reload);
                (self, outcome)
            })
            .await;
            if let Some(answer) = asked {
                // Whoever asked may have left.
                let _ = answer.send(outcome);
            }
        }
    }

    fn look(&mut self, reload: bool) -> Result<(), ConfigErrors> {
        if !reload && !self.inputs.have_changed() {
            return Ok(());
        }
        let (inputs, loaded) = load_recorded(&self.path);
        self.inputs = inputs;
        match loaded {
            Ok(loaded) => {
                tracing::info!("web configuration reloaded");
                self.published.send_replace(Arc::new(told(loaded)));
                Ok(())
            }
            Err(errors) => {
                for finding in errors.findings() {
                    tracing::error!("web configuration not reloaded, the running one stays: {finding}");
                }
                Err(errors)
            }
        }
    }
}

/// Logs what deserves a look.
fn told(LoadedWeb { config, warnings }: LoadedWeb) -> WebConfig {
    for warning in warnings {
        tracing::warn!("{warning}");
    }
    config
}
