//! What is sent.

use std::sync::Arc;

use hex_token_exporter::{
    domain::{Check, Failure, Method, Question, Secret},
    probe::Prober,
};

use crate::{
    PATIENT, PROJECT, RUN, ask, failed, prober, question,
    raw_upstream::{Step, Upstream, answer},
    secret, token, workspace,
};

async fn sent(check: Check) -> (Vec<String>, String) {
    let upstream = Upstream::start(|_| vec![Step::Request, Step::Send(answer(200, &[], "{}"))]).await;
    ask(workspace(&upstream.origin("http")), check).await;
    let requests = upstream.requests();
    assert_eq!(requests.len(), 1);
    let (head, body) = requests[0].split_once("\r\n\r\n").unwrap();
    let head = head.replace(&upstream.address().to_string(), "ADDRESS");
    let (request, headers) = head.split_once("\r\n").unwrap();
    let mut headers: Vec<String> = headers.split("\r\n").map(str::to_owned).collect();
    headers.sort();
    headers.insert(0, request.to_owned());
    (headers, body.to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_is_exactly_this() {
    let (head, body) = sent(Check::Identity).await;
    let expected = [
        "GET /api/v1/users/me HTTP/1.1".to_owned(),
        "accept-encoding: gzip".to_owned(),
        "accept: application/json".to_owned(),
        format!("authorization: Bearer {}", token()),
        "cache-control: no-cache, no-store".to_owned(),
        "host: ADDRESS".to_owned(),
        format!("user-agent: hex-token-exporter/{}", env!("CARGO_PKG_VERSION")),
    ];
    assert_eq!(head, expected);
    assert_eq!(body, "");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_is_exactly_this() {
    let (head, body) = sent(Check::ProjectsRun).await;
    let expected = [
        format!("POST /api/v1/projects/{PROJECT}/runs HTTP/1.1"),
        "accept-encoding: gzip".to_owned(),
        "accept: application/json".to_owned(),
        format!("authorization: Bearer {}", token()),
        "cache-control: no-cache, no-store".to_owned(),
        "content-length: 16".to_owned(),
        "content-type: application/json".to_owned(),
        "host: ADDRESS".to_owned(),
        format!("user-agent: hex-token-exporter/{}", env!("CARGO_PKG_VERSION")),
    ];
    assert_eq!(head, expected);
    assert_eq!(body, r#"{"dryRun": true}"#);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_check_sends_its_line_of_the_catalogue() {
    for check in Check::ALL {
        let (head, body) = sent(check).await;
        let method = if check.method() == Method::Post { "POST" } else { "GET" };
        let path = check.path().replace("{project}", PROJECT).replace("{run}", RUN).replace("{limit}", "1");
        assert_eq!(head[0], format!("{method} {path} HTTP/1.1"));
        assert_eq!(body, check.body().unwrap_or_default());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_asked_is_not_sent() {
    let upstream = Upstream::start(|_| vec![Step::Hang]).await;
    let workspace = Arc::new(workspace(&upstream.origin("http")));
    let prober = prober(PATIENT);

    let without_project = Question::of(Check::ProjectsRun);
    let observation = prober.ask(&workspace, &secret(), without_project).await;
    assert_eq!(failed(&observation), Some(Failure::Connect));

    let illegal = Secret::opaque("line\r\nx-injected: yes");
    let observation = prober.ask(&workspace, &illegal, question(Check::Identity)).await;
    assert_eq!(failed(&observation), Some(Failure::CredentialUnreadable));
    assert_eq!(observation.status(), 0);

    assert_eq!(upstream.connections(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redirect_is_told_and_never_followed() {
    let second = Upstream::start(|_| vec![Step::Hang]).await;
    for status in [301, 302, 303, 307, 308] {
        let location = format!("location: {}/api/v1/users/me", second.origin("http"));
        let first =
            Upstream::start(move |_| vec![Step::Request, Step::Send(answer(status, &[&location], ""))]).await;
        let observation = ask(workspace(&first.origin("http")), Check::Identity).await;
        assert_eq!(observation.status(), status);
        assert_eq!(first.requests().len(), 1);
    }
    assert_eq!(second.connections(), 0);
}
