//! What the parts cost, in CPU time: on a machine where others work too, time on the wall tells of them.
//!
//! `cargo bench --bench inside` runs all of it in some minutes; a word after `--` chooses, as in
//! `cargo bench --bench inside -- render`. docs/PERFORMANCE.md holds the results.

mod config;
mod cpu;
#[path = "../../tests/support/fleet.rs"]
mod fleet;
mod judge;
mod page;
mod render;
mod schedule;

use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};

fn criterion() -> Criterion<cpu::CpuTime> {
    Criterion::default()
        .with_measurement(cpu::CpuTime)
        .without_plots()
        .sample_size(10)
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1))
}

criterion_group! {
    name = benches;
    config = criterion();
    targets = judge::verdicts, judge::observations, render::pages, schedule::schedule, config::configuration, page::status_page
}
criterion_main!(benches);
