//! What a scrape costs: the page of metrics of 100, 1,000 and 10,000 tokens with scopes, projects and
//! expiries, taken from a real store.

use std::{hint::black_box, sync::Arc, time::Duration};

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use hex_token_exporter::{
    clock::{Clock, SystemClock},
    domain::{
        Answer, Body, Cadence, Check, Credential, DigestKey, Exp, Facts, Name, Observation, Phases, Question,
        Scope, Secret, Seen, TokenSpec, Uuid, Workspace,
    },
    metrics::{self, OwnMetrics},
    store::Store,
};
use jiff::Timestamp;

/// A store that knows so many healthy tokens, each with two scopes and a project.
fn store(tokens: usize) -> Store {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::start());
    let store = Store::new(clock, DigestKey::from_bytes([1; 32]));
    let workspace = Arc::new(Workspace {
        name: name("acme"),
        origin: "https://app.hex.tech".to_owned(),
        org_id: None,
        requests_per_minute: 60,
        ca_pem: None,
        proxy: None,
    });
    let project = (name("kpi"), id());
    let specs: Vec<_> = (0..tokens)
        .map(|index| {
            Arc::new(TokenSpec {
                name: name(&format!("token-{index:05}")),
                workspace: workspace.clone(),
                required_scopes: [Scope::ProjectsRead, Scope::UsersRead].into(),
                projects: [project.clone()].into(),
                least_privilege: false,
                expires_at: None,
                token_owner: Some("data-platform".to_owned()),
                rotate_url: Some("https://wiki.example.com/rotate-hex".to_owned()),
                expiry_warning: Duration::from_hours(24 * 14),
                expiry_critical: Duration::from_hours(24 * 3),
            })
        })
        .collect();
    let credential = |spec: &TokenSpec| Credential::Loaded {
        secret: Secret::opaque(spec.name.as_str()),
        loaded_at: Timestamp::UNIX_EPOCH,
    };
    let assigned = specs.iter().map(|spec| (spec.clone(), credential(spec)));
    store.conform(Cadence::default(), [(workspace.clone(), 1.0)], assigned, |_, _| None);
    for spec in &specs {
        for question in [
            Question::of(Check::Identity),
            Question::of(Check::ProjectsRead),
            Question::of(Check::UsersRead),
            Question::about(Check::ProjectVisible, &project.0, &project.1),
        ] {
            let _ = store.observe(&spec.name, None, &fine(question));
        }
    }
    store
}

fn name(text: &str) -> Name {
    Name::parse(text).unwrap_or_else(|_| panic!("{text} is a name"))
}

fn id() -> Uuid {
    Uuid::parse("5a8591dd-4039-49df-9202-96385ba3eff8").unwrap_or_else(|| panic!("an id is one"))
}

fn fine(question: Question) -> Observation {
    let facts = match question.check {
        Check::Identity => Facts::Identity {
            exp: Exp::Number(1_900_000_000.0),
            org_id: Some("0195fa0d-a0b5-7001-b18f-ec09baa16d1a".to_owned()),
            describes_user: false,
        },
        Check::ProjectVisible => Facts::Project { unavailable: false },
        _ => Facts::None,
    };
    let seen = Seen::Answer(Answer {
        status: 200,
        json_content: true,
        bearer_challenge: false,
        cached: false,
        date: None,
        retry_after: None,
        quota: None,
        moved_within_hex: false,
        body: Body::Object { error_form: false, names_plan: false, expected_key: true, facts },
    });
    Observation { question, seen, duration: Duration::from_millis(120), phases: Phases::default() }
}

fn scrape(criterion: &mut Criterion) {
    let own = OwnMetrics::new(0, 1).unwrap_or_else(|error| panic!("{error}"));
    let mut group = criterion.benchmark_group("metrics page");
    group.sample_size(20);
    for tokens in [100, 1_000, 10_000] {
        let store = store(tokens);
        let page = metrics::page(&store.snapshot(), &own);
        let series = page.lines().filter(|line| !line.starts_with('#')).count();
        group.throughput(Throughput::Elements(series as u64));
        group.bench_with_input(BenchmarkId::from_parameter(tokens), &store, |bencher, store| {
            bencher.iter(|| black_box(metrics::page(&store.snapshot(), &own)));
        });
    }
    group.finish();
}

criterion_group!(benches, scrape);
criterion_main!(benches);
