//! The head of an answer, reduced to what the rules need. What is malformed is as good as missing.

use std::{borrow::Cow, time::Duration};

use jiff::Timestamp;
use reqwest::{
    Url,
    header::{AGE, AsHeaderName, CONTENT_TYPE, DATE, HeaderMap, LOCATION, RETRY_AFTER, WWW_AUTHENTICATE},
};

use super::body::Content;

/// What the content type announces.
pub(super) fn content(headers: &HeaderMap) -> Content {
    let content_type = first(headers, CONTENT_TYPE).unwrap_or_default().to_ascii_lowercase();
    match content_type.split(';').next().map_or("", str::trim) {
        "application/json" | "text/json" => Content::Json,
        "text/html" | "application/xhtml+xml" => Content::Html,
        other if other.starts_with("application/") && other.ends_with("+json") => Content::Json,
        _ => Content::Other,
    }
}

/// Whether a challenge asks for a bearer token, among however many challenges and headers.
pub(super) fn bearer_challenge(headers: &HeaderMap) -> bool {
    all(headers, WWW_AUTHENTICATE).any(|challenges| {
        without_quoted(&challenges).split(',').any(|part| {
            let mut words = part.split_ascii_whitespace();
            let scheme = words.next().unwrap_or_default();
            // `bearer = x` would be a parameter of that name.
            scheme.eq_ignore_ascii_case("bearer") && !words.next().is_some_and(|next| next.starts_with('='))
        })
    })
}

/// Whether a cache answered.
pub(super) fn cached(headers: &HeaderMap) -> bool {
    let aged = first(headers, AGE).and_then(|age| whole_number(&age)).is_some_and(|age| age > 0);
    aged || hit(headers)
}

/// Of several caches in a row, one that had the answer is enough: `HIT, MISS`.
fn hit(headers: &HeaderMap) -> bool {
    let is_hit = |word: &str| word.eq_ignore_ascii_case("hit");
    all(headers, "x-cache").any(|value| value.split(|c: char| !c.is_ascii_alphanumeric()).any(is_hit))
}

/// The server's clock.
pub(super) fn date(headers: &HeaderMap) -> Option<Timestamp> {
    http_date(&first(headers, DATE)?)
}

/// How long to wait, told in seconds or as a date. `now` is the server's clock, or else ours.
pub(super) fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let text = first(headers, RETRY_AFTER)?;
    if let Some(seconds) = whole_number(&text) {
        return Some(Duration::from_secs(seconds));
    }
    Duration::try_from(http_date(&text)?.duration_since(now)).ok()
}

/// Whether a redirect leads from `asked` to another origin of Hex.
pub(super) fn moved_within_hex(headers: &HeaderMap, asked: &Url) -> bool {
    let target = first(headers, LOCATION).and_then(|location| asked.join(&location).ok());
    target.is_some_and(|target| {
        target.scheme() == "https"
            && target.host_str().is_some_and(|host| host.ends_with(".hex.tech"))
            && target.origin() != asked.origin()
    })
}

/// The first header of that name, trimmed.
pub(super) fn first(headers: &HeaderMap, name: impl AsHeaderName) -> Option<Cow<'_, str>> {
    all(headers, name).next()
}

/// A number in digits alone; one too large to hold is the largest.
pub(super) fn whole_number(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().unwrap_or(u64::MAX))
}

fn all(headers: &HeaderMap, name: impl AsHeaderName) -> impl Iterator<Item = Cow<'_, str>> {
    headers.get_all(name).iter().map(|value| String::from_utf8_lossy(value.as_bytes().trim_ascii()))
}

fn http_date(text: &str) -> Option<Timestamp> {
    Timestamp::try_from(httpdate::parse_http_date(text).ok()?).ok()
}

fn without_quoted(text: &str) -> String {
    let (mut quoted, mut escaped) = (false, false);
    let kept = |c: &char| {
        let inside = quoted;
        quoted = match c {
            '"' if !escaped => !quoted,
            _ => quoted,
        };
        escaped = inside && *c == '\\' && !escaped;
        !inside && *c != '"'
    };
    text.chars().filter(kept).collect()
}

#[cfg(test)]
#[path = "headers_tests.rs"]
mod tests;
