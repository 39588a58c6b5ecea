//! The real binary, as a shell sees it: exit codes, messages, signals.

#![expect(clippy::unwrap_used, reason = "a test's helpers may fail it too")]

#[path = "support/exporter.rs"]
#[expect(dead_code, reason = "other tests need more of it")]
mod exporter;

use std::{
    collections::BTreeSet,
    fs::{self, File},
    io,
    process::{Command, Output, Stdio},
};

use exporter::Exporter;

fn run(arguments: &[&str]) -> (Option<i32>, String) {
    let directory = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_hex-token-exporter"));
    let Output { status, stdout, stderr } =
        command.env_clear().args(arguments).current_dir(directory.path()).output().unwrap();
    (status.code(), String::from_utf8(stdout).unwrap() + &String::from_utf8(stderr).unwrap())
}

/// The exit code of a command whose standard output goes there, and its standard error.
fn run_into(arguments: &[&str], stdout: impl Into<Stdio>) -> (Option<i32>, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hex-token-exporter"));
    let child = command.env_clear().args(arguments).stdout(stdout).stderr(Stdio::piped()).spawn().unwrap();
    let Output { status, stderr, .. } = child.wait_with_output().unwrap();
    (status.code(), String::from_utf8(stderr).unwrap())
}

#[test]
fn a_token_on_the_command_line_is_refused_and_not_echoed() {
    let token = format!("hxtw_{}", "0123456789abcdef".repeat(6));
    for (arguments, expected) in [(vec!["--config.file", &token], 2), (vec!["check", "--name", &token], 3)] {
        let (code, said) = run(&arguments);
        assert_eq!(code, Some(expected));
        assert!(said.contains("hxtw_...") && !said.contains("0123456789"), "{said}");
    }
}

#[test]
fn a_bad_external_url_is_told_without_being_echoed() {
    for (url, why) in [("https://ada:pa55@a.example", "user name"), ("gopher://pa55", "http://")] {
        let (code, said) = run(&["--web.external-url", url]);
        assert_eq!(code, Some(1));
        assert!(
            said.contains("--web.external-url") && said.contains(why) && !said.contains("pa55"),
            "{said}"
        );
    }
}

#[test]
fn check_without_a_usable_configuration_is_unknown_and_validate_fails() {
    assert_eq!(run(&["check"]).0, Some(3));
    assert_eq!(run(&["check", "--no-such-flag"]).0, Some(3));
    assert_eq!(run(&["check", "--config.file", "missing.yaml"]).0, Some(3));
    assert_eq!(run(&["validate", "--config.file", "missing.yaml"]).0, Some(1));
}

#[test]
fn only_the_command_decides_about_the_exit_code_of_a_usage_error() {
    for (arguments, expected) in [
        (vec!["validate", "--config.file", "check", "--no-such-flag"], 2),
        (vec!["--config.file", "check", "--no-such-flag"], 2),
        (vec!["--log.level=check"], 2),
        (vec!["completions", "check"], 2),
        (vec!["--no-such-flag", "check"], 3),
        (vec!["check", "--config.file", "validate", "--no-such-flag"], 3),
    ] {
        let (code, said) = run(&arguments);
        assert_eq!(code, Some(expected), "{arguments:?}: {said}");
    }
}

#[test]
fn the_help_tells_the_exit_codes() {
    let (code, said) = run(&["check", "--help"]);
    assert_eq!(code, Some(0));
    for words in ["Exit codes", "1  ", "2  ", "3  ", "2, 3, 1, 0"] {
        assert!(said.contains(words), "{words} in {said}");
    }
    assert!(run(&["plan", "--help"]).1.contains("1 where the plan is over the budget"));
}

#[test]
fn validate_counts_as_people_do() {
    let home = tempfile::tempdir().unwrap();
    let config = home.path().join("config.yaml");
    let path = config.to_str().unwrap();
    for (yaml, words) in [
        ("tokens: {a: {credentials_env: NOT_SET}}", "1 token in 1 workspace\n"),
        ("tokens: {a: {credentials_env: NOT_SET}, b: {credentials_env: B}}", "2 tokens in 1 workspace\n"),
        (
            "tokens: {a: {credentials_env: NOT_SET}}",
            "no usable credential: the variable that should hold the credential is not set",
        ),
        ("tokens: {a: {}}", "the configuration has 1 problem\n"),
        ("tokens: {a: {}, b: {}}", "the configuration has 2 problems\n"),
    ] {
        fs::write(&config, yaml).unwrap();
        let (_, said) = run(&["validate", "--config.file", path]);
        assert!(said.contains(words), "{words} in {said}");
    }
}

#[test]
fn what_would_fail_here_is_a_warning_since_it_may_not_where_it_runs() {
    let home = tempfile::tempdir().unwrap();
    let config = home.path().join("config.yaml");
    fs::write(&config, "workspaces: {w: {url: https://app.hex.tech}}\ntokens: {a: {credentials_env: A}}\n")
        .unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_hex-token-exporter"));
    let nowhere = [("SSL_CERT_FILE", "/nowhere/certificates.pem"), ("SSL_CERT_DIR", "/nowhere")];
    let command = command.env_clear().envs(nowhere).args(["validate", "--config.file"]).arg(&config);
    let Output { status, stdout, .. } = command.output().unwrap();
    let said = String::from_utf8(stdout).unwrap();
    assert_eq!(status.code(), Some(0), "{said}");
    let warning = "warning: workspaces.w: no trusted certificates are installed here";
    assert!(said.contains(warning) && said.contains("the configuration holds"), "{said}");
}

#[test]
fn a_reader_that_has_left_changes_no_exit_code_and_is_no_trouble() {
    let home = tempfile::tempdir().unwrap();
    let tokens = "tokens: {a: {credentials_env: A}}\n";
    for (file, yaml) in [
        ("good", tokens.to_owned()),
        ("over", format!("probe: {{interval: 1s, timeout: 500ms}}\n{tokens}")),
        ("bad", "tokens: {a: {}}\n".to_owned()),
    ] {
        fs::write(home.path().join(file), yaml).unwrap();
    }
    let path = |file| home.path().join(file).into_os_string().into_string().unwrap();
    for (arguments, expected) in [
        (vec!["validate", "--config.file", &path("good")], 0),
        (vec!["validate", "--config.file", &path("bad")], 1),
        (vec!["plan", "--config.file", &path("good")], 0),
        (vec!["plan", "--config.file", &path("over")], 1),
        (vec!["completions", "bash"], 0),
        (vec!["man"], 0),
        (vec!["fake-hex", "--print-scenario"], 0),
        (vec!["--help"], 0),
    ] {
        let (reader, writer) = io::pipe().unwrap();
        drop(reader);
        let (code, said) = run_into(&arguments, writer);
        assert_eq!(code, Some(expected), "{arguments:?}: {said}");
        assert!(!said.contains("error"), "{arguments:?}: {said}");
    }
}

#[test]
fn what_cannot_be_printed_is_told_and_fails_only_where_it_was_all_that_was_asked_for() {
    let home = tempfile::tempdir().unwrap();
    let config = home.path().join("config.yaml");
    fs::write(&config, "tokens: {a: {credentials_env: A}}\n").unwrap();
    let config = config.to_str().unwrap();
    for (arguments, expected) in [
        (vec!["validate", "--config.file", config], 0),
        (vec!["plan", "--config.file", config], 0),
        (vec!["completions", "bash"], 1),
        (vec!["man"], 1),
    ] {
        let (code, said) = run_into(&arguments, File::options().write(true).open("/dev/full").unwrap());
        assert_eq!(code, Some(expected), "{arguments:?}: {said}");
        assert!(said.contains("error: standard output cannot be written"), "{arguments:?}: {said}");
    }
}

#[test]
fn completions_the_manual_and_the_scenario_are_printed() {
    for (arguments, part) in [
        (vec!["completions", "bash"], "hex-token-exporter"),
        (vec!["man"], ".TH"),
        (vec!["fake-hex", "--print-scenario"], "stacks:"),
        (vec!["--help"], "--web.listen-address"),
    ] {
        let (code, said) = run(&arguments);
        assert_eq!(code, Some(0), "{arguments:?}");
        assert!(said.contains(part), "{said}");
    }
}

/// The flags that a text names.
fn flags(text: &str) -> BTreeSet<&str> {
    let is_end = |letter: char| !letter.is_ascii_lowercase() && !['-', '.'].contains(&letter);
    let names = text.match_indices("--").map(|(at, _)| text[at..].split(is_end).next().unwrap());
    let is_own =
        |name: &&str| name[2..].starts_with(char::is_alphabetic) && !["--help", "--version"].contains(name);
    names.filter(is_own).collect()
}

#[test]
fn every_command_and_flag_is_in_its_document() {
    let document = include_str!("../docs/COMMANDS.md");
    let (_, help) = run(&["--help"]);
    let (_, commands) = help.split_once("Commands:\n").unwrap();
    let commands = commands.lines().map_while(|line| line.split_whitespace().next());
    let mut known = 0;
    for command in commands.filter(|command| *command != "help") {
        let row = document.lines().find(|line| line.starts_with(&format!("| `{command}`"))).expect(command);
        let (_, help) = run(&[command, "--help"]);
        let options = help.split_once("Options:\n").unwrap().1;
        // A description may speak of other flags: an option's own name begins its line.
        let own =
            options.lines().filter(|line| line.trim_start().starts_with('-')).collect::<Vec<_>>().join("\n");
        assert_eq!(flags(row.split('|').nth(3).unwrap()), flags(&own), "{command}");
        known += 1;
    }
    assert_eq!(known, 9);
    let (_, of_run) = document.split_once("## Flags of `run`").unwrap();
    assert_eq!(flags(of_run), flags(document.lines().find(|line| line.starts_with("| `run`")).unwrap()));
}

#[tokio::test]
async fn a_broken_reload_keeps_it_running_and_sigterm_ends_it_with_0() {
    let home = tempfile::tempdir().unwrap();
    let config = home.path().join("config.yaml");
    fs::write(home.path().join("token"), "no-real-token").unwrap();
    let good = "workspaces: {w: {url: 'http://127.0.0.1:9'}}\ntokens: {a: {credentials_file: token}}\n";
    fs::write(&config, good).unwrap();
    let mut exporter = Exporter::start(&config);
    let limits = fs::read_to_string(format!("/proc/{}/limits", exporter.pid())).unwrap();
    let core = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
    assert_eq!(core.split_whitespace().filter(|word| *word == "0").count(), 2, "no core dumps: {core}");
    fs::write(&config, "tokens: [").unwrap();
    exporter.signal("HUP");
    exporter.says("configuration not reloaded");
    assert_eq!(exporter.get("/-/healthy").await.unwrap().0, 200);
    exporter.signal("TERM");
    exporter.says("stopped");
    assert_eq!(exporter.ended().code(), Some(0));
}
