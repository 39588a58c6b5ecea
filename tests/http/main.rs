//! What is served, judged over real sockets.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod admin;
mod api;
mod metrics;
mod probe;
mod reference;
mod report;
#[path = "../scripted/mod.rs"]
mod scripted;
#[path = "../support/stand.rs"]
#[expect(dead_code, reason = "other tests need more of it")]
mod stand;
