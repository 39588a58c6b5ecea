//! When what was read once is read again: from time to time, when there is a hint, and when somebody asks.

use std::{sync::Arc, time::Duration};

use tokio::sync::{Notify, mpsc, oneshot};

use super::ConfigErrors;
use crate::lifecycle::off_this_thread;

/// The longest that a change of a file goes unnoticed.
pub(super) const LOOK_EVERY: Duration = Duration::from_secs(10);

/// Reloads that may wait for their turn.
const WAITING_RELOADS: usize = 8;

type Answer = oneshot::Sender<Result<(), ConfigErrors>>;

/// Why a reload did not happen.
#[derive(Debug, thiserror::Error)]
pub enum ReloadError {
    /// The configuration is wrong. The one in force stays.
    #[error(transparent)]
    Refused(#[from] ConfigErrors),
    /// The process is about to end.
    #[error("the process is shutting down")]
    ShuttingDown,
}

/// Asks a watcher to look now.
#[derive(Debug, Clone)]
pub struct Reloader {
    reloads: mpsc::Sender<Answer>,
    hint: Arc<Notify>,
}

impl Reloader {
    /// Has everything read again, and waits for what comes of it.
    pub async fn reload(&self) -> Result<(), ReloadError> {
        let (answer, outcome) = oneshot::channel();
        self.reloads.send(answer).await.map_err(|_| ReloadError::ShuttingDown)?;
        Ok(outcome.await.map_err(|_| ReloadError::ShuttingDown)??)
    }

    /// Has what may have changed read again soon, as the credentials when Hex has just rejected one. Does not wait.
    pub fn look_soon(&self) {
        self.hint.notify_one();
    }
}

/// What is read again.
pub(super) trait Reread: Send + 'static {
    /// The longest pause between two looks.
    fn look_every(&self) -> Duration {
        LOOK_EVERY
    }

    /// Reads what may have changed, and everything where a `reload` is asked for, and publishes it. An error says
    /// why that was refused.
    fn look(&mut self, reload: bool) -> Result<(), ConfigErrors>;
}

/// The looks that are due.
pub(super) struct Looks {
    reloads: mpsc::Receiver<Answer>,
    hint: Arc<Notify>,
}

impl Looks {
    /// With the one who can ask for them.
    pub(super) fn new() -> (Self, Reloader) {
        let (ask, reloads) = mpsc::channel(WAITING_RELOADS);
        let hint = Arc::new(Notify::new());
        (Self { reloads, hint: hint.clone() }, Reloader { reloads: ask, hint })
    }

    /// Has `input` read again whenever one is due.
    pub(super) async fn serve(mut self, mut input: impl Reread) {
        loop {
            let asked = tokio::select! {
                () = tokio::time::sleep(input.look_every()) => None,
                () = self.hint.notified() => None,
                Some(answer) = self.reloads.recv() => Some(answer),
            };
            let reload = asked.is_some();
            // A network mount may hang: no thread that serves anything waits for it.
            let outcome;
            (input, outcome) = off_this_thread(move || {
                let outcome = input.look(reload);
                (input, outcome)
            })
            .await;
            if let Some(answer) = asked {
                // Whoever asked may have left.
                let _ = answer.send(outcome);
            }
        }
    }
}
