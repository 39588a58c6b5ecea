//! Keeps the configuration and the credentials current while the process runs.
//!
//! Everything is read again and compared by content: that survives an atomic rename, the swap of
//! Kubernetes' `..data` link and network mounts, none of which a file system's events show reliably.
//! What can't be used never replaces what could: a bad configuration file changes nothing but the note
//! that the reload failed.

use std::{cmp::Ordering, collections::BTreeSet, fmt, sync::Arc, time::Duration};

use jiff::Timestamp;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::{
    Config, ConfigErrors, DesiredToken, Environment, Finding, Loaded, Source,
    gather::{Gathered, Gatherer},
    inputs::Inputs,
    load_recorded,
    reload::{LOOK_EVERY, Looks, Reloader, Reread},
};
use crate::clock::Clock;

/// What is to run now.
#[derive(Debug, Clone)]
pub struct Desired {
    /// Grows with every change.
    pub generation: u64,
    /// The configuration in force.
    pub config: Arc<Config>,
    /// Its tokens by name, those of directories included.
    pub tokens: Arc<[DesiredToken]>,
    /// How the last attempt to read all of this went.
    pub reload: Reload,
}

/// How reading the configuration went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reload {
    /// Whether the configuration file holds what is in force, and every token directory can be read.
    pub successful: bool,
    /// When that was last found to be so after a start, a reload or a failure.
    pub last_success: Timestamp,
}

/// Looks for changes until it is stopped.
pub struct Watcher {
    publisher: Publisher,
    looks: Looks,
}

impl fmt::Debug for Watcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watcher").field("desired", &self.publisher.current.desired).finish_non_exhaustive()
    }
}

impl Watcher {
    /// Reads everything for the first time. Only a wrong configuration is an error: credentials and
    /// directories that can't be read may come. `accept` is asked about each configuration before it is
    /// published; one of which it finds something wrong is refused like any other.
    pub fn start(
        source: Source,
        environment: Environment,
        clock: Arc<dyn Clock>,
        accept: impl Fn(&Config) -> Vec<Finding> + Send + 'static,
    ) -> Result<(Self, Reloader, watch::Receiver<Arc<Desired>>), ConfigErrors> {
        let current = Current::start(source, environment, clock, Box::new(accept))?;
        let (published, desired) = watch::channel(Arc::new(current.desired.clone()));
        let (looks, reloader) = Looks::new();
        Ok((Self { publisher: Publisher { current, published }, looks }, reloader, desired))
    }

    /// Publishes every change, until `stop`.
    pub async fn run(self, stop: CancellationToken) {
        stop.run_until_cancelled(self.looks.serve(self.publisher)).await;
    }
}

/// Tells others what is in force.
struct Publisher {
    current: Current,
    published: watch::Sender<Arc<Desired>>,
}

impl Reread for Publisher {
    fn look_every(&self) -> Duration {
        LOOK_EVERY.min(self.current.desired.config.cadence.interval)
    }

    fn look(&mut self, reload: bool) -> Result<(), ConfigErrors> {
        let outcome = self.current.look(reload);
        if self.current.desired.generation != self.published.borrow().generation {
            self.published.send_replace(Arc::new(self.current.desired.clone()));
        }
        outcome
    }
}

/// Finds what is wrong with a configuration that is right in itself.
type Accept = Box<dyn Fn(&Config) -> Vec<Finding> + Send>;

/// What is in force, and what is needed to tell when it changes.
struct Current {
    source: Source,
    environment: Environment,
    clock: Arc<dyn Clock>,
    accept: Accept,
    inputs: Inputs,
    refused: bool,
    warnings: Vec<Finding>,
    gatherer: Gatherer,
    said: BTreeSet<String>,
    desired: Desired,
}

impl Current {
    fn start(
        source: Source,
        environment: Environment,
        clock: Arc<dyn Clock>,
        accept: Accept,
    ) -> Result<Self, ConfigErrors> {
        let now = clock.now();
        let (inputs, loaded) = load_recorded(&source, &environment);
        let Loaded { config, warnings } = loaded.and_then(|loaded| accepted(loaded, &accept))?;
        let mut gatherer = Gatherer::default();
        let found = gatherer.gather(&config, now);
        let reload = Reload { successful: found.directories_readable, last_success: now.at };
        let desired =
            Desired { generation: 1, config: Arc::new(config), tokens: found.tokens.into(), reload };
        let said = BTreeSet::new();
        let mut current = Self {
            source,
            environment,
            clock,
            accept,
            inputs,
            refused: false,
            warnings,
            gatherer,
            said,
            desired,
        };
        current.say(&found.warnings);
        Ok(current)
    }

    /// Reads what may have changed. Where a `reload` is asked for, what was refused is tried again too, and the
    /// configuration counts as a new one even if it is the same.
    fn look(&mut self, reload: bool) -> Result<(), ConfigErrors> {
        let outcome = if self.inputs.have_changed() || (reload && self.refused) {
            Some(self.load())
        } else {
            // Nothing else goes into it, and of thousands of tokens it takes longer to make than all the rest.
            reload.then(|| Ok(Arc::new(Config::clone(&self.desired.config))))
        };
        let reloaded = matches!(outcome, Some(Ok(_)));
        let config = match &outcome {
            Some(Ok(config)) => Arc::clone(config),
            _ => Arc::clone(&self.desired.config),
        };
        self.gather(config, reloaded);
        outcome.map_or(Ok(()), |loaded| loaded.map(drop))
    }

    fn load(&mut self) -> Result<Arc<Config>, ConfigErrors> {
        let (inputs, loaded) = load_recorded(&self.source, &self.environment);
        let loaded = loaded.and_then(|loaded| accepted(loaded, &self.accept));
        self.inputs = inputs;
        self.refused = loaded.is_err();
        match loaded {
            Ok(Loaded { mut config, warnings }) => {
                config.share(&self.desired.config);
                self.warnings = warnings;
                Ok(Arc::new(config))
            }
            Err(errors) => {
                for finding in errors.findings() {
                    tracing::error!("configuration not reloaded, the running one stays: {finding}");
                }
                Err(errors)
            }
        }
    }

    fn gather(&mut self, config: Arc<Config>, reloaded: bool) {
        let now = self.clock.now();
        let Gathered { tokens, warnings, directories_readable } = self.gatherer.gather(&config, now);
        self.say(&warnings);
        let before = &self.desired;
        let successful = directories_readable && !self.refused;
        let newly = successful && (reloaded || !before.reload.successful);
        let last_success = if newly { now.at } else { before.reload.last_success };
        let reload = Reload { successful, last_success };
        if reloaded {
            tracing::info!("configuration reloaded");
        }
        if reloaded || reload != before.reload || *tokens != *before.tokens {
            note_changes(&before.tokens, &tokens);
            self.desired =
                Desired { generation: before.generation + 1, config, tokens: tokens.into(), reload };
        }
    }

    /// Logs what has not been said yet. What is no longer so is said again when it comes back.
    fn say(&mut self, gathered: &[Finding]) {
        let now: BTreeSet<String> = self.warnings.iter().chain(gathered).map(ToString::to_string).collect();
        for warning in now.difference(&self.said) {
            tracing::warn!("{warning}");
        }
        self.said = now;
    }
}

fn accepted(loaded: Loaded, accept: &Accept) -> Result<Loaded, ConfigErrors> {
    let wrong = accept(&loaded.config);
    if wrong.is_empty() { Ok(loaded) } else { Err(wrong.into()) }
}

/// Both sorted by name.
fn note_changes(before: &[DesiredToken], after: &[DesiredToken]) {
    let (mut before, mut after) = (before.iter().peekable(), after.iter().peekable());
    loop {
        let order = match (before.peek(), after.peek()) {
            (Some(old), Some(new)) => old.spec.name.cmp(&new.spec.name),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (None, None) => return,
        };
        let old = before.next_if(|_| order.is_le());
        let new = after.next_if(|_| order.is_ge());
        match (old, new) {
            (Some(old), None) => tracing::info!(token = %old.spec.name, "token removed"),
            (None, Some(new)) => tracing::info!(token = %new.spec.name, "token added"),
            (Some(old), Some(new)) if old.credential != new.credential => {
                tracing::info!(token = %new.spec.name, "credential of the token changed");
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io,
        sync::{Mutex, PoisonError},
    };

    use super::*;
    use crate::clock::SystemClock;

    #[derive(Clone, Default)]
    struct Log(Arc<Mutex<Vec<u8>>>);

    impl Log {
        fn take(&self) -> String {
            let mut written = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            String::from_utf8(std::mem::take(&mut *written)).unwrap()
        }
    }

    impl io::Write for Log {
        fn write(&mut self, text: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).write(text)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn what_a_reload_leaves_alone_is_kept_once() {
        let place = tempfile::tempdir().unwrap();
        let config = place.path().join("config.yaml");
        let write = |tokens: &[&str]| {
            let workspaces = "{a: {url: 'https://a.hex.tech'}, b: {url: 'https://b.hex.tech'}}";
            let text = format!("workspaces: {workspaces}\ntokens: {{{}}}", tokens.join(", "));
            std::fs::write(&config, text).unwrap();
        };
        let stays = "stays: {credentials_file: s, workspace: b}";
        let goes = "goes: {credentials_file: g, workspace: a}";
        write(&["changes: {credentials_file: c, workspace: a}", goes, stays]);
        let clock = Arc::new(SystemClock::start());
        let source = Source::File(config.clone());
        let mut current =
            Current::start(source, Environment::default(), clock, Box::new(|_| Vec::new())).unwrap();
        let before = current.desired.clone();

        let comes = "comes: {credentials_file: g, workspace: a}";
        write(&["changes: {credentials_file: c, workspace: a, token_owner: me}", comes, stays]);
        current.look(true).unwrap();
        let is_kept =
            |token: &DesiredToken| before.tokens.iter().any(|old| Arc::ptr_eq(&old.spec, &token.spec));
        let told = |token: &DesiredToken| {
            (token.spec.name.to_string(), token.spec.token_owner.clone(), is_kept(token))
        };
        assert_eq!(
            current.desired.tokens.iter().map(told).collect::<Vec<_>>(),
            [
                ("changes".to_owned(), Some("me".to_owned()), false),
                ("comes".to_owned(), None, false),
                ("stays".to_owned(), None, true),
            ]
        );
        for (name, workspace) in &current.desired.config.workspaces {
            assert!(Arc::ptr_eq(workspace, &before.config.workspaces[name]), "{name}");
        }
    }

    #[test]
    fn a_warning_is_logged_once_until_it_comes_back() {
        let log = Log::default();
        let writer = log.clone();
        let subscriber = tracing_subscriber::fmt().with_writer(move || writer.clone()).finish();
        tracing::subscriber::with_default(subscriber, || {
            let place = tempfile::tempdir().unwrap();
            let config = place.path().join("config.yaml");
            std::fs::write(&config, "tokens: {airflow: {credentials_file: secret}}").unwrap();
            let secret = place.path().join("secret");
            let clock = Arc::new(SystemClock::start());
            let mut current =
                Current::start(Source::File(config), Environment::default(), clock, Box::new(|_| Vec::new()))
                    .unwrap();
            let warnings = |log: &Log| log.take().matches("no usable credential").count();
            assert_eq!(warnings(&log), 1);
            current.look(false).unwrap();
            current.look(true).unwrap();
            assert_eq!(warnings(&log), 0);
            std::fs::write(&secret, "one").unwrap();
            current.look(false).unwrap();
            std::fs::remove_file(&secret).unwrap();
            current.look(false).unwrap();
            assert_eq!(warnings(&log), 1);
        });
    }
}
