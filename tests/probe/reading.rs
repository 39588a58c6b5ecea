//! What is read out of an answer.

use std::time::Duration;

use hex_token_exporter::domain::{Answer, Body, Check, Exp, Facts, Quota, Uuid};

use crate::{
    RUN, answered, ask, identity,
    raw_upstream::{Step, Upstream, answer},
    workspace,
};

const JSON: &str = "content-type: application/json; charset=utf-8";
const HTML: &str = "content-type: text/html";
const TEXT: &str = "content-type: text/plain";

fn object(error_form: bool, names_plan: bool, expected_key: bool) -> Body {
    let facts = Facts::Identity { exp: Exp::Absent, org_id: None, describes_user: false };
    Body::Object { error_form, names_plan, expected_key, facts }
}

/// Every form of body, under the content types that matter to it.
fn forms() -> Vec<(&'static str, &'static [u8], Body)> {
    let error = || object(true, false, false);
    let plan = || object(true, true, false);
    let no_error = || object(false, false, false);
    vec![
        (JSON, br#"{"reason":"Project not found","traceId":"x"}"#, error()),
        (JSON, br#"{"code":"FORBIDDEN","message":"Insufficient access","issues":[]}"#, error()),
        (TEXT, br#"{"reason":"Mutation:createHex"}"#, error()),
        (HTML, br#"{"reason":"Mutation:createHex"}"#, error()),
        ("x-nothing: 1", b"\xef\xbb\xbf {\"reason\":\"BOM\"}\n", error()),
        (JSON, br#"{"code":"FORBIDDEN","message":"Not on this Plan."}"#, plan()),
        (JSON, br#"{"code":"X","message":"needs ENTERPRISE tier"}"#, plan()),
        (JSON, br#"{"message":"This endpoint requires the workspace to be at least ENTERPRISE tier."}"#, {
            object(false, true, false)
        }),
        (JSON, br#"{"code":"X","message":"as planned, in the frontier"}"#, error()),
        (JSON, br#"{"code":"X","message":7,"reason":null}"#, no_error()),
        (JSON, br#"{"reason":{"plan":"tier"}}"#, no_error()),
        (JSON, br#"{"traceId":"x","invalid":[],"notFound":["typo"]}"#, no_error()),
        (JSON, br#"{"org":null}"#, object(false, false, true)),
        (JSON, b"{}", no_error()),
        (JSON, b"[]", Body::OtherJson),
        (JSON, br#""Unauthorized""#, Body::OtherJson),
        (TEXT, b"null", Body::OtherJson),
        (HTML, b"null", Body::Html),
        (TEXT, b"Unauthorized", Body::UnauthorizedText),
        (HTML, b" Unauthorized\r\n", Body::UnauthorizedText),
        (JSON, b"Unauthorized", Body::UnauthorizedText),
        (TEXT, b"unauthorized", Body::Other),
        (TEXT, b"Unauthorized!", Body::Other),
        (HTML, b"Sign in", Body::Html),
        ("content-type: application/xhtml+xml", b"<x/>", Body::Html),
        (TEXT, b"\n <!DOCTYPE html><p>", Body::Html),
        (JSON, b"<HTML>", Body::Html),
        (TEXT, b"\xef\xbb\xbf<html>\xff", Body::Html),
        (JSON, b"{\"org\":", Body::NotJson),
        (JSON, b"{\"org\":\"\xff\"}", Body::NotJson),
        (JSON, b"{} {}", Body::NotJson),
        ("content-type: application/problem+json", b"oops", Body::NotJson),
        (TEXT, b"{\"org\":", Body::Other),
        (TEXT, b"\xff\xfe", Body::Other),
        (JSON, b"", Body::Other),
        (JSON, b" \r\n", Body::Other),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn every_form_is_told_at_every_status() {
    let statuses = [200, 201, 302, 400, 401, 403, 404, 407, 418, 422, 429, 500, 503, 599, 999];
    let cases: Vec<_> =
        statuses.into_iter().flat_map(|status| forms().into_iter().map(move |form| (status, form))).collect();
    let scripts: Vec<_> = cases
        .iter()
        .map(|(status, (header, body, _))| {
            vec![Step::Request, Step::Send(answer(*status, &[header, "connection: close"], body))]
        })
        .collect();
    let upstream = Upstream::start(move |n| scripts[n].clone()).await;
    for (status, (header, bytes, body)) in cases {
        let seen = answered(ask(workspace(&upstream.origin("http")), Check::Identity).await);
        let expected = Answer { json_content: header.contains("json"), ..Answer::bare(status, body) };
        assert_eq!(seen, expected, "{status} {header} {}", String::from_utf8_lossy(bytes));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_head_is_read() {
    let headers = [
        "date: Tue, 24 Nov 2026 08:00:10 GMT",
        "www-authenticate: Basic realm=\"x\"",
        "www-authenticate: Bearer error=\"invalid_token\"",
        "age: 12",
        "retry-after: Tue, 24 Nov 2026 08:01:00 GMT",
        "x-ratelimit-remaining: 3",
        "x-ratelimit-reset: 20",
    ];
    let seen = answered(identity(answer(401, &headers, "Unauthorized")).await);
    assert!(seen.bearer_challenge && seen.cached);
    assert_eq!(seen.date, Some("2026-11-24T08:00:10Z".parse().unwrap()));
    assert_eq!(seen.retry_after, Some(Duration::from_secs(50)));
    assert_eq!(seen.quota, Some(Quota { remaining: 3, reset_in: Some(Duration::from_secs(20)) }));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_date_our_clock_stands_in() {
    let headers = ["retry-after: Tue, 24 Nov 2026 08:01:00 GMT"];
    let seen = answered(identity(answer(429, &headers, "")).await);
    assert_eq!((seen.date, seen.retry_after), (None, Some(Duration::from_mins(1))));
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_redirect_says_that_a_workspace_moved() {
    let location = ["location: https://eu.hex.tech/api/v1/users/me"];
    assert!(answered(identity(answer(308, &location, "")).await).moved_within_hex);
    assert!(!answered(identity(answer(200, &location, "")).await).moved_within_hex);
}

async fn facts(check: Check, body: &str) -> Facts {
    let bytes = answer(200, &[JSON], body);
    let upstream = Upstream::start(move |_| vec![Step::Request, Step::Send(bytes.clone())]).await;
    match answered(ask(workspace(&upstream.origin("http")), check).await).body {
        Body::Object { facts, .. } => facts,
        other => panic!("{body}: {other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_identity_tells_expiry_organisation_and_kind() {
    for (body, exp, org, describes_user) in [
        (r#"{"org":{"id":"o"},"token":{"exp":1900000000}}"#, Exp::Number(1.9e9), Some("o"), false),
        (
            r#"{"org":{"id":"o"},"token":{"exp":1900000000000.5}}"#,
            Exp::Number(1_900_000_000_000.5),
            Some("o"),
            false,
        ),
        (r#"{"org":{"id":"o"},"token":{"exp":-1}}"#, Exp::Number(-1.0), Some("o"), false),
        (r#"{"id":"u","email":"e","org":{"id":"o"},"token":{"exp":null}}"#, Exp::Null, Some("o"), true),
        (r#"{"email":"e","org":{"id":"o"},"token":{}}"#, Exp::Absent, Some("o"), true),
        (r#"{"id":null,"org":{"id":"o"},"token":null}"#, Exp::Absent, Some("o"), false),
        (r#"{"org":{"id":"o"}}"#, Exp::Absent, Some("o"), false),
        (r#"{"org":{"id":7},"token":{"exp":"2027-01-01"}}"#, Exp::Nonsense, None, false),
        (r#"{"org":"o","token":{"exp":{"at":1}}}"#, Exp::Nonsense, None, false),
        (r#"{"org":{"id":""},"token":"t"}"#, Exp::Nonsense, None, false),
        (r#"{"org":[],"token":{"exp":true}}"#, Exp::Nonsense, None, false),
        // What is shown on a terminal is no place for these.
        (r#"{"org":{"id":"\u001b[2J"}}"#, Exp::Absent, None, false),
        (r#"{"org":{"id":"hxtw_0123456789abcdef"}}"#, Exp::Absent, None, false),
        (r#"{"token":{"exp":[1]}}"#, Exp::Nonsense, None, false),
    ] {
        let expected = Facts::Identity { exp, org_id: org.map(Into::into), describes_user };
        assert_eq!(facts(Check::Identity, body).await, expected, "{body}");
    }
    let long = format!(r#"{{"org":{{"id":"{}"}}}}"#, "o".repeat(5000));
    let nothing = Facts::Identity { exp: Exp::Absent, org_id: None, describes_user: false };
    assert_eq!(facts(Check::Identity, &long).await, nothing);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_of_projects_tells_how_many() {
    for (body, count, more) in [
        (r#"{"values":[],"pagination":{"after":null,"before":null}}"#, 0, false),
        (r#"{"values":[{"id":"a"},{"id":"b"}],"pagination":{"after":"cursor"}}"#, 2, true),
        (r#"{"values":[1]}"#, 1, false),
        (r#"{"values":"many","pagination":[]}"#, 0, false),
    ] {
        assert_eq!(facts(Check::ProjectsRead, body).await, Facts::Projects { count, more }, "{body}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_project_tells_whether_it_is_unavailable() {
    let published = r#""lastPublishedAt":"2026-09-30T12:05:00.000Z""#;
    for (body, unavailable) in [
        (format!(r#"{{"id":"a",{published},"archivedAt":null,"trashedAt":null}}"#), false),
        (r#"{"id":"a"}"#.to_owned(), false),
        (r#"{"id":"a","lastPublishedAt":null}"#.to_owned(), true),
        (format!(r#"{{"id":"a",{published},"archivedAt":"2026-10-01T00:00:00Z"}}"#), true),
        (format!(r#"{{"id":"a",{published},"trashedAt":"2026-10-01T00:00:00Z"}}"#), true),
    ] {
        assert_eq!(facts(Check::ProjectVisible, &body).await, Facts::Project { unavailable }, "{body}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_tells_its_id() {
    for check in [Check::ProjectsRun, Check::DryRunGuard] {
        let run = facts(check, &format!(r#"{{"runId":"{RUN}","status":"COMPLETED"}}"#)).await;
        assert_eq!(run, Facts::Run { id: Uuid::parse(RUN) });
        for body in [r#"{"runId":null}"#, r#"{"runId":"../../me"}"#, r#"{"runId":7}"#, "{}"] {
            assert_eq!(facts(check, body).await, Facts::Run { id: None }, "{body}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn users_may_come_under_either_key() {
    for (body, expected) in [(r#"{"values":[]}"#, true), (r#"{"users":[]}"#, true), ("{}", false)] {
        let bytes = answer(200, &[JSON], body);
        let upstream = Upstream::start(move |_| vec![Step::Request, Step::Send(bytes.clone())]).await;
        let seen = answered(ask(workspace(&upstream.origin("http")), Check::UsersRead).await);
        let expected_key = expected;
        let form = Body::Object { error_form: false, names_plan: false, expected_key, facts: Facts::None };
        assert_eq!(seen.body, form, "{body}");
    }
}
