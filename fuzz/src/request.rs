//! A request to our own port, as text: method and target, then headers. Whatever is asked, the answer is
//! whole, of the form that it claims, and holds nothing that the asker could have put in.

use std::{str, sync::Arc, time::Duration};

use axum::{
    Router,
    body::{Body, to_bytes},
    http::{HeaderMap, Method, Request, StatusCode, header},
};
use hex_token_exporter::{
    config::{Environment, Source, load},
    domain::{
        Answer, Body as Form, Check, Credential, DigestKey, Exp, Facts, Name, Observation, Phases, Question,
        Secret, Seen,
    },
    http::{self, BoxFuture, Health, OnDemand, Parts, Reload},
    metrics::OwnMetrics,
    store::Store,
};
use tokio::runtime::{Builder, Runtime};
use tower::ServiceExt;

use super::{
    canary::{self, CANARY},
    clock::{START, StandingClock},
    config, markup, scratch,
};

/// Owners are free text, and the only one that a page shows.
const FILE: &str = "
workspaces: {main: {url: 'https://app.hex.tech'}, eu: {url: 'https://eu.hex.tech'}}
defaults: {workspace: main, rotate_url: 'https://wiki.example.com/rotate?a=<b>&c=\"d\"'}
tokens:
  airflow: {credentials_file: a, required_scopes: [projects_read], token_owner: '<script>\"alert''&amp;'}
  dbt: {credentials_file: b, expires_at: 2026-09-25, token_owner: 'data; platform, \\'}
  dagster.eu: {credentials_file: c, workspace: eu, projects: {kpis: 5a8591dd-4039-49df-9202-96385ba3eff8}}
";

thread_local! {
    static SERVED: (Runtime, Router) = served();
}

pub(crate) fn run(text: &[u8]) {
    let Some(request) = read(text) else { return };
    let is_head = request.method() == Method::HEAD;
    let is_packed = request.headers().contains_key(header::ACCEPT_ENCODING);
    let (status, headers, body) = SERVED.with(|(runtime, router)| {
        runtime.block_on(async {
            let answer = router.clone().oneshot(request).await.unwrap();
            let (head, body) = answer.into_parts();
            (head.status, head.headers, to_bytes(body, usize::MAX).await.unwrap())
        })
    });
    assert!(status.as_u16() < 500, "{status}");
    headers_are_safe(&headers);
    if !is_packed && !is_head {
        body_is_sound(status, &headers, str::from_utf8(&body).unwrap());
    }
}

/// `GET /path?query`, and a header a line.
fn read(text: &[u8]) -> Option<Request<Body>> {
    let mut lines = text.split(|byte| *byte == b'\n');
    let first = lines.next()?;
    let space = first.iter().position(|byte| *byte == b' ')?;
    let mut request = Request::builder().method(&first[..space]).uri(&first[space + 1..]);
    for line in lines {
        let colon = line.iter().position(|byte| *byte == b':')?;
        request = request.header(&line[..colon], line[colon + 1..].trim_ascii());
    }
    request.body(Body::empty()).ok()
}

fn headers_are_safe(headers: &HeaderMap) {
    for (name, value) in headers {
        let value = String::from_utf8_lossy(value.as_bytes());
        canary::no_secret(&value, name.as_str());
    }
    for name in [header::CONTENT_SECURITY_POLICY, header::X_CONTENT_TYPE_OPTIONS] {
        assert!(headers.contains_key(&name), "{name} is missing");
    }
}

fn body_is_sound(status: StatusCode, headers: &HeaderMap, body: &str) {
    canary::no_token(body, "an answer");
    let kind = headers.get(header::CONTENT_TYPE).map_or("", |kind| kind.to_str().unwrap());
    if kind.starts_with("text/html") {
        return markup::is_ours(body);
    }
    assert!(!body.contains(CANARY), "{kind} repeats what was asked: {body}");
    match kind.split(';').next().unwrap_or_default() {
        "application/json" => drop(serde_json::from_str::<serde_json::Value>(body).unwrap()),
        "text/calendar" => {
            assert!(body.starts_with("BEGIN:VCALENDAR\r\n") && body.ends_with("END:VCALENDAR\r\n"));
            assert!(body.lines().all(|line| line.len() <= 75), "a line that is not folded: {body}");
        }
        "text/plain" if kind.contains("version=0.0.4") => config::is_sound(body),
        "text/plain" => assert_eq!(body.lines().count(), 1, "{status}: {body}"),
        "text/css" | "image/svg+xml" => {}
        "" => assert!(body.is_empty(), "{status} without a type: {body}"),
        other => panic!("{status} of an unknown type: {other}"),
    }
}

/// What is served, and where.
fn served() -> (Runtime, Router) {
    let source = Source::File(scratch::file("served.yaml", FILE));
    let config = load(&source, &Environment::default()).unwrap().config;
    let store = Arc::new(Store::new(Arc::new(StandingClock::new()), DigestKey::from_bytes([7; 32])));
    let secret = |name: &str| Secret::credential(&format!("credential-of-{name}")).unwrap();
    config::watch(
        &store,
        &config,
        |spec| Credential::Loaded { secret: secret(spec.name.as_str()), loaded_at: START },
        |_, _| None,
    );
    for (name, status) in [("airflow", 200), ("airflow", 403), ("dbt", 200), ("dagster.eu", 401)] {
        let seen = answer(status);
        let check = if status == 403 { Check::ProjectsRead } else { Check::Identity };
        let question = Question::of(check);
        let observation =
            Observation { question, seen, duration: Duration::from_millis(250), phases: Phases::default() };
        store.observe(&Name::parse(name).unwrap(), None, &observation).unwrap();
    }
    let others = Arc::new(Others(store.clone()));
    let router = http::router(Parts {
        store,
        own: Arc::new(OwnMetrics::new(0, 1).unwrap()),
        on_demand: others.clone(),
        reload: Some(others.clone()),
        health: others,
        external_url: Some("https://monitoring.example/hex".parse().unwrap()),
    });
    (Builder::new_current_thread().enable_all().build().unwrap(), router)
}

fn answer(status: u16) -> Seen {
    let ok = status < 300;
    let facts = Facts::Identity { exp: Exp::Null, org_id: None, describes_user: false };
    Seen::Answer(Answer {
        json_content: true,
        ..Answer::bare(status, Form::Object { error_form: !ok, names_plan: false, expected_key: ok, facts })
    })
}

/// Stands in for the rest of the process: all is well, and all is done at once.
struct Others(Arc<Store>);

impl OnDemand for Others {
    fn probe(&self, name: &Name) -> Option<BoxFuture<()>> {
        self.0.token(name)?;
        Some(Box::pin(async {}))
    }
}

impl Reload for Others {
    fn reload(&self) -> BoxFuture<Result<(), String>> {
        Box::pin(async { Ok(()) })
    }
}

impl Health for Others {
    fn is_alive(&self) -> bool {
        true
    }

    fn is_ready(&self) -> bool {
        true
    }
}
