//! `/metrics`: the page is written while it is sent, in pieces so short that nothing waits for one, and none
//! is made before its reader has taken those before it. Packed, it is made once for all who wait: see `packed.rs`.

use std::{
    convert::Infallible,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use axum::{
    body::{Body, Bytes, HttpBody},
    http::{HeaderMap, HeaderValue, header},
    response::{IntoResponse, Response},
};
use hyper::body::Frame;

use super::{Parts, answer, packed::Press};
use crate::metrics::{CONTENT_TYPE, Page};

/// Packs pages for those who take them so, as Prometheus does.
pub(super) fn press(parts: &Parts) -> Arc<Press<Page>> {
    let (store, own) = (parts.store.clone(), parts.own.clone());
    Press::new(move || Page::of(store.snapshot(), own.clone()))
}

/// Answers a scrape, from the store alone.
pub(super) async fn metrics(parts: Parts, press: Arc<Press<Page>>, headers: HeaderMap) -> Response {
    if takes_gzip(&headers) {
        return match press.next().await {
            Some(page) => {
                ([(header::CONTENT_ENCODING, "gzip"), (header::VARY, "accept-encoding")], exposition(page))
                    .into_response()
            }
            None => answer::failed(),
        };
    }
    // Of many tokens, even the preparation is nothing that a thread should do which others wait for.
    answer::written(move || {
        let mut page = Page::of(parts.store.snapshot(), parts.own);
        let first = page.next().unwrap_or_default();
        if page.is_whole() {
            exposition(first)
        } else {
            exposition(Body::new(Pieces { first: Some(first), page, is_due: true }))
        }
    })
    .await
}

/// Whether gzip is named and not refused, which is what the layer around all other answers asks too.
fn takes_gzip(headers: &HeaderMap) -> bool {
    let values = headers.get_all(header::ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|coding| {
        let (name, weight) = coding.split_once(';').unwrap_or((coding, "q=1"));
        let weight = weight.trim().strip_prefix("q=").and_then(|weight| weight.parse::<f32>().ok());
        name.trim().eq_ignore_ascii_case("gzip") && weight.is_some_and(|weight| weight > 0.0)
    })
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
