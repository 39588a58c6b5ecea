//! The status page and the calendar, judged over real sockets. What a browser makes of the page is judged
//! by `scripts/page.sh`.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod calendar;
mod detail;
mod filter;
mod overview;
mod pages;
#[path = "../scripted/mod.rs"]
mod scripted;
#[path = "../support/stand.rs"]
#[expect(dead_code, reason = "other tests need more of it")]
mod stand;
mod templates;
