//! Request limits, their order among the other checks, and what a 429 looks like.

use hex_token_exporter::fake_hex::{Family, RetryAfter, World};

use crate::stand::{KPIS, Stand, USUAL};

#[tokio::test]
async fn the_tokens_of_one_user_share_one_allowance() {
    let stand = Stand::new(
        "
users: {ada: {requests_per_minute: 3}, bob: {}}
tokens:
  one: {kind: personal, user: ada}
  two: {kind: personal, user: ada}
  bob: {kind: personal, user: bob}
",
    )
    .await;
    for (token, status) in [("one", 200), ("two", 200), ("one", 200), ("two", 429), ("bob", 200)] {
        assert_eq!(stand.get(token, "/users/me").await.status, status, "{token}");
    }
    stand.fake.update(World::reset_limits);
    assert_eq!(stand.get("two", "/users/me").await.status, 200);
}

#[tokio::test]
async fn headers_count_down_and_a_429_says_when_to_come_back() {
    let stand = Stand::usual_and("limits: {user_per_minute: 2}").await;
    let first = stand.get("all", "/projects").await;
    assert_eq!(first.header("x-ratelimit-limit"), "2");
    assert_eq!(first.header("x-ratelimit-remaining"), "1");
    assert_eq!(stand.get("all", "/projects").await.header("x-ratelimit-remaining"), "0");

    let refused = stand.get("all", "/projects").await;
    assert_eq!(refused.status, 429);
    assert_eq!(refused.json()["code"], "TOO_MANY_REQUESTS");
    let wait: u64 = refused.header("retry-after").parse().unwrap();
    assert!((1..=60).contains(&wait), "{wait}");
    assert_eq!(refused.header("x-ratelimit-reset"), refused.header("retry-after"));

    stand.fake.update(|world| {
        world.limits.retry_after = RetryAfter::Date;
        world.limits.body = Family::T;
    });
    let refused = stand.get("all", "/projects").await;
    assert!(jiff::fmt::rfc2822::parse(refused.header("retry-after")).is_ok());
    assert!(refused.json()["reason"].is_string());

    stand.fake.update(|world| {
        world.limits.retry_after = RetryAfter::Absent;
        world.limits.headers = false;
    });
    let refused = stand.get("all", "/projects").await;
    assert_eq!(refused.header("retry-after"), "");
    assert_eq!(refused.header("x-ratelimit-limit"), "");
}

#[tokio::test]
async fn groups_of_routes_have_limits_of_their_own() {
    let stand = Stand::usual_and("limits: {group_per_minute: 2, runs_per_minute: 1}").await;
    for status in [200, 200, 429] {
        assert_eq!(stand.get("all", "/users/me").await.status, status);
    }
    assert_eq!(stand.get("all", "/users").await.status, 429, "the same group");
    assert_eq!(stand.get("all", &format!("/projects/{KPIS}")).await.status, 200, "another");
    assert_eq!(stand.get("all", "/projects").await.status, 200, "none");

    let run = format!("/projects/{KPIS}/runs");
    assert_eq!(stand.post("all", &run, r#"{"dryRun": true}"#).await.status, 201);
    assert_eq!(stand.post("all", &run, r#"{"dryRun": true}"#).await.status, 429);
}

#[tokio::test]
async fn the_runs_of_an_hour_are_limited_too() {
    let stand = Stand::usual_and("limits: {runs_per_hour: 1}").await;
    let run = format!("/projects/{KPIS}/runs");
    assert_eq!(stand.post("all", &run, r#"{"dryRun": true}"#).await.status, 201);
    let refused = stand.post("all", &run, r#"{"dryRun": true}"#).await;
    assert_eq!(refused.status, 429);
    let wait: u64 = refused.header("retry-after").parse().unwrap();
    assert!(wait > 60, "{wait}");
}

#[tokio::test]
async fn a_dead_token_is_refused_before_it_is_counted_and_an_unscoped_one_after() {
    let stand =
        Stand::new(&format!("{USUAL}  none: {{kind: workspace}}\nlimits: {{user_per_minute: 1}}")).await;
    assert_eq!(stand.get("none", "/projects").await.status, 403);
    assert_eq!(stand.get("none", "/projects").await.status, 429);
    stand.fake.update(|world| world.revoke("none")).unwrap();
    assert_eq!(stand.get("none", "/projects").await.status, 401);
}
