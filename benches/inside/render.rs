//! The page of metrics: as it is served, packed for the first time and again, and as the `prometheus` crate
//! would make it. Between two packed pages a twentieth of the tokens is asked, as it is between two scrapes
//! fifteen seconds apart.

use std::{fmt::Write as _, hint::black_box, io::Write as _, sync::Arc, time::Duration};

use criterion::{BenchmarkId, Criterion, Throughput};
use hex_token_exporter::{
    clock::SystemClock,
    domain::{Check, Observation, Question},
    http::gzip::Packer,
    metrics::{OwnMetrics, Page},
    store::Store,
};
use prometheus::{Encoder, GaugeVec, Opts, Registry, TextEncoder};

use crate::{
    cpu,
    cpu::CpuTime,
    fleet::{Fleet, fine},
};

pub(crate) fn pages(criterion: &mut Criterion<CpuTime>) {
    let own = Arc::new(OwnMetrics::new(0, 1).unwrap_or_else(|error| panic!("{error}")));
    let mut table = String::from(
        "\nleast of 5, CPU, ns a series:\n  tokens   series     bytes     page     gzip    again    crate  crate/page\n",
    );
    let mut group = criterion.benchmark_group("render");
    for tokens in [100, 1_000, 10_000, 100_000] {
        let fleet = Fleet::of(tokens);
        let store = fleet.heard(Arc::new(SystemClock::start()));
        let page: String = pieces(&store, &own).collect();
        let series = page.lines().filter(|line| !line.starts_with('#')).count();
        group.throughput(Throughput::Elements(series as u64));
        group.bench_function(BenchmarkId::new("page", tokens), |bencher| {
            bencher.iter(|| pieces(&store, &own).for_each(|piece| drop(black_box(piece))));
        });
        group.bench_function(BenchmarkId::new("gzip", tokens), |bencher| {
            bencher.iter(|| gzip(&mut Packer::default(), &store, &own));
        });
        ratios(&mut table, series, &fleet, &store, &own, &page);
    }
    group.finish();
    let _ = writeln!(std::io::stdout(), "{table}");
}

fn pieces(store: &Store, own: &Arc<OwnMetrics>) -> Page {
    Page::of(store.snapshot(), own.clone())
}

/// How many bytes a packed page has.
fn gzip(packer: &mut Packer, store: &Store, own: &Arc<OwnMetrics>) -> usize {
    let mut sink = Counted(0);
    packer.pack(pieces(store, own), &mut sink).unwrap_or_else(|error| panic!("{error}"));
    sink.0
}

/// Where bytes are counted and go no further.
struct Counted(usize);

impl std::io::Write for Counted {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0 += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// A row of the table: all of it in the same minute, since machines differ from minute to minute.
fn ratios(
    table: &mut String,
    series: usize,
    fleet: &Fleet,
    store: &Store,
    own: &Arc<OwnMetrics>,
    page: &str,
) {
    let tokens = fleet.tokens.len();
    let count = u32::try_from(series).unwrap_or(u32::MAX);
    let each = |spent: Duration| spent.as_secs_f64() * 1e9 / f64::from(count);
    let families = parse(page);
    let rounds = if tokens > 10_000 { 3 } else { 5 };
    let ours = each(cpu::least(rounds, || pieces(store, own).for_each(|piece| drop(black_box(piece)))));
    let first = each(cpu::least(rounds, || assert!(gzip(&mut Packer::default(), store, own) > 0)));
    let again = each(least_again(rounds, fleet, store, own));
    let mut row = format!("{tokens:>8} {series:>8} {:>9} {ours:>8.0} {first:>8.0} {again:>8.0}", page.len());
    // Of 100,000 tokens it would take minutes.
    if tokens <= 10_000 {
        let crates = each(cpu::least(3, || drop(black_box(by_gauge_vecs(&families)))));
        let _ = write!(row, " {crates:>8.0} {:>11.1}", crates / ours);
    }
    let _ = writeln!(table, "{row}");
}

/// CPU time to pack a page of which a twentieth of the tokens has news.
fn least_again(rounds: usize, fleet: &Fleet, store: &Store, own: &Arc<OwnMetrics>) -> Duration {
    let mut packer = Packer::default();
    gzip(&mut packer, store, own);
    let round = |round| {
        let duration = Duration::from_micros(100_000 + round as u64);
        let answer = Observation { duration, ..fine(Question::of(Check::Identity)) };
        for token in fleet.tokens.iter().skip(round).step_by(20) {
            store.observe(&token.spec.name, None, &answer);
        }
        cpu::least(1, || assert!(gzip(&mut packer, store, own) > 0))
    };
    (0..rounds).map(round).min().unwrap_or_default()
}

type Series<'a> = (Vec<&'a str>, f64);

struct Family<'a> {
    name: &'a str,
    labels: Vec<&'a str>,
    series: Vec<Series<'a>>,
}

/// What a page tells about tokens, taken apart beforehand, so that only making it anew is measured.
fn parse(page: &str) -> Vec<Family<'_>> {
    let mut families: Vec<Family<'_>> = Vec::new();
    for line in page.lines().filter(|line| line.starts_with("hex_token_") && line.contains("{token=")) {
        let Some((name, rest)) = line.split_once('{') else { continue };
        let Some((labels, value)) = rest.split_once("} ") else { continue };
        let pairs = labels.trim_end_matches('"').split("\",").filter_map(|pair| pair.split_once("=\""));
        let (labels, values): (Vec<_>, Vec<_>) = pairs.unzip();
        if families.last().is_none_or(|family| family.name != name) {
            families.push(Family { name, labels, series: Vec::new() });
        }
        if let Some(family) = families.last_mut() {
            family.series.push((values, value.parse().unwrap_or_default()));
        }
    }
    families
}

/// The same page as the crate's vectors make it, built anew as ours is.
fn by_gauge_vecs(families: &[Family<'_>]) -> Vec<u8> {
    let registry = Registry::new();
    for Family { name, labels, series } in families {
        let family =
            GaugeVec::new(Opts::new(*name, "help"), labels).unwrap_or_else(|error| panic!("{error}"));
        for (labels, value) in series {
            family.with_label_values(labels).set(*value);
        }
        registry.register(Box::new(family)).unwrap_or_else(|error| panic!("{error}"));
    }
    let mut page = Vec::new();
    TextEncoder::new().encode(&registry.gather(), &mut page).unwrap_or_else(|error| panic!("{error}"));
    page
}
