//! What every request passes through: limits, and headers that keep an answer what it is.

use std::time::Duration;

use axum::{
    extract::{RawQuery, Request},
    http::{HeaderValue, StatusCode, header},
    middleware::Next,
    response::Response,
};
use tower_http::{catch_panic::CatchPanicLayer, limit::RequestBodyLimitLayer, timeout::TimeoutLayer};
use url::form_urlencoded;

use super::answer;
use crate::domain::secret::token_like;

/// No route reads a body.
const BODY_LIMIT: usize = 1024;

/// A reload reads files, perhaps over a network.
const TIME_LIMIT: Duration = Duration::from_secs(30);

/// Refuses large bodies.
pub(super) fn body_limit() -> RequestBodyLimitLayer {
    RequestBodyLimitLayer::new(BODY_LIMIT)
}

/// Ends what takes too long.
pub(super) fn time_limit() -> TimeoutLayer {
    TimeoutLayer::with_status_code(StatusCode::SERVICE_UNAVAILABLE, TIME_LIMIT)
}

type OnPanic = fn(Box<dyn std::any::Any + Send>) -> Response;

/// Answers where a handler panics. The panic itself is logged by the hook, with no word of the request.
pub(super) fn catch_panic() -> CatchPanicLayer<OnPanic> {
    CatchPanicLayer::custom(|_| answer::failed())
}

/// Refuses a query that holds what looks like a Hex token, so that nobody gets used to sending one.
pub(super) async fn refuse_tokens(RawQuery(query): RawQuery, request: Request, next: Next) -> Response {
    let query = query.unwrap_or_default();
    let found = form_urlencoded::parse(query.as_bytes())
        .find_map(|(key, value)| token_like(&key).or_else(|| token_like(&value)));
    match found {
        Some(shown) => answer::text(
            StatusCode::BAD_REQUEST,
            &format!(
                "the query holds what looks like a Hex token ({shown}): tokens are asked for by their configured names"
            ),
        ),
        None => next.run(request).await,
    }
}

/// Sets the headers that keep browsers from guessing, keeping, framing or running anything. A page that
/// needs more sets its own policy.
pub(super) async fn secure_headers(mut response: Response) -> Response {
    const POLICY: HeaderValue = HeaderValue::from_static(
        "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    );
    let headers = response.headers_mut();
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.entry(header::CONTENT_SECURITY_POLICY).or_insert(POLICY);
    response
}
