//! The reference model: random histories of tokens, played by the real schedule, store and rules under
//! paused time, and compared at every answer with a model that is written from the promises alone.
//!
//! `MODEL_HOURS` sets how many hours are simulated at least. What fails is shrunk, printed, and kept in
//! `proptest-regressions/model.txt`. `docs/RELIABILITY.md` tells what is tried and what must hold.

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
    test_runner::{Config, FileFailurePersistence, TestError, TestRunner},
};

/// So many hours each of the three kinds of histories simulates in a normal run.
const HOURS: u64 = 7_000;

/// How many things happen in a history, at most.
const EVENTS: usize = 80;

#[expect(clippy::disallowed_methods, reason = "how far to go is for whoever starts it")]
fn hours() -> u64 {
    std::env::var("MODEL_HOURS").map_or(HOURS, |text| text.parse::<u64>().unwrap() / 3)
}

/// Plays histories of a kind until enough hours have passed.
#[expect(clippy::print_stdout, reason = "how far it went is what a long run is for")]
fn holds(kind: &str, histories: &impl Strategy<Value = History>) {
    let enough = Duration::from_hours(hours());
    let (passed, played) = (Cell::new(Duration::ZERO), Cell::new(0u64));
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
        let outcome = TestRunner::new(config).run(histories, |history| {
            let time = play::play(&history).map_err(TestCaseError::fail)?;
            passed.set(passed.get() + time);
            played.set(played.get() + 1);
            Ok(())
        });
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
