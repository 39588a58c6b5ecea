//! Runs that go on while time passes.

use std::time::Duration;

use super::scenario::RunEnd;

/// A real run of a project.
#[derive(Debug, Clone)]
pub struct Run {
    /// A UUID.
    pub id: String,
    /// The project's name in the scenario.
    pub project: String,
    /// Whose kernel it occupies.
    pub(super) user: String,
    /// Since the start of the fake, as all times here.
    pub(super) started: Duration,
    pub(super) takes: Duration,
    pub(super) end: RunEnd,
    pub(super) cancelled: Option<Duration>,
}

/// The status of a run, in Hex's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are Hex's own and say all there is")]
pub enum RunStatus {
    Pending,
    Running,
    Completed,
    Errored,
    Killed,
    UnableToAllocateKernel,
}

impl RunStatus {
    /// As Hex writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "PENDING",
            Self::Running => "RUNNING",
            Self::Completed => "COMPLETED",
            Self::Errored => "ERRORED",
            Self::Killed => "KILLED",
            Self::UnableToAllocateKernel => "UNABLE_TO_ALLOCATE_KERNEL",
        }
    }
}

impl Run {
    pub(super) fn status(&self, now: Duration) -> RunStatus {
        let age = now.saturating_sub(self.started);
        if self.cancelled.is_some() {
            RunStatus::Killed
        } else if age < self.takes / 10 {
            RunStatus::Pending
        } else if age < self.takes {
            RunStatus::Running
        } else {
            match self.end {
                RunEnd::Completed => RunStatus::Completed,
                RunEnd::Errored => RunStatus::Errored,
                RunEnd::UnableToAllocateKernel => RunStatus::UnableToAllocateKernel,
            }
        }
    }

    /// When it ended, if it has.
    pub(super) fn ended(&self, now: Duration) -> Option<Duration> {
        let natural = self.started + self.takes;
        self.cancelled.or_else(|| (natural <= now).then_some(natural))
    }
}
