//! Durations as scenario files write them: `90s`, `2h 30m`, `10d`, with a sign where one makes
//! sense.

use std::time::Duration;

use jiff::SignedDuration;
use serde::{Deserialize, Deserializer, de::Error};

/// How long a token lives, counted from the start of the fake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lifetime {
    /// It has no expiry.
    Never,
    /// It expires that long after the start; a negative one expired before it.
    In(SignedDuration),
}

impl<'de> Deserialize<'de> for Lifetime {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if text == "never" {
            return Ok(Self::Never);
        }
        parse_signed(&text)
            .map(Self::In)
            .ok_or_else(|| D::Error::custom("expected `never` or a duration like `10d` or `-3d 4h`"))
    }
}

/// For `deserialize_with`: a duration.
pub(super) fn plain<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(deserializer)?;
    parse_plain(&text).ok_or_else(|| D::Error::custom("expected a duration like `90s` or `5m`"))
}

/// For `deserialize_with`: a duration that may be left out.
pub(super) fn optional<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    plain(deserializer).map(Some)
}

/// For `deserialize_with`: a duration that may be negative.
pub(super) fn signed<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SignedDuration, D::Error> {
    let text = String::deserialize(deserializer)?;
    parse_signed(&text).ok_or_else(|| D::Error::custom("expected a duration like `90s`, `10d` or `-1d`"))
}

fn parse_signed(text: &str) -> Option<SignedDuration> {
    let (magnitude, negative) = match text.strip_prefix('-') {
        Some(rest) => (rest, true),
        None => (text, false),
    };
    let duration = SignedDuration::try_from(parse_plain(magnitude)?).ok()?;
    // A century either way keeps every date that is computed from it inside the calendar.
    (duration < SignedDuration::from_hours(24 * 36_525)).then_some(if negative {
        -duration
    } else {
        duration
    })
}

fn parse_plain(text: &str) -> Option<Duration> {
    humantime::parse_duration(text).ok()
}
