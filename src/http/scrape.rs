//! `/metrics`: the page is written while it is sent, in pieces so short that nothing waits for one, and none
//! is made before its reader has taken those before it.

use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll},
};

use axum::{
    body::{Body, Bytes, HttpBody},
    extract::State,
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};
use hyper::body::Frame;

use super::{Parts, answer};
use crate::metrics::{CONTENT_TYPE, Page};

/// Answers a scrape, from the store alone.
pub(super) async fn metrics(State(parts): State<Parts>) -> Response {
    // Of many tokens, even the preparation is nothing that a thread should do which others wait for.
    let begun = tokio::task::spawn_blocking(move || {
        let mut page = Page::of(parts.store.snapshot(), parts.own);
        (page.next().unwrap_or_default(), page)
    });
    match begun.await {
        Ok((whole, page)) if page.is_whole() => exposition(whole),
        Ok((first, page)) => exposition(Body::new(Pieces { first: Some(first), page, is_due: true })),
        Err(_) => answer::failed(),
    }
}

/// A page of metrics, under its exact content type.
pub(super) fn exposition(page: impl Into<Body>) -> Response {
    ([(header::CONTENT_TYPE, HeaderValue::from_static(CONTENT_TYPE))], page.into()).into_response()
}

/// The body of a page that is being written.
struct Pieces {
    first: Option<String>,
    page: Page,
    /// Whether the next piece may be written now. After each, others have their turn: a reader who is fast
    /// would keep the thread for itself.
    is_due: bool,
}

impl HttpBody for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if !std::mem::replace(&mut self.is_due, true) {
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        self.is_due = false;
        let piece = self.first.take().or_else(|| self.page.next());
        Poll::Ready(piece.map(|piece| Ok(Frame::data(Bytes::from(piece)))))
    }
}
