//! What every request meets before and after its route: the log, the faults, the first two checks
//! of `auth`, and the headers that every answer has.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use axum::{
    Extension,
    body::{Body, to_bytes},
    extract::{Request, State},
    http::{HeaderName, HeaderValue, StatusCode, header},
    middleware::Next,
    response::Response,
};
use hyper::body::{Body as HttpBody, Bytes, Frame};

use super::{
    Shared,
    errors::{Refusal, in_family, show_allowance, with_type},
    faults::{Action, Fault, FaultBody, Target},
    limits::Allowance,
    route::Family,
    server::Line,
    state::World,
};

const APP: &str = "<!doctype html><html><head><title>Hex</title></head>\
    <body><div id=\"root\"></div></body></html>";
const BLOCK_PAGE: &str = "<!doctype html><html><head><title>Request blocked</title></head>\
    <body><h1>Your request could not be completed</h1></body></html>";

pub(super) async fn gate(
    State(shared): State<Shared>,
    Extension(line): Extension<Arc<Line>>,
    request: Request,
    next: Next,
) -> Response {
    let (number, plight) = {
        let mut world = shared.world();
        let path_and_query = request.uri().path_and_query().map_or("/", |path| path.as_str());
        let recognised = world.recognise(request.headers());
        let target = Target {
            token: recognised.as_ref().map(|(token, _)| token.as_str()),
            workspace: recognised.as_ref().map(|(_, workspace)| workspace.as_str()),
            method: request.method().as_str(),
            path: request.uri().path(),
        };
        world.arrived(&target, path_and_query)
    };
    if !plight.latency.is_zero() {
        tokio::select! {
            () = tokio::time::sleep(plight.latency) => {}
            () = shared.stop.cancelled() => {}
        }
    }
    let mut response = match plight.fault {
        None => pass(&shared, request, next).await,
        Some(fault) => suffer(&fault, &shared, &line, request, next).await,
    };
    let mut world = shared.world();
    if let Ok(date) = HeaderValue::try_from(world.http_date(Duration::ZERO)) {
        response.headers_mut().insert(header::DATE, date);
    }
    world.answered(number, response.status());
    response
}

/// The right answer.
async fn pass(shared: &Shared, mut request: Request, next: Next) -> Response {
    let path = request.uri().path();
    if path != "/api/v1" && !path.starts_with("/api/v1/") {
        return page(StatusCode::OK, APP);
    }
    let (caller, allowance) = {
        let mut world = shared.world();
        let caller = match world.authenticate(request.headers()) {
            Ok(caller) => caller,
            Err(refusal) => return refusal.answer(Family::E, &mut world),
        };
        match world.charge_user(&caller) {
            Ok(allowance) => (caller, allowance),
            Err(refusal) => return refusal.answer(Family::E, &mut world),
        }
    };
    request.extensions_mut().insert(caller);
    let mut response = next.run(request).await;
    show_allowance(&mut response, allowance, &shared.world());
    response
}

/// The answer under a fault.
async fn suffer(fault: &Fault, shared: &Shared, line: &Line, request: Request, next: Next) -> Response {
    let mut response = match &fault.action {
        Action::Reset => line.reset().await,
        Action::Hang => line.hang().await,
        Action::Html => page(StatusCode::OK, BLOCK_PAGE),
        Action::Status(code) => status(*code, fault.body, &mut shared.world()),
        Action::Redirect(url) => redirect(url),
        Action::HalfBody => halve(pass(shared, request, next).await).await,
        Action::Headers | Action::Latency(_) => pass(shared, request, next).await,
    };
    for (name, value) in &fault.headers {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            response.headers_mut().insert(name, value);
        }
    }
    response
}

fn status(code: u16, body: Option<FaultBody>, world: &mut World) -> Response {
    let status = StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let words = status.canonical_reason().unwrap_or("Error");
    match body {
        None if status == StatusCode::UNAUTHORIZED => {
            Refusal::Unauthorized { sent: true }.answer(Family::E, world)
        }
        None if status == StatusCode::TOO_MANY_REQUESTS => {
            let spent = Allowance {
                limit: world.limits.user_per_minute,
                remaining: 0,
                resets_in: Duration::from_mins(1),
            };
            Refusal::RateLimited(spent).answer(Family::E, world)
        }
        Some(FaultBody::T) => in_family(Family::T, status, words, world),
        Some(FaultBody::E) | None => in_family(Family::E, status, words, world),
        Some(FaultBody::Text) => with_type(status, "text/plain; charset=utf-8", words),
        Some(FaultBody::Html) => page(status, BLOCK_PAGE),
        Some(FaultBody::Empty) => {
            let mut response = Response::new(Body::empty());
            *response.status_mut() = status;
            response
        }
    }
}

fn redirect(url: &str) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::FOUND;
    if let Ok(location) = HeaderValue::try_from(url) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    response
}

fn page(status: StatusCode, html: &'static str) -> Response {
    with_type(status, "text/html; charset=utf-8", html)
}

/// Promises the whole body and delivers half of it.
async fn halve(response: Response) -> Response {
    let (mut parts, body) = response.into_parts();
    // Bodies here are made from memory, and always readable.
    let whole = to_bytes(body, usize::MAX).await.unwrap_or_default();
    parts.headers.insert(header::CONTENT_LENGTH, HeaderValue::from(whole.len()));
    let half = HalfBody { half: Some(whole.slice(..whole.len() / 2)), flushed: false };
    Response::from_parts(parts, Body::new(half))
}

struct HalfBody {
    half: Option<Bytes>,
    flushed: bool,
}

impl HttpBody for HalfBody {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        if let Some(half) = self.half.take() {
            return Poll::Ready(Some(Ok(Frame::data(half))));
        }
        if !self.flushed {
            // The server sends what it has whenever a body is not ready; an error at once would
            // throw the first half away.
            self.flushed = true;
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(Some(Err(std::io::ErrorKind::ConnectionAborted.into())))
    }
}
