//! The text of a configuration file: understood or refused, it never panics and never shows a value; and
//! what is understood can be planned, timed and shown.

use std::{sync::Arc, time::Duration};

use hex_token_exporter::{
    clock::Clock,
    config::{Config, ConfigErrors, Environment, Loaded, Source, load},
    domain::{Credential, Digest, DigestKey, TokenSpec, heard::Remembered},
    metrics::{self, OwnMetrics},
    schedule::{phase::Anchor, plan, timing::Timing},
    store::Store,
};

use super::{canary, clock::StandingClock, scratch};

pub(crate) fn run(text: &[u8]) {
    let file = scratch::file("config.yaml", text);
    holds(load(&Source::File(file), &Environment::default()));
}

/// Whatever came of it keeps what is promised.
pub(crate) fn holds(loaded: Result<Loaded, ConfigErrors>) {
    match loaded {
        Ok(loaded) => {
            canary::no_value_in(&loaded.warnings);
            canary::no_token(&format!("{:?}", loaded.config), "a configuration");
            is_usable(&loaded.config);
        }
        Err(errors) => canary::no_value_in_errors(&errors),
    }
}

/// It can be planned, timed and shown.
fn is_usable(config: &Config) {
    let clock = Arc::new(StandingClock::new());
    let store = Store::new(clock.clone(), DigestKey::from_bytes([7; 32]));
    let missing = Credential::Unreadable(hex_token_exporter::domain::CredentialProblem::Missing);
    watch(&store, config, |_| missing.clone(), |_, _| None);
    for _ in 0..2 {
        for token in &config.tokens {
            let (spec, now) = (&token.spec, clock.now());
            let cost = plan::demand(spec, &config.cadence).per_minute();
            assert!(cost.is_finite() && cost > 0.0, "{} costs {cost}", spec.name);
            let view = store.token(&spec.name).unwrap();
            let timing = Timing {
                spec,
                record: &view.record,
                cadence: &config.cadence,
                stretch: plan::stretch(cost, spec.workspace.requests_per_minute),
                anchor: Anchor::of(now),
                now,
                hex_now: now.at,
                guard: None,
                dry_runs_from: Some(Duration::ZERO),
            };
            assert!(timing.next().is_some(), "{} is never asked", spec.name);
            assert!(timing.intervals().all(|(_, every)| every > Duration::ZERO));
        }
        is_sound(&metrics::page(&store.snapshot(), &Arc::new(OwnMetrics::new(0, 1).unwrap())));
        clock.advance(Duration::from_hours(24 * 400));
        store.settle();
    }
}

/// Makes a configuration's tokens the ones that a store knows.
pub(crate) fn watch(
    store: &Store,
    config: &Config,
    credential: impl Fn(&TokenSpec) -> Credential,
    remembered: impl Fn(&TokenSpec, &Digest) -> Option<Remembered>,
) {
    let workspaces = config.workspaces.values().map(|workspace| (workspace.clone(), 1.0));
    let tokens = config.tokens.iter().map(|token| (token.spec.clone(), credential(&token.spec)));
    store.conform(config.cadence, workspaces, tokens, remembered);
}

/// A page of metrics has a finite value in each line, and no secret.
pub(crate) fn is_sound(page: &str) {
    canary::no_token(page, "the metrics");
    for line in page.lines().filter(|line| !line.starts_with('#')) {
        let value = line.rsplit(' ').next().unwrap().parse::<f64>();
        assert!(value.is_ok_and(f64::is_finite), "no sample: {line}");
    }
}
