//! The text of a state file: at most it tells of the dead. It makes nobody valid, and is replaced by a
//! sound one.

use std::{fs, sync::Arc};

use hex_token_exporter::{
    config::{Environment, Source, load},
    domain::{Credential, Secret, TokenState},
    metrics::{self, OwnMetrics},
    store::{Store, persist::StateFile},
};

use super::{
    canary,
    clock::{START, StandingClock},
    config, scratch,
};

const FILE: &str = "
workspaces: {main: {url: 'https://app.hex.tech'}}
tokens: {airflow: {credentials_file: a}, dbt: {credentials_file: b, expires_at: 2027-03-01}}
";

pub(crate) fn run(text: &[u8]) {
    let path = scratch::file("state.json", text);
    let (file, trouble) = StateFile::open(&path).unwrap();
    if let Some(trouble) = &trouble {
        canary::no_secret(&trouble.to_string(), "the trouble with a state file");
    }
    let store = Store::new(Arc::new(StandingClock::new()), file.digest_key());
    let source = Source::File(scratch::file("remembers.yaml", FILE));
    let config = load(&source, &Environment::default()).unwrap().config;
    // A credential is known by its name, so that a file of a corpus can remember it.
    let credential = |name: &str| {
        let secret = Secret::credential(&format!("credential-of-{name}")).unwrap();
        Credential::Loaded { secret, loaded_at: START }
    };
    config::watch(
        &store,
        &config,
        |spec| credential(spec.name.as_str()),
        |spec, digest| file.remembered(spec, digest),
    );
    let snapshot = store.snapshot();
    for token in &snapshot.tokens {
        let state = token.record.state();
        assert!(state.is_dead() || state == TokenState::Unknown, "{state:?} by memory");
        assert!(trouble.is_none() || state == TokenState::Unknown, "{state:?} by a damaged file");
        assert!(token.probe_success().is_none() && token.last_probe.is_none());
    }
    config::is_sound(&metrics::page(&snapshot, &Arc::new(OwnMetrics::new(0, 1).unwrap())));
    store.settle();
    file.save(|| snapshot.clone()).unwrap();
    let written = fs::read_to_string(&path).unwrap();
    canary::no_secret(&written, "a state file");
    assert!(!written.contains("credential-of-"), "a state file holds a credential");
    let (_, trouble) = StateFile::open(&path).unwrap();
    assert!(trouble.is_none(), "what was written cannot be read: {trouble:?}");
    // A damaged one was put aside.
    let _ = fs::remove_file(scratch::path("state.json.damaged"));
}
