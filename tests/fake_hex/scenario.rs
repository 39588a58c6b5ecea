//! The scenario file: the built-in one, and what is refused.

use std::{collections::BTreeMap, net::SocketAddr, time::Duration};

use hex_token_exporter::fake_hex::{self, FakeHex, Scenario};
use reqwest::{Client, StatusCode};
use tokio::{io::AsyncWriteExt, net::TcpStream, time::timeout};

use crate::stand::until;

#[tokio::test]
async fn the_built_in_scenario_serves_a_token_in_every_trouble() {
    let scenario = Scenario::built_in();
    assert_eq!(Scenario::parse(Scenario::built_in_text()).unwrap(), scenario);
    let names: Vec<Vec<String>> =
        scenario.stacks.iter().map(|stack| stack.tokens.keys().cloned().collect()).collect();
    assert!(names.iter().flatten().count() >= 14);

    let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
    let stacks = FakeHex::start_all(any, scenario).await.unwrap();
    let client = Client::builder().no_proxy().build().unwrap();
    let main = &stacks[0];
    let mut dead = BTreeMap::new();
    for name in &names[0] {
        let value = main.update(|world| world.credential(name)).unwrap();
        let answer =
            client.get(format!("{}/api/v1/users/me", main.url())).bearer_auth(value).send().await.unwrap();
        if answer.status() != StatusCode::OK {
            dead.insert(name.as_str(), answer.status().as_u16());
        }
    }
    assert_eq!(dead, BTreeMap::from([("intern-revoked", 401), ("looker-expired", 401)]));
    for stack in stacks {
        stack.shutdown().await;
    }
}

#[tokio::test]
async fn it_runs_until_it_is_told_to_stop() {
    let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
    fake_hex::run(any, Scenario::built_in(), async {}).await.unwrap();
}

#[tokio::test]
async fn a_dropped_fake_is_gone_and_a_silent_client_does_not_keep_it() {
    let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
    let mut stacks = FakeHex::start_all(any, Scenario::built_in()).await.unwrap();
    let dropped = stacks.remove(0);
    let address = dropped.address();
    drop(dropped);
    until(async || TcpStream::connect(address).await.is_err()).await;

    let kept = stacks.remove(0);
    let mut silent = TcpStream::connect(kept.address()).await.unwrap();
    silent.write_all(b"GET /api/v1/users/me HTTP/1.1\r\n").await.unwrap();
    timeout(Duration::from_mins(1), kept.shutdown()).await.unwrap();
}

#[test]
fn the_examples_of_the_documentation_and_of_the_client_tests_are_valid() {
    let page = include_str!("../../docs/FAKE-HEX.md");
    let examples: Vec<&str> =
        page.split("```yaml\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
    assert_eq!(examples.len(), 2);
    Scenario::parse(examples[0]).unwrap();
    let stack = "stacks:\n- name: main\n  tokens: {airflow: {kind: workspace}}\n  ";
    let faults = examples[1].replace('\n', "\n  ");
    let scenario = Scenario::parse(&format!("{stack}{faults}\n")).unwrap();
    assert_eq!(scenario.stacks[0].faults.len(), 4);

    Scenario::parse(include_str!("../clients/scenario.yaml")).unwrap();
}

#[test]
fn a_wrong_scenario_is_refused_with_the_path_of_the_mistake() {
    for (text, message) in [
        ("stacks: []", "stacks: a scenario needs at least one"),
        ("stacks: [{}]", "stacks[0]: missing field `name`"),
        ("stacks: [{name: a, tokns: {}}]", "stacks[0].tokns: unknown field `tokns`"),
        ("stacks: [{name: a}, {name: a}]", "stacks[1].name: another stack has this name"),
        ("stacks: [{name: '-'}]", "stacks[0].name: a name is 1 to 63"),
        ("stacks: [{name: a, tokens: {t: {kind: group}}}]", "stacks[0].tokens.t.kind"),
        (
            "stacks: [{name: a, tokens: {t: {kind: workspace, scopes: [projects_fly]}}}]",
            "stacks[0].tokens.t.scopes[0]: unknown variant `projects_fly`",
        ),
        (
            "stacks: [{name: a, tokens: {t: {kind: personal, scopes: [users_read]}}}]",
            "stacks[0].tokens.t.scopes: a personal token has none",
        ),
        (
            "stacks: [{name: a, tokens: {t: {kind: personal, user: ada}}}]",
            "stacks[0].tokens.t.user: there is no such user",
        ),
        (
            "stacks: [{name: a, tokens: {t: {kind: personal, expires_in: soon}}}]",
            "stacks[0].tokens.t.expires_in: expected `never` or a duration",
        ),
        (
            "stacks: [{name: a, workspaces: {a: {}, b: {}}, tokens: {t: {kind: personal}}}]",
            "stacks[0].tokens.t: `workspace` is needed",
        ),
        ("stacks: [{name: a, projects: {p: {id: 5}}}]", "stacks[0].projects.p.id"),
        (
            "stacks: [{name: a, projects: {p: {id: Weekly-KPIs}}}]",
            "stacks[0].projects.p.id: a project id is a UUID",
        ),
        ("stacks: [{name: a, faults: [{do: reset, every: 1m}]}]", "stacks[0].faults[0].every: needs a `for`"),
        (
            "stacks: [{name: a, faults: [{do: reset, for: 2m, every: 1m}]}]",
            "stacks[0].faults[0].every: must be longer than `for`",
        ),
        ("stacks: [{name: a, faults: [{do: explode}]}]", "stacks[0].faults[0].do: unknown variant `explode`"),
        (
            "stacks: [{name: a, faults: [{do: {status: 99}}]}]",
            "stacks[0].faults[0].do.status: must be from 200 to 599",
        ),
        (
            "stacks: [{name: a, faults: [{do: html, tokens: [t]}]}]",
            "stacks[0].faults[0].tokens: names a token that does not exist",
        ),
        (
            "stacks: [{name: a, faults: [{do: html, paths: [/api/v1/users]}]}]",
            "stacks[0].faults[0].paths: a path begins with `/`",
        ),
        ("stacks: [", "stacks"),
        ("", "scenario: unexpected end of input"),
        ("{}", "scenario: missing field `stacks`"),
    ] {
        let error = Scenario::parse(text).expect_err(text).to_string();
        assert!(error.contains(message), "{text}\n{error}\nshould hold: {message}");
    }
}

#[test]
fn all_broken_rules_are_told_at_once() {
    let text = "stacks: [{name: '', tokens: {t: {kind: personal, user: x, value: 'a b'}}}]";
    let error = Scenario::parse(text).unwrap_err().to_string();
    assert_eq!(error.lines().count(), 3, "{error}");
    assert!(error.lines().all(|line| line.starts_with("scenario: stacks[0]")));
}

#[test]
fn a_message_never_holds_a_token() {
    use hex_token_exporter::fake_hex::{TokenKind, credential};
    let value = credential(TokenKind::Workspace, "canary", 0);
    for text in [
        format!("stacks: [{{name: a, tokens: {{t: {{kind: {value}}}}}}}]"),
        format!("stacks: [{{name: a, {value}: 1}}]"),
        format!("stacks: [{{name: a, tokens: {{t: {value}}}}}]"),
        format!("stacks: [{{name: {value}-}}]\nstacks: {value}"),
        format!("stacks: {value}"),
        value.clone(),
        format!("stacks: [{{name: a, tokens: {{{value}: {{kind: personal, user: x}}}}}}]"),
    ] {
        let error = Scenario::parse(&text).unwrap_err();
        for shown in [error.to_string(), format!("{error:?}")] {
            assert!(!shown.contains(&value[5..13]), "{shown}");
        }
    }
}
