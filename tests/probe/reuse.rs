//! Connections are kept, and a closed one neither costs a probe nor a second request.

use std::{sync::Arc, time::Duration};

use hex_token_exporter::{
    domain::{Check, Failure, Observation, Workspace},
    probe::{HexProber, Prober},
};

use crate::{
    PATIENT, failed, prober, question,
    raw_upstream::{Step, TestCa, Upstream, answer},
    secret, workspace,
};

/// A client takes back a connection shortly after it hands out the answer, so a test asks until it did.
const PATIENCE: usize = 500;

fn ok() -> Vec<u8> {
    answer(200, &["content-type: application/json"], r#"{"org":{}}"#)
}

async fn identity(prober: &HexProber, workspace: &Arc<Workspace>) -> Observation {
    prober.ask(workspace, &secret(), question(Check::Identity)).await
}

/// Asks until a kept connection was used, each time after a configuration with this workspace.
async fn until_reused(prober: &HexProber, workspace: &Arc<Workspace>) -> Observation {
    for _ in 0..PATIENCE {
        prober.configure(PATIENT, std::slice::from_ref(workspace)).unwrap();
        let observation = identity(prober, workspace).await;
        assert_eq!(observation.status(), 200);
        if observation.phases.connect.is_none() {
            return observation;
        }
    }
    panic!("no connection was kept");
}

/// A round trip elsewhere: once it is done, what reached this process before has been noticed.
async fn round_trip() {
    let upstream = Upstream::start(|_| vec![Step::Serve(ok())]).await;
    let workspace = Arc::new(workspace(&upstream.origin("http")));
    assert_eq!(identity(&prober(PATIENT), &workspace).await.status(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kept_connection_has_no_phases_of_its_own() {
    let upstream = Upstream::start(|_| vec![Step::Serve(ok())]).await;
    let origin = format!("http://localhost:{}", upstream.address().port());
    let (prober, workspace) = (prober(PATIENT), Arc::new(workspace(&origin)));

    let first = identity(&prober, &workspace).await.phases;
    assert!(first.resolve.is_some() && first.connect.is_some());
    assert!(first.processing.is_some() && first.transfer.is_some());

    let kept = until_reused(&prober, &workspace).await;
    assert_eq!((kept.phases.resolve, kept.phases.connect), (None, None));
    assert!(kept.phases.processing.unwrap() + kept.phases.transfer.unwrap() <= kept.duration);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_the_server_closed_is_replaced_unseen() {
    let mut upstream = Upstream::start(|_| vec![Step::Serve(ok())]).await;
    let (prober, workspace) = (prober(PATIENT), Arc::new(workspace(&upstream.origin("http"))));
    until_reused(&prober, &workspace).await;
    let before = upstream.requests().len();

    upstream.hang_up().await;
    round_trip().await;
    let observation = identity(&prober, &workspace).await;
    assert_eq!(observation.status(), 200);
    assert!(observation.phases.connect.is_some());
    assert_eq!(upstream.requests().len(), before + 1);
}

/// Once a request was written, nobody can know whether it was received: it is not sent again.
#[tokio::test(flavor = "multi_thread")]
async fn a_request_lost_on_a_kept_connection_is_not_repeated() {
    let upstream = Upstream::start(|_| vec![Step::Request, Step::Send(ok()), Step::Request]).await;
    let (prober, workspace) = (prober(PATIENT), Arc::new(workspace(&upstream.origin("http"))));
    for asked in 1..PATIENCE {
        let observation = identity(&prober, &workspace).await;
        assert_eq!(upstream.requests().len(), asked);
        // The second request over a connection is lost.
        if let Some(failure) = failed(&observation) {
            assert_eq!(failure, Failure::Connect);
            return;
        }
    }
    panic!("no connection was kept");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_configuration_replaces_what_changed_and_keeps_the_rest() {
    let ca = TestCa::new();
    let mut upstream = Upstream::start_tls(ca.identity("127.0.0.1", 2999), |_| vec![Step::Serve(ok())]).await;
    let origin = upstream.origin("https");
    let trusting = |ca: &TestCa| Workspace { ca_pem: Some(ca.pem()), ..workspace(&origin) };
    let (old, prober) = (Arc::new(trusting(&ca)), prober(PATIENT));
    until_reused(&prober, &old).await;

    // Another budget is no other connection.
    let slower = Arc::new(Workspace { requests_per_minute: 1, ..trusting(&ca) });
    until_reused(&prober, &slower).await;

    // Another CA is, and ends those that the old one vouched for.
    let distrusting = Arc::new(trusting(&TestCa::new()));
    prober.configure(PATIENT, std::slice::from_ref(&distrusting)).unwrap();
    assert_eq!(failed(&identity(&prober, &distrusting).await), Some(Failure::Tls));
    upstream.all_closed().await;

    // A worker that still asks with the old settings gets its answer.
    assert_eq!(identity(&prober, &old).await.status(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_configuration_changes_nothing() {
    let upstream = Upstream::start(|_| vec![Step::Request, Step::Hang]).await;
    let good = Arc::new(workspace(&upstream.origin("http")));
    let bad = Arc::new(workspace("https://x.test/with/a/path"));
    let prober = prober(PATIENT);
    prober.configure(Duration::from_millis(200), std::slice::from_ref(&good)).unwrap();
    assert_eq!(prober.configure(PATIENT, &[Arc::clone(&good), bad]).unwrap_err().len(), 1);
    // The short timeout is still in force.
    assert_eq!(failed(&identity(&prober, &good).await), Some(Failure::Timeout));
}
