//! The configuration as users meet it: what is taken, what is refused and in which words, what is noticed
//! while the process runs, and that no value is ever shown.

#![expect(clippy::unwrap_used, reason = "a test's helpers may fail it too")]

mod credentials;
mod docs;
mod files;
mod layers;
mod leaks;
mod reload;
mod support;
mod watch;
