//! A point in time, told twice: as a date for people, and on a clock that never jumps.

use std::time::Duration;

use jiff::Timestamp;

/// When something happened.
///
/// Intervals are measured on `up` alone: a corrected wall clock must neither skip nor repeat a probe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// The local wall clock.
    pub at: Timestamp,
    /// Time since the process started, on the monotonic clock.
    pub up: Duration,
}

impl Moment {
    /// How long ago `earlier` was; zero where it lies in the future.
    pub fn since(self, earlier: Self) -> Duration {
        self.up.saturating_sub(earlier.up)
    }
}
