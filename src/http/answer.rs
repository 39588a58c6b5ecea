//! Short answers in plain text, which never repeat what was asked; and who writes long ones.

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
    text(StatusCode::NOT_FOUND, "no token of that name is watched here")
}

/// The exporter itself has failed. The log says how.
pub(super) fn failed() -> Response {
    text(StatusCode::INTERNAL_SERVER_ERROR, "internal error")
}

/// An answer that takes long to write for many tokens: written on a thread that nobody waits for. A panic there
/// is told of where it happens.
pub(super) async fn written(answer: impl FnOnce() -> Response + Send + 'static) -> Response {
    tokio::task::spawn_blocking(answer).await.unwrap_or_else(|_| failed())
}

/// Any other short answer.
pub(super) fn text(status: StatusCode, words: &str) -> Response {
    (status, format!("{words}\n")).into_response()
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[tokio::test]
    async fn what_takes_long_is_written_elsewhere_and_what_fails_is_an_answer() {
        let here = thread::current().id();
        let elsewhere = written(move || {
            assert_ne!(thread::current().id(), here);
            text(StatusCode::OK, "done")
        });
        assert_eq!(elsewhere.await.status(), StatusCode::OK);
        let fails = written(|| panic!("an answer panics, for the test"));
        assert_eq!(fails.await.status(), StatusCode::INTERNAL_SERVER_ERROR);
    }
}
