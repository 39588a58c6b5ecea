//! CPU time of the process, as a measurement of criterion's.

use std::time::Duration;

use criterion::measurement::{Measurement, ValueFormatter, WallTime};
use rustix::time::{ClockId, clock_gettime};

/// The CPU time that all threads of the process have used.
pub(crate) struct CpuTime;

/// The CPU time so far.
pub(crate) fn now() -> Duration {
    let spent = clock_gettime(ClockId::ProcessCPUTime);
    Duration::try_from(spent).unwrap_or_default()
}

/// The CPU time since then.
pub(crate) fn since(began: Duration) -> Duration {
    now().saturating_sub(began)
}

/// The least CPU time of some rounds: what others do on the machine only ever adds to it.
pub(crate) fn least(rounds: usize, mut work: impl FnMut()) -> Duration {
    let round = |_| {
        let began = now();
        work();
        since(began)
    };
    (0..rounds).map(round).min().unwrap_or_default()
}

impl Measurement for CpuTime {
    type Intermediate = Duration;
    type Value = Duration;

    fn start(&self) -> Duration {
        now()
    }

    fn end(&self, began: Duration) -> Duration {
        since(began)
    }

    fn add(&self, a: &Duration, b: &Duration) -> Duration {
        *a + *b
    }

    fn zero(&self) -> Duration {
        Duration::ZERO
    }

    fn to_f64(&self, value: &Duration) -> f64 {
        WallTime.to_f64(value)
    }

    fn formatter(&self) -> &dyn ValueFormatter {
        WallTime.formatter()
    }
}
