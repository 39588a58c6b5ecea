//! What is done from time to time: tokens are judged anew, and what is known is written to the state file.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::time::{Interval, MissedTickBehavior, interval, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use crate::{
    lifecycle::off_this_thread,
    store::{
        self, Store,
        persist::{OpenError, StateFile},
    },
};

/// How often all tokens are judged anew, since an expiry may pass without an answer.
const SETTLE_EVERY: Duration = Duration::from_secs(2);

/// How often the state file is brought up to date.
const SAVE_EVERY: Duration = Duration::from_secs(10);

/// How long the process waits for its state file when it ends.
const SAVE_WITHIN: Duration = Duration::from_secs(5);

/// Opens the state file of an earlier process. `None`: it must not be written to.
pub(super) fn open(path: &Path) -> anyhow::Result<Option<Arc<StateFile>>> {
    let shown = path.display();
    match StateFile::open(path) {
        Ok((file, trouble)) => {
            if let Some(trouble) = trouble {
                warn!(path = %shown, "starting without the state of an earlier run: the state file: {trouble}");
            }
            Ok(Some(Arc::new(file)))
        }
        Err(OpenError::Unreadable(trouble)) => {
            error!(path = %shown, "the state file cannot be used: {trouble}; it is left alone, and nothing is remembered: make it a file that can be read, or name another one as state_file, and restart");
            Ok(None)
        }
        Err(OpenError::NoRandomness(error)) => Err(error.into()),
    }
}

/// Judges all tokens as time passes.
pub(super) async fn judge(store: Arc<Store>, stop: CancellationToken) {
    let mut settle = every(SETTLE_EVERY);
    while stop.run_until_cancelled(settle.tick()).await.is_some() {
        for (name, before, after) in store.settle() {
            store::tell_change(&name, before, after);
        }
    }
}

/// What was late is not made up for: a disk that hung would be written to again and again.
fn every(period: Duration) -> Interval {
    let mut ticks = interval(period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}

/// Keeps the state file, which may lie on a disk that hangs: nothing else waits for it.
#[derive(Debug, Clone)]
pub(super) struct Keeper {
    store: Arc<Store>,
    file: Arc<StateFile>,
    /// Whether the last attempt to write failed, which is said once.
    save_failed: Arc<AtomicBool>,
}

impl Keeper {
    /// Keeps this file.
    pub(super) fn new(store: Arc<Store>, file: Arc<StateFile>) -> Self {
        Self { store, file, save_failed: Arc::default() }
    }

    /// Writes what is known from time to time.
    pub(super) async fn keep(self, stop: CancellationToken) {
        let mut save = every(SAVE_EVERY);
        while stop.run_until_cancelled(save.tick()).await.is_some() {
            let keeper = self.clone();
            stop.run_until_cancelled(off_this_thread(move || keeper.save())).await;
        }
    }

    /// Writes what is known at the end.
    pub(super) async fn finish(self) {
        if timeout(SAVE_WITHIN, off_this_thread(move || self.save())).await.is_err() {
            warn!("the state file cannot be written: its disk does not answer");
        }
    }

    fn save(&self) {
        let outcome = self.file.save(|| self.store.snapshot());
        let had_failed = self.save_failed.swap(outcome.is_err(), Ordering::Relaxed);
        match outcome {
            Err(error) if !had_failed => warn!("the state file cannot be written: {error}"),
            Ok(()) if had_failed => info!("the state file is written again"),
            _ => {}
        }
    }
}
