//! What the schedule tells about its own work, for whoever counts it.

use std::time::Duration;

use super::{Check, Name, Phases, Reason};

/// Counts what the schedule does. Implemented by the metrics; it must neither wait nor fail.
pub trait Observer: Send + Sync + 'static {
    /// A request has ended.
    fn request_ended(&self, request: &RequestEnded<'_>);
    /// A request has waited this long for its workspace's budget.
    fn budget_waited(&self, workspace: &Name, waited: Duration);
    /// A worker has woken up this long after its check was due.
    fn woke_late(&self, lag: Duration);
}

/// A request that has ended, well or not.
#[derive(Debug, Clone, Copy)]
pub struct RequestEnded<'a> {
    /// Where it went.
    pub workspace: &'a Name,
    /// What it asked.
    pub check: Check,
    /// The HTTP status, 0 where there was no answer.
    pub status: u16,
    /// Its outcome.
    pub reason: Reason,
    /// From start to end.
    pub duration: Duration,
    /// Where that time went.
    pub phases: Phases,
}
