//! A configuration of 10,000 tokens, each with a credential in a file of its own: read, gathered, and brought
//! to the store and the schedule by difference.

use std::{fmt::Write, fs, path::Path, sync::Arc};

use criterion::Criterion;
use hex_token_exporter::{
    clock::{Clock, SystemClock},
    config::{self, Environment, Gathered, Source},
    domain::{Cadence, DigestKey},
    store::Store,
};

use crate::cpu::CpuTime;

const TOKENS: usize = 10_000;

fn write(place: &Path) -> Source {
    let mut yaml = String::from("defaults: {required_scopes: [projects_read]}\ntokens:\n");
    for index in 0..TOKENS {
        let _ = writeln!(yaml, "  token-{index:06}: {{credentials_file: token-{index:06}}}");
        let file = place.join(format!("token-{index:06}"));
        fs::write(file, format!("value-of-{index}")).unwrap_or_else(|error| panic!("{error}"));
    }
    yaml.push_str("workspaces: {acme: {url: 'https://app.hex.tech'}}\n");
    let file = place.join("config.yaml");
    fs::write(&file, yaml).unwrap_or_else(|error| panic!("{error}"));
    Source::File(file)
}

/// The same of which every token is wrong, thrice.
fn write_wrong(place: &Path) -> Source {
    let wrong = |index| format!("  token-{index:06}: {{credential_file: a, interval: 5m}}\n");
    let file = place.join("wrong.yaml");
    let yaml = format!("tokens:\n{}", (0..TOKENS).map(wrong).collect::<String>());
    fs::write(&file, yaml).unwrap_or_else(|error| panic!("{error}"));
    Source::File(file)
}

pub(crate) fn configuration(criterion: &mut Criterion<CpuTime>) {
    let place = tempfile::tempdir().unwrap_or_else(|error| panic!("{error}"));
    let source = write(place.path());
    let load = || config::load(&source, &Environment::default()).unwrap_or_else(|errors| panic!("{errors}"));
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::start());
    let mut group = criterion.benchmark_group("config of 10000");
    group.bench_function("load", |bencher| bencher.iter(load));
    let wrong = write_wrong(place.path());
    group.bench_function("refuse", |bencher| {
        bencher.iter(|| match config::load(&wrong, &Environment::default()) {
            Ok(_) => panic!("there is nothing wrong"),
            Err(errors) => assert!(errors.findings().len() > 2 * TOKENS),
        });
    });
    let config = load().config;
    group.bench_function("gather", |bencher| bencher.iter(|| config::gather(&config, &*clock)));
    let Gathered { tokens, .. } = config::gather(&config, &*clock);
    let store = Store::new(clock.clone(), DigestKey::from_bytes([1; 32]));
    group.bench_function("conform unchanged", |bencher| {
        bencher.iter(|| {
            let workspaces = config.workspaces.values().map(|workspace| (workspace.clone(), 1.0));
            let tokens = tokens.iter().map(|token| (token.spec.clone(), token.credential.clone()));
            store.conform(Cadence::default(), workspaces, tokens, |_, _| None);
        });
    });
    group.finish();
}
