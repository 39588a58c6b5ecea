//! Scripted troubles, as a client sees them.

use std::{collections::BTreeMap, error::Error, io, time::Duration};

use hex_token_exporter::fake_hex::{Action, Fault, FaultBody, World};
use reqwest::Method;

use crate::stand::{Answer, KPIS, Stand, USUAL, until};

async fn me(stand: &Stand) -> reqwest::Result<Answer> {
    stand.send(Method::GET, "all", "/users/me", "").await
}

fn arm(stand: &Stand, fault: Fault) {
    stand.fake.update(|world| {
        world.clear_faults();
        world.add_fault(fault);
    });
}

/// The first I/O error in the chain of causes.
fn io_kind(error: &reqwest::Error) -> Option<io::ErrorKind> {
    let mut source: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(cause) = source {
        if let Some(io) = cause.downcast_ref::<io::Error>() {
            return Some(io.kind());
        }
        source = cause.source();
    }
    None
}

#[tokio::test]
async fn a_reset_is_a_reset() {
    let stand = Stand::new(USUAL).await;
    arm(&stand, Fault::new(Action::Reset));
    let error = me(&stand).await.unwrap_err();
    assert_eq!(io_kind(&error), Some(io::ErrorKind::ConnectionReset), "{error:?}");
    assert_eq!(stand.fake.requests()[0].status, None);
    stand.fake.update(World::clear_faults);
    assert_eq!(me(&stand).await.unwrap().status, 200);
}

#[tokio::test]
async fn half_a_body_breaks_off_after_its_headers() {
    let stand = Stand::new(USUAL).await;
    arm(&stand, Fault::new(Action::HalfBody));
    let error = me(&stand).await.unwrap_err();
    assert!(error.is_body() || error.is_decode(), "{error:?}");
    assert_eq!(stand.fake.requests()[0].status, Some(200));

    let wire = raw_answer(&stand).await;
    let (head, body) = wire.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200 OK"));
    assert!(body.starts_with('{') && !body.ends_with('}'), "{body}");
}

/// All that arrives for one request, as it is on the wire.
async fn raw_answer(stand: &Stand) -> String {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut stream = tokio::net::TcpStream::connect(stand.fake.address()).await.unwrap();
    let request = format!(
        "GET /api/v1/users/me HTTP/1.1\r\nHost: hex\r\nAuthorization: Bearer {}\r\n\r\n",
        stand.value("all"),
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut wire = String::new();
    stream.read_to_string(&mut wire).await.unwrap();
    wire
}

#[tokio::test]
async fn pages_and_redirects_take_the_place_of_answers() {
    let stand = Stand::new(USUAL).await;
    arm(&stand, Fault::new(Action::Html));
    let answer = me(&stand).await.unwrap();
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type"), "text/html; charset=utf-8");

    let elsewhere = "http://127.0.0.1:9/api/v1/users/me";
    arm(&stand, Fault::new(Action::Redirect(elsewhere.to_owned())));
    let answer = me(&stand).await.unwrap();
    assert_eq!(answer.status, 302);
    assert_eq!(answer.header("location"), elsewhere);
    assert!(!answer.header("date").is_empty());
}

#[tokio::test]
async fn a_status_has_the_body_it_is_given() {
    let stand = Stand::new(USUAL).await;
    for (body, content_type) in [
        (None, "application/json; charset=utf-8"),
        (Some(FaultBody::T), "application/json; charset=utf-8"),
        (Some(FaultBody::E), "application/json; charset=utf-8"),
        (Some(FaultBody::Text), "text/plain; charset=utf-8"),
        (Some(FaultBody::Html), "text/html; charset=utf-8"),
        (Some(FaultBody::Empty), ""),
    ] {
        let fault = Fault::new(Action::Status(503));
        arm(&stand, Fault { body, ..fault });
        let answer = me(&stand).await.unwrap();
        assert_eq!(answer.status, 503);
        assert_eq!(answer.header("content-type"), content_type, "{body:?}");
    }
    arm(&stand, Fault::new(Action::Status(401)));
    let everyone = me(&stand).await.unwrap();
    assert_eq!((everyone.status, everyone.text.as_str()), (401, "Unauthorized"));
    arm(&stand, Fault::new(Action::Status(429)));
    assert!(!me(&stand).await.unwrap().header("retry-after").is_empty());
}

#[tokio::test]
async fn headers_are_added_to_the_right_answer() {
    let stand = Stand::new(USUAL).await;
    let headers = BTreeMap::from([("Age".to_owned(), "30".to_owned())]);
    let fault = Fault::new(Action::Headers);
    arm(&stand, Fault { headers, ..fault });
    let answer = me(&stand).await.unwrap();
    assert_eq!((answer.status, answer.header("age")), (200, "30"));
    assert!(answer.json()["org"].is_object());
}

#[tokio::test]
async fn latency_delays_and_a_hanging_request_ends_with_the_fake() {
    let stand = Stand::new(USUAL).await;
    arm(&stand, Fault::new(Action::Latency(Duration::from_millis(200))));
    let before = tokio::time::Instant::now();
    assert_eq!(me(&stand).await.unwrap().status, 200);
    assert!(before.elapsed() >= Duration::from_millis(200));

    arm(&stand, Fault::new(Action::Hang));
    let value = stand.value("all");
    let request = reqwest::Client::builder()
        .no_proxy()
        .build()
        .unwrap()
        .get(format!("{}/api/v1/users/me", stand.fake.url()))
        .bearer_auth(value);
    let seen = stand.fake.requests().len();
    let shutdown = async {
        until(async || stand.fake.requests().len() > seen).await;
        stand.fake.shutdown().await;
    };
    let both = async { tokio::join!(request.send(), shutdown) };
    let (answer, ()) = tokio::time::timeout(Duration::from_mins(1), both).await.unwrap();
    assert!(answer.is_err());
}

#[tokio::test]
async fn faults_choose_their_victims() {
    let stand = Stand::new(USUAL).await;
    let set = |word: &str| [word.to_owned()].into();
    let base = || Fault::new(Action::Status(500));
    let statuses = async || {
        let run = format!("/projects/{KPIS}/runs");
        [
            stand.get("all", "/users/me").await.status,
            stand.get("ada", "/users/me").await.status,
            stand.get("all", "/projects").await.status,
            stand.get("all", &run).await.status,
            stand.post("all", &run, r#"{"dryRun":true}"#).await.status,
        ]
    };
    arm(&stand, Fault { tokens: set("ada"), ..base() });
    assert_eq!(statuses().await, [200, 500, 200, 200, 201]);
    arm(&stand, Fault { paths: set("/users"), ..base() });
    assert_eq!(statuses().await, [500, 500, 200, 200, 201]);
    arm(&stand, Fault { paths: set("/projects"), methods: set("POST"), ..base() });
    assert_eq!(statuses().await, [200, 200, 200, 200, 500]);
    arm(&stand, Fault { workspaces: set("acme"), ..base() });
    assert_eq!(statuses().await, [500; 5]);
    arm(&stand, Fault { workspaces: set("other"), ..base() });
    assert_eq!(statuses().await, [200, 200, 200, 200, 201]);
}

#[tokio::test]
async fn faults_have_windows_and_gaps() {
    let stand = Stand::new(USUAL).await;
    let hour = Duration::from_hours(1);
    let base = || Fault::new(Action::Status(500));
    let status = async || me(&stand).await.unwrap().status;
    arm(&stand, Fault { after: hour, ..base() });
    assert_eq!(status().await, 200, "not yet");
    arm(&stand, Fault { lasts: Some(hour), ..base() });
    assert_eq!(status().await, 500, "now");
    arm(&stand, Fault { lasts: Some(Duration::ZERO), ..base() });
    assert_eq!(status().await, 200, "over");
    let again = Some(2 * hour);
    arm(&stand, Fault { lasts: Some(hour), every: again, ..base() });
    assert_eq!(status().await, 500, "again and again");

    arm(&stand, Fault { one_in: 3, ..base() });
    let mut seen = Vec::new();
    for _ in 0..6 {
        seen.push(status().await);
    }
    assert_eq!(seen, [500, 200, 200, 500, 200, 200]);
}

#[tokio::test]
async fn an_outage_costs_no_allowance_and_hits_dead_tokens_too() {
    let stand = Stand::usual_and("limits: {user_per_minute: 1}").await;
    arm(&stand, Fault::new(Action::Status(502)));
    for _ in 0..3 {
        assert_eq!(me(&stand).await.unwrap().status, 502);
    }
    stand.fake.update(World::clear_faults);
    assert_eq!(me(&stand).await.unwrap().status, 200);
    stand.fake.update(|world| world.revoke("all")).unwrap();
    arm(&stand, Fault::new(Action::Status(502)));
    assert_eq!(me(&stand).await.unwrap().status, 502);
}
