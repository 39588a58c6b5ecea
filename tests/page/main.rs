//! The status page and the calendar, judged over real sockets. What a browser makes of the page is judged
//! by `scripts/page.sh`.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod calendar;
mod detail;
mod filter;
mod overview;
#[path = "../scripted/mod.rs"]
mod scripted;
mod stand;
mod templates;
