//! The state file over the life of several processes of the real binary: a dead token is known to be dead
//! while Hex can't be asked, and nobody is ever called valid from memory.

#![expect(clippy::unwrap_used, reason = "a test's helpers may fail it too")]

use std::{
    fs,
    io::{BufRead, BufReader},
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use hex_token_exporter::fake_hex::{FakeHex, Scenario};
use tokio::{
    net::TcpListener,
    time::{interval, timeout},
};

struct Exporter {
    process: Child,
    metrics: String,
}

/// The binary under this configuration, and what it says.
fn spawn(config: &Path) -> (Child, impl Iterator<Item = String> + Send + use<>) {
    let mut process = Command::new(env!("CARGO_BIN_EXE_hex-token-exporter"))
        .env_clear()
        .args(["--web.listen-address", "127.0.0.1:0", "--config.file"])
        .arg(config)
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(process.stderr.take().unwrap()).lines().map(Result::unwrap);
    (process, lines)
}

impl Drop for Exporter {
    fn drop(&mut self) {
        // Where it is gone already, all is well.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Exporter {
    fn start(config: &Path) -> Self {
        let (process, mut lines) = spawn(config);
        let said = lines.find(|line| line.contains("listening on ")).unwrap();
        let address = said.split("listening on ").nth(1).unwrap().split('"').next().unwrap().to_owned();
        // What is not read would block it.
        std::thread::spawn(move || lines.for_each(drop));
        Self { process, metrics: format!("http://{address}/metrics") }
    }

    /// Waits until the page holds all of these.
    async fn shows(&self, wanted: &[&str]) {
        let shown = async {
            let mut look_again = interval(Duration::from_millis(50));
            loop {
                look_again.tick().await;
                let page = reqwest::get(&self.metrics).await.unwrap().text().await.unwrap();
                if wanted.iter().all(|wanted| page.lines().any(|line| line.starts_with(wanted))) {
                    return;
                }
            }
        };
        timeout(Duration::from_mins(1), shown).await.unwrap();
    }

    fn stop(mut self) {
        assert!(Command::new("kill").arg(self.process.id().to_string()).status().unwrap().success());
        assert!(self.process.wait().unwrap().success());
    }
}

fn state(token: &str, state: &str) -> String {
    format!("hex_token_state{{token=\"{token}\",workspace=\"main\",state=\"{state}\"}} 1")
}

#[test]
fn that_it_cannot_be_written_is_said_once() {
    let home = tempfile::tempdir().unwrap();
    let config = home.path().join("config.yaml");
    fs::write(&config, "state_file: no-such-directory/state.json\ntokens: {t: {credentials_file: t}}")
        .unwrap();
    let (mut process, mut lines) = spawn(&config);
    let is_told = |line: &String| line.contains("the state file cannot be written");
    assert!(lines.any(|line| is_told(&line)));
    // It is tried once more at the end.
    assert!(Command::new("kill").arg(process.id().to_string()).status().unwrap().success());
    assert_eq!(lines.filter(is_told).count(), 0);
    assert!(process.wait().unwrap().success());
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
    exporter.shows(&[&state("good", "valid"), &state("dead", "invalid")]).await;
    exporter.stop();
    let file = home.path().join("state.json");
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    hex.shutdown().await;

    // Hex is gone, and one credential is missing at the start and comes back.
    fs::rename(home.path().join("dead"), home.path().join("away")).unwrap();
    let exporter = Exporter::start(&config);
    exporter.shows(&[&state("good", "unknown"), &state("dead", "unknown")]).await;
    fs::rename(home.path().join("away"), home.path().join("dead")).unwrap();
    exporter
        .shows(&[&state("good", "unknown"), &state("dead", "invalid"), "hex_api_up{workspace=\"main\"} 0"])
        .await;
    exporter.stop();

    // A damaged file is put aside, and stops nothing.
    fs::write(&file, "{").unwrap();
    let exporter = Exporter::start(&config);
    exporter.shows(&[&state("dead", "unknown")]).await;
    exporter.stop();
    assert_eq!(fs::read_to_string(home.path().join("state.json.damaged")).unwrap(), "{");
}
