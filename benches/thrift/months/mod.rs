//! A month of a workspace, watched by the real schedule and store on paused time, and by a model of the
//! peer that a user would pick instead.
//!
//! | file | what it does |
//! | --- | --- |
//! | `month.rs` | what befalls the tokens and Hex in a month, from a seed; pure |
//! | `hex.rs` | answers as the month has it, and counts what arrives |
//! | `watch.rs` | the exporter's own schedule and store in that month |
//! | `figures.rs` | what it cost, and how long what happened was unknown |
//! | `peer.rs` | a probe at a fixed interval in the same month |
//! | `spread.rs` | median, p99, maximum |

#[path = "../../../tests/faults/chance.rs"]
#[expect(dead_code, reason = "the campaign of faults draws in more ways")]
mod chance;
pub(crate) mod figures;
mod hex;
pub(crate) mod month;
pub(crate) mod peer;
pub(crate) mod spread;
pub(crate) mod watch;
