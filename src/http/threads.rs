//! The threads that serve, apart from those that probe: whoever reads page after page delays no probe.
//!
//! On threads in common, a probe that is due would stand in line behind every piece of every page.

use std::{io, num::NonZero, panic, thread};

use tokio::runtime::{Builder, Handle, Runtime};
use tokio_util::task::AbortOnDropHandle;

/// As many threads as there are cores. Dropping this ends what runs on them.
#[derive(Debug)]
pub struct Threads {
    handle: Handle,
    /// Until it is dropped.
    runtime: Option<Runtime>,
}

impl Threads {
    /// Starts them.
    pub fn start() -> io::Result<Self> {
        let cores = thread::available_parallelism().map_or(1, NonZero::get);
        let runtime = Builder::new_multi_thread()
            .thread_name("serving")
            .enable_all()
            .worker_threads(cores)
            // Two for passwords, and for pages as many as can be made at once. Each keeps memory of its own.
            .max_blocking_threads(2 + 2 * cores)
            .build()?;
        Ok(Self { handle: runtime.handle().clone(), runtime: Some(runtime) })
    }

    /// Runs a future on them. It ends when what this returns is dropped, and its panics are panics here.
    pub fn run<T: Send + 'static>(
        &self,
        task: impl Future<Output = T> + Send + 'static,
    ) -> impl Future<Output = Option<T>> + Send + 'static {
        let task = AbortOnDropHandle::new(self.handle.spawn(task));
        async {
            match task.await {
                Ok(outcome) => Some(outcome),
                Err(error) => match error.try_into_panic() {
                    Ok(panic) => panic::resume_unwind(panic),
                    Err(_) => None,
                },
            }
        }
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // Without waiting, which a task must not.
            runtime.shutdown_background();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[tokio::test]
    async fn whoever_keeps_all_of_them_busy_keeps_nobody_else_waiting() {
        let threads = Threads::start().unwrap();
        let (begun, mut begins) = tokio::sync::mpsc::unbounded_channel();
        let cores = std::thread::available_parallelism().unwrap().get();
        let busy: Vec<_> = (0..cores)
            .map(|_| {
                let (end, until) = mpsc::channel::<()>();
                let begun = begun.clone();
                let task = threads.run(async move {
                    begun.send(()).unwrap();
                    until.recv()
                });
                (end, task)
            })
            .collect();
        for _ in 0..cores {
            begins.recv().await.unwrap();
        }
        // All of them stand still, and this goes on.
        for (end, task) in busy {
            drop(end);
            assert!(task.await.unwrap().is_err());
        }
    }

    #[tokio::test]
    #[should_panic(expected = "of the task")]
    async fn a_panic_is_not_lost() {
        let threads = Threads::start().unwrap();
        let _ = threads.run(async { panic!("of the task") }).await;
    }
}
