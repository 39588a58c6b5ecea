//! The fault campaign: the real prober, schedule and store, over real sockets, under every fault of the
//! catalogue, by seeds.
//!
//! `FAULT_RUNS` sets how many seeds are run, `FAULT_SEED` which alone: a seed that fails is printed, and
//! fails again. `docs/RELIABILITY.md` tells what is tried and what must hold.

#![expect(clippy::unwrap_used, reason = "what cannot be set up is a failed test")]

mod catalogue;
mod chance;
mod elsewhere;
mod endless;
#[path = "../support/exporter.rs"]
#[expect(dead_code, reason = "other tests need more of it")]
mod exporter;
mod hex;
mod process;
#[path = "../support/raw_upstream.rs"]
#[expect(dead_code, reason = "the campaign needs fewer scripts than the tests of the prober")]
mod raw_upstream;
mod rules;
mod run;
mod script;
mod sky;
mod stage;
mod supervision;

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
    thread,
};

use catalogue::Fault;
use run::{Tally, run};

/// So many runs fit into the time of a test run: a minute or two on two cores.
const RUNS: u64 = 2_000;

/// So many meet every fault.
const ENOUGH: u64 = 200;

/// As many threads as a small machine has.
const THREADS: usize = 2;

/// The most that the memory of the process may grow over a campaign.
const GROWTH: u64 = 200 * 1024 * 1024;

#[expect(clippy::disallowed_methods, reason = "how far to go is for whoever starts the campaign")]
fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|text| text.parse().unwrap())
}

#[test]
fn no_fault_makes_it_lie_or_lose_anything() {
    let seeds = match number("FAULT_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("FAULT_RUNS").unwrap_or(RUNS),
    };
    let (next, failures, tally) =
        (AtomicU64::new(seeds.start), Mutex::new(Vec::new()), Mutex::new(Tally::default()));
    let before = resident();
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds.end {
                        return;
                    }
                    if let Ok(done) = catch_unwind(AssertUnwindSafe(|| run(seed))) {
                        tally.lock().unwrap().add(done);
                    } else {
                        println!("seed {seed} fails");
                        failures.lock().unwrap().push(seed);
                    }
                }
            });
        }
    });
    let (failures, tally) = (failures.into_inner().unwrap(), tally.into_inner().unwrap());
    println!("{} runs: {tally:#?}", seeds.end - seeds.start);
    assert!(failures.is_empty(), "seeds {failures:?} fail; FAULT_SEED=N repeats one");
    let grown = resident().saturating_sub(before);
    assert!(grown < GROWTH, "memory has grown by {grown} bytes");
    if seeds.end - seeds.start >= ENOUGH {
        let missed: Vec<_> = Fault::HARMLESS
            .into_iter()
            .chain(Fault::HARMFUL)
            .filter(|fault| !tally.faults.contains_key(fault))
            .collect();
        assert!(missed.is_empty(), "no run met {missed:?}");
        assert!(tally.deaths > 0 && tally.recoveries > 0);
    }
}

/// The memory of this process.
fn resident() -> u64 {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap();
    pages.split(' ').nth(1).unwrap().parse::<u64>().unwrap() * 4096
}
