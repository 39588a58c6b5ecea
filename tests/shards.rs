//! Several processes on one configuration: every token is watched by exactly one of them, and a fake Hex
//! sees each process keep to its own budget.

#![expect(clippy::unwrap_used, reason = "a test's helpers may fail it too")]

#[path = "support/exporter.rs"]
#[expect(dead_code, reason = "other tests need more of it")]
mod exporter;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write,
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use exporter::Exporter;
use hex_token_exporter::fake_hex::{FakeHex, Scenario};
use tokio::{
    net::TcpListener,
    time::{interval, timeout},
};

const TOKENS: usize = 60;

fn shard(config: &Path, index: usize, total: usize) -> Exporter {
    let mut command = Exporter::command("");
    command.args(["--shard", &index.to_string(), "--total-shards", &total.to_string()]);
    Exporter::run(command.arg("--config.file").arg(config))
}

/// The tokens that a shard has found valid.
async fn valid(shard: &Exporter) -> BTreeSet<String> {
    let page = shard.metrics().await;
    let valid = page.lines().filter(|line| line.contains("state=\"valid\"} 1"));
    valid.map(|line| line.split('"').nth(1).unwrap().to_owned()).collect()
}

async fn stand() -> (FakeHex, PathBuf, tempfile::TempDir) {
    let home = tempfile::tempdir().unwrap();
    let mut scenario = "stacks:\n  - name: main\n    tokens:\n".to_owned();
    let mut tokens = String::new();
    for index in 0..TOKENS {
        writeln!(scenario, "      t{index}: {{kind: workspace, value: value-of-t{index}}}").unwrap();
        writeln!(tokens, "  t{index}: {{credentials_file: t{index}}}").unwrap();
        fs::write(home.path().join(format!("t{index}")), format!("value-of-t{index}")).unwrap();
    }
    let stack = Scenario::parse(&scenario).unwrap().stacks.into_iter().next().unwrap();
    let hex = FakeHex::start(TcpListener::bind("127.0.0.1:0").await.unwrap(), stack).unwrap();
    let config = home.path().join("config.yaml");
    let yaml = format!(
        "workspaces: {{main: {{url: '{}', requests_per_minute: 1000}}}}\ntokens:\n{tokens}",
        hex.url()
    );
    fs::write(&config, yaml).unwrap();
    (hex, config, home)
}

/// Which shard watches each token, once all of them have been found valid.
async fn owners(shards: &[Exporter]) -> BTreeMap<String, usize> {
    let all = async {
        let mut look_again = interval(Duration::from_millis(50));
        loop {
            look_again.tick().await;
            let mut owners = BTreeMap::new();
            for (index, shard) in shards.iter().enumerate() {
                for token in valid(shard).await {
                    assert_eq!(owners.insert(token, index), None, "watched twice");
                }
            }
            if owners.len() == TOKENS {
                return owners;
            }
        }
    };
    timeout(Duration::from_secs(100), all).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_token_is_watched_by_exactly_one_and_few_move_when_a_shard_is_added() {
    let (hex, config, _home) = stand().await;
    let start = |total: usize| (0..total).map(|index| shard(&config, index, total)).collect::<Vec<_>>();
    let mut two = start(2);
    let before = owners(&two).await;
    let asked: BTreeSet<_> = hex.requests().into_iter().map(|request| request.token).collect();
    assert_eq!(asked.len(), TOKENS);
    // One is killed and replaced: its tokens are watched again, and no others.
    two[1] = shard(&config, 1, 2);
    assert_eq!(owners(&two).await, before);
    drop(two);
    let three = start(3);
    let after = owners(&three).await;
    let moved: Vec<_> = after.iter().filter(|(token, owner)| before[*token] != **owner).collect();
    assert!(moved.iter().all(|(_, owner)| **owner == 2), "tokens move to the new shard alone");
    assert!(moved.len() < TOKENS / 2, "{} moved", moved.len());
    let page = three[2].metrics().await;
    assert!(
        page.contains("hex_token_exporter_shard 2\n") && page.contains("hex_token_exporter_total_shards 3\n")
    );
}

#[test]
fn a_shard_out_of_range_is_refused() {
    for (shard, total) in [("2", "2"), ("0", "0"), ("0", "4000000000")] {
        let output = Command::new(env!("CARGO_BIN_EXE_hex-token-exporter"))
            .env_clear()
            .args(["--shard", shard, "--total-shards", total, "--web.listen-address", "127.0.0.1:0"])
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(1), "{shard} of {total}");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(said.contains("--total-shards, which is from 1 to 1024"), "{said}");
    }
}
