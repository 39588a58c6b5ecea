//! How dates, spans and labels are put for people, and which of four tones they have.

use std::time::Duration;

use jiff::Timestamp;

use crate::{
    domain::{Course, TokenState},
    store::report::{Second, Urgency},
};

/// How something looks: never by colour alone, a word or a shape always says the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tone {
    /// Somebody must act now.
    Bad,
    /// Somebody must act soon.
    Warn,
    /// Nobody can say.
    Unclear,
    /// All is well.
    Good,
}

impl Tone {
    /// The tone of a whole token.
    pub(super) fn of(urgency: Urgency) -> Self {
        match urgency {
            Urgency::Dead
            | Urgency::WrongWorkspace
            | Urgency::UnderScoped
            | Urgency::ProjectUnavailable
            | Urgency::ExpiresCritical => Self::Bad,
            Urgency::ExpiresWarning => Self::Warn,
            Urgency::Unknown => Self::Unclear,
            Urgency::Fine => Self::Good,
        }
    }

    /// The tone of a state alone.
    pub(super) fn of_state(state: TokenState) -> Self {
        match state {
            TokenState::Valid => Self::Good,
            TokenState::Unknown => Self::Unclear,
            TokenState::Expired
            | TokenState::Invalid
            | TokenState::WrongWorkspace
            | TokenState::UnderScoped
            | TokenState::ProjectUnavailable => Self::Bad,
        }
    }

    /// The tone of one probe.
    pub(super) fn of_course(course: Course) -> Self {
        match course {
            Course::Well => Self::Good,
            Course::Refused => Self::Bad,
            Course::Inconclusive => Self::Unclear,
        }
    }

    /// Its class in the stylesheet.
    pub(super) fn class(self) -> &'static str {
        match self {
            Self::Bad => "bad",
            Self::Warn => "warn",
            Self::Unclear => "unclear",
            Self::Good => "good",
        }
    }
}

/// A date, for machines and for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Time {
    /// RFC 3339.
    pub(super) exact: String,
    /// As far from now.
    pub(super) ago: String,
}

impl Time {
    pub(super) fn new(at: Timestamp, now: Timestamp) -> Self {
        let seconds = now.duration_since(at).as_secs();
        let span = span(Duration::from_secs(seconds.unsigned_abs()));
        let ago = match seconds {
            0 => "just now".to_owned(),
            1.. => format!("{span} ago"),
            _ => format!("in {span}"),
        };
        Self { exact: Second(at).to_string(), ago }
    }
}

/// A span of time in its largest unit.
pub(super) fn span(span: Duration) -> String {
    match span.as_secs() {
        seconds @ 0..60 => format!("{seconds} s"),
        seconds @ 60..3_600 => format!("{} min", seconds / 60),
        seconds @ 3_600..172_800 => format!("{} h", seconds / 3_600),
        seconds => format!("{} days", seconds / 86_400),
    }
}

/// How long a request took.
pub(super) fn latency(duration: Duration) -> String {
    let seconds = duration.as_secs_f64();
    if seconds < 0.001 {
        "under 1 ms".to_owned()
    } else if seconds < 1.0 {
        format!("{:.0} ms", seconds * 1_000.0)
    } else {
        format!("{seconds:.1} s")
    }
}

/// Days left, or since.
pub(super) fn days(days: f64) -> String {
    let size = days.abs();
    let span = if size < 1.0 {
        format!("{:.0} h", size * 24.0)
    } else if size < 99.95 {
        format!("{size:.1} days")
    } else {
        format!("{size:.0} days")
    };
    if days < 0.0 { format!("{span} past") } else { span }
}

/// A number of things.
pub(super) fn count(number: usize, what: &str) -> String {
    if number == 1 { format!("1 {what}") } else { format!("{number} {what}s") }
}

/// A label as words.
pub(super) fn words(label: &str) -> String {
    label.replace('_', " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_told_by_their_distance() {
        let now = Timestamp::from_second(1_790_000_000).unwrap();
        for (seconds, expected) in [
            (0, "just now"),
            (1, "1 s ago"),
            (59, "59 s ago"),
            (60, "1 min ago"),
            (3_599, "59 min ago"),
            (3_600, "1 h ago"),
            (172_799, "47 h ago"),
            (172_800, "2 days ago"),
            (-90, "in 1 min"),
        ] {
            let at = Timestamp::from_second(1_790_000_000 - seconds).unwrap();
            assert_eq!(Time::new(at, now).ago, expected);
        }
        assert_eq!(Time::new(now, now).exact, "2026-09-21T14:13:20Z");
    }

    #[test]
    fn days_are_told_as_finely_as_is_of_use() {
        for (left, expected) in [
            (0.2, "5 h"),
            (1.0, "1.0 days"),
            (9.96, "10.0 days"),
            (364.7, "365 days"),
            (-0.5, "12 h past"),
            (-3.2, "3.2 days past"),
        ] {
            assert_eq!(days(left), expected);
        }
    }

    #[test]
    fn latencies_are_told_in_the_unit_that_fits() {
        for (micros, expected) in [(300, "under 1 ms"), (12_400, "12 ms"), (1_540_000, "1.5 s")] {
            assert_eq!(latency(Duration::from_micros(micros)), expected);
        }
    }
}
