//! The state file over the life of several processes of the real binary: a dead token is known to be dead
//! while Hex can't be asked, and nobody is ever called valid from memory.

#![expect(clippy::unwrap_used, reason = "a test's helpers may fail it too")]

#[path = "support/exporter.rs"]
#[expect(dead_code, reason = "other tests need more of it")]
mod exporter;

use std::{
    fs,
    os::unix::fs::{FileTypeExt, PermissionsExt, symlink},
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use exporter::{Exporter, state};
use hex_token_exporter::fake_hex::{FakeHex, Scenario};
use tokio::{net::TcpListener, time::interval};

/// Waits until it shows these states of the living and the dead.
async fn shows(exporter: &Exporter, good: &str, dead: &str) {
    let what = format!("{good} and {dead}");
    exporter.shows(&what, |page| state(page, "good") == good && state(page, "dead") == dead).await;
}

fn stop(mut exporter: Exporter) -> String {
    exporter.signal("TERM");
    assert!(exporter.ended().success());
    exporter.said()
}

#[test]
fn that_it_cannot_be_written_is_said_once() {
    let home = tempfile::tempdir().unwrap();
    let config = home.path().join("config.yaml");
    fs::write(&config, "state_file: no-such-directory/state.json\ntokens: {t: {credentials_file: t}}")
        .unwrap();
    let exporter = Exporter::start(&config);
    let told = "the state file cannot be written";
    exporter.says(told);
    // It is tried once more at the end.
    assert_eq!(stop(exporter).matches(told).count(), 1);
}

#[test]
fn that_another_one_needs_a_restart_is_said() {
    let home = tempfile::tempdir().unwrap();
    let (config, tokens) = (home.path().join("config.yaml"), "tokens: {t: {credentials_file: t}}\n");
    fs::write(&config, tokens).unwrap();
    let exporter = Exporter::start(&config);
    fs::write(&config, format!("{tokens}state_file: state.json\n")).unwrap();
    exporter.signal("HUP");
    exporter.says("state_file has changed: the new one is used from the next start on");
    stop(exporter);
    assert!(!home.path().join("state.json").exists());
}

/// The configuration of a token that nobody has, with a state file `state.json` beside it.
fn configured(home: &Path) -> (PathBuf, PathBuf) {
    let config = home.join("config.yaml");
    fs::write(&config, "state_file: state.json\ntokens: {t: {credentials_file: t}}").unwrap();
    (config, home.join("state.json"))
}

const LEFT_ALONE: &str = "it is left alone, and nothing is remembered";

#[test]
fn what_is_no_regular_file_is_left_alone_and_keeps_nobody_waiting() {
    let home = tempfile::tempdir().unwrap();
    let (config, file) = configured(home.path());
    assert!(Command::new("mkfifo").arg(&file).status().unwrap().success());
    let exporter = Exporter::start(&config);
    exporter.says("it is not a regular file");
    assert!(stop(exporter).contains(LEFT_ALONE));
    assert!(fs::symlink_metadata(&file).unwrap().file_type().is_fifo());
}

#[test]
fn one_that_cannot_be_read_is_left_alone() {
    let home = tempfile::tempdir().unwrap();
    let (config, file) = configured(home.path());
    // Not even root can read what a link to itself stands for.
    symlink("state.json", &file).unwrap();
    let exporter = Exporter::start(&config);
    assert!(stop(exporter).contains(LEFT_ALONE));
    assert_eq!(fs::read_link(&file).unwrap(), Path::new("state.json"));
}

#[test]
fn where_a_link_leads_it_is_written_whether_something_is_there_or_not() {
    let home = tempfile::tempdir().unwrap();
    let (config, file) = configured(home.path());
    fs::create_dir(home.path().join("volume")).unwrap();
    symlink("volume/link.json", &file).unwrap();
    symlink("file.json", home.path().join("volume/link.json")).unwrap();
    let target = home.path().join("volume/file.json");
    for before in [None, Some("{")] {
        if let Some(text) = before {
            fs::write(&target, text).unwrap();
        }
        stop(Exporter::start(&config));
        assert!(fs::read_to_string(&target).unwrap().contains("\"version\": 1"));
        assert!(file.is_symlink() && home.path().join("volume/link.json").is_symlink());
    }
    // The damaged one is kept where it was.
    assert_eq!(fs::read_to_string(home.path().join("volume/file.json.damaged")).unwrap(), "{");
    assert!(!stop(Exporter::start(&config)).contains("state file"));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_is_taken_away_is_written_again_though_nothing_has_changed() {
    let home = tempfile::tempdir().unwrap();
    let (config, file) = configured(home.path());
    let exporter = Exporter::start(&config);
    let mut look_again = interval(Duration::from_millis(25));
    while !file.exists() {
        look_again.tick().await;
    }
    fs::remove_file(&file).unwrap();
    stop(exporter);
    assert!(file.exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_during_an_outage_still_knows_the_dead_and_calls_nobody_valid() {
    let home = tempfile::tempdir().unwrap();
    let scenario = "stacks: [{name: main, tokens: {good: {kind: workspace, value: the-good-value}}}]";
    let stack = Scenario::parse(scenario).unwrap().stacks.into_iter().next().unwrap();
    let hex = FakeHex::start(TcpListener::bind("127.0.0.1:0").await.unwrap(), stack).unwrap();
    for (name, value) in [("good", "the-good-value"), ("dead", "the-dead-value")] {
        fs::write(home.path().join(name), value).unwrap();
    }
    let config = home.path().join("config.yaml");
    let yaml = format!(
        "probe: {{interval: 1s, timeout: 500ms, confirm_after: 1s, mass_rejection_hold: 1s}}\nstate_file: state.json\nworkspaces: {{main: {{url: '{}', requests_per_minute: 600}}}}\ntokens: {{good: {{credentials_file: good}}, dead: {{credentials_file: dead}}}}\n",
        hex.url()
    );
    fs::write(&config, yaml).unwrap();
    let exporter = Exporter::start(&config);
    shows(&exporter, "valid", "invalid").await;
    stop(exporter);
    let file = home.path().join("state.json");
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    hex.shutdown().await;

    // Hex is gone, and one credential is missing at the start and comes back.
    fs::rename(home.path().join("dead"), home.path().join("away")).unwrap();
    let exporter = Exporter::start(&config);
    shows(&exporter, "unknown", "unknown").await;
    fs::rename(home.path().join("away"), home.path().join("dead")).unwrap();
    shows(&exporter, "unknown", "invalid").await;
    let page =
        exporter.shows("an outage", |page| page.contains("\nhex_api_up{workspace=\"main\"} 0\n")).await;
    assert_eq!((state(&page, "good"), state(&page, "dead")), ("unknown", "invalid"));
    stop(exporter);

    // A damaged file is put aside, and stops nothing.
    fs::write(&file, "{").unwrap();
    let exporter = Exporter::start(&config);
    shows(&exporter, "unknown", "unknown").await;
    stop(exporter);
    assert_eq!(fs::read_to_string(home.path().join("state.json.damaged")).unwrap(), "{");
}
