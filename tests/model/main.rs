//! The reference model: random histories of tokens, played by the real schedule, store and rules under
//! paused time, and compared at every answer with a model that is written from the promises alone.
//!
//! `MODEL_HOURS` sets how many hours are simulated at least, `MODEL_SEED` where the draws start: without it they
//! are the same each time. What fails is shrunk, printed, and kept in `proptest-regressions/model.txt`. `docs/RELIABILITY.md` tells what is tried and what must hold.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod budget;
mod cast;
mod company;
mod compare;
mod dry_runs;
mod due;
mod expiry;
mod hex;
mod history;
mod life;
mod manners;
mod memory;
mod model;
mod play;
mod rights;
mod stage;

use std::{cell::Cell, time::Duration};

use history::{History, of_everything, of_lives, of_rights};
use proptest::{
    prelude::*,
    test_runner::{Config, FileFailurePersistence, RngAlgorithm, TestError, TestRng, TestRunner},
};

/// So many hours each of the three kinds of histories simulates in a normal run.
const HOURS: u64 = 7_000;

/// How many things happen in a history, at most.
const EVENTS: usize = 80;

/// A number from the environment.
#[expect(clippy::disallowed_methods, reason = "how far to go, and from where, is for whoever starts it")]
fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|text| text.parse().unwrap())
}

/// Draws that follow from a seed.
fn draws(seed: u64) -> TestRng {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    TestRng::from_seed(RngAlgorithm::ChaCha, &bytes)
}

/// Plays histories of a kind until enough hours have passed.
#[expect(clippy::print_stdout, reason = "how far it went is what a long run is for")]
fn holds(kind: &str, histories: &impl Strategy<Value = History>) {
    let enough = Duration::from_hours(number("MODEL_HOURS").map_or(HOURS, |all| all / 3));
    let (passed, played) = (Cell::new(Duration::ZERO), Cell::new(0u64));
    let mut seed = number("MODEL_SEED").unwrap_or(0);
    while passed.get() < enough {
        let config = Config {
            cases: 8,
            max_shrink_iters: 4_000,
            max_shrink_time: 30_000,
            failure_persistence: Some(Box::new(FileFailurePersistence::Direct(
                "proptest-regressions/model.txt",
            ))),
            ..Config::default()
        };
        let outcome = TestRunner::new_with_rng(config, draws(seed)).run(histories, |history| {
            let time = play::play(&history).map_err(TestCaseError::fail)?;
            passed.set(passed.get() + time);
            played.set(played.get() + 1);
            Ok(())
        });
        seed += 1;
        match outcome {
            Ok(()) => {}
            Err(TestError::Fail(why, history)) => panic!("{why}, in\n{history}"),
            Err(aborted) => panic!("{aborted}"),
        }
    }
    println!("{kind}: {} histories, {} hours", played.get(), passed.get().as_secs() / 3_600);
}

#[test]
fn lives_and_deaths_are_told_as_promised() {
    holds("lives", &of_lives(1..EVENTS));
}

#[test]
fn rights_are_told_as_promised() {
    holds("rights", &of_rights(1..EVENTS));
}

#[test]
fn everything_at_once_is_told_as_promised() {
    holds("everything", &of_everything(1..EVENTS));
}
