//! What watching costs Hex in requests, and how soon it tells: months of twenty tokens, by the real schedule
//! and store on paused time, beside a probe at a fixed interval.
//!
//! `cargo bench --bench thrift` prints Markdown tables; `THRIFT_MONTHS` sets how many months there are. All
//! figures follow from the seeds, so that they are the same on every machine. docs/PERFORMANCE.md explains
//! them.

#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "it is started by hand, to print")]

mod months;
mod tables;

use std::{
    sync::{Arc, Mutex, PoisonError},
    thread,
};

use months::{
    figures::Figures,
    month::Month,
    watch::{Way, watch},
};

/// So many months take some minutes.
const MONTHS: u64 = 4;

#[expect(clippy::disallowed_methods, reason = "how far to go is for whoever starts it")]
fn main() {
    let asked = std::env::var("THRIFT_MONTHS").ok().and_then(|text| text.parse().ok());
    let months: Vec<Arc<Month>> =
        (0..asked.unwrap_or(MONTHS)).map(|seed| Arc::new(Month::of(seed, 30))).collect();
    tables::cost(&months);
    tables::lives(&months);
    tables::rights(&months);
    tables::budgets(&months);
    tables::peers(&months);
}

/// Watches all months in each way, and adds them up. A way's place is kept.
fn figures(months: &[Arc<Month>], ways: &[Way]) -> Vec<Figures> {
    let all = Mutex::new(vec![Figures::default(); ways.len()]);
    let jobs = Mutex::new((0..ways.len()).flat_map(|way| months.iter().map(move |month| (way, month))));
    let next = || jobs.lock().unwrap_or_else(PoisonError::into_inner).next();
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                while let Some((way, month)) = next() {
                    let figures = Figures::of(month, &watch(month, ways[way]));
                    all.lock().unwrap_or_else(PoisonError::into_inner)[way].join(&figures);
                }
            });
        }
    });
    all.into_inner().unwrap_or_else(PoisonError::into_inner)
}
