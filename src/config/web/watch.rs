//! Keeps the web configuration current while the process runs: the file and every certificate it names are
//! read again and compared by content. What can't be used never replaces what could.

use std::{fmt, path::PathBuf, sync::Arc};

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::{LoadedWeb, WebConfig, load_recorded};
use crate::config::{
    ConfigErrors, Finding,
    inputs::Inputs,
    reload::{Looks, Reloader, Reread},
};

/// Looks for changes until it is stopped.
pub struct WebWatcher {
    publisher: Publisher,
    looks: Looks,
}

impl fmt::Debug for WebWatcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebWatcher").field("path", &self.publisher.path).finish_non_exhaustive()
    }
}

impl WebWatcher {
    /// Reads the file for the first time.
    pub fn start(path: PathBuf) -> Result<(Self, Reloader, watch::Receiver<Arc<WebConfig>>), ConfigErrors> {
        let (inputs, loaded) = load_recorded(&path);
        let (published, config) = watch::channel(Arc::new(told(loaded?)));
        let (looks, reloader) = Looks::new();
        Ok((Self { publisher: Publisher { path, inputs, published }, looks }, reloader, config))
    }

    /// Publishes every change, until `stop`.
    pub async fn run(self, stop: CancellationToken) {
        stop.run_until_cancelled(self.looks.serve(self.publisher)).await;
    }
}

/// Tells others what is in force.
struct Publisher {
    path: PathBuf,
    inputs: Inputs,
    published: watch::Sender<Arc<WebConfig>>,
}

impl Reread for Publisher {
    fn look(&mut self, reload: bool) -> Result<(), ConfigErrors> {
        if !reload && !self.inputs.have_changed() {
            return Ok(());
        }
        let (inputs, loaded) = load_recorded(&self.path);
        self.inputs = inputs;
        let loses = |loaded: &LoadedWeb| self.published.borrow().loses(&loaded.config);
        let loaded = match loaded.as_ref().ok().and_then(loses) {
            // A file that is half written, or was emptied by a full disk, opens no port.
            Some(protection) if !reload => Err(Finding::general(format!(
                "it takes away {protection}; if that is meant, ask for a reload (SIGHUP), or restart"
            ))
            .into()),
            Some(protection) => {
                tracing::warn!("the web configuration takes away {protection}");
                loaded
            }
            None => loaded,
        };
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
