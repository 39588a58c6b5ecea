//! `docs/HTTP.md`, held to what is served.

use hex_token_exporter::domain::{Check, Exp};
use reqwest::Method;
use serde_json::Value;

use crate::{
    scripted::{Script, identity, runner, workspace},
    stand::Stand,
};

const REFERENCE: &str = include_str!("../../docs/HTTP.md");

async fn stand() -> Stand {
    let script = Script::start(vec![runner("airflow", &workspace("production"))]);
    script.see("airflow", Check::Identity, identity(Exp::Null));
    let stand = Stand::with_reload(script, Some(Ok(()))).await;
    stand.probes.on("airflow", async || ());
    stand
}

/// What stands in backquotes in the first cell of each row of the table below `heading`.
fn quoted_first(heading: &str) -> Vec<&'static str> {
    let (_, table) = REFERENCE.split_once(heading).unwrap();
    let rows =
        table.lines().skip_while(|line| !line.starts_with('|')).take_while(|line| line.starts_with('|'));
    rows.skip(2).flat_map(|row| row.split('|').nth(1).unwrap().split('`').skip(1).step_by(2)).collect()
}

#[tokio::test]
async fn every_path_of_the_reference_is_served() {
    let stand = stand().await;
    let paths = quoted_first("# What is served over HTTP");
    assert!(paths.len() > 8, "{paths:?}");
    for place in paths {
        let (method, path) = place.split_once(' ').unwrap();
        let path =
            path.replace("{name}", "airflow").replace("NAME", "airflow").replace("{file}", "style.css");
        let method: Method = method.parse().unwrap();
        let status = stand.request(method, &path).send().await.unwrap().status();
        assert_eq!(status, 200, "{place}");
    }
}

#[tokio::test]
async fn every_field_is_in_the_reference_and_no_other() {
    let stand = stand().await;
    let (_, page) = stand.told("/api/v1/tokens/airflow").await;
    let told: Value = serde_json::from_str(&page).unwrap();
    let mut served: Vec<String> = Vec::new();
    for (field, value) in told.as_object().unwrap() {
        match value {
            Value::Object(parts) => served.extend(parts.keys().map(|part| format!("{field}.{part}"))),
            _ => served.push(field.clone()),
        }
        let parts = value.as_array().and_then(|list| list.first()?.as_object());
        for part in parts.into_iter().flat_map(|parts| parts.keys()) {
            let row = REFERENCE.lines().find(|line| line.starts_with(&format!("| `{field}`"))).unwrap();
            assert!(row.contains(&format!("`{part}`")), "{field}: {part}");
        }
    }
    let mut documented = quoted_first("Dates are RFC 3339");
    documented.sort_unstable();
    served.sort_unstable();
    assert_eq!(documented, served);
    let (_, example) = REFERENCE.split_once("```json\n").unwrap();
    let example: Value = serde_json::from_str(example.split_once("```").unwrap().0).unwrap();
    let keys = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(keys(&example), keys(&told));
}
