//! `plan` explains the configuration, and what it says would fit does.

#![expect(clippy::unwrap_used, reason = "a test's helpers may fail it too")]

use std::{fmt::Write, fs};

use assert_cmd::Command;

/// What `plan` says about so many tokens with scopes and a project, and its exit code.
fn plan(tokens: usize, probe: &str, requests_per_minute: u32) -> (String, i32) {
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
    let mut command = Command::cargo_bin("hex-token-exporter").unwrap();
    let output = command.env_clear().arg("plan").arg("--config.file").arg(&config).output().unwrap();
    (String::from_utf8(output.stdout).unwrap(), output.status.code().unwrap())
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
