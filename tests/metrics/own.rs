//! What the exporter counts of its own work.

use std::{collections::BTreeSet, time::Duration};

use hex_token_exporter::{
    domain::{Check, Observer, Phases, Reason, RequestEnded},
    metrics::{self, OwnMetrics},
};
use tokio::time::advance;

use crate::{
    exposed::Page,
    own,
    scripted::{Script, name, token, workspace},
};

pub(crate) fn request(own: &OwnMetrics, workspace: &str, check: Check, status: u16, reason: Reason) {
    own.request_ended(&RequestEnded {
        workspace: &name(workspace),
        check,
        status,
        reason,
        duration: Duration::from_millis(700),
        phases: Phases { resolve: None, processing: Some(Duration::from_millis(200)), ..all_phases() },
    });
}

fn all_phases() -> Phases {
    let phase = Some(Duration::from_millis(60));
    Phases { resolve: phase, connect: phase, processing: phase, transfer: phase }
}

#[tokio::test(start_paused = true)]
async fn requests_are_counted_by_their_status_or_by_why_there_was_none() {
    let script = Script::start(Vec::new());
    let own = own(&["w"]);
    request(&own, "w", Check::Identity, 200, Reason::Ok);
    request(&own, "w", Check::Identity, 200, Reason::Protocol);
    request(&own, "w", Check::CellsRead, 0, Reason::Dns);
    // Without a credential there was no request.
    request(&own, "w", Check::CellsRead, 0, Reason::CredentialUnreadable);
    own.budget_waited(&name("w"), Duration::from_millis(1_500));
    own.budget_waited(&name("w"), Duration::from_secs(1));
    let page = Page::parse(&metrics::page(&script.store.snapshot(), &own));
    for (series, value) in [
        ("hex_api_requests_total{check=identity,code=200,workspace=w}", Some(2.0)),
        ("hex_api_requests_total{check=cells_read,code=dns,workspace=w}", Some(1.0)),
        ("hex_api_request_duration_seconds_bucket{check=identity,le=0.5,workspace=w}", Some(0.0)),
        ("hex_api_request_duration_seconds_bucket{check=identity,le=1,workspace=w}", Some(2.0)),
        ("hex_api_request_duration_seconds_count{check=cells_read,workspace=w}", Some(1.0)),
        ("hex_api_request_phase_duration_seconds_sum{phase=processing,workspace=w}", Some(0.6)),
        ("hex_api_request_phase_duration_seconds_count{phase=connect,workspace=w}", Some(3.0)),
        ("hex_api_request_phase_duration_seconds_count{phase=resolve,workspace=w}", None),
        ("hex_api_budget_wait_seconds_total{workspace=w}", Some(2.5)),
    ] {
        let told = page.value(series);
        assert!(told == value || (told.unwrap() - value.unwrap()).abs() < 1e-9, "{series}: {told:?}");
    }
    assert_eq!(page.series_of("hex_api_requests_total").len(), 2);
    let bounds: Vec<_> = page
        .labels_of("hex_api_request_duration_seconds")
        .filter_map(|labels| (labels["check"] == "identity").then(|| labels.get("le").cloned()).flatten())
        .collect();
    let expected = BTreeSet::from(["0.05", "0.1", "0.25", "0.5", "1", "2.5", "5", "10", "30", "+Inf"]);
    assert_eq!(bounds.iter().map(String::as_str).collect::<BTreeSet<_>>(), expected);
}

#[tokio::test(start_paused = true)]
async fn the_schedule_lag_is_the_worst_of_the_last_minute() {
    let script = Script::start(Vec::new());
    let own = own(&[]);
    let lag = || {
        let page = Page::parse(&metrics::page(&script.store.snapshot(), &own));
        page.value("hex_token_exporter_schedule_lag_seconds").unwrap()
    };
    own.woke_late(Duration::from_secs(4));
    own.woke_late(Duration::from_secs(1));
    assert_eq!(lag(), 4.0);
    advance(Duration::from_secs(61)).await;
    assert_eq!(lag(), 0.0);
}

#[tokio::test(start_paused = true)]
async fn what_is_no_longer_configured_is_gone_from_the_next_page() {
    let (production, staging) = (workspace("production"), workspace("staging"));
    let script = Script::start(vec![token("stays", &production), token("goes", &staging)]);
    let own = own(&["production", "staging"]);
    for workspace in ["production", "staging"] {
        request(&own, workspace, Check::Identity, 200, Reason::Ok);
    }
    let page = metrics::page(&script.store.snapshot(), &own);
    assert!(page.contains("\"goes\"") && page.contains("\"staging\""));

    script.configure(vec![token("stays", &production)]);
    own.retain_workspaces([name("production")]);
    // The last answers of what is gone bring nothing back.
    request(&own, "staging", Check::Identity, 200, Reason::Ok);
    own.budget_waited(&name("staging"), Duration::from_secs(1));
    let page = metrics::page(&script.store.snapshot(), &own);
    assert!(!page.contains("goes") && !page.contains("staging"), "{page}");
    let kept = "hex_api_requests_total{check=identity,code=200,workspace=production}";
    assert_eq!(Page::parse(&page).value(kept), Some(1.0));
}
