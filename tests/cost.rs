//! What things cost, counted in allocations and bytes: these are the same on every machine and under every
//! load, so a step back shows at once. Each bound is what it costs today, with little to spare.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "support/fleet.rs"]
mod fleet;

use std::{collections::HashSet, hint::black_box, sync::Arc, time::Duration};

use allocation_counter::{AllocationInfo, measure};
use fleet::{Fleet, Instantly, fine};
use hex_token_exporter::{
    clock::{Clock, ManualClock},
    config::{self, Environment, Source},
    domain::{Cadence, Check, Question, TokenState, classify, state::judge},
    lifecycle::Tasks,
    metrics::{OwnMetrics, Page},
    schedule::{Scheduler, Settings},
    store::{Store, history},
};
use jiff::Timestamp;

fn clock() -> Arc<dyn Clock> {
    Arc::new(ManualClock::at(Timestamp::from_second(1_790_000_000).unwrap()))
}

fn own() -> Arc<OwnMetrics> {
    Arc::new(OwnMetrics::new(0, 1).unwrap())
}

fn measured<T>(work: impl FnOnce() -> T) -> (T, AllocationInfo) {
    let mut made = None;
    let cost = measure(|| made = Some(work()));
    (made.unwrap(), cost)
}

/// Allocations for a page of so many tokens, and how many series it has.
fn rendered(tokens: usize) -> (u64, u64) {
    let (store, own) = (Fleet::of(tokens).heard(clock()), own());
    let snapshot = store.snapshot();
    let mut series = 0;
    for piece in Page::of(snapshot.clone(), own.clone()) {
        series += piece.lines().filter(|line| !line.starts_with('#')).count() as u64;
    }
    let cost = measure(|| Page::of(snapshot, own).for_each(|piece| drop(black_box(piece))));
    (cost.count_total, series)
}

#[tokio::test(start_paused = true)]
async fn a_series_is_rendered_without_allocating() {
    let ((few, series_of_few), (many, series_of_many)) = (rendered(100), rendered(1_100));
    let (allocations, series) = (many - few, series_of_many - series_of_few);
    assert!(series > 50_000, "{series}");
    // A piece is one, and holds hundreds of series.
    assert!(allocations * 200 < series, "{allocations} allocations for {series} series");
}

/// Allocations to load a configuration of so many tokens, each with this under its name.
fn loaded(tokens: usize, each: &str) -> u64 {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("config.yaml");
    let lines: Vec<String> = (0..tokens).map(|token| format!("  t{token}: {{{each}}}\n")).collect();
    std::fs::write(&file, format!("tokens:\n{}", lines.concat())).unwrap();
    let (source, environment) = (Source::File(file), Environment::default());
    measure(|| drop(black_box(config::load(&source, &environment)))).count_total
}

#[test]
fn a_configuration_costs_no_more_for_each_token_the_more_are_wrong() {
    for (each, most) in [
        ("credentials_file: secret", 30),
        ("credential_file: secret, token: hxtw_0123456789abcdef, interval: 5m", 280),
    ] {
        let (few, many) = (loaded(100, each), loaded(400, each));
        assert!(many <= few * 5, "{few} of 100, {many} of 400 with {each}");
        assert!(many <= 400 * most, "{} for each with {each}", many / 400);
    }
}

#[test]
fn a_configuration_that_grows_in_the_reading_is_refused_before_it_costs_much() {
    let doubled: Vec<_> = (1..40).map(|i| format!("a{i}: &a{i} [*a{0}, *a{0}]\n", i - 1)).collect();
    let long = format!("a: &a [{}]\nb: [{}]\n", "x, ".repeat(2_000), "*a, ".repeat(2_000));
    let doubled = format!("a0: &a0 [x, x]\n{}", doubled.concat());
    for bomb in [doubled, long, "[".repeat(1_000_000), "- ".repeat(1_000_000)] {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("config.yaml");
        std::fs::write(&file, &bomb).unwrap();
        let (source, environment) = (Source::File(file), Environment::default());
        let cost = measure(|| assert!(config::load(&source, &environment).is_err()));
        assert!(cost.bytes_max < 60_000_000, "{} bytes at once for {}", cost.bytes_max, &bomb[..20]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_page_is_never_in_memory_as_a_whole() {
    let (store, own) = (Fleet::of(1_000).heard(clock()), own());
    let mut length = 0;
    let cost = measure(|| Page::of(store.snapshot(), own).for_each(|piece| length += piece.len()));
    assert!(length > 4_000_000, "{length}");
    assert!(cost.bytes_max < 300_000, "{} bytes at once", cost.bytes_max);
}

#[tokio::test(start_paused = true)]
async fn what_changes_on_a_page_leaves_other_pieces_as_they_were() {
    let (store, own) = (Fleet::of(1_700).heard(clock()), own());
    let mut before: HashSet<String> = Page::of(store.snapshot(), own.clone()).collect();
    // Past whole numbers of days, which are shorter than what is between them.
    for _ in 0..12 {
        tokio::time::advance(Duration::from_hours(2)).await;
        let pieces: HashSet<String> = Page::of(store.snapshot(), own.clone()).collect();
        let changed: Vec<&String> = pieces.difference(&before).collect();
        for piece in &changed {
            let changing = ["\nhex_token_days_until_expiry{", "\nprocess_cpu_seconds_total "];
            assert!(changing.iter().any(|family| piece.contains(family)), "{}", &piece[..200]);
        }
        let (changed, all) = (changed.len(), pieces.len());
        assert!(changed > 0 && changed * 10 < all, "{changed} of {all} have changed");
        before = pieces;
    }
}

#[tokio::test(start_paused = true)]
async fn a_verdict_is_found_without_allocating() {
    let store = Fleet::of(1).heard(clock());
    let snapshot = store.snapshot();
    let (token, now) = (&snapshot.tokens[0], snapshot.now.at);
    let judged = measure(|| assert_eq!(judge(&token.record, &token.spec, now), TokenState::Valid));
    assert_eq!(judged.count_total, 0);
    let answer = fine(Question::of(Check::ProjectsRead));
    assert_eq!(measure(|| drop(classify(&answer))).count_total, 0);
}

/// Allocations for a further answer about each of so many tokens.
fn observed(tokens: usize) -> u64 {
    let fleet = Fleet::of(tokens);
    let store = fleet.heard(clock());
    let answer = fine(Question::of(Check::Identity));
    let round = || {
        for token in &fleet.tokens {
            store.observe(&token.spec.name, None, &answer).unwrap();
        }
    };
    (0..history::LENGTH).for_each(|_| round());
    measure(round).count_total
}

#[tokio::test(start_paused = true)]
async fn an_answer_is_taken_in_with_few_allocations_however_many_tokens_there_are() {
    assert!(observed(10) <= 20, "{} for 10 answers", observed(10));
    assert!(observed(1_000) <= 2_000, "{} for 1000 answers", observed(1_000));
}

#[test]
fn a_token_takes_little_memory_and_a_probe_few_allocations() {
    const TOKENS: usize = 500;
    const HOUR: Duration = Duration::from_hours(1);
    // Of the identity every five minutes, and of the scope every hour.
    const PROBES: u64 = TOKENS as u64 * (12 + 1);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    let runtime = runtime.unwrap();
    let entered = runtime.enter();
    let (tasks, clock, own) = (Tasks::new(), clock(), own());
    let fleet = Fleet::of(TOKENS);
    let ((store, scheduler), started) = measured(|| {
        let store: Arc<Store> = Arc::new(fleet.unheard(clock.clone()));
        let scheduler = Scheduler::new(Instantly, store.clone(), clock, own, tasks, || {});
        let settings = Settings { cadence: Cadence::default(), max_concurrency: 16 };
        scheduler.reconcile(settings, std::slice::from_ref(&fleet.workspace), fleet.tokens.clone());
        (store, scheduler)
    });
    drop(entered);
    let pass = |time| measure(|| runtime.block_on(async { tokio::time::sleep(time).await }));
    // Until every history is full.
    let lived = pass(HOUR * 6);
    let token = store.token(&fleet.tokens[0].spec.name).unwrap();
    assert_eq!(token.history.newest_first().count(), history::LENGTH);
    let bytes = u64::try_from(started.bytes_current + lived.bytes_current).unwrap() / TOKENS as u64;
    assert!(bytes <= 2_300, "{bytes} bytes a token");
    let allocations = pass(HOUR).count_total;
    assert!(allocations <= PROBES * 8, "{allocations} allocations for {PROBES} probes");
    drop(scheduler);
}
