//! Whatever is written wherever, no message and no `Debug` shows a piece of it; and nothing panics.

use std::fmt::Write as _;

use hex_token_exporter::{
    clock::SystemClock,
    config::{ConfigErrors, Loaded, gather, keys, load},
};
use proptest::prelude::*;

use crate::support::{Place, variables};

/// Stands for a secret without a prefix that tells what it is.
const CANARY: &str = "Zq7Xw9Kp2Lm4Vt8Rs6Yb3";
/// Stands for one of digits.
const DIGITS: &str = "918273645546372819";

/// Fails where `shown` holds any eight characters in a row of a canary.
fn assert_hidden(shown: &str, about: &str) {
    for canary in [CANARY, DIGITS] {
        for start in 0..=canary.len() - 8 {
            let piece = &canary[start..start + 8];
            assert!(!shown.contains(piece), "{about}: {shown}");
        }
    }
}

/// The canaries in every form that a value can have.
fn forms() -> Vec<String> {
    let quoted = format!("\"{CANARY} {DIGITS}\"");
    vec![
        CANARY.to_owned(),
        DIGITS.to_owned(),
        format!("-{DIGITS}"),
        format!("{DIGITS}.5"),
        quoted.clone(),
        format!("https://{CANARY}:{DIGITS}@{CANARY}.example.com/{CANARY}?{CANARY}"),
        format!("[{CANARY}, {DIGITS}, [{quoted}], {{a: {CANARY}}}]"),
        format!("{{a: {CANARY}, b: {DIGITS}, c: {{d: {quoted}}}}}"),
        format!("\"{CANARY}\\n\""),
        format!("!{CANARY} {CANARY}"),
        format!("!!binary {CANARY}"),
        format!("*{CANARY}"),
        format!("\"{CANARY}"),
        format!("[{CANARY}"),
        format!("{CANARY}: {CANARY}: {CANARY}"),
        format!("{{{CANARY} {DIGITS}: {CANARY}, {CANARY} {DIGITS}: 1}}"),
        format!(".inf{DIGITS}"),
        format!("1e{DIGITS}"),
    ]
}

/// A configuration for each key, with `value` as its value.
fn configurations(value: &str) -> Vec<String> {
    let token = "tokens:\n  airflow:\n    credentials_file: a\n";
    let mut all = vec![value.to_owned(), format!("unknown: {value}\n{token}")];
    all.extend(keys::TOP.iter().map(|key| format!("{key}: {value}\n")));
    all.extend(keys::PROBE.iter().map(|key| format!("probe:\n  {key}: {value}\n{token}")));
    let workspace = "workspaces:\n  main:\n    url: https://app.hex.tech\n";
    all.extend(
        keys::WORKSPACE
            .iter()
            .filter(|key| **key != "url")
            .map(|key| format!("{workspace}    {key}: {value}\n{token}")),
    );
    all.push(format!("workspaces:\n  main:\n    url: {value}\n{token}"));
    all.push(format!("workspaces:\n  main: {value}\n{token}"));
    let per_token = [keys::PER_TOKEN, &["unknown", "token"]].concat();
    for key in per_token {
        all.push(format!("{token}    {key}: {value}\n"));
        all.push(format!("defaults:\n  {key}: {value}\n{token}"));
        all.push(format!("token_directories:\n  - path: a\n    {key}: {value}\n"));
    }
    all.extend(keys::CREDENTIAL.iter().map(|key| format!("tokens:\n  airflow:\n    {key}: {value}\n")));
    all.push(format!("tokens:\n  airflow: {value}\n"));
    all.push(format!("tokens:\n  airflow:\n    credentials_file: a\n    required_scopes: [{value}]\n"));
    all.push(format!("tokens:\n  airflow:\n    credentials_file: a\n    projects:\n      kpis: {value}\n"));
    all.push(format!("token_directories:\n  - path: {value}\n"));
    all.push(format!("token_directories:\n  - {value}\n"));
    all
}

/// Whether a configuration was refused. Nothing that was said of it, either way, holds a piece of a canary.
fn is_refused(outcome: Result<Loaded, ConfigErrors>, about: &str) -> bool {
    match outcome {
        Ok(loaded) => {
            let found = gather(&loaded.config, &SystemClock::start());
            for warning in loaded.warnings.iter().chain(&found.warnings) {
                assert_hidden(&warning.to_string(), about);
            }
            false
        }
        Err(errors) => {
            assert_hidden(&errors.to_string(), about);
            assert_hidden(&format!("{errors:?}"), about);
            true
        }
    }
}

#[test]
fn no_message_holds_a_piece_of_a_value() {
    let place = Place::new();
    let mut refused = 0;
    for value in forms() {
        for config in configurations(&value) {
            refused += usize::from(is_refused(place.load(&config, &[]), &config));
        }
    }
    assert!(refused > 500, "only {refused} were refused");
}

#[test]
fn no_message_holds_a_piece_of_a_variable() {
    let place = Place::new();
    let token = "tokens: {airflow: {credentials_file: a}}";
    let mut refused = 0;
    for key in ["PROBE", "PROBE__INTERVAL", "WORKSPACES__MAIN__URL", "TOKENS__AIRFLOW__EXPIRES_AT", "TOKENS"]
    {
        for value in forms() {
            let variable = format!("HEX_TOKEN_EXPORTER__{key}");
            let environment = [(variable.as_str(), value.as_str())];
            refused += usize::from(is_refused(place.load(token, &environment), &variable));
        }
    }
    for value in forms() {
        let environment = variables(&[("HEX_API_TOKEN", &value), ("HEX_WORKSPACE_URL", &value)]);
        refused += usize::from(is_refused(load(&place.zero_config(), &environment), "zero-config"));
    }
    assert!(refused > 70, "only {refused} were refused");
}

#[test]
fn a_dotenv_file_that_is_not_understood_is_not_quoted() {
    let place = Place::new();
    for content in [CANARY.to_owned(), format!("HEX_API_TOKEN='{CANARY}"), format!("HEX {CANARY}={DIGITS}")] {
        place.write(".env", &content);
        let errors = load(&place.zero_config(), &variables(&[])).unwrap_err().to_string();
        assert!(errors.contains("is not of the form NAME=value"), "{errors}");
        assert_hidden(&errors, &content);
    }
}

#[test]
fn a_token_in_the_wrong_place_is_never_echoed() {
    let place = Place::new();
    let token = format!("hxtw_{}", "0123456789abcdef".repeat(6));
    for config in [
        token.clone(),
        format!("{token}: 1"),
        format!("tokens: {{{token}: {{credentials_file: a}}}}"),
        format!("tokens: {{a: {{credentials_file: /run/{token}}}}}"),
        format!("tokens: {{a: {{credentials_file: a, projects: {{{token}: b}}}}}}"),
        format!("tokens: {{a: {{credentials_file: a, {token}: b}}}}"),
        format!("state_file: '{token}\n'"),
        format!("tokens: \"{token}"),
    ] {
        let errors = place.load(&config, &[]).unwrap_err().to_string();
        assert!(!errors.contains("01234567"), "{errors}");
    }
}

#[test]
fn debug_shows_no_secret() {
    let place = Place::new();
    let config = format!(
        "workspaces: {{main: {{url: 'https://app.hex.tech', proxy_url: 'http://u:{CANARY}@proxy.example.com'}}}}
tokens: {{airflow: {{credentials_env: AIRFLOW}}}}"
    );
    let loaded = place.load(&config, &[("AIRFLOW", CANARY)]).unwrap();
    let mut shown = format!("{loaded:?}");
    write!(shown, "{:?}", gather(&loaded.config, &SystemClock::start())).unwrap();
    assert_hidden(&shown, "Debug");
}

proptest! {
    #[test]
    fn nothing_that_looks_like_yaml_panics(text in yaml_like(), value in ".{0,40}") {
        let place = Place::new();
        let environment = [("HEX_TOKEN_EXPORTER__TOKENS__AIRFLOW__PROJECTS", value.as_str())];
        if let Err(errors) = place.load(&text, &environment) {
            prop_assert!(!errors.findings().is_empty());
        }
    }

    #[test]
    fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let place = Place::new();
        place.write("config.yaml", &bytes);
        place.write(".env", &bytes);
        drop(load(&place.source(), &variables(&[])));
        drop(load(&place.zero_config(), &variables(&[])));
    }
}

/// Lines of what our configuration is made of, in any order.
fn yaml_like() -> impl Strategy<Value = String> {
    let words = [keys::TOP, keys::PROBE, keys::WORKSPACE, keys::PER_TOKEN, keys::CREDENTIAL].concat();
    let piece = prop_oneof![
        proptest::sample::select(words).prop_map(str::to_owned),
        proptest::sample::select(vec![
            "5m",
            "https://app.hex.tech",
            "projects_run",
            "airflow",
            "&a",
            "*a",
            "<<",
            "null",
            "~",
            "1e3",
            "[",
            "]",
            "{",
            "}",
            "- ",
            "? ",
            "| ",
            "'",
            "\"",
            "#",
            "---\n",
            "%",
            "!",
            "\t",
            ", ",
            "never",
        ])
        .prop_map(str::to_owned),
        "[a-z0-9._-]{0,6}",
    ];
    let line = (0..5usize, proptest::collection::vec(piece, 1..4), any::<bool>()).prop_map(
        |(indent, pieces, colon)| {
            let separator = if colon { ": " } else { " " };
            format!("{}{}\n", "  ".repeat(indent), pieces.join(separator))
        },
    );
    proptest::collection::vec(line, 0..12).prop_map(|lines| lines.concat())
}
