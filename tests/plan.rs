//! `plan` explains the configuration, and what it says would fit does.

#![expect(clippy::unwrap_used, reason = "a test's helpers may fail it too")]

use std::{fmt::Write, fs, process::Command};

/// What `plan` says about so many tokens with scopes and a project, and its exit code.
fn plan(tokens: usize, probe: &str, requests_per_minute: u32) -> (String, i32) {
    let (said, _, code) = plan_and_warnings(tokens, probe, requests_per_minute);
    (said, code)
}

fn plan_and_warnings(tokens: usize, probe: &str, requests_per_minute: u32) -> (String, String, i32) {
    let home = tempfile::tempdir().unwrap();
    let mut yaml = format!(
        "probe: {{{probe}}}\nworkspaces: {{main: {{url: https://app.hex.tech, requests_per_minute: {requests_per_minute}}}}}\n\
         defaults:\n  required_scopes: [projects_read, projects_run]\n  projects: {{kpi: 5a8591dd-4039-49df-9202-96385ba3eff8}}\n\
         tokens:\n"
    );
    for index in 0..tokens {
        writeln!(yaml, "  t{index}: {{credentials_file: {}/t{index}}}", home.path().display()).unwrap();
    }
    let config = home.path().join("config.yaml");
    fs::write(&config, yaml).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_hex-token-exporter"));
    let output = command.env_clear().arg("plan").arg("--config.file").arg(&config).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (text(output.stdout), text(output.stderr), output.status.code().unwrap())
}

/// What follows on the line that begins so.
fn line<'a>(said: &'a str, begins: &str) -> &'a str {
    let found = said.lines().find_map(|line| line.trim_start().strip_prefix(begins));
    found.unwrap_or_else(|| panic!("no line {begins} in:\n{said}")).trim()
}

#[test]
fn within_the_budget_it_tells_the_cost_the_delays_and_the_room() {
    let (said, code) = plan(10, "", 30);
    assert_eq!(code, 0, "{said}");
    assert_eq!(line(&said, "main:"), "2.36 requests a minute (142 an hour) of 30 a minute: within budget");
    assert_eq!(line(&said, "costs"), "3400 requests a day");
    assert_eq!(
        line(&said, "tells"),
        "a death within 6m 30s, of all tokens at once 16m 30s, an outage 5m 10s, a lost scope or project 1h 35m, \
         a lost right to run 9h 30m"
    );
    assert_eq!(line(&said, "has room"), "for 117 more tokens like these");
    assert_eq!(line(&said, "a pair"), "requests_per_minute: 15 in each");
    assert_eq!(plan(127, "", 30).1, 0);
    assert_eq!(plan(128, "", 30).1, 1);
}

#[test]
fn what_adds_up_to_exactly_the_budget_is_within_it() {
    for (tokens, interval, budget) in [(300, "10m", 45), (900, "30m", 75), (20, "10m", 3)] {
        let probe = format!("interval: {interval}, scope_interval: 1h, run_interval: 1h");
        let (said, code) = plan(tokens, &probe, budget);
        assert!(line(&said, "main:").ends_with("within budget"), "{said}");
        assert_eq!(code, 0);
        assert_eq!(line(&said, "has room"), "for 0 more tokens like these");
    }
}

#[test]
fn what_it_says_would_fit_does() {
    let (said, code) = plan(200, "", 30);
    assert_eq!(code, 1, "{said}");
    assert!(line(&said, "main:").contains("over budget: every interval is stretched 1.57 times"), "{said}");
    assert!(line(&said, "tells").contains("a death within 9m 23s"), "{said}");
    let remedies: Vec<&str> = line(&said, "would fit").split(", or ").collect();
    assert_eq!(
        remedies,
        ["probe.interval: 9m", "requests_per_minute: 48", "127 of the 200 tokens"],
        "no scope_interval alone would do"
    );
    assert_eq!(plan(200, "interval: 9m", 30).1, 0);
    assert_eq!(plan(200, "interval: 8m", 30).1, 1);
    assert_eq!(plan(200, "", 48).1, 0);
    assert_eq!(plan(200, "", 47).1, 1);
    assert_eq!(line(&said, "a pair"), "requests_per_minute: 15 in each: stretched 3.15 times");
}

#[test]
fn what_a_pair_and_shards_get_is_told_with_what_it_costs_them() {
    let (said, _) = plan(200, "", 30);
    assert!(
        line(&said, "3 shards")
            .starts_with("requests_per_minute: 10 in each, where the tokens share a limit of Hex: stretched"),
        "{said}"
    );
    let (said, _) = plan(10, "", 30);
    assert_eq!(
        line(&said, "3 shards"),
        "requests_per_minute: 10 in each, where the tokens share a limit of Hex"
    );
    let (said, code) = plan(2, "", 1);
    assert_eq!(code, 0, "{said}");
    assert_eq!(
        line(&said, "a pair"),
        "requests_per_minute: 1 in each: 2 in all, since none can have less than 1"
    );
    for budget in [1, 2] {
        let (said, _) = plan(2, "", budget);
        assert!(line(&said, "3 shards").contains("Hex: 3 in all, since none can have less than 1"), "{said}");
    }
}

#[test]
fn no_token_at_all_is_no_remedy() {
    let (said, code) = plan(2, "interval: 2s, timeout: 1s", 1);
    assert_eq!(code, 1, "{said}");
    assert!(!line(&said, "would fit").contains("of the 2 tokens"), "{said}");
    let (said, _) = plan(1, "interval: 2s, timeout: 1s", 60);
    assert_eq!(line(&said, "has room"), "for 0 more tokens like these");
    let (said, _) = plan(1, "interval: 2s, timeout: 1s", 62);
    assert_eq!(line(&said, "has room"), "for 1 more token like these");
}

#[test]
fn what_deserves_a_look_is_told_aside() {
    let (said, told, code) = plan_and_warnings(1, "", 30);
    assert_eq!(code, 0, "{said}");
    assert!(told.starts_with("warning: tokens.t0.credentials_file: no usable credential"), "{told}");
    assert!(!said.contains("warning"), "{said}");
}
