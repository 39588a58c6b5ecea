//! The status page, for people: `/` and `/tokens/{name}`.
//!
//! It says what is wrong and what to do. Everything on it is escaped by the templates, nothing on it runs,
//! and it loads one stylesheet from here. What is shown follows from the address alone; the one thing that
//! is shown of it is the reader's own filter, so that the form keeps it.

mod detail;
pub(super) mod filter;
mod overview;
mod picture;
mod rights;
mod verdict;
mod words;
mod workspaces;

use askama::Template;
use axum::{
    extract::{Path, RawQuery, State},
    http::{HeaderValue, header},
    response::{Html, IntoResponse, Response},
};

use self::{detail::Token, filter::View, overview::Overview};
use super::{Parts, answer};
use crate::{domain::Moment, store::report::Second};

/// What a browser may load and do on behalf of a page. No style stands in an element, so even an injected
/// one would have no effect.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
);

/// How often a page is read again by itself, where it is asked to be.
const REFRESH: u32 = 30;

/// What all pages have around them.
#[derive(Debug)]
struct Frame {
    /// Leads to `/`, from this page.
    root: &'static str,
    /// When all of it was so.
    now: String,
    /// After how many seconds the page is read again.
    refresh: Option<u32>,
    /// This page as it is. Where a page is read again without its address being named, and that ends in a
    /// fragment, Chromium goes to the fragment and reads nothing.
    again: String,
    /// Leads to this page with that switched on or off.
    toggle: String,
    /// Which tokens the reader's calendar holds.
    calendar: String,
    /// This page's address for everybody.
    address: Option<String>,
}

impl Frame {
    fn new(parts: &Parts, now: Moment, view: &View, place: &Place<'_>) -> Self {
        let toggled = if view.refresh.is_some() { None } else { Some(REFRESH) };
        let (root, here, path) = match place {
            Place::Overview => ("", "./", "/".to_owned()),
            Place::Token(name) => ("../", *name, format!("/tokens/{name}")),
        };
        Self {
            root,
            now: Second(now.at).to_string(),
            refresh: view.refresh,
            again: format!("{here}{}", view.query()),
            // An empty link would keep the query.
            toggle: format!("{here}{}", view.refreshed(toggled).query()),
            calendar: view.filter.query(),
            address: parts.external_url.as_ref().map(|url| url.of(&path)),
        }
    }
}

/// Where the reader is.
enum Place<'a> {
    Overview,
    Token(&'a str),
}

/// Lists the tokens that are asked for, the most urgent first.
pub(super) async fn index(State(parts): State<Parts>, RawQuery(query): RawQuery) -> Response {
    let view = View::parse(query.as_deref().unwrap_or_default());
    rendered(move || {
        let snapshot = parts.store.snapshot();
        let frame = Frame::new(&parts, snapshot.now, &view, &Place::Overview);
        Overview::of(&snapshot, &view, frame, parts.health.is_alive()).render().ok()
    })
    .await
}

/// Tells all of one token.
pub(super) async fn token(
    State(parts): State<Parts>,
    Path(name): Path<String>,
    RawQuery(query): RawQuery,
) -> Response {
    let Some(seen) = parts.store.sight(&name) else { return answer::no_such_token() };
    let view = View::parse(query.as_deref().unwrap_or_default());
    rendered(move || {
        let frame = Frame::new(&parts, seen.now, &view, &Place::Token(&name));
        Token::of(&seen, &view, frame).render().ok()
    })
    .await
}

async fn rendered(page: impl FnOnce() -> Option<String> + Send + 'static) -> Response {
    answer::written(|| match page() {
        Some(page) => ([(header::CONTENT_SECURITY_POLICY, POLICY)], Html(page)).into_response(),
        None => answer::failed(),
    })
    .await
}
