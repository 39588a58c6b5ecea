//! The schedule of so many tokens under paused time, with a Hex that answers at once: what remains is our own.

use std::{sync::Arc, time::Duration};

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput};
use hex_token_exporter::{
    clock::{Clock, ManualClock},
    domain::Cadence,
    lifecycle::Tasks,
    metrics::OwnMetrics,
    schedule::{Scheduler, Settings},
    store::Store,
};
use jiff::Timestamp;
use tokio::runtime::Runtime;

use crate::{
    cpu,
    cpu::CpuTime,
    fleet::{Fleet, Instantly},
};

/// Each token is asked for its identity every five minutes, and for its scope every hour.
const PROBES_AN_HOUR: u64 = 12 + 1;

struct Stand {
    store: Arc<Store>,
    clock: Arc<dyn Clock>,
    tasks: Tasks,
}

impl Stand {
    fn of(fleet: &Fleet) -> Self {
        let clock: Arc<dyn Clock> = Arc::new(ManualClock::at(Timestamp::UNIX_EPOCH));
        Self { store: Arc::new(fleet.unheard(clock.clone())), clock, tasks: Tasks::new() }
    }

    fn start(&self, fleet: &Fleet) -> Scheduler<Instantly> {
        let own = Arc::new(OwnMetrics::new(0, 1).unwrap_or_else(|error| panic!("{error}")));
        let (store, clock, tasks) = (self.store.clone(), self.clock.clone(), self.tasks.clone());
        let scheduler = Scheduler::new(Instantly, store, clock, own, tasks, || {});
        reconcile(&scheduler, fleet);
        scheduler
    }
}

fn reconcile(scheduler: &Scheduler<Instantly>, fleet: &Fleet) {
    let settings = Settings { cadence: Cadence::default(), max_concurrency: 16 };
    scheduler.reconcile(settings, std::slice::from_ref(&fleet.workspace), fleet.tokens.clone());
}

fn paused() -> Runtime {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_time().start_paused(true).build().unwrap_or_else(|error| panic!("{error}"))
}

pub(crate) fn schedule(criterion: &mut Criterion<CpuTime>) {
    for tokens in [10_000, 100_000] {
        let fleet = Fleet::of(tokens);
        let mut group = criterion.benchmark_group("schedule");
        group.throughput(Throughput::Elements(tokens as u64));
        group.bench_function(BenchmarkId::new("start", tokens), |bencher| {
            let runtime = paused();
            let _entered = runtime.enter();
            bencher.iter_batched(|| Stand::of(&fleet), |stand| stand.start(&fleet), BatchSize::PerIteration);
        });
        let runtime = paused();
        let (stand, scheduler) = runtime.block_on(async {
            let stand = Stand::of(&fleet);
            let scheduler = stand.start(&fleet);
            // Until all have their rhythm.
            tokio::time::sleep(Duration::from_hours(2)).await;
            (stand, scheduler)
        });
        group.bench_function(BenchmarkId::new("reconcile unchanged", tokens), |bencher| {
            bencher.iter(|| runtime.block_on(async { reconcile(&scheduler, &fleet) }));
        });
        group.throughput(Throughput::Elements(tokens as u64 * PROBES_AN_HOUR / 60));
        group.bench_function(BenchmarkId::new("a minute of probes", tokens), |bencher| {
            bencher.iter_custom(|minutes| {
                let began = cpu::now();
                let minutes = u32::try_from(minutes).unwrap_or(u32::MAX);
                runtime.block_on(async { tokio::time::sleep(Duration::from_mins(1) * minutes).await });
                cpu::since(began)
            });
        });
        let seen = stand.store.snapshot().tokens.iter().map(|token| token.counts.probes).min();
        assert!(seen >= Some(PROBES_AN_HOUR), "all of them are probed");
        group.finish();
    }
}
