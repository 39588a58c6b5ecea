//! `hex-token-exporter` tells Prometheus, and people, the truth about Hex (hex.tech) API tokens.
//!
//! The folders are the stages of the data's path; open them in this order to follow one token from
//! its file to the graph:
//!
//! 1. [`config`]: files, environment and directories become a `Config` and a set of credentials.
//! 2. [`schedule`]: decides when which check of which token is due, within the workspace's budget.
//! 3. [`probe`]: turns one check into one observation; the only place that talks to Hex.
//! 4. [`domain`]: the pure middle: classifies the observation, keeps the record, judges the state.
//! 5. [`store`]: what is known now, and the only source for everything that is shown.
//! 6. [`metrics`], [`http`] and [`cli`]: the ways in which it is shown.
//!
//! [`fake_hex`] stands beside the path: a faithful fake of the Hex API for the demo and the tests.
//! `docs/ARCHITECTURE.md` says who may import whom, and `tests/tidy.rs` holds the code to it.

pub mod app;
pub mod cli;
pub mod clock;
pub mod config;
pub mod domain;
pub mod fake_hex;
pub mod http;
pub mod lifecycle;
pub mod metrics;
pub mod probe;
pub mod schedule;
pub mod store;
pub mod telemetry;
