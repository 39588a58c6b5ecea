//! When a steady rhythm strikes: a grid over wall time, shifted by a hash of the name.
//!
//! The shift spreads the tokens evenly, and keeps each one's rhythm over a restart.

use std::time::Duration;

use jiff::Timestamp;

use crate::domain::{Moment, steady_hash};

/// Where uptime zero lies on the wall clock, in time since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Anchor(Duration);

impl Anchor {
    /// Reads it off any moment of the process.
    pub fn of(now: Moment) -> Self {
        let since_1970 = now.at.duration_since(Timestamp::UNIX_EPOCH);
        Self(Duration::try_from(since_1970).unwrap_or_default().saturating_sub(now.up))
    }

    /// The first stroke of the rhythm at least half an `interval` after `last`, by uptime. The half keeps
    /// a check that was made out of step from being made twice in a row.
    pub fn next_stroke(self, last: Duration, interval: Duration, seed: u64) -> Duration {
        let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX / 4);
        let period = millis(interval).max(1);
        let start = millis(self.0);
        let earliest = start.saturating_add(millis(last + interval / 2));
        let into_period = (earliest % period + period - seed % period) % period;
        let wait = (period - into_period) % period;
        Duration::from_millis(earliest - start + wait)
    }
}

/// The seed of a rhythm: the same for the same words on every machine and in every version.
pub fn seed(words: &[&str]) -> u64 {
    // No text holds the byte that ends each.
    steady_hash(words.iter().flat_map(|word| word.bytes().chain([0xff])))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn strokes_come_half_to_one_and_a_half_intervals_later_and_keep_their_phase(
            start in 0i64..4_000_000_000, last in 0u64..100_000_000, interval in 10u64..100_000_000, seed: u64,
        ) {
            let at = Timestamp::from_second(start).unwrap();
            let anchor = Anchor::of(Moment { at, up: Duration::ZERO });
            let interval = Duration::from_millis(interval);
            let last = Duration::from_millis(last);
            let stroke = anchor.next_stroke(last, interval, seed);
            prop_assert!(stroke + Duration::from_millis(1) >= last + interval / 2);
            prop_assert!(stroke < last + interval * 3 / 2 + Duration::from_millis(1));
            let next = anchor.next_stroke(stroke, interval, seed);
            prop_assert_eq!(next, stroke + interval);
        }
    }

    #[test]
    fn a_restart_keeps_the_rhythm() {
        let moment = |at, up| Moment { at: Timestamp::from_second(at).unwrap(), up: Duration::from_secs(up) };
        let (first, second) = (Anchor::of(moment(1_000, 0)), Anchor::of(moment(1_700, 0)));
        let interval = Duration::from_mins(5);
        let before = first.next_stroke(Duration::from_secs(700), interval, 42).as_secs() + 1_000;
        let after = second.next_stroke(Duration::ZERO, interval, 42).as_secs() + 1_700;
        assert_eq!(before, after);
        assert_eq!(Anchor::of(moment(1_060, 60)), first);
    }
}
