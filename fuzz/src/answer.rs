//! Answers of whatever stands where Hex should: sent over a socket to the real prober, classified, and
//! applied to the record of a token.
//!
//! An input is one answer or several, with a line `====` between them. Each begins with a line that names
//! the check that is asked; the rest is sent as it is, and the connection is closed.

use std::{str, sync::Arc, time::Duration};

use hex_token_exporter::{
    config::{Config, Environment, Source, load},
    domain::{
        Check, Credential, DigestKey, Name, Observation, Question, Reason, Secret, TokenState, Uuid,
        Workspace, classify, heard::Effects,
    },
    metrics::{self, OwnMetrics},
    probe::{HexProber, Prober},
    store::{Store, TokenView, report::Report},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    runtime::{Builder, Runtime},
};

use self::form::Form;
use super::{
    canary,
    clock::{START, StandingClock},
    config, scratch,
};

#[path = "answer_form.rs"]
mod form;

/// More answers tell nothing new.
const ANSWERS: usize = 6;

/// So that a 401 may be confirmed by the next one, and a denial by the next one.
const BETWEEN: Duration = Duration::from_secs(70);

/// Long: an answer that has ended and is still waited for is for libFuzzer to find.
const TIMEOUT: Duration = Duration::from_mins(1);

/// What is sent, and must come back in nothing.
const CREDENTIAL: &str = "hxtw_0c0ffee00c0ffee00c0ffee00c0ffee00c0ffee00c0ffee0";

const PROJECT: &str = "5a8591dd-4039-49df-9202-96385ba3eff8";

thread_local! {
    static STAND: Stand = Stand::new();
}

pub(crate) fn run(input: &[u8]) {
    STAND.with(|stand| stand.runtime.block_on(stand.hear(input)));
}

/// A prober, and what it takes for Hex.
struct Stand {
    runtime: Runtime,
    listener: TcpListener,
    prober: HexProber,
    config: Config,
    name: Name,
    secret: Secret,
}

impl Stand {
    fn new() -> Self {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let file = format!(
            "workspaces: {{main: {{url: 'http://{}'}}}}
tokens:
  airflow:
    credentials_file: a
    required_scopes: [projects_read, projects_run, users_read]
    projects: {{kpis: {PROJECT}}}
",
            listener.local_addr().unwrap()
        );
        let source = Source::File(scratch::file("asks.yaml", file));
        Self {
            runtime,
            listener,
            prober: HexProber::new(TIMEOUT, || START),
            config: load(&source, &Environment::default()).unwrap().config,
            name: Name::parse("airflow").unwrap(),
            secret: Secret::credential(CREDENTIAL).unwrap(),
        }
    }

    async fn hear(&self, input: &[u8]) {
        let clock = Arc::new(StandingClock::new());
        let store = Store::new(clock.clone(), DigestKey::from_bytes([7; 32]));
        let credential = Credential::Loaded { secret: self.secret.clone(), loaded_at: START };
        config::watch(&store, &self.config, |_| credential.clone(), |_, _| None);
        let workspace = self.config.workspaces.values().next().unwrap();
        let (mut rejections, mut acceptances) = (0, 0);
        for answer in parts(input).take(ANSWERS) {
            let Some((question, wire)) = asked(answer) else { return };
            clock.advance(BETWEEN);
            store.settle();
            let observation = self.ask(workspace, question, wire).await;
            let reason = is_justified(&observation, wire);
            let before = (store.token(&self.name).unwrap(), store.hex_now(&workspace.name));
            let effects = store.observe(&self.name, None, &observation).unwrap().effects;
            let after = (store.token(&self.name).unwrap(), store.hex_now(&workspace.name));
            if !reason.is_conclusive() {
                assert_eq!(before.1, after.1, "{reason:?} told the time");
                nothing_changed(&before.0, &after.0, effects);
            }
            rejections += usize::from(reason == Reason::Unauthorized);
            acceptances += usize::from(effects.accepted);
            let state = after.0.record.state();
            assert!(state != TokenState::Invalid || rejections >= 3, "dead by {rejections} rejections");
            assert!(state != TokenState::Valid || acceptances > 0, "valid, and never accepted");
        }
        let snapshot = store.snapshot();
        config::is_sound(&metrics::page(&snapshot, &Arc::new(OwnMetrics::new(0, 1).unwrap())));
        canary::no_secret(&serde_json::to_string(&Report::all(&snapshot)).unwrap(), "a report");
        let org = snapshot.tokens[0].record.org_id().unwrap_or_default();
        assert!(!org.chars().any(char::is_control), "an organisation that takes over a terminal: {org:?}");
        canary::no_token(org, "an organisation");
    }

    /// Asks for real, and answers with these bytes.
    async fn ask(&self, workspace: &Arc<Workspace>, question: Question, wire: &[u8]) -> Observation {
        tokio::select! {
            observation = self.prober.ask(workspace, &self.secret, question) => observation,
            () = self.answer(wire) => unreachable!("it answers whoever asks"),
        }
    }

    async fn answer(&self, wire: &[u8]) {
        loop {
            let (mut stream, _) = self.listener.accept().await.unwrap();
            let mut request = Vec::new();
            while !is_whole(&request) && stream.read_buf(&mut request).await.is_ok_and(|read| read > 0) {}
            // It may have hung up: it need not hear all.
            let _ = stream.write_all(wire).await;
            let _ = stream.shutdown().await;
        }
    }
}

/// Whether a request has ended. The dry run is the only one with a body.
fn is_whole(request: &[u8]) -> bool {
    let end = if request.starts_with(b"POST") { b"\"dryRun\": true}".as_slice() } else { b"\r\n\r\n" };
    request.ends_with(end)
}

fn parts(input: &[u8]) -> impl Iterator<Item = &[u8]> {
    const BETWEEN: &[u8] = b"\n====\n";
    let mut rest = Some(input);
    std::iter::from_fn(move || {
        let text = rest?;
        let end = text.windows(BETWEEN.len()).position(|window| window == BETWEEN);
        rest = end.map(|end| &text[end + BETWEEN.len()..]);
        Some(&text[..end.unwrap_or(text.len())])
    })
}

/// The question that is asked, and the answer to it.
fn asked(text: &[u8]) -> Option<(Question, &[u8])> {
    let end = text.iter().position(|byte| *byte == b'\n')?;
    let label = str::from_utf8(&text[..end]).ok()?;
    let check = Check::ALL.into_iter().find(|check| check.as_label() == label)?;
    let project = (Name::parse("kpis").unwrap(), Uuid::parse(PROJECT).unwrap());
    let question = Question { run: Some(project.1.clone()), project: Some(project), ..Question::of(check) };
    Some((question, &text[end + 1..]))
}

/// What it means; which, where it is conclusive, must be plain to see.
fn is_justified(observation: &Observation, wire: &[u8]) -> Reason {
    let outcome = classify(observation);
    canary::no_token(&format!("{observation:?} {outcome:?}"), "an observation");
    let reason = outcome.reason;
    if reason.is_conclusive()
        && let Some(form) = Form::read(wire)
    {
        assert_eq!(form.status(), observation.status(), "of another status");
        assert!(form.allows(reason, observation.question.check), "{reason:?} by what Hex would not send");
    }
    reason
}

/// Of the token nothing may change but that it was asked.
fn nothing_changed(before: &TokenView, after: &TokenView, effects: Effects) {
    let known = |view: &TokenView| {
        let record = &view.record;
        let project = record.project(&Name::parse("kpis").unwrap());
        let scopes = Check::ALL.map(|check| check.scope().and_then(|scope| record.scope(scope)));
        let told = (record.told(), record.org_id().map(str::to_owned), record.projects_seen(), record.kind());
        (record.state(), record.state_since(), record.life(), record.pending(), told, scopes, project)
    };
    assert_eq!(known(before), known(after), "an inconclusive answer changed something");
    assert!(effects.change.is_none() && !effects.accepted && !effects.revived);
}
