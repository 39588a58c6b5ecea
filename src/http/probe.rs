//! `/probe?name=NAME`: makes the due checks of one token, and answers with its series.
//!
//! It takes the name of a configured token and nothing else: a caller can never choose where a credential
//! is sent.

use std::time::Duration;

use axum::{
    extract::{RawQuery, State},
    http::{HeaderMap, StatusCode},
    response::Response,
};
use tokio::time::timeout;
use url::form_urlencoded;

use super::{Parts, answer, scrape::exposition};
use crate::{domain::Name, metrics};

/// Prometheus tells here how long it waits, in seconds.
const SCRAPE_TIMEOUT: &str = "x-prometheus-scrape-timeout-seconds";

/// Prometheus' own default.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(10);

/// The longest that anybody may hold a connection for.
const LONGEST_TIMEOUT: Duration = Duration::from_mins(2);

/// Kept back for the answer.
const MARGIN: Duration = Duration::from_millis(500);

/// Probes the token where anything is due, waits for that as long as the caller does, and answers from
/// the store.
pub(super) async fn probe(
    State(parts): State<Parts>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    let name = match name(query.as_deref().unwrap_or_default()) {
        Ok(name) => name,
        Err(wrong) => return answer::text(StatusCode::BAD_REQUEST, wrong),
    };
    let Ok(name) = Name::parse(&name) else { return answer::no_such_token() };
    let Some(done) = parts.on_demand.probe(&name) else { return answer::no_such_token() };
    // Where it takes longer, the store knows the last answers, and their age shows.
    let _ = timeout(patience(&headers), done).await;
    match parts.store.sight(name.as_str()) {
        Some(seen) => exposition(metrics::token_page(seen.token, seen.hex_now)),
        None => answer::no_such_token(),
    }
}

/// The name that a query asks for.
fn name(query: &str) -> Result<String, &'static str> {
    let mut name = None;
    for (key, value) in form_urlencoded::parse(query.as_bytes()) {
        if key != "name" {
            return Err(
                "the only parameter is name, of a configured token: where its credential is sent is set in the configuration, never by a caller",
            );
        }
        if name.replace(value.into_owned()).is_some() {
            return Err("there must be one name");
        }
    }
    name.filter(|name| !name.is_empty())
        .ok_or("a name is missing: ask for /probe?name=NAME, where NAME is a configured token")
}

/// How long the caller lets us wait.
fn patience(headers: &HeaderMap) -> Duration {
    headers
        .get(SCRAPE_TIMEOUT)
        .and_then(|value| value.to_str().ok()?.trim().parse::<f64>().ok())
        .filter(|seconds| *seconds > 0.0)
        .map_or(DEFAULT_TIMEOUT, |seconds| {
            Duration::try_from_secs_f64(seconds).unwrap_or(LONGEST_TIMEOUT).min(LONGEST_TIMEOUT)
        })
        .saturating_sub(MARGIN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_follows_prometheus_within_bounds() {
        let wait = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(SCRAPE_TIMEOUT, value.parse().unwrap());
            patience(&headers)
        };
        assert_eq!(patience(&HeaderMap::new()), Duration::from_millis(9_500));
        for (value, expected) in [
            ("5", 4.5),
            (" 2.25 ", 1.75),
            ("0.5", 0.0),
            ("0.1", 0.0),
            ("600", 119.5),
            ("1e300", 119.5),
            ("inf", 119.5),
            ("0", 9.5),
            ("-1", 9.5),
            ("NaN", 9.5),
            ("10s", 9.5),
            ("", 9.5),
        ] {
            assert_eq!(wait(value), Duration::from_secs_f64(expected), "{value}");
        }
    }

    #[test]
    fn a_query_is_one_name_and_nothing_else() {
        assert_eq!(name("name=airflow"), Ok("airflow".to_owned()));
        assert_eq!(name("name=air%66low&"), Ok("airflow".to_owned()));
        for wrong in ["", "name", "name=", "Name=a", "name=a&name=b", "name=a&target=https://evil.example"] {
            assert!(name(wrong).is_err(), "{wrong}");
        }
    }
}
