//! Stories: hours in the life of tokens, played in milliseconds against a Hex that follows a script.
//!
//! Time is tokio's paused time, so that every story has exact times. Store and scheduler are the real
//! ones; what is false is only the network and the clock.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod cast;
mod hex;
mod sim;

mod blips;
mod budget;
mod credentials;
mod dry_runs;
mod expiry;
mod on_demand;
mod rejections;
mod restarts;
mod rights;
mod schedule;
mod unknowns;
