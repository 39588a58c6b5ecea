//! What the real binary costs Hex, as a fake Hex counts it: never more than the budget, and nothing that is
//! not in the catalogue.

#![expect(clippy::unwrap_used, reason = "a test's helpers may fail it too")]

#[path = "support/exporter.rs"]
#[expect(dead_code, reason = "other tests need more of it")]
mod exporter;

use std::{collections::BTreeSet, fmt::Write, fs, time::Duration};

use exporter::Exporter;
use hex_token_exporter::fake_hex::{FakeHex, Received, Scenario};
use tokio::{
    net::TcpListener,
    time::{interval, timeout},
};

const SCOPES: &str = "projects_read, projects_run, queried_tables_read, cells_read, users_read, groups_read, \
                      collections_read, data_connections_read, guides_read";
const KPI: &str = "5a8591dd-4039-49df-9202-96385ba3eff8";

/// A fake Hex with so many tokens, watched by the real binary with all checks on.
async fn watched(tokens: usize, requests_per_minute: u32) -> (FakeHex, Exporter, tempfile::TempDir) {
    let home = tempfile::tempdir().unwrap();
    let mut scenario = format!(
        "stacks:\n  - name: main\n    limits: {{user_per_minute: 100000, group_per_minute: 100000, runs_per_minute: 100000, runs_per_hour: 100000}}\n    projects: {{kpi: {{id: {KPI}}}}}\n    tokens:\n"
    );
    let mut tokens_yaml = String::new();
    for index in 0..tokens {
        writeln!(
            scenario,
            "      t{index}: {{kind: workspace, value: value-of-t{index}, scopes: [{SCOPES}]}}"
        )
        .unwrap();
        writeln!(tokens_yaml, "  t{index}: {{credentials_file: t{index}}}").unwrap();
        fs::write(home.path().join(format!("t{index}")), format!("value-of-t{index}")).unwrap();
    }
    let stack = Scenario::parse(&scenario).unwrap().stacks.into_iter().next().unwrap();
    let hex = FakeHex::start(TcpListener::bind("127.0.0.1:0").await.unwrap(), stack).unwrap();
    let config = home.path().join("config.yaml");
    let yaml = format!(
        "workspaces: {{main: {{url: '{}', requests_per_minute: {requests_per_minute}}}}}\ndefaults: {{required_scopes: [{SCOPES}], projects: {{kpi: {KPI}}}}}\ntokens:\n{tokens_yaml}",
        hex.url()
    );
    fs::write(&config, yaml).unwrap();
    (hex, Exporter::start(&config), home)
}

async fn requests(hex: &FakeHex, at_least: usize) -> Vec<Received> {
    let arrived = async {
        let mut look_again = interval(Duration::from_millis(50));
        loop {
            look_again.tick().await;
            let seen = hex.requests();
            if seen.len() >= at_least {
                return seen;
            }
        }
    };
    timeout(Duration::from_secs(150), arrived).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_tokens_cost_at_most_thirty_requests_in_any_minute() {
    let (hex, _exporter, _home) = watched(200, 30).await;
    let seen = requests(&hex, 36).await;
    for window in seen.windows(31) {
        let minute = window[30].at.checked_sub(window[0].at).unwrap();
        assert!(minute >= Duration::from_mins(1), "31 requests arrived in {minute:?}");
    }
    let asked: BTreeSet<_> = seen.iter().map(|request| request.token.clone()).collect();
    assert_eq!(asked.len(), seen.len(), "each token in its turn");
    assert!(seen.iter().all(|request| request.path_and_query == "/api/v1/users/me"), "identity first");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_but_the_catalogue_ever_arrives() {
    let (hex, _exporter, _home) = watched(10, 6_000).await;
    // Per token: identity, eight scopes, one project, one dry run; and one look for its run.
    let seen = requests(&hex, 10 * 11 + 1).await;
    let project = format!("/api/v1/projects/{KPI}");
    for Received { method, path_and_query, token, .. } in &seen {
        let known = match method.as_str() {
            "POST" => *path_and_query == format!("{project}/runs"),
            "GET" => {
                [
                    "/api/v1/users/me",
                    "/api/v1/projects?limit=1",
                    "/api/v1/users?limit=1",
                    "/api/v1/groups?limit=1",
                    "/api/v1/collections?limit=1",
                    "/api/v1/data-connections?limit=1",
                    "/api/v1/guides/draft/list?limit=1",
                    &format!("/api/v1/cells?projectId={KPI}&limit=1"),
                    &format!("{project}/queriedTables?limit=1"),
                    &project,
                ]
                .contains(&path_and_query.as_str())
                    || path_and_query.starts_with(&format!("{project}/runs/"))
            }
            _ => false,
        };
        assert!(known && token.is_some(), "{method} {path_and_query}");
    }
    let guards = seen.iter().filter(|request| request.path_and_query.contains("/runs/")).count();
    assert_eq!(guards, 1, "the project's first dry run is looked for once");
    assert!(hex.update(|world| world.runs().is_empty()), "nothing was run");
}
