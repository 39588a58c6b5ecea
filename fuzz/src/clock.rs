//! A clock that stands still until it is set: sockets need real time, verdicts need hours.

use std::{sync::Mutex, time::Duration};

use hex_token_exporter::{clock::Clock, domain::Moment};
use jiff::Timestamp;

/// Where it starts: 2026-09-21T14:13:20Z.
pub(crate) const START: Timestamp = Timestamp::constant(1_790_000_000, 0);

/// The clock.
#[derive(Debug)]
pub(crate) struct StandingClock(Mutex<Moment>);

impl StandingClock {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(Moment { at: START, up: Duration::ZERO }))
    }

    /// Lets time pass.
    pub(crate) fn advance(&self, by: Duration) {
        let mut now = self.0.lock().unwrap();
        *now = Moment { at: now.at + by, up: now.up + by };
    }
}

impl Clock for StandingClock {
    fn now(&self) -> Moment {
        *self.0.lock().unwrap()
    }
}
