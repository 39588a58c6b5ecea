//! A credential goes in, and comes out nowhere: every output of the real binary is searched for any piece
//! of it.

#![expect(clippy::unwrap_used, reason = "a test's helpers may fail it too")]

#[path = "support/exporter.rs"]
#[expect(dead_code, reason = "other tests need more of it")]
mod exporter;

use std::{fs, path::Path, process::Command};

use exporter::Exporter;
use hex_token_exporter::fake_hex::{FakeHex, Scenario};
use tokio::net::TcpListener;

/// 96 digits of which no 8 stand in anything else.
const DIGITS: &str =
    "f3a91c7e5b08d624f3a91c7e5b08d624d17b40e9a6c258f3d17b40e9a6c258f3907e1d5cb3f84a26907e1d5cb3f84a26";

fn leaks(text: &str) -> Option<&'static str> {
    let lower = text.to_lowercase();
    (0..=DIGITS.len() - 8).map(|start| &DIGITS[start..start + 8]).find(|piece| lower.contains(piece))
}

/// Base64 of the whole token, at each of the three alignments it may stand at.
fn base64_pieces(token: &str) -> Vec<String> {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let digit = |bits: u32| char::from(ALPHABET[(bits & 63) as usize]);
    (0..3)
        .map(|skip| {
            let whole = token.as_bytes()[skip..].chunks_exact(3);
            let groups = whole.map(|b| u32::from(b[0]) << 16 | u32::from(b[1]) << 8 | u32::from(b[2]));
            groups
                .flat_map(|bits| [18, 12, 6, 0].map(|shift| digit(bits >> shift)))
                .skip(4)
                .take(24)
                .collect()
        })
        .collect()
}

fn assert_silent(what: &str, text: &str, token: &str) {
    assert_eq!(leaks(text), None, "{what} holds a piece of the credential");
    for piece in base64_pieces(token) {
        assert!(!text.contains(&piece), "{what} holds the credential in base64");
    }
}

/// Runs a command that ends by itself. Whether it succeeds, and all that it prints.
fn run(arguments: &[&str], config: &Path) -> (bool, String) {
    let mut binary = Command::new(env!("CARGO_BIN_EXE_hex-token-exporter"));
    let output = binary.env_clear().args(arguments).arg("--config.file").arg(config).output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&text).into_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn no_output_holds_any_piece_of_a_credential() {
    let token = format!("hxtw_{DIGITS}");
    let scenario = Scenario::parse(&format!(
        "stacks: [{{name: main, tokens: {{good: {{kind: workspace, value: '{token}', scopes: [projects_read]}}}}}}]"
    ))
    .unwrap();
    let stack = scenario.stacks.into_iter().next().unwrap();
    let hex = FakeHex::start(TcpListener::bind("127.0.0.1:0").await.unwrap(), stack).unwrap();
    let home = tempfile::tempdir().unwrap();
    fs::write(home.path().join("token"), &token).unwrap();
    let config = home.path().join("config.yaml");
    let yaml = format!(
        "probe: {{interval: 2s, timeout: 1s}}\nstate_file: {0}/state.json\nworkspaces: {{w: {{url: '{1}', requests_per_minute: 60}}}}\ntokens: {{good: {{credentials_file: token, required_scopes: [projects_read]}}}}\n",
        home.path().display(),
        hex.url()
    );
    fs::write(&config, yaml).unwrap();

    for arguments in [&["check"][..], &["check", "--output", "json"], &["validate"], &["plan"]] {
        let before = hex.requests().len();
        let (succeeded, text) = run(arguments, &config);
        assert!(succeeded, "{arguments:?}: {text}");
        assert_silent(arguments[0], &text, &token);
        let sent = hex.requests().split_off(before);
        let is_sent = sent.iter().any(|request| request.token.as_deref() == Some("good"));
        assert_eq!(is_sent, arguments[0] == "check", "{arguments:?} and the credential");
    }

    let printed = home.path().join("printed");
    let mut command = Exporter::command("");
    command.args(["--log.level", "trace", "--web.enable-lifecycle", "--config.file"]).arg(&config);
    let mut exporter = Exporter::run(command.stdout(fs::File::create(&printed).unwrap()));
    let line = "hex_token_state{token=\"good\",workspace=\"w\",state=\"valid\"} 1";
    exporter.shows(line, |page| page.contains(line)).await;
    for path in [
        "/",
        "/tokens/good",
        "/calendar.ics",
        "/metrics",
        "/probe?name=good",
        "/api/v1/tokens",
        "/api/v1/tokens/good",
        "/-/healthy",
        "/-/ready",
        "/nothing",
        &format!("/probe?name={token}"),
        &format!("/probe?target={token}"),
        &format!("/api/v1/tokens/{token}"),
        &format!("/tokens/{token}"),
        &format!("/?text={token}"),
    ] {
        assert_silent(path, &exporter.get(path).await.unwrap().1, &token);
    }
    // A reload that finds the credential where a path belongs.
    fs::write(
        &config,
        format!("workspaces: {{w: {{url: '{token}'}}}}\ntokens: {{{token}: {{token: {token}}}}}\n"),
    )
    .unwrap();
    let reload = format!("http://{}/-/reload", exporter.address());
    let reload = reqwest::Client::new().post(reload).send().await.unwrap();
    assert_eq!(reload.status(), 500);
    assert_silent("/-/reload", &reload.text().await.unwrap(), &token);
    exporter.signal("TERM");
    assert!(exporter.ended().success());
    let log = exporter.said();
    assert!(log.contains("level=trace") || log.contains("level=debug"), "nothing was logged at trace");
    assert_silent("the log", &log, &token);
    assert_silent("the output", &fs::read_to_string(printed).unwrap(), &token);
    assert_silent("the state file", &fs::read_to_string(home.path().join("state.json")).unwrap(), &token);
    for name in ["check", "validate", "plan"] {
        let (succeeded, text) = run(&[name], &config);
        assert!(!succeeded && text.contains("hxtw_..."), "{name} with a broken configuration: {text}");
        assert_silent(name, &text, &token);
    }

    let seen = hex.requests();
    assert!(seen.iter().all(|request| request.method == "GET"), "nothing but reading");
    hex.shutdown().await;
}
