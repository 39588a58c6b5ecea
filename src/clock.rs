//! The clocks: a wall clock for dates, a monotonic one for intervals.

use std::fmt::Debug;

use jiff::Timestamp;
use tokio::time::Instant;

use crate::domain::Moment;

/// Tells the time. Waiting is tokio's business, so tests can pause it.
pub trait Clock: Send + Sync + Debug {
    /// The time now.
    fn now(&self) -> Moment;
}

/// The machine's clocks.
#[derive(Debug, Clone, Copy)]
pub struct SystemClock {
    started: Instant,
}

impl SystemClock {
    /// Starts to count the uptime.
    pub fn start() -> Self {
        Self { started: Instant::now() }
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Moment {
        #[expect(clippy::disallowed_methods, reason = "the one place that reads the wall clock")]
        let at = Timestamp::now();
        Moment { at, up: self.started.elapsed() }
    }
}

/// A clock whose wall time follows tokio's, paused or not, from a date on: for tests and simulations.
#[derive(Debug, Clone, Copy)]
pub struct ManualClock {
    started: Instant,
    date: Timestamp,
}

impl ManualClock {
    /// Starts at `date`.
    pub fn at(date: Timestamp) -> Self {
        Self { started: Instant::now(), date }
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Moment {
        let up = self.started.elapsed();
        Moment { at: self.date.checked_add(up).unwrap_or(self.date), up }
    }
}
