//! A store whose tokens were asked by script: what the tests of everything that is shown start from.

use std::{collections::BTreeMap, fmt::Write, sync::Arc, time::Duration};

use hex_token_exporter::{
    clock::ManualClock,
    domain::{
        Answer, Body, Cadence, Check, Credential, DigestKey, Exp, Facts, Name, Observation, Phases, Question,
        Scope, Secret, Seen, TokenSpec, Uuid, Workspace,
    },
    store::Store,
};
use jiff::Timestamp;

/// When the scripts start: 2026-09-21T14:13:20Z.
pub(crate) const START: i64 = 1_790_000_000;

pub(crate) fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(seconds).unwrap()
}

pub(crate) fn name(text: &str) -> Name {
    Name::parse(text).unwrap()
}

pub(crate) fn workspace(called: &str) -> Arc<Workspace> {
    Arc::new(Workspace::new(name(called), format!("https://{called}.hex.example")))
}

pub(crate) fn token(called: &str, workspace: &Arc<Workspace>) -> TokenSpec {
    TokenSpec::new(name(called), workspace.clone())
}

/// A token that requires runs of two projects.
pub(crate) fn runner(called: &str, workspace: &Arc<Workspace>) -> TokenSpec {
    TokenSpec {
        required_scopes: [Scope::ProjectsRead, Scope::ProjectsRun].into(),
        projects: [(name("kpis"), project("a")), (name("churn"), project("b"))].into(),
        ..token(called, workspace)
    }
}

fn project(digit: &str) -> Uuid {
    Uuid::parse(&format!("{}-4039-49df-9202-96385ba3eff8", digit.repeat(8))).unwrap()
}

/// A credential of its own for each name, under one of Hex's prefixes.
fn credential(prefix: &str, name: &Name) -> Credential {
    let mut text = format!("{prefix}_");
    for byte in name.as_str().bytes().cycle().take(48) {
        write!(text, "{byte:02x}").unwrap();
    }
    let secret = Secret::credential(&text).unwrap();
    Credential::Loaded { secret, loaded_at: at(START - 86_400) }
}

/// A store and those who are asked by script.
pub(crate) struct Script {
    pub(crate) store: Arc<Store>,
}

impl Script {
    /// Starts at [`START`], with these tokens. One whose name begins with `personal` is a personal one.
    pub(crate) fn start(tokens: Vec<TokenSpec>) -> Self {
        let clock = Arc::new(ManualClock::at(at(START)));
        let script = Self { store: Arc::new(Store::new(clock, DigestKey::from_bytes([7; 32]))) };
        script.configure(tokens);
        script
    }

    /// Makes these the tokens that are known.
    pub(crate) fn configure(&self, tokens: Vec<TokenSpec>) {
        let workspaces: BTreeMap<Name, Arc<Workspace>> =
            tokens.iter().map(|spec| (spec.workspace.name.clone(), spec.workspace.clone())).collect();
        let tokens = tokens.into_iter().map(|spec| {
            let personal = spec.name.as_str().starts_with("personal");
            let credential = credential(if personal { "hxtp" } else { "hxtw" }, &spec.name);
            (Arc::new(spec), credential)
        });
        let planned = workspaces.into_values().map(|workspace| (workspace, 2.5));
        self.store.conform(Cadence::default(), planned, tokens, |_, _| None);
    }

    /// A probe has seen this.
    pub(crate) fn see(&self, token: &str, check: Check, seen: Seen) {
        self.observe(token, Question::of(check), seen);
    }

    /// A probe of one of the token's projects has seen this.
    pub(crate) fn see_project(&self, token: &str, check: Check, project: &str, seen: Seen) {
        let spec = self.store.token(&name(token)).unwrap().spec.clone();
        let (project, id) = spec.projects.get_key_value(&name(project)).unwrap();
        self.observe(token, Question::about(check, project, id), seen);
    }

    fn observe(&self, token: &str, question: Question, seen: Seen) {
        let duration = Duration::from_millis(250);
        let observation = Observation { question, seen, duration, phases: Phases::default() };
        self.store.observe(&name(token), None, &observation).unwrap();
    }
}

/// An answer of Hex, of a status and with the facts of a 200.
pub(crate) fn answer(status: u16, facts: Facts) -> Seen {
    let ok = status < 300;
    Seen::Answer(Answer {
        json_content: true,
        ..Answer::bare(status, Body::Object { error_form: !ok, names_plan: false, expected_key: ok, facts })
    })
}

/// A plain answer of Hex.
pub(crate) fn status(status: u16) -> Seen {
    answer(status, Facts::None)
}

/// `/users/me` of a token that expires then.
pub(crate) fn identity(exp: Exp) -> Seen {
    answer(200, Facts::Identity { exp, org_id: None, describes_user: false })
}
