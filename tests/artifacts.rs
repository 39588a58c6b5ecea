//! What ships beside the binary names only what exists: metrics, labels and their values in the alert rules,
//! and for each alert its story, its row in the table and its section of the runbook.
//!
//! The catalogue in `src/metrics/catalogue.rs` is what exists. Queries are read as text, for what stands in
//! braces and in groupings; promtool reads them properly, but doesn't know our metrics.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "what cannot be read is a failed test")]

#[path = "artifacts/query.rs"]
mod query;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use query::Names;
use serde::Deserialize;

const RULES: &str = "config/prometheus/rules/hex-token.rules.yml";

#[derive(Debug, Deserialize)]
struct Rules {
    groups: Vec<Group>,
}

#[derive(Debug, Deserialize)]
struct Group {
    rules: Vec<Rule>,
}

#[derive(Debug, Deserialize)]
struct Rule {
    alert: Option<String>,
    record: Option<String>,
    expr: String,
    #[serde(rename = "for", default)]
    after: Option<String>,
    #[serde(default)]
    labels: BTreeMap<String, String>,
    #[serde(default)]
    annotations: BTreeMap<String, String>,
}

#[test]
fn the_rules_name_only_what_exists() {
    let rules = rules();
    let recorded: Vec<&str> = rules.iter().filter_map(|rule| rule.record.as_deref()).collect();
    let names = Names::of_the_catalogue().and_recorded(&recorded);
    let mut problems = Vec::new();
    for rule in &rules {
        let name = rule.alert.as_ref().or(rule.record.as_ref()).unwrap();
        // The queries in a text stand between backquotes; their values are put in as the text is made.
        let in_text = rule.annotations.values().flat_map(|text| text.split('`').skip(1).step_by(2));
        for query in in_text.chain([rule.expr.as_str()]) {
            problems.extend(names.problems(query).into_iter().map(|problem| format!("{name}: {problem}")));
        }
    }
    assert!(problems.is_empty(), "{RULES}:\n{}", problems.join("\n"));
}

#[test]
fn every_recorded_series_is_used() {
    let rules = rules();
    let names = |rule: &Rule, name: &str| {
        let mut texts = rule.annotations.values().chain([&rule.expr]);
        texts.any(|text| {
            text.split(|it: char| !it.is_alphanumeric() && it != '_' && it != ':').any(|it| it == name)
        })
    };
    for name in rules.iter().filter_map(|rule| rule.record.as_deref()) {
        // That it goes on from its own past is no use of it.
        let mut others = rules.iter().filter(|rule| rule.record.as_deref() != Some(name));
        assert!(others.any(|rule| names(rule, name)), "{name} is recorded and not used");
    }
}

/// A page at night must say what, how bad, and lead to what to do.
#[test]
fn every_alert_has_a_severity_a_text_and_a_section_of_the_runbook() {
    let runbook = read("docs/RUNBOOK.md");
    let sections: BTreeSet<&str> = runbook.lines().filter_map(|line| line.strip_prefix("## ")).collect();
    let mut alerts = BTreeSet::new();
    for rule in rules() {
        let Some(alert) = rule.alert else { continue };
        let severity = rule.labels.get("severity").unwrap();
        assert!(["critical", "warning", "info"].contains(&severity.as_str()), "{alert}: {severity}");
        for text in ["summary", "description"] {
            assert!(rule.annotations.contains_key(text), "{alert} has no {text}");
        }
        let url = rule.annotations.get("runbook_url").unwrap();
        let anchor = format!("/RUNBOOK.md#{}", alert.to_lowercase());
        assert!(url.ends_with(&anchor), "{alert}: {url}");
        assert!(sections.contains(alert.as_str()), "docs/RUNBOOK.md has no section {alert}");
        alerts.insert(alert);
    }
    let known: BTreeSet<&str> = alerts.iter().map(String::as_str).collect();
    assert_eq!(sections, known, "the sections of docs/RUNBOOK.md");
}

#[test]
fn the_table_of_alerts_is_that_of_the_rules() {
    let document = read("docs/ALERTS.md");
    let (_, table) = document.split_once("<!-- alerts -->\n").unwrap();
    let (table, _) = table.split_once("<!-- /alerts -->\n").unwrap();
    let documented: Vec<Vec<&str>> = table
        .lines()
        .skip(2)
        .map(|row| row.split('|').skip(1).take(3).map(|cell| cell.trim().trim_matches('`')).collect())
        .collect();
    let rules = rules();
    let alerts: Vec<Vec<&str>> = rules
        .iter()
        .filter_map(|rule| {
            let after = rule.after.as_deref().unwrap_or("0s");
            Some(vec![rule.alert.as_deref()?, rule.labels.get("severity")?, after])
        })
        .collect();
    assert_eq!(documented, alerts);
}

/// promtool says whether a story holds, not whether there is one.
#[test]
fn every_alert_has_its_text_and_its_story_under_test() {
    let texts = read("config/prometheus/tests/texts.test.yml");
    let folder = root().join("config/prometheus/tests");
    let stories: String = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| !path.ends_with("texts.test.yml"))
        .map(|path| fs::read_to_string(path).unwrap())
        .collect();
    for rule in rules() {
        let Some(alert) = rule.alert else { continue };
        assert!(texts.contains(&format!("alertname: {alert}\n")), "nothing holds the text of {alert}");
        assert!(stories.contains(&format!("alertname=\"{alert}\"")), "{alert} has no story");
    }
}

/// Routes and inhibitions that name an alert which does not exist would do nothing, silently.
#[test]
fn the_alertmanager_example_names_only_alerts_and_labels_that_exist() {
    let text = read("config/alertmanager/alertmanager.yml");
    let alerts: BTreeSet<String> = rules().into_iter().filter_map(|rule| rule.alert).collect();
    let words = text.lines().filter(|line| line.contains("alertname =")).flat_map(|line| {
        line.split(|letter: char| !letter.is_ascii_alphanumeric()).filter(|word| word.starts_with("Hex"))
    });
    for word in words {
        assert!(alerts.contains(word), "there is no alert {word}");
    }
    let names = Names::of_the_catalogue();
    let lists = text
        .lines()
        .filter_map(|line| line.trim().split_once(": ["))
        .filter(|(key, _)| ["equal", "group_by"].contains(key));
    for label in lists.flat_map(|(_, list)| list.trim_end_matches(']').split(", ")) {
        assert!(names.has_label(label) || label == "alertname", "no alert has the label {label}");
    }
}

#[test]
fn what_does_not_exist_is_found() {
    let names = Names::of_the_catalogue().and_recorded(&["token:state:max"]);
    for good in [
        r#"max by (job, workspace) (hex_token_state{state=~"expired|invalid", job="x"}) == 1"#,
        "rate(hex_api_request_duration_seconds_bucket[5m]) * on (le) group_left () up",
        "token:state:max{anything=\"goes\"} or {__name__=~\"hex_token_project_visible|hex_api_up\"}",
    ] {
        assert_eq!(names.problems(good), Vec::<String>::new(), "{good}");
    }
    for (bad, problem) in [
        ("hex_token_stat", "there is no metric hex_token_stat"),
        ("token:state:min == 1", "nothing records token:state:min"),
        (r#"hex_api_up{token="x"}"#, "hex_api_up has no label token"),
        (r#"hex_token_state{state=~"expired|dead"}"#, "state is never dead"),
        (r#"{__name__=~"hex_api_up|hex_api_down"}"#, "there is no metric hex_api_down"),
        ("sum by (job, owner) (hex_api_up)", "there is no label owner"),
    ] {
        assert_eq!(names.problems(bad), [problem], "{bad}");
    }
}

fn rules() -> Vec<Rule> {
    let rules: Rules = serde_saphyr::from_str(&read(RULES)).unwrap();
    let rules: Vec<Rule> = rules.groups.into_iter().flat_map(|group| group.rules).collect();
    assert!(rules.len() > 20);
    rules
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

fn read(name: &str) -> String {
    fs::read_to_string(root().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}
