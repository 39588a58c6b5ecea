//! Stories of tokens, told in simulated time: a real store and a real scheduler ask a scripted Hex for
//! hours, which pass in milliseconds.

#![expect(clippy::unwrap_used, reason = "a story that cannot go on fails")]

mod budget;
mod deaths;
mod rights;
mod stage;
