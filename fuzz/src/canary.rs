//! What must never be shown. Corpora and dictionaries hold it, so that it gets everywhere.

use hex_token_exporter::config::{ConfigErrors, Finding};

/// Stands for a secret without a prefix that tells what it is. May be in what is shown as a key alone.
pub(crate) const CANARY: &str = "qzCanaryqz";

/// Fails where something looks like a Hex token. Looks by itself, so as to share no mistake.
pub(crate) fn no_token(shown: &str, where_: &str) {
    for prefix in ["hxtw_", "hxtp_"] {
        for (_, behind) in shown.match_indices(prefix).map(|(at, it)| (at, &shown[at + it.len()..])) {
            let digits = behind.bytes().take_while(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')).count();
            assert!(digits < 8, "{where_} shows a token: {shown}");
        }
    }
}

/// Fails where the canary, or what looks like a token, is shown.
pub(crate) fn no_secret(shown: &str, where_: &str) {
    no_token(shown, where_);
    assert!(!shown.contains(CANARY), "{where_} shows a value: {shown}");
}

/// What is wrong with a configuration names keys and no value.
pub(crate) fn no_value_in(findings: &[Finding]) {
    for finding in findings {
        let shown = finding.to_string();
        no_token(&shown, "a finding");
        let said = shown.strip_prefix(finding.path()).unwrap();
        // The names of workspaces are keys too, and some findings list them at their end.
        let names = ["; the configured ones are ", "; name one of "];
        let said = names.iter().fold(said, |said, names| said.split(names).next().unwrap());
        no_secret(said, "a finding");
        assert!(!shown.chars().any(char::is_control), "a finding holds control characters: {shown:?}");
    }
}

/// All of a refusal.
pub(crate) fn no_value_in_errors(errors: &ConfigErrors) {
    assert!(!errors.findings().is_empty(), "refused, and nobody knows why");
    no_value_in(errors.findings());
    no_token(&format!("{errors} {errors:?}"), "a refusal");
}
