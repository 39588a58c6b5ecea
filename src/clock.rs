//! The one place where a clock is read. Everything else is given a [`Moment`] or a [`Clock`].

use std::fmt::Debug;

use jiff::Timestamp;
use tokio::time::Instant;

use crate::domain::Moment;

/// Tells the time.
pub trait Clock: Send + Sync + Debug {
    /// The time now.
    fn now(&self) -> Moment;
}

/// The clocks of the system. Its monotonic half is tokio's, which tests can pause.
#[derive(Debug, Clone, Copy)]
pub struct SystemClock {
    epoch: Instant,
}

impl SystemClock {
    /// A clock whose `up` counts from now.
    pub fn start() -> Self {
        Self { epoch: Instant::now() }
    }
}

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is where dates come from")]
    fn now(&self) -> Moment {
        Moment { at: Timestamp::now(), up: self.epoch.elapsed() }
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
