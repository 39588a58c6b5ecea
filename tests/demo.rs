//! The demo, as the README promises it.

use std::{
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
    time::Duration,
};

use tokio::time::{interval, timeout};

/// The demo; it goes when the test does.
struct Demo(Child);

impl Drop for Demo {
    fn drop(&mut self) {
        // Where it is gone already, all is well.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

const STATES: [&str; 7] =
    ["expired", "invalid", "wrong_workspace", "under_scoped", "project_unavailable", "unknown", "valid"];

/// Whether every state has a token, and `unknown` only the one that stays so.
fn is_settled(page: &str) -> bool {
    let of = |state: &str| -> Vec<&str> {
        let end = format!("state=\"{state}\"}} 1");
        page.lines().filter(|line| line.starts_with("hex_token_state{") && line.ends_with(&end)).collect()
    };
    let unknown = of("unknown");
    STATES.iter().all(|state| !of(state).is_empty())
        && unknown.len() == 1
        && unknown[0].contains("token=\"hightouch-not-mounted\"")
}

#[tokio::test]
async fn the_demo_serves_what_the_readme_shows() {
    let readme = include_str!("../README.md");
    let shown: Vec<&str> = readme.lines().filter(|line| line.starts_with("hex_token_")).collect();
    assert!(shown.len() >= 3, "the README shows metrics");
    let child = Command::new(env!("CARGO_BIN_EXE_hex-token-exporter"))
        .env_clear()
        .args(["demo", "--web.listen-address", "127.0.0.1:0", "--log.level", "error"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut demo = Demo(child);
    let lines = BufReader::new(demo.0.stdout.take().unwrap()).lines().map(Result::unwrap);
    let said = lines.take_while(|line| !line.starts_with("Stop it")).collect::<Vec<_>>().join("\n");
    let metrics = said.split_whitespace().find(|word| word.ends_with("/metrics")).unwrap();
    let client = reqwest::Client::new();
    let served = async {
        let mut look_again = interval(Duration::from_millis(100));
        loop {
            look_again.tick().await;
            let page = client.get(metrics).send().await.unwrap().text().await.unwrap();
            if shown.iter().all(|line| page.lines().any(|served| served == *line)) && is_settled(&page) {
                return;
            }
        }
    };
    timeout(Duration::from_mins(2), served).await.unwrap();
    // Every token that it speaks of is there.
    let page = client.get(metrics).send().await.unwrap().text().await.unwrap();
    let names = page.lines().filter(|line| line.starts_with("hex_token_info{")).count();
    assert!(said.starts_with(&format!("hex-token-exporter demo: {names} tokens")), "{said}");
}
