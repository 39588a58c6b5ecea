//! Probes over real sockets: what is sent, what comes of every answer, and of none.

#![expect(clippy::unwrap_used, reason = "what cannot be set up is a failed test")]

#[path = "probe/bounds.rs"]
mod bounds;
#[path = "support/raw_upstream.rs"]
#[expect(dead_code, reason = "conversations are for the fault campaign")]
mod raw_upstream;
#[path = "probe/reading.rs"]
mod reading;
#[path = "probe/request.rs"]
mod request;
#[path = "probe/reuse.rs"]
mod reuse;
#[path = "probe/secrecy.rs"]
mod secrecy;
#[path = "probe/transport.rs"]
mod transport;

use std::{sync::Arc, time::Duration};

use hex_token_exporter::{
    domain::{Answer, Check, Failure, Name, Observation, Question, Secret, Seen, Uuid, Workspace},
    probe::{HexProber, Prober},
};
use jiff::Timestamp;
use raw_upstream::{Step, Upstream};

const PROJECT: &str = "5a8591dd-4039-49df-9202-96385ba3eff8";
const RUN: &str = "78c33d18-170c-44d3-a227-b3194f134f73";

/// What the random part of the test's token is made of.
const RANDOM: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855d1c7e6a90f5b3d28";

/// Long enough for any machine; tests of the timeout bring their own.
const PATIENT: Duration = Duration::from_secs(30);

fn token() -> String {
    format!("hxtw_{RANDOM}")
}

fn secret() -> Secret {
    Secret::credential(&token()).unwrap()
}

fn workspace(origin: &str) -> Workspace {
    Workspace::new(Name::parse("production").unwrap(), origin)
}

fn prober(timeout: Duration) -> HexProber {
    HexProber::new(timeout, || "2026-11-24T08:00:00Z".parse::<Timestamp>().unwrap())
}

fn question(check: Check) -> Question {
    let (name, id) = (Name::parse("kpi").unwrap(), Uuid::parse(PROJECT).unwrap());
    Question { run: Uuid::parse(RUN), ..Question::about(check, &name, &id) }
}

/// Asks one question with a prober of its own.
async fn ask(workspace: Workspace, check: Check) -> Observation {
    prober(PATIENT).ask(&Arc::new(workspace), &secret(), question(check)).await
}

/// The identity as it is seen of an upstream that plays this script once.
async fn identity_of(steps: Vec<Step>) -> Observation {
    let upstream = Upstream::start(move |_| steps.clone()).await;
    let observation = ask(workspace(&upstream.origin("http")), Check::Identity).await;
    assert_eq!(upstream.connections(), 1, "one probe, one connection");
    assert!(upstream.requests().len() <= 1, "one probe, one request");
    observation
}

/// The identity as it is seen when these bytes are the answer.
async fn identity(bytes: impl Into<Vec<u8>>) -> Observation {
    identity_of(vec![Step::Request, Step::Send(bytes.into())]).await
}

fn answered(observation: Observation) -> Answer {
    match observation.seen {
        Seen::Answer(answer) => answer,
        Seen::Failed(failure) => panic!("no answer: {failure:?}"),
    }
}

fn failed(observation: &Observation) -> Option<Failure> {
    match observation.seen {
        Seen::Answer(_) => None,
        Seen::Failed(failure) => Some(failure),
    }
}
