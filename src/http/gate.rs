//! What every request passes before it reaches a route: its form, the rate limit, who asks, from where, and
//! whether there is room for one more.

use std::{
    convert::Infallible,
    sync::{Arc, Mutex, PoisonError},
};

use axum::{
    Router,
    extract::Request,
    http::{
        HeaderName, HeaderValue, Method, StatusCode, Version, header, request::Parts as Head, uri::Authority,
    },
    response::Response,
};
use tokio::{
    sync::{OwnedSemaphorePermit, watch},
    time::Instant,
};
use tower::ServiceExt;

use super::{
    answer,
    auth::{Caller, Passwords},
    guard,
    limits::{Busy, InFlight, TooMany, UnderWay},
};
use crate::config::web::{RateLimit, WebConfig};

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Says how to prove who asks. Of no use to a page of another site, which learns no more than this.
const CHALLENGE: HeaderValue =
    HeaderValue::from_static("Basic realm=\"hex-token-exporter\", charset=\"UTF-8\"");

/// Stands before the routes.
#[derive(Debug)]
pub(super) struct Gate {
    router: Router,
    web: watch::Receiver<Arc<WebConfig>>,
    passwords: Passwords,
    bucket: Mutex<Option<Bucket>>,
    in_flight: InFlight,
}

impl Gate {
    pub(super) fn new(
        router: Router,
        web: watch::Receiver<Arc<WebConfig>>,
        passwords: Passwords,
        in_flight: InFlight,
    ) -> Self {
        Self { router, web, passwords, bucket: Mutex::default(), in_flight }
    }

    /// The web configuration in force.
    pub(super) fn web(&self) -> Arc<WebConfig> {
        self.web.borrow().clone()
    }

    /// Answers a request, or refuses it.
    pub(super) async fn answer(&self, request: Request, busy: Busy) -> Result<Response, Infallible> {
        let web = self.web();
        let (head, body) = request.into_parts();
        let (answer, turn) = match self.admit(&web, &head).await {
            Ok(turn) => (self.router.clone().oneshot(Request::from_parts(head, body)).await?, turn),
            Err(refusal) => (guard::secure_headers(refusal).await, None),
        };
        let mut answer = answer.map(|body| UnderWay::body(body, turn, &busy));
        for (name, value) in &web.headers {
            let name = HeaderName::from_bytes(name.as_bytes());
            if let (Ok(name), Ok(value)) = (name, HeaderValue::from_str(value)) {
                answer.headers_mut().insert(name, value);
            }
        }
        Ok(answer)
    }

    async fn admit(&self, web: &WebConfig, head: &Head) -> Result<Option<OwnedSemaphorePermit>, Response> {
        if let Some(wrong) = malformed(head) {
            // Where its end is in doubt, nothing after it can be trusted.
            return Err(with(
                header::CONNECTION,
                HeaderValue::from_static("close"),
                answer::text(StatusCode::BAD_REQUEST, wrong),
            ));
        }
        if web.rate_limit.is_some_and(|limit| !self.take(limit)) {
            return Err(again(
                StatusCode::TOO_MANY_REQUESTS,
                "the rate limit of the web configuration is reached",
            ));
        }
        match self.passwords.caller(web, &head.headers).await {
            Caller::Known => {}
            Caller::Unknown => {
                let refusal = answer::text(StatusCode::UNAUTHORIZED, "a user and password are needed");
                return Err(with(header::WWW_AUTHENTICATE, CHALLENGE, refusal));
            }
            Caller::InTheQueue => {
                return Err(again(StatusCode::SERVICE_UNAVAILABLE, "too many passwords wait to be checked"));
            }
        }
        let changes = !matches!(head.method, Method::GET | Method::HEAD | Method::OPTIONS);
        if changes && is_from_another_site(head) {
            let refusal = "another site may not ask for this";
            return Err(answer::text(StatusCode::FORBIDDEN, refusal));
        }
        self.in_flight.enter(head.uri.path()).await.map_err(|TooMany| {
            let refusal = again(StatusCode::SERVICE_UNAVAILABLE, "too many requests are under way");
            // Others can use the connection until this one comes again.
            with(header::CONNECTION, HeaderValue::from_static("close"), refusal)
        })
    }

    /// Takes one of the tokens of the bucket, where there is any.
    fn take(&self, limit: RateLimit) -> bool {
        let mut bucket = self.bucket.lock().unwrap_or_else(PoisonError::into_inner);
        // Not before: whoever waited longer for the lock would set the clock of the bucket back.
        let now = Instant::now();
        if bucket.is_none_or(|bucket| bucket.limit != limit) {
            *bucket = Some(Bucket { limit, tokens: f64::from(limit.burst), at: now });
        }
        bucket.as_mut().is_some_and(|bucket| bucket.take(now))
    }
}

/// Holds what of the rate limit is left.
#[derive(Debug, Clone, Copy)]
struct Bucket {
    limit: RateLimit,
    tokens: f64,
    at: Instant,
}

impl Bucket {
    fn take(&mut self, now: Instant) -> bool {
        let dripped = (now - self.at).as_secs_f64() / self.limit.interval.as_secs_f64();
        self.tokens = (self.tokens + dripped).min(f64::from(self.limit.burst));
        self.at = now;
        let any = self.tokens >= 1.0;
        if any {
            self.tokens -= 1.0;
        }
        any
    }
}

/// Why a request has no meaning that all on its way would agree on. That its body has one length alone is
/// seen to by hyper, which refuses all else, or ends the connection where both forms are given.
fn malformed(head: &Head) -> Option<&'static str> {
    let headers = &head.headers;
    let mut hosts = headers.get_all(header::HOST).iter();
    match (hosts.next(), hosts.next()) {
        (Some(host), None) => {
            let host = host.to_str().ok().and_then(|host| host.parse::<Authority>().ok());
            host.is_none_or(|host| host.as_str().contains('@')).then_some("this is no host")
        }
        (None, _) if head.version == Version::HTTP_11 => Some("a host is missing"),
        (None, _) => None,
        (Some(_), Some(_)) => Some("there must be one host"),
    }
}

/// Whether a browser sends this on behalf of a page that is not ours. Whoever is no browser says nothing of
/// it, and is taken.
fn is_from_another_site(head: &Head) -> bool {
    let headers = &head.headers;
    let is_ours = |site: &HeaderValue| site == "same-origin" || site == "none";
    if headers.get_all(SEC_FETCH_SITE).iter().any(|site| !is_ours(site)) {
        return true;
    }
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let host = host.or_else(|| head.uri.authority().map(Authority::as_str));
    let is_ours = |origin: &HeaderValue| {
        let origin = origin.to_str().ok().and_then(|origin| origin.split_once("://"));
        matches!((origin, host), (Some((_, origin)), Some(host)) if origin.eq_ignore_ascii_case(host))
    };
    headers.get_all(header::ORIGIN).iter().any(|origin| !is_ours(origin))
}

/// A refusal that a repeat may overcome.
fn again(status: StatusCode, words: &str) -> Response {
    with(header::RETRY_AFTER, HeaderValue::from_static("1"), answer::text(status, words))
}

fn with(name: HeaderName, value: HeaderValue, mut response: Response) -> Response {
    response.headers_mut().insert(name, value);
    response
}
