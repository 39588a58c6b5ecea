//! `/api/v1`.

use std::collections::BTreeSet;

use hex_token_exporter::{
    domain::{Check, Exp, Facts, Failure, Seen, TokenSpec},
    store::{ReloadStatus, Store},
};
use serde_json::{Value, json};
use tokio::time::{advance, resume};

use crate::{
    scripted::{START, Script, answer, at, identity, name, runner, status, token, workspace},
    stand::Stand,
};

/// A token of which all is told, and one of which nothing is known.
async fn stand() -> Stand {
    let production = workspace("production");
    let script = Script::start(vec![
        TokenSpec {
            token_owner: Some("data \"platform\"".to_owned()),
            rotate_url: Some("https://wiki.example.com/rotate".to_owned()),
            ..runner("airflow", &production)
        },
        token("personal", &production),
    ]);
    let exp = Exp::Number(f64::from(i32::try_from(START + 10 * 86_400).unwrap()));
    script.see("airflow", Check::Identity, identity(exp));
    script.see("airflow", Check::ProjectsRead, status(200));
    let seen = answer(200, Facts::Project { unavailable: false });
    script.see_project("airflow", Check::ProjectVisible, "kpis", seen);
    advance(std::time::Duration::from_hours(24)).await;
    script.see("airflow", Check::Identity, Seen::Failed(Failure::Dns));
    resume();
    Stand::start(script).await
}

async fn json(stand: &Stand, path: &str) -> Value {
    let response = stand.get(path).await;
    assert_eq!(response.headers()["content-type"], "application/json");
    serde_json::from_slice(&response.bytes().await.unwrap()).unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_token_is_told_with_all_its_fields() {
    let stand = stand().await;
    let mut told = json(&stand, "/api/v1/tokens").await;
    assert_eq!(told["tokens"].as_array().unwrap().len(), 2);
    // Time goes on while the test runs.
    let days = told["tokens"][0]["expiry"]["days"].take().as_f64().unwrap();
    assert!(days > 8.9 && days <= 9.0, "{days}");
    let expected = json!({
        "name": "airflow",
        "workspace": "production",
        "kind": "workspace",
        "state": "unknown",
        "state_since": "2026-09-21T14:13:20Z",
        "expiry": {"source": "api", "at": "2026-10-01T14:13:20Z", "days": null},
        "scopes": [
            {
                "name": "projects_read",
                "required": true,
                "granted": true,
                "checked_at": "2026-09-21T14:13:20Z",
            },
            {"name": "projects_run", "required": true, "granted": null, "checked_at": null},
        ],
        "projects": [
            {"name": "churn", "visible": null, "runnable": null},
            {"name": "kpis", "visible": true, "runnable": null},
        ],
        "last_probe": "2026-09-22T14:13:20Z",
        "last_success": "2026-09-21T14:13:20Z",
        "reason": "dns",
        "cause": told["tokens"][0]["cause"],
        "remedy": told["tokens"][0]["remedy"],
        "token_owner": "data \"platform\"",
        "rotate_url": "https://wiki.example.com/rotate",
    });
    assert_eq!(told["tokens"][0], expected);
    for words in ["cause", "remedy"] {
        assert!(told["tokens"][0][words].as_str().is_some_and(|words| words.len() > 10), "{words}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_not_known_is_null() {
    let stand = stand().await;
    let told = json(&stand, "/api/v1/tokens").await;
    let personal = told["tokens"][1].as_object().unwrap();
    let nulls: BTreeSet<&str> =
        personal.iter().filter(|(_, value)| value.is_null()).map(|(key, _)| key.as_str()).collect();
    assert_eq!(nulls, BTreeSet::from(["last_probe", "last_success", "rotate_url", "token_owner"]));
    assert_eq!(personal["kind"], "personal");
    assert_eq!(personal["expiry"], json!({"source": "unknown", "at": null, "days": null}));
    assert_eq!((&personal["scopes"], &personal["projects"]), (&json!([]), &json!([])));
}

#[tokio::test(start_paused = true)]
async fn the_detail_is_the_same_with_the_latest_probes() {
    let stand = stand().await;
    let mut detail = json(&stand, "/api/v1/tokens/airflow").await;
    let history = detail.as_object_mut().unwrap().remove("history").unwrap();
    let history = history.as_array().unwrap();
    assert_eq!(history.len(), 4);
    assert_eq!(
        history[0],
        json!({
            "at": "2026-09-22T14:13:20Z",
            "check": "identity",
            "reason": "dns",
            "status": 0,
            "duration_seconds": 0.25,
        })
    );
    assert_eq!(history[3]["reason"], "ok");
    let mut listed = json(&stand, "/api/v1/tokens").await["tokens"][0].take();
    for told in [&mut detail, &mut listed] {
        told["expiry"]["days"].take();
    }
    assert_eq!(detail, listed);
}

#[tokio::test(start_paused = true)]
async fn a_token_that_is_not_there_is_not_repeated() {
    let stand = stand().await;
    for path in ["nobody", "%ff", "airflow%0a", "a%2Fb"] {
        let (status, page) = stand.told(&format!("/api/v1/tokens/{path}")).await;
        assert!(status == 404 || status == 400, "{path}: {status}");
        assert!(!page.contains("nobody") && !page.contains("airflow") && !page.contains("a/b"), "{page}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_failed_reload_is_told_beside_the_date_of_the_last_good_one() {
    let stand = stand().await;
    let store: &Store = &stand.script.store;
    store.note_reload(ReloadStatus { successful: false, last_success: at(START - 60) });
    let (_, page) = stand.told("/metrics").await;
    assert!(page.contains("\nhex_token_exporter_config_last_reload_successful 0\n"));
    let date = format!("_config_last_reload_success_timestamp_seconds {}\n", START - 60);
    assert!(page.contains(&date));
    assert!(store.token(&name("airflow")).is_some());
}
