//! Lengths of time, written with a unit that has a fixed length.

use std::{ops::RangeInclusive, time::Duration};

use humantime::{DurationError, format_duration, parse_duration};

/// Reads `5m` or `1h 30m` within `limits`, or says what is wrong with it.
pub(super) fn parse(text: &str, limits: &RangeInclusive<Duration>) -> Result<Duration, String> {
    if text.split(|c: char| !c.is_ascii_alphabetic()).any(has_no_fixed_length) {
        return Err("months and years have no fixed length; write days, as in 30d (a month is `M`, a \
                    minute `m`)"
            .to_owned());
    }
    let duration = parse_duration(text).map_err(|error| match error {
        DurationError::UnknownUnit { unit, .. } if unit.is_empty() => {
            "needs a unit; write it as in 30s, 5m, 1h or 14d".to_owned()
        }
        DurationError::UnknownUnit { .. } => {
            "has an unknown unit; the units are ms, s, m, h, d and w".to_owned()
        }
        DurationError::NumberOverflow => "is too long".to_owned(),
        _ => "is no length of time; write it as in 30s, 5m, 1h or 14d".to_owned(),
    })?;
    if limits.contains(&duration) {
        Ok(duration)
    } else {
        let (least, most) = (short(*limits.start()), short(*limits.end()));
        Err(format!("must be from {least} to {most}"))
    }
}

fn has_no_fixed_length(unit: &str) -> bool {
    matches!(unit, "M" | "month" | "months" | "y" | "yr" | "yrs" | "year" | "years")
}

/// In the way it is written here: humantime would write `10years 2months`.
fn short(duration: Duration) -> String {
    const DAY: u64 = 86_400;
    match duration.as_secs() {
        days if days >= DAY && days.is_multiple_of(DAY) => format!("{}d", days / DAY),
        _ => format_duration(duration).to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_units_of_fixed_length_are_taken() {
        let limits = Duration::from_secs(1)..=Duration::from_hours(24 * 365);
        let parse = |text| parse(text, &limits).ok();
        assert_eq!(parse("5m"), Some(Duration::from_mins(5)));
        assert_eq!(parse("1h 30m"), Some(Duration::from_mins(90)));
        assert_eq!(parse("14d"), Some(Duration::from_hours(14 * 24)));
        assert_eq!(parse("2w"), Some(Duration::from_hours(14 * 24)));
        for bad in ["", " ", "5", "0", "0s", "5M", "1y", "1h2M", "5 months", "-5m", "5mm", "m", "1000000w"] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }
}
