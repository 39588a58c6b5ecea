//! Our own port, as friends and strangers meet it: TLS, users, limits, and requests of every odd form.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod config;
#[path = "../support/exporter.rs"]
#[expect(dead_code, reason = "other tests need more of it")]
mod exporter;
mod forms;
mod limits;
mod outside;
mod pki;
mod reload;
mod stand;
mod tls;
mod users;
