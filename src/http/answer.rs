//! Short answers in plain text. They never repeat what was asked.

use axum::{
    http::StatusCode,
    response::{IntoResponse, Response},
};

/// There is no such page.
pub(super) async fn not_found() -> Response {
    text(StatusCode::NOT_FOUND, "not found")
}

/// The page is there, and not for this method.
pub(super) async fn method_not_allowed() -> Response {
    text(StatusCode::METHOD_NOT_ALLOWED, "method not allowed")
}

/// There is no token of that name.
pub(super) fn no_such_token() -> Response {
    text(StatusCode::NOT_FOUND, "no token of that name is configured")
}

/// The exporter itself has failed. The log says how.
pub(super) fn failed() -> Response {
    text(StatusCode::INTERNAL_SERVER_ERROR, "internal error")
}

/// Any other short answer.
pub(super) fn text(status: StatusCode, words: &str) -> Response {
    (status, format!("{words}\n")).into_response()
}
