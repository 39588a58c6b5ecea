//! Who lives, and until when: the tasks of the process are owned here, so that none can die unseen or be left
//! behind. What a task starts is its own to watch.

pub mod systemd;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::{error, info, warn};

/// Switches core dumps off, for this process and for good: one would hold every credential.
///
/// The limit alone is not enough, since the kernel does not keep to it where it pipes dumps to a program. Not
/// being dumpable also keeps other processes of the same user from tracing this one, and from reading its
/// memory and environment in /proc.
pub fn forbid_core_dumps() -> std::io::Result<()> {
    use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};
    set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    Ok(setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) })?)
}

/// Lets the process open as many files as it may at all, since connections to its port must not take those that
/// its probes need. Returns how many that are; `None`: no limit.
pub fn raise_file_limit() -> Option<u64> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: maximum, maximum };
    if setrlimit(Resource::Nofile, raised).is_ok() { maximum } else { current }
}

/// The tasks of the process. Ending is asked for softly first: what is under way may finish.
#[derive(Debug, Clone, Default)]
pub struct Tasks(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    tracker: TaskTracker,
    stopping: CancellationToken,
    failed: AtomicBool,
}

impl Tasks {
    /// No tasks yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Runs a task until it ends or the process does. A task that panics ends the process: half an exporter
    /// is worse than none.
    pub fn spawn(&self, name: &'static str, task: impl Future<Output = ()> + Send + 'static) {
        let tripwire = Tripwire { tasks: self.clone(), name };
        // On the heap, since an async block holds what it captures and then awaits twice.
        let task = Box::pin(task);
        // And so is this one, so that the runtime's part of it fits into 128 bytes: there is a task for each token.
        self.0.tracker.spawn(Box::pin(async move {
            let _tripwire = tripwire;
            task.await;
        }));
    }

    /// Cancelled when the process is to end.
    pub fn stopping(&self) -> CancellationToken {
        self.0.stopping.clone()
    }

    /// Asks all tasks to end.
    pub fn stop(&self) {
        self.0.stopping.cancel();
    }

    /// Ends the process because a part of it can't go on: half an exporter is worse than none.
    pub fn fail(&self) {
        self.0.failed.store(true, Ordering::Relaxed);
        self.0.stopping.cancel();
    }

    /// Waits for the end of all tasks, and not longer than `grace`: those that are left end with the runtime.
    /// `true`: all went well.
    pub async fn finish(&self, grace: Duration) -> bool {
        self.0.stopping.cancel();
        self.0.tracker.close();
        if tokio::time::timeout(grace, self.0.tracker.wait()).await.is_err() {
            warn!("some tasks did not end within the grace period and are cut off");
        }
        !self.0.failed.load(Ordering::Relaxed)
    }
}

/// Does what takes long on a thread that nothing else waits for. A panic there is a panic of the task that asks.
pub async fn off_this_thread<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // The process ends, and this task with it.
            Err(_cancelled) => std::future::pending().await,
        },
    }
}

/// Notices a task that ends by panic.
struct Tripwire {
    tasks: Tasks,
    name: &'static str,
}

impl Drop for Tripwire {
    fn drop(&mut self) {
        if std::thread::panicking() {
            error!(task = self.name, "the task {} has died: the process ends", self.name);
            self.tasks.fail();
        }
    }
}

/// The signals that the process obeys.
#[derive(Debug)]
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

/// What a signal asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Request {
    /// To end: SIGTERM or SIGINT.
    Stop,
    /// To read the configuration again: SIGHUP.
    Reload,
}

impl Signals {
    /// Starts to listen.
    pub fn listen() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    /// Waits for the next one.
    pub async fn next(&mut self) -> Request {
        let (request, name) = tokio::select! {
            _ = self.terminate.recv() => (Request::Stop, "SIGTERM"),
            _ = self.interrupt.recv() => (Request::Stop, "SIGINT"),
            _ = self.hangup.recv() => (Request::Reload, "SIGHUP"),
        };
        info!(signal = name, "received {name}");
        request
    }
}

#[cfg(test)]
mod tests {
    use std::{future::pending, time::Duration};

    use rustix::process::{DumpableBehavior, Resource, dumpable_behavior, getrlimit};

    use super::Tasks;

    #[tokio::test]
    async fn a_panic_ends_the_process_and_is_told() {
        let tasks = Tasks::new();
        tasks.spawn("dies", async { panic!("on purpose") });
        tasks.stopping().cancelled().await;
        assert!(!tasks.finish(Duration::from_secs(10)).await);
    }

    #[tokio::test(start_paused = true)]
    async fn a_task_that_takes_too_long_to_end_is_not_waited_for_and_has_not_failed() {
        let tasks = Tasks::new();
        tasks.spawn("ends", async {});
        tasks.spawn("does not", pending());
        assert!(tasks.finish(Duration::from_secs(10)).await);
    }

    #[test]
    fn no_core_is_dumped_to_a_file_or_to_a_program() {
        super::forbid_core_dumps().unwrap();
        assert_eq!(getrlimit(Resource::Core).maximum, Some(0));
        assert!(matches!(dumpable_behavior(), Ok(DumpableBehavior::NotDumpable)));
    }
}
