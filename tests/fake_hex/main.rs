//! The fake Hex API, judged from outside: over real sockets, by a client that knows nothing of it.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod api;
mod auth;
mod faults;
mod limits;
mod runs;
mod scenario;
mod stand;
