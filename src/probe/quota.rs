//! Rate-limit headers. Hex documents that its answers carry some and not their names, so the usual ones
//! are read: `RateLimit`, `RateLimit-Remaining`, `X-RateLimit-Remaining`, `X-Rate-Limit-Remaining`, and the
//! `-Reset` of each.

use std::time::Duration;

use jiff::Timestamp;
use reqwest::header::HeaderMap;

use super::headers::{first, whole_number};
use crate::domain::Quota;

const FAMILIES: [(&str, &str); 3] = [
    ("ratelimit-remaining", "ratelimit-reset"),
    ("x-ratelimit-remaining", "x-ratelimit-reset"),
    ("x-rate-limit-remaining", "x-rate-limit-reset"),
];

/// From here on a reset is a date and no delay: 30 years are no delay.
const EPOCH_SECONDS: f64 = 1e9;

/// From here on that date is told in milliseconds.
const EPOCH_MILLISECONDS: f64 = 1e11;

/// The quota that the headers tell. `now` is the server's clock, or else ours.
pub(super) fn read(headers: &HeaderMap, now: Timestamp) -> Option<Quota> {
    let named = FAMILIES.into_iter().find_map(|(remaining, reset)| {
        let remaining = whole_number(&first(headers, remaining)?)?;
        Some(Quota { remaining, reset_in: first(headers, reset).and_then(|text| reset_in(&text, now)) })
    });
    named.or_else(|| first(headers, "ratelimit").and_then(|text| combined(&text, now)))
}

/// The IETF's header, of its older drafts (`limit=60, remaining=12, reset=30`) and newer
/// (`"default";r=12;t=30`). Of several policies the tightest counts.
fn combined(text: &str, now: Timestamp) -> Option<Quota> {
    let mut tightest: Option<Quota> = None;
    let mut is_tightest = false;
    for parameter in text.split([',', ';']) {
        match parameter.trim().split_once('=') {
            Some(("r" | "remaining", value)) => {
                let remaining = whole_number(value.trim())?;
                is_tightest = tightest.is_none_or(|known| remaining <= known.remaining);
                if tightest.is_none_or(|known| remaining < known.remaining) {
                    tightest = Some(Quota { remaining, reset_in: None });
                }
            }
            Some(("t" | "reset", value)) => {
                // Of another policy it tells nothing.
                if let Some(quota) = tightest.as_mut().filter(|_| is_tightest) {
                    quota.reset_in = quota.reset_in.max(reset_in(value.trim(), now));
                }
            }
            _ => {}
        }
    }
    tightest
}

fn reset_in(text: &str, now: Timestamp) -> Option<Duration> {
    let number: f64 = text.parse().ok().filter(|number| *number >= 0.0)?;
    let from_epoch = match number {
        _ if number < EPOCH_SECONDS => return Duration::try_from_secs_f64(number).ok(),
        _ if number < EPOCH_MILLISECONDS => number,
        _ => number / 1e3,
    };
    let until = from_epoch - now.duration_since(Timestamp::UNIX_EPOCH).as_secs_f64();
    Duration::try_from_secs_f64(until.max(0.0)).ok()
}

#[cfg(test)]
mod tests {
    use reqwest::header::{HeaderName, HeaderValue};

    use super::*;

    fn quota(headers: &[(&'static str, &'static str)]) -> Option<(u64, Option<u64>)> {
        let headers = headers
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
            .collect();
        let now = Timestamp::from_second(1_800_000_000).unwrap();
        let quota = read(&headers, now)?;
        Some((quota.remaining, quota.reset_in.map(|reset| reset.as_secs())))
    }

    #[test]
    fn every_family_is_read() {
        for name in ["ratelimit-remaining", "x-ratelimit-remaining", "x-rate-limit-remaining"] {
            assert_eq!(quota(&[(name, "7")]), Some((7, None)), "{name}");
        }
        assert_eq!(
            quota(&[("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "30")]),
            Some((0, Some(30)))
        );
        assert_eq!(quota(&[("ratelimit", "limit=60, remaining=12, reset=30")]), Some((12, Some(30))));
        assert_eq!(quota(&[("ratelimit", "\"default\";r=12;t=30")]), Some((12, Some(30))));
        assert_eq!(quota(&[("ratelimit", "\"m\";r=9;t=30, \"h\";r=2;t=900")]), Some((2, Some(900))));
        assert_eq!(quota(&[("ratelimit", "\"m\";r=2;t=30, \"h\";r=9;t=900")]), Some((2, Some(30))));
        assert_eq!(quota(&[("ratelimit", "\"m\";r=2, \"h\";r=9;t=900")]), Some((2, None)));
        assert_eq!(quota(&[("ratelimit", "\"m\";r=0;t=1, \"h\";r=0;t=900")]), Some((0, Some(900))));
        assert_eq!(quota(&[("ratelimit", "\"m\";r=0;w=60, \"h\";r=5;w=1;t=1")]), Some((0, None)));
    }

    #[test]
    fn a_reset_is_a_delay_or_a_date() {
        for (reset, expected) in [
            ("12.5", Some(12)),
            ("1800000060", Some(60)),
            ("1800000060000", Some(60)),
            ("1700000000", Some(0)),
            ("-5", None),
            ("NaN", None),
            ("inf", None),
            ("soon", None),
        ] {
            let headers = [("ratelimit-remaining", "1"), ("ratelimit-reset", reset)];
            assert_eq!(quota(&headers), Some((1, expected)), "{reset}");
        }
    }

    #[test]
    fn what_tells_no_remaining_is_no_quota() {
        assert_eq!(quota(&[]), None);
        for (name, value) in [
            ("ratelimit-remaining", "many"),
            ("ratelimit-remaining", "-1"),
            ("ratelimit-reset", "30"),
            ("ratelimit", ""),
            ("ratelimit", "t=30"),
            ("ratelimit", "r=x"),
        ] {
            assert_eq!(quota(&[(name, value)]), None, "{name}: {value}");
        }
    }
}
