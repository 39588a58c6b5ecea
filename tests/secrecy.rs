//! A credential goes in, and comes out nowhere: every output of the real binary is searched for any piece
//! of it.

#![expect(clippy::unwrap_used, reason = "a test's helpers may fail it too")]

use std::{
    fs,
    io::Read,
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use hex_token_exporter::fake_hex::{FakeHex, Scenario};
use tokio::{
    net::TcpListener,
    time::{interval, timeout},
};

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

fn exporter(config: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hex-token-exporter"));
    command.env_clear().args(arguments).arg("--config.file").arg(config);
    command
}

/// The address that the exporter says it listens on, and all it said until then.
fn address(child: &mut Child) -> (String, String) {
    let (mut said, mut byte) = (Vec::new(), [0]);
    let stderr = child.stderr.as_mut().unwrap();
    loop {
        assert_eq!(stderr.read(&mut byte).unwrap(), 1, "it ended");
        said.push(byte[0]);
        let text = String::from_utf8_lossy(&said);
        if byte[0] == b'\n'
            && let Some((_, rest)) = text.split_once("listening on ")
        {
            let address = rest.chars().take_while(|c| !c.is_whitespace() && *c != '"').collect();
            return (address, text.into_owned());
        }
    }
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
        "probe: {{interval: 2s, timeout: 1s}}\nstate_file: {0}/state.json\nworkspaces: {{w: {{url: '{1}'}}}}\ntokens: {{good: {{credentials_file: token, required_scopes: [projects_read]}}}}\n",
        home.path().display(),
        hex.url()
    );
    fs::write(&config, yaml).unwrap();

    let mut child = exporter(
        &config,
        &["--log.level", "trace", "--web.enable-lifecycle", "--web.listen-address", "127.0.0.1:0"],
    )
    .stderr(Stdio::piped())
    .stdout(Stdio::piped())
    .spawn()
    .unwrap();
    let (address, started) = address(&mut child);
    // What is not read would block the exporter.
    let mut stderr = child.stderr.take().unwrap();
    let rest = std::thread::spawn(move || {
        let mut text = Vec::new();
        stderr.read_to_end(&mut text).unwrap();
        String::from_utf8_lossy(&text).into_owned()
    });
    let client = reqwest::Client::new();
    let get = async |path: &str| {
        client.get(format!("http://{address}{path}")).send().await.unwrap().text().await.unwrap()
    };
    let is_valid = async {
        let mut look_again = interval(Duration::from_millis(50));
        let line = "hex_token_state{token=\"good\",workspace=\"w\",state=\"valid\"} 1";
        while !get("/metrics").await.contains(line) {
            look_again.tick().await;
        }
    };
    timeout(Duration::from_mins(1), is_valid).await.unwrap();
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
        assert_silent(path, &get(path).await, &token);
    }
    // A reload that finds the credential where a path belongs.
    fs::write(
        &config,
        format!("workspaces: {{w: {{url: '{token}'}}}}\ntokens: {{{token}: {{token: {token}}}}}\n"),
    )
    .unwrap();
    let reload = client.post(format!("http://{address}/-/reload")).send().await.unwrap();
    assert_eq!(reload.status(), 500);
    assert_silent("/-/reload", &reload.text().await.unwrap(), &token);
    assert!(Command::new("kill").arg(child.id().to_string()).status().unwrap().success());
    assert!(child.wait().unwrap().success());
    let log = started + &rest.join().unwrap();
    assert!(log.contains("level=trace") || log.contains("level=debug"), "nothing was logged at trace");
    assert_silent("the log", &log, &token);
    assert_silent("the state file", &fs::read_to_string(home.path().join("state.json")).unwrap(), &token);

    for command in ["check", "validate", "plan"] {
        let output = exporter(&config, &[command]).output().unwrap();
        let text = [output.stdout, output.stderr].concat();
        assert_silent(command, &String::from_utf8_lossy(&text), &token);
    }
    let seen = hex.requests();
    assert!(seen.iter().all(|request| request.method == "GET"), "nothing but reading");
    hex.shutdown().await;
}
