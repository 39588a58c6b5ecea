//! The drawings: bars of days left and of budgets, the strip of latest probes, latencies over time. Here
//! is their geometry alone; the templates draw it, and colours come from the stylesheet.
//!
//! No shape tells by colour alone: what went well is drawn lower or rounder than what did not.

use std::fmt::Write as _;

use jiff::Timestamp;

use super::words::{Time, Tone, count, latency, words};
use crate::{
    domain::Course,
    store::{TokenView, history::Entry},
};

/// How many probes a strip shows.
const STRIP: usize = 24;

/// The scale of latencies: from a millisecond, over this many powers of ten.
const DECADES: f64 = 4.5;

/// A horizontal bar; all lengths in hundredths of its whole length.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Bar {
    /// How much of it is filled.
    pub(super) filled: f64,
    /// Where a threshold is marked.
    pub(super) mark: Option<f64>,
    /// Its tone.
    pub(super) tone: Tone,
}

impl Bar {
    /// Days left. A bar is full at four times the token's own warning threshold: marks stand below each
    /// other whatever the thresholds are, and a short bar is near trouble.
    pub(super) fn of_days(days: f64, warning_days: f64, tone: Tone) -> Self {
        let full = warning_days * 4.0;
        let filled = if full > 0.0 { (days / full * 100.0).clamp(0.0, 100.0) } else { 100.0 };
        Self { filled: tenth(filled), mark: Some(25.0), tone }
    }

    /// Requests that are planned, of those that may be made.
    pub(super) fn of_budget(planned: f64, budget: f64) -> Self {
        let filled = if budget > 0.0 { (planned / budget * 100.0).clamp(0.0, 100.0) } else { 100.0 };
        let tone = if planned > budget { Tone::Bad } else { Tone::Good };
        Self { filled: tenth(filled), mark: None, tone }
    }
}

fn tenth(number: f64) -> f64 {
    (number * 10.0).round() / 10.0
}

/// The latest probes as a strip, the newest to the right: one path a look.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Strip {
    pub(super) well: String,
    pub(super) refused: String,
    pub(super) inconclusive: String,
    /// The same in words.
    pub(super) told: String,
}

impl Strip {
    /// Nothing before the first probe.
    pub(super) fn of(token: &TokenView) -> Option<Self> {
        let mut strip = Self::default();
        let mut counts = [0; 3];
        for (place, entry) in token.history.newest_first().take(STRIP).enumerate() {
            let course = token.course(&entry);
            let (path, height) = match course {
                Course::Well => (&mut strip.well, 8),
                Course::Refused => (&mut strip.refused, 16),
                Course::Inconclusive => (&mut strip.inconclusive, 12),
            };
            counts[course as usize] += 1;
            let x = (STRIP - 1 - place) * 4;
            // Writing to a string can't fail.
            let _ = write!(path, "M{x} {}h3v{height}h-3z", 16 - height);
        }
        let [well, refused, inconclusive] = counts;
        let total = well + refused + inconclusive;
        strip.told = format!(
            "Latest {}: {well} went well, {refused} refused, {inconclusive} inconclusive",
            count(total, "probe")
        );
        (total > 0).then_some(strip)
    }
}

/// Latencies of the latest probes, each in a place of its own, the newest to the right.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Latencies {
    /// Lines across, with what they stand for.
    pub(super) lines: Vec<(f64, &'static str)>,
    /// The probes.
    pub(super) points: Vec<Point>,
    /// The oldest and the newest.
    pub(super) oldest: Time,
    pub(super) newest: Time,
    /// The same in words.
    pub(super) told: String,
}

/// One probe: a stem from the ground, and on it a round head, or a square or open one where it did not go
/// well.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Point {
    pub(super) x: f64,
    pub(super) y: f64,
    pub(super) course: Course,
    pub(super) told: String,
}

impl Latencies {
    /// Where the drawing begins, and how wide and high it is. The templates know the same numbers.
    const LEFT: f64 = 52.0;
    const WIDTH: f64 = 660.0;
    const TOP: f64 = 14.0;
    const HEIGHT: f64 = 150.0;

    /// Nothing before the first probe.
    pub(super) fn of(token: &TokenView, now: Timestamp) -> Option<Self> {
        let entries: Vec<Entry> = token.history.newest_first().collect();
        let (newest, oldest) = (entries.first()?, entries.last()?);
        // A few probes stand as close as a dozen would, to the right.
        let places = u8::try_from(entries.len().max(12)).unwrap_or(u8::MAX);
        let slot = Self::WIDTH / f64::from(places);
        let mut x = Self::LEFT + Self::WIDTH + slot / 2.0;
        let mut points = Vec::new();
        for entry in &entries {
            x -= slot;
            points.push(Point {
                x: tenth(x),
                y: Self::height_of(entry.duration.as_secs_f64()),
                course: token.course(entry),
                told: format!(
                    "{}: {}, {}",
                    words(entry.check.as_label()),
                    words(entry.reason.as_label()),
                    latency(entry.duration)
                ),
            });
        }
        points.reverse();
        let longest = entries.iter().map(|entry| entry.duration).max()?;
        let well = points.iter().filter(|point| point.course == Course::Well).count();
        let told = format!(
            "{}, of which {well} went well; the slowest took {}. The table below tells each.",
            count(points.len(), "probe"),
            latency(longest)
        );
        let lines = [(0.001, "1 ms"), (0.01, "10 ms"), (0.1, "100 ms"), (1.0, "1 s"), (10.0, "10 s")]
            .map(|(seconds, label)| (Self::height_of(seconds), label))
            .to_vec();
        Some(Self {
            lines,
            points,
            oldest: Time::new(oldest.at, now),
            newest: Time::new(newest.at, now),
            told,
        })
    }

    /// Where a latency stands: each power of ten takes as much room as the next, since a check that takes
    /// milliseconds and a timeout of seconds must both be seen.
    fn height_of(seconds: f64) -> f64 {
        let part = ((seconds.max(0.001) / 0.001).log10() / DECADES).clamp(0.0, 1.0);
        tenth(Self::TOP + Self::HEIGHT * (1.0 - part))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_of_days_is_full_at_four_times_the_warning() {
        let filled = |days, warning| Bar::of_days(days, warning, Tone::Good).filled;
        for (days, warning, expected) in [
            (14.0, 14.0, 25.0),
            (2.0, 14.0, 3.6),
            (56.0, 14.0, 100.0),
            (400.0, 14.0, 100.0),
            (-3.0, 14.0, 0.0),
        ] {
            assert!((filled(days, warning) - expected).abs() < 1e-9, "{days} of {warning}");
        }
        assert!((filled(5.0, 0.0) - 100.0).abs() < 1e-9);
    }

    #[test]
    fn a_budget_that_is_exceeded_is_full_and_bad() {
        assert_eq!(Bar::of_budget(15.0, 30.0), Bar { filled: 50.0, mark: None, tone: Tone::Good });
        assert_eq!(Bar::of_budget(45.0, 30.0), Bar { filled: 100.0, mark: None, tone: Tone::Bad });
    }

    #[test]
    fn latencies_stand_within_the_drawing() {
        let heights: Vec<f64> = [0.0, 0.001, 0.01, 1.0, 31.7, 1e9].map(Latencies::height_of).to_vec();
        assert_eq!(heights, [164.0, 164.0, 130.7, 64.0, 14.0, 14.0]);
    }
}
