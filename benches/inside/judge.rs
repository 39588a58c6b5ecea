//! From an answer to a verdict: `classify`, `judge`, and the whole way through the store.

use std::{hint::black_box, sync::Arc};

use criterion::{BenchmarkId, Criterion};
use hex_token_exporter::{
    clock::SystemClock,
    domain::{Check, Question, classify, state::judge},
};

use crate::{
    cpu::CpuTime,
    fleet::{Fleet, fine},
};

pub(crate) fn verdicts(criterion: &mut Criterion<CpuTime>) {
    let fleet = Fleet::of(1);
    let store = fleet.heard(Arc::new(SystemClock::start()));
    let snapshot = store.snapshot();
    let (token, answer) = (&snapshot.tokens[0], fine(Question::of(Check::Identity)));
    criterion.bench_function("classify and judge", |bencher| {
        bencher.iter(|| {
            let outcome = classify(black_box(&answer));
            (outcome, judge(black_box(&token.record), &token.spec, snapshot.now.at))
        });
    });
}

/// What one answer costs among so many tokens.
pub(crate) fn observations(criterion: &mut Criterion<CpuTime>) {
    let mut group = criterion.benchmark_group("observe");
    for tokens in [100, 10_000, 100_000] {
        let fleet = Fleet::of(tokens);
        let store = fleet.heard(Arc::new(SystemClock::start()));
        let answer = fine(Question::of(Check::Identity));
        let mut names = fleet.tokens.iter().map(|token| &token.spec.name).cycle();
        group.bench_function(BenchmarkId::from_parameter(tokens), |bencher| {
            bencher.iter(|| names.next().and_then(|name| store.observe(name, None, &answer)));
        });
    }
    group.finish();
    let mut group = criterion.benchmark_group("snapshot");
    for tokens in [100, 10_000, 100_000] {
        let store = Fleet::of(tokens).heard(Arc::new(SystemClock::start()));
        group
            .bench_function(BenchmarkId::from_parameter(tokens), |bencher| bencher.iter(|| store.snapshot()));
    }
    group.finish();
}
