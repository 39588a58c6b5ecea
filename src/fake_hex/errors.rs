//! Every way in which Hex says no, and what it looks like on the wire.

use axum::{
    body::Body,
    http::{HeaderValue, StatusCode, header},
    response::Response,
};
use serde_json::{Value, json};

use super::{
    behaviour::{Denial, RetryAfter, Unauthorized},
    limits::Allowance,
    route::Family,
    state::World,
};

/// A refusal, before it is put into one of the families.
#[derive(Debug, Clone)]
pub(super) enum Refusal {
    /// No credential, or one that is not good; all the reasons look alike.
    Unauthorized {
        sent: bool,
    },
    RateLimited(Allowance),
    /// The internal operation that is not permitted.
    Forbidden(&'static str),
    /// The workspace's plan does not hold this route.
    Plan,
    BadRequest(&'static str),
    NotFound(&'static str),
    Unprocessable(&'static str),
    /// Too many runs at once.
    KernelLimit,
}

impl Denial {
    /// This way of saying that `what` is not there.
    pub(super) fn of(self, what: &'static str) -> Refusal {
        match self {
            Self::NotFound => Refusal::NotFound(what),
            Self::Forbidden => Refusal::Forbidden(what),
            Self::Unprocessable => Refusal::Unprocessable(what),
        }
    }
}

impl Refusal {
    /// The answer of a route that speaks in `family`.
    pub(super) fn answer(&self, family: Family, world: &mut World) -> Response {
        match *self {
            Self::Unauthorized { sent } => unauthorized(sent, world),
            Self::RateLimited(allowance) => rate_limited(allowance, world),
            Self::Forbidden(text) => in_family(family, StatusCode::FORBIDDEN, text, world),
            Self::Plan => json_response(
                StatusCode::FORBIDDEN,
                &json!({
                    "message":
                        "This endpoint requires the workspace to be at least ENTERPRISE tier."
                }),
            ),
            Self::BadRequest(text) => in_family(family, StatusCode::BAD_REQUEST, text, world),
            Self::NotFound(text) => in_family(family, StatusCode::NOT_FOUND, text, world),
            Self::Unprocessable(text) => in_family(family, StatusCode::UNPROCESSABLE_ENTITY, text, world),
            Self::KernelLimit => in_family(
                family,
                StatusCode::SERVICE_UNAVAILABLE,
                "Maximum number of running kernels reached",
                world,
            ),
        }
    }
}

/// An error answer of `family`.
pub(super) fn in_family(family: Family, status: StatusCode, text: &str, world: &mut World) -> Response {
    let body = match family {
        Family::T => json!({"reason": text, "traceId": world.next_trace_id()}),
        Family::E => json!({"code": code(status), "message": text, "issues": []}),
    };
    json_response(status, &body)
}

fn code(status: StatusCode) -> &'static str {
    match status {
        StatusCode::BAD_REQUEST => "BAD_REQUEST",
        StatusCode::UNAUTHORIZED => "UNAUTHORIZED",
        StatusCode::FORBIDDEN => "FORBIDDEN",
        StatusCode::NOT_FOUND => "NOT_FOUND",
        StatusCode::UNPROCESSABLE_ENTITY => "UNPROCESSABLE_CONTENT",
        StatusCode::TOO_MANY_REQUESTS => "TOO_MANY_REQUESTS",
        StatusCode::SERVICE_UNAVAILABLE => "SERVICE_UNAVAILABLE",
        _ => "INTERNAL_SERVER_ERROR",
    }
}

fn unauthorized(sent: bool, world: &mut World) -> Response {
    let mut response = match world.behaviour.unauthorized {
        Unauthorized::Text => {
            with_type(StatusCode::UNAUTHORIZED, "text/plain; charset=utf-8", "Unauthorized")
        }
        Unauthorized::Json => {
            in_family(Family::E, StatusCode::UNAUTHORIZED, "Authorization not provided", world)
        }
    };
    let challenge = if sent { r#"Bearer error="invalid_token""# } else { "Bearer" };
    response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
    response
}

fn rate_limited(allowance: Allowance, world: &mut World) -> Response {
    let mut response =
        in_family(world.limits.body, StatusCode::TOO_MANY_REQUESTS, "Rate limit exceeded", world);
    // Rounded up, so that a client that waits as told is not refused again.
    let wait = allowance.resets_in.as_secs() + 1;
    let retry_after = match world.limits.retry_after {
        RetryAfter::Seconds => Some(HeaderValue::from(wait)),
        RetryAfter::Date => HeaderValue::try_from(world.http_date(allowance.resets_in)).ok(),
        RetryAfter::Absent => None,
    };
    if let Some(value) = retry_after {
        response.headers_mut().insert(header::RETRY_AFTER, value);
    }
    show_allowance(&mut response, allowance, world);
    response
}

/// The rate limit headers; Hex's documentation promises some and names none.
pub(super) fn show_allowance(response: &mut Response, allowance: Allowance, world: &World) {
    if !world.limits.headers {
        return;
    }
    let numbers = [
        ("x-ratelimit-limit", u64::from(allowance.limit)),
        ("x-ratelimit-remaining", u64::from(allowance.remaining)),
        ("x-ratelimit-reset", allowance.resets_in.as_secs() + 1),
    ];
    for (name, number) in numbers {
        // A route's own refusal has said it already, and is the one that matters.
        response.headers_mut().entry(name).or_insert(HeaderValue::from(number));
    }
}

/// A JSON answer, with the content type Hex sends.
pub(super) fn json_response(status: StatusCode, body: &Value) -> Response {
    with_type(status, "application/json; charset=utf-8", body.to_string())
}

/// An answer with a body of that content type.
pub(super) fn with_type(status: StatusCode, content_type: &'static str, body: impl Into<Body>) -> Response {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}
