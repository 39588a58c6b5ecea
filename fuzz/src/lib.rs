//! What is fuzzed. A target takes what a stranger may send or write, and panics where a promise of ours
//! does not hold.
//!
//! libFuzzer runs the targets (`fuzz_targets/`), and so does `tests/fuzz/main.rs`, on every toolchain.
//! They use what the library shows to everybody; nothing in it is there for them.

#![expect(clippy::unwrap_used, reason = "what cannot be set up is no finding, and must not pass for one")]

mod answer;
mod canary;
mod clock;
mod config;
mod markup;
mod overrides;
mod request;
mod scenario;
mod scratch;
mod secrets;
mod state_file;
mod web_config;

type Target = fn(&[u8]);

/// All targets, by name.
pub const TARGETS: [(&str, Target); 8] = [
    ("answer", answer::run),
    ("config", config::run),
    ("overrides", overrides::run),
    ("request", request::run),
    ("scenario", scenario::run),
    ("secrets", secrets::run),
    ("state_file", state_file::run),
    ("web_config", web_config::run),
];

/// Runs one target on one input.
///
/// # Panics
/// Where a promise does not hold.
pub fn run(target: &str, input: &[u8]) {
    let (_, target) = TARGETS.iter().find(|(name, _)| *name == target).unwrap();
    target(input);
}
