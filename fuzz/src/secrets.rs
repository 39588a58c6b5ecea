//! What stands in the file of a credential, and in `.env`: taken as it is, or refused without a word of it.

use std::{fs, str};

use hex_token_exporter::{
    config::{Environment, Source, gather, load},
    domain::{Credential, Secret},
};

use super::{
    canary::{self, CANARY},
    clock::StandingClock,
    scratch,
};

const FILE: &str = "tokens: {airflow: {credentials_file: credential}}";

pub(crate) fn run(content: &[u8]) {
    scratch::file("credential", content);
    let source = Source::File(scratch::file("secrets.yaml", FILE));
    let credential = only_credential(&source).unwrap();
    let text = str::from_utf8(content).map(str::trim).unwrap_or_default();
    let is_legal = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
    match credential {
        Credential::Loaded { secret, .. } => assert!(is_legal && secret == Secret::opaque(text)),
        Credential::Unreadable(_) => assert!(!is_legal || content.len() > 4096, "refused a legal credential"),
    }
    let file = scratch::file(".env", with_plain_names(content));
    // Refused, or without a token in it, or one token.
    only_credential(&Source::ZeroConfig { directory: scratch::path("") });
    fs::remove_file(file).unwrap();
}

/// The content with the canary in no name of a variable: names are keys, which are shown.
fn with_plain_names(content: &[u8]) -> Vec<u8> {
    let Ok(text) = str::from_utf8(content) else { return content.to_owned() };
    let lines = text.split_inclusive('\n').map(|line| match line.split_once('=') {
        Some((name, value)) => format!("{}={value}", name.replace(CANARY, "")),
        None => line.to_owned(),
    });
    lines.collect::<String>().into_bytes()
}

/// The credential of the one token that is configured.
fn only_credential(source: &Source) -> Option<Credential> {
    let loaded = match load(source, &Environment::default()) {
        Ok(loaded) => loaded,
        Err(errors) => {
            canary::no_value_in_errors(&errors);
            return None;
        }
    };
    canary::no_value_in(&loaded.warnings);
    let gathered = gather(&loaded.config, &StandingClock::new());
    canary::no_value_in(&gathered.warnings);
    canary::no_secret(&format!("{gathered:?}"), "what was gathered");
    assert_eq!(gathered.tokens.len(), 1);
    gathered.tokens.into_iter().next().map(|token| token.credential)
}
