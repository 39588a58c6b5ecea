//! The worst of the last minute, sliding.

use std::{collections::VecDeque, time::Duration};

use tokio::time::Instant;

/// How far back it looks.
const WINDOW: Duration = Duration::from_mins(1);

/// The worst lag within [`WINDOW`]. Keeps only what may still become the worst, so the first is it.
#[derive(Debug, Default)]
pub(super) struct WorstLag(VecDeque<(Instant, Duration)>);

impl WorstLag {
    pub(super) fn note(&mut self, lag: Duration, now: Instant) {
        while self.0.back().is_some_and(|(_, earlier)| *earlier <= lag) {
            self.0.pop_back();
        }
        self.0.push_back((now, lag));
        self.forget(now);
    }

    /// Zero where nothing was noted.
    pub(super) fn worst(&mut self, now: Instant) -> Duration {
        self.forget(now);
        self.0.front().map_or(Duration::ZERO, |(_, lag)| *lag)
    }

    fn forget(&mut self, now: Instant) {
        while self.0.front().is_some_and(|(at, _)| now.duration_since(*at) > WINDOW) {
            self.0.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_is_forgotten_after_a_minute_and_the_next_one_takes_its_place() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let lag = Duration::from_secs;
        let mut worst = WorstLag::default();
        assert_eq!(worst.worst(at(0)), lag(0));
        worst.note(lag(2), at(0));
        worst.note(lag(9), at(10));
        worst.note(lag(3), at(20));
        worst.note(lag(4), at(30));
        assert_eq!(worst.worst(at(70)), lag(9));
        assert_eq!(worst.worst(at(71)), lag(4));
        assert_eq!(worst.worst(at(91)), lag(0));
    }
}
