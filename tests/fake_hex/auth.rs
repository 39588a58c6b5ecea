//! Who gets in: credentials, their ends, and what `/users/me` says about them.

use std::time::Duration;

use hex_token_exporter::fake_hex::{ExpForm, Lifetime, Unauthorized, User};
use jiff::SignedDuration;
use reqwest::Method;

use crate::stand::{KPIS, Stand, USUAL};

#[tokio::test]
async fn nobody_gets_past_the_edge_without_a_token_not_even_to_a_404() {
    let stand = Stand::new(USUAL).await;
    for path in ["/api/v1/users/me", "/api/v1/no/such/route", "/api/v1"] {
        let nothing = stand.raw(Method::GET, None, path, "").await.unwrap();
        assert_eq!(nothing.status, 401, "{path}");
        assert_eq!(nothing.text, "Unauthorized");
        assert_eq!(nothing.header("content-type"), "text/plain; charset=utf-8");
        assert_eq!(nothing.header("www-authenticate"), "Bearer");

        let wrong = stand.raw(Method::GET, Some("nonsense"), path, "").await.unwrap();
        assert_eq!(wrong.status, 401, "{path}");
        assert_eq!(wrong.header("www-authenticate"), r#"Bearer error="invalid_token""#);
    }
    assert_eq!(stand.get("all", "/no/such/route").await.status, 404);
    assert_eq!(stand.delete("all", "/users/me").await.status, 404);
}

#[tokio::test]
async fn a_401_can_be_json() {
    let stand = Stand::usual_and("behaviour: {unauthorized: json}").await;
    let answer = stand.raw(Method::GET, None, "/api/v1/projects", "").await.unwrap();
    assert_eq!(answer.status, 401);
    assert_eq!(answer.json()["code"], "UNAUTHORIZED");
    stand.fake.update(|world| world.behaviour.unauthorized = Unauthorized::Text);
    let answer = stand.raw(Method::GET, None, "/api/v1/projects", "").await.unwrap();
    assert_eq!(answer.text, "Unauthorized");
}

#[tokio::test]
async fn outside_the_api_there_is_only_the_app() {
    let stand = Stand::new(USUAL).await;
    let answer = stand.raw(Method::GET, None, "/acme/home", "").await.unwrap();
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type"), "text/html; charset=utf-8");
}

#[tokio::test]
async fn every_end_of_a_token_looks_the_same() {
    let stand = Stand::new(
        "
tokens:
  expired: {kind: workspace, expires_in: -1s}
  revoked: {kind: personal, revoked: true}
  dead: {kind: workspace, dies_after: 0s}
  left: {kind: personal, user: left}
users:
  left: {deactivated: true}
",
    )
    .await;
    for token in ["expired", "revoked", "dead", "left"] {
        let answer = stand.get(token, "/users/me").await;
        assert_eq!((answer.status, answer.text.as_str()), (401, "Unauthorized"), "{token}");
    }
}

#[tokio::test]
async fn a_workspace_without_api_access_refuses_its_tokens() {
    let stand = Stand::new(USUAL).await;
    assert_eq!(stand.get("all", "/users/me").await.status, 200);
    stand.fake.update(|world| {
        world.workspaces.get_mut("acme").unwrap().api_access = false;
    });
    assert_eq!(stand.get("all", "/users/me").await.status, 401);
}

#[tokio::test]
async fn a_test_can_revoke_kill_and_deactivate_while_clients_watch() {
    let stand = Stand::new(USUAL).await;
    assert_eq!(stand.get("all", "/users/me").await.status, 200);
    stand.fake.update(|world| world.revoke("all")).unwrap();
    assert_eq!(stand.get("all", "/users/me").await.status, 401);

    assert_eq!(stand.get("ada", "/users/me").await.status, 200);
    let deactivated = User { deactivated: true, ..User::default() };
    stand.fake.update(|world| world.users.insert("ada".to_owned(), deactivated));
    assert_eq!(stand.get("ada", "/users/me").await.status, 401);

    let error = stand.fake.update(|world| world.revoke("nobody")).unwrap_err();
    assert_eq!(error.to_string(), "the fake has no token called nobody");
}

#[tokio::test]
async fn regenerating_kills_the_old_value_at_once() {
    let stand = Stand::new(USUAL).await;
    let old = stand.value("all");
    let new = stand.fake.update(|world| world.regenerate("all")).unwrap();
    let ask = |value: String| {
        let stand = &stand;
        async move {
            let answer = stand.raw(Method::GET, Some(&value), "/api/v1/users/me", "").await;
            answer.unwrap().status
        }
    };
    assert_ne!(old, new);
    assert_eq!(ask(old).await, 401);
    assert_eq!(ask(new).await, 200);
    let tokens: Vec<_> = stand.fake.requests().into_iter().map(|r| r.token).collect();
    assert_eq!(tokens, [Some("all".to_owned()), Some("all".to_owned())]);
}

#[tokio::test]
async fn a_rotation_comes_with_time_and_its_new_value_is_known_beforehand() {
    use hex_token_exporter::fake_hex::{TokenKind, credential};
    let stand = Stand::new("tokens: {night: {kind: workspace, rotated_after: 1h}}").await;
    let [old, new] = [0, 1].map(|generation| credential(TokenKind::Workspace, "night", generation));
    let ask = async |value: &str| {
        let answer = stand.raw(Method::GET, Some(value), "/api/v1/users/me", "").await;
        answer.unwrap().status
    };
    assert_eq!((ask(&old).await, ask(&new).await), (200, 401));
    stand.fake.update(|world| {
        world.token("night").unwrap().rotated_after = Some(Duration::ZERO);
    });
    assert_eq!((ask(&old).await, ask(&new).await), (401, 200));
}

#[tokio::test]
async fn credentials_have_the_format_of_real_ones_and_a_given_value_has_its_own() {
    let stand = Stand::new(&format!("{USUAL}  mine: {{kind: workspace, value: my-own}}")).await;
    for (token, prefix) in [("all", "hxtw_"), ("ada", "hxtp_")] {
        let value = stand.value(token);
        let digits = value.strip_prefix(prefix).unwrap();
        assert_eq!(digits.len(), 96);
        assert!(digits.chars().all(|c| c.is_ascii_digit() || ('a'..='f').contains(&c)));
    }
    assert_eq!(stand.value("mine"), "my-own");
    assert_eq!(stand.get("mine", "/users/me").await.status, 200);
}

#[tokio::test]
async fn users_me_shows_the_person_only_to_a_personal_token() {
    let stand = Stand::new(
        "
workspaces: {acme: {org_id: 0195fa0d-a0b5-7001-b18f-ec09baa16d1a}}
users: {ada: {role: ADMIN}}
tokens:
  mine: {kind: personal, user: ada}
  ours: {kind: workspace}
",
    )
    .await;
    let mine = stand.get("mine", "/users/me").await.json();
    assert_eq!(mine["email"], "ada@example.com");
    assert_eq!(mine["role"], "ADMIN");
    assert_eq!(mine["org"]["id"], "0195fa0d-a0b5-7001-b18f-ec09baa16d1a");
    assert!(mine["token"]["exp"].is_i64(), "a personal token must expire");

    let ours = stand.get("ours", "/users/me").await.json();
    assert_eq!(
        ours,
        serde_json::json!({
            "org": {"id": "0195fa0d-a0b5-7001-b18f-ec09baa16d1a"}, "token": {"exp": null},
        })
    );
}

#[tokio::test]
async fn the_expiry_is_told_in_every_form() {
    let stand = Stand::new("tokens: {t: {kind: workspace, expires_in: 10d}}").await;
    let told = async |form: ExpForm| {
        stand.fake.update(|world| world.token("t").unwrap().exp = form);
        stand.get("t", "/users/me").await.json()
    };
    let seconds = told(ExpForm::Seconds).await["token"]["exp"].as_i64().unwrap();
    let today = stand.get("t", "/users/me").await.date();
    let days = (seconds - today.as_second()) / 86_400;
    assert!((9..=10).contains(&days), "{days}");
    let milliseconds = told(ExpForm::Milliseconds).await["token"]["exp"].as_i64().unwrap();
    assert_eq!(milliseconds / 1000, seconds);
    assert!(told(ExpForm::ExpNull).await["token"]["exp"].is_null());
    assert!(told(ExpForm::TokenNull).await.get("token").unwrap().is_null());
    assert!(told(ExpForm::TokenAbsent).await.get("token").is_none());
}

#[tokio::test]
async fn a_stack_lives_by_its_own_clock() {
    let stand = Stand::new(
        "
behaviour: {clock_offset: -1d}
tokens: {t: {kind: workspace, expires_in: 10d}}
",
    )
    .await;
    let punctual = Stand::new(USUAL).await;
    let yesterday = stand.get("t", "/users/me").await.date();
    let now = punctual.get("all", "/users/me").await.date();
    let behind = now.duration_since(yesterday);
    assert!(behind >= SignedDuration::from_hours(24), "{behind}");
    assert!(behind < SignedDuration::from_hours(25), "{behind}");

    stand.fake.update(|world| {
        world.behaviour.clock_offset = SignedDuration::from_hours(24 * 11);
    });
    assert_eq!(stand.get("t", "/users/me").await.status, 401, "it has expired");
    stand.fake.update(|world| {
        world.token("t").unwrap().expires_in = Some(Lifetime::Never);
    });
    assert_eq!(stand.get("t", "/users/me").await.status, 200);
}

#[tokio::test]
async fn a_missing_scope_is_refused_before_the_project_is_looked_for() {
    let stand = Stand::new(&format!("{USUAL}  none: {{kind: workspace}}")).await;
    let nowhere = "/projects/00000000-0000-4000-8000-000000000000";
    assert_eq!(stand.get("none", nowhere).await.status, 403);
    assert_eq!(stand.get("all", nowhere).await.status, 404);
    let lists = [
        "/projects",
        "/users",
        "/groups",
        "/collections",
        "/data-connections",
        "/guides/draft/list",
        &format!("/cells?projectId={KPIS}"),
        &format!("/projects/{KPIS}/queriedTables"),
        &format!("/projects/{KPIS}/runs"),
    ];
    for path in lists {
        assert_eq!(stand.get("none", path).await.status, 403, "{path}");
        assert_eq!(stand.get("all", path).await.status, 200, "{path}");
        assert_eq!(stand.get("ada", path).await.status, 200, "{path}: mirrors an editor");
    }
    let run = format!("/projects/{KPIS}/runs");
    assert_eq!(stand.post("none", &run, "{}").await.status, 403);
}

#[tokio::test]
async fn users_me_may_need_a_scope() {
    let stand = Stand::new(&format!(
        "{USUAL}  none: {{kind: workspace}}\nbehaviour: {{users_me_needs_users_read: true}}"
    ))
    .await;
    let refused = stand.get("none", "/users/me").await;
    assert_eq!(refused.status, 403);
    assert_eq!(refused.json()["code"], "FORBIDDEN");
    assert_eq!(stand.get("all", "/users/me").await.status, 200);
    assert_eq!(stand.get("ada", "/users/me").await.status, 200);
}
