//! `/-/healthy`, `/-/ready` and `/-/reload`: for those who run the process.

use std::sync::Arc;

use axum::{extract::State, http::StatusCode, response::Response};

use super::{Health, Parts, answer};

/// Whether the process still does its work.
pub(super) async fn healthy(State(health): State<Arc<dyn Health>>) -> Response {
    if health.is_alive() {
        answer::text(StatusCode::OK, "healthy")
    } else {
        answer::text(StatusCode::SERVICE_UNAVAILABLE, "the probe loop has stalled")
    }
}

/// Whether what is served can be relied on.
pub(super) async fn ready(State(health): State<Arc<dyn Health>>) -> Response {
    if health.is_ready() {
        answer::text(StatusCode::OK, "ready")
    } else {
        answer::text(StatusCode::SERVICE_UNAVAILABLE, "not every token has been asked yet")
    }
}

/// Loads the configuration anew.
pub(super) async fn reload(State(parts): State<Parts>) -> Response {
    let Some(reload) = parts.reload else {
        return answer::text(
            StatusCode::FORBIDDEN,
            "reloading over HTTP is off; --web.enable-lifecycle turns it on",
        );
    };
    match reload.reload().await {
        Ok(()) => answer::text(StatusCode::OK, "reloaded"),
        Err(wrong) => answer::text(StatusCode::INTERNAL_SERVER_ERROR, &wrong),
    }
}
