//! Pages of a list, by opaque cursors, as all lists but that of runs have them.

use serde_json::{Value, json};

use super::Parameters;
use crate::fake_hex::errors::Refusal;

/// The number of entries on a page that does not ask for another.
const USUAL_LIMIT: usize = 25;

/// One page of `entries`, as `limit`, `after` and `before` ask for it.
pub(super) fn page(entries: &[Value], query: &Parameters, largest_limit: usize) -> Result<Value, Refusal> {
    let limit = limit(query, largest_limit)?;
    let position = |name| match query.get(name) {
        None => Ok(None),
        Some(cursor) => match read_cursor(cursor) {
            Some(position) if position <= entries.len() => Ok(Some(position)),
            _ => Err(Refusal::BadRequest("Invalid cursor")),
        },
    };
    let (start, end) = match (position("after")?, position("before")?) {
        (Some(_), Some(_)) => return Err(Refusal::BadRequest("Use either after or before")),
        (None, Some(end)) => (end.saturating_sub(limit), end),
        (after, None) => {
            let start = after.unwrap_or(0);
            (start, entries.len().min(start + limit))
        }
    };
    Ok(json!({
        "values": entries[start..end],
        "pagination": {
            "after": (end < entries.len()).then(|| cursor(end)),
            "before": (start > 0).then(|| cursor(start)),
        },
    }))
}

/// The parameter `limit`, within its bounds.
pub(super) fn limit(query: &Parameters, largest: usize) -> Result<usize, Refusal> {
    match query.get("limit").map(|limit| limit.parse()) {
        None => Ok(USUAL_LIMIT),
        Some(Ok(limit)) if (1..=largest).contains(&limit) => Ok(limit),
        Some(_) => Err(Refusal::BadRequest("Invalid limit")),
    }
}

/// Whether the parameter `name` is on.
pub(super) fn flag(query: &Parameters, name: &str) -> bool {
    query.get(name).is_some_and(|value| value == "true")
}

/// A cursor is the place between two entries, made to look like nothing to count with.
const DISGUISE: usize = 0x5eed_cafe;

fn cursor(position: usize) -> String {
    format!("c{:08x}", position ^ DISGUISE)
}

fn read_cursor(cursor: &str) -> Option<usize> {
    let digits = cursor.strip_prefix('c')?;
    Some(usize::from_str_radix(digits, 16).ok()? ^ DISGUISE)
}
