//! Fleets of healthy tokens, for what is measured by their number.

use std::{sync::Arc, time::Duration};

use hex_token_exporter::{
    clock::Clock,
    domain::{
        Answer, Body, Cadence, Check, Credential, DigestKey, Exp, Facts, Name, Observation, Phases, Question,
        Scope, Secret, Seen, TokenSpec, Workspace,
    },
    probe::Prober,
    schedule::Assignment,
    store::Store,
};
use jiff::Timestamp;

/// So many tokens of one workspace, each with one required scope.
pub(crate) struct Fleet {
    pub(crate) workspace: Arc<Workspace>,
    pub(crate) tokens: Vec<Assignment>,
}

impl Fleet {
    pub(crate) fn of(tokens: usize) -> Self {
        let workspace = Arc::new(Workspace {
            // Not to be what is measured.
            requests_per_minute: 10_000_000,
            ..Workspace::new(name("acme"), "https://app.hex.tech")
        });
        let spec = |index| TokenSpec {
            required_scopes: [Scope::ProjectsRead].into(),
            token_owner: Some("data-platform".to_owned()),
            rotate_url: Some("https://wiki.example.com/rotate-hex".to_owned()),
            ..TokenSpec::new(name(&format!("token-{index:06}")), workspace.clone())
        };
        let tokens = (0..tokens).map(spec).map(|spec| Assignment {
            credential: Credential::Loaded {
                secret: Secret::opaque(&format!("hexish-{}-{}", spec.name, "0123456789".repeat(8))),
                loaded_at: Timestamp::UNIX_EPOCH,
            },
            spec: Arc::new(spec),
        });
        Self { tokens: tokens.collect(), workspace }
    }

    /// A store that has these tokens and has heard nothing of them.
    pub(crate) fn unheard(&self, clock: Arc<dyn Clock>) -> Store {
        let store = Store::new(clock, DigestKey::from_bytes([1; 32]));
        self.conform(&store);
        store
    }

    /// Makes these the tokens that a store knows.
    pub(crate) fn conform(&self, store: &Store) {
        let tokens = self.tokens.iter().map(|token| (token.spec.clone(), token.credential.clone()));
        store.conform(Cadence::default(), [(self.workspace.clone(), 1.0)], tokens, |_, _| None);
    }

    /// A store that has heard of all of them that all is well.
    pub(crate) fn heard(&self, clock: Arc<dyn Clock>) -> Store {
        let store = self.unheard(clock);
        for token in &self.tokens {
            let intervals = [(Check::Identity, 300), (Check::ProjectsRead, 3_600)];
            let intervals = intervals.map(|(check, seconds)| (check, Duration::from_secs(seconds)));
            store.note_intervals(&token.spec.name, intervals.into_iter().collect());
            for check in [Check::Identity, Check::ProjectsRead] {
                let _ = store.observe(&token.spec.name, None, &fine(Question::of(check)));
            }
        }
        store
    }
}

fn name(text: &str) -> Name {
    Name::parse(text).unwrap_or_else(|_| panic!("{text} is a name"))
}

/// The answer that a healthy token gets.
pub(crate) fn fine(question: Question) -> Observation {
    let facts = match question.check {
        Check::Identity => Facts::Identity {
            exp: Exp::Number(1_900_000_000.0),
            org_id: Some("0195fa0d-a0b5-7001-b18f-ec09baa16d1a".into()),
            describes_user: false,
        },
        _ => Facts::Projects { count: 1, more: true },
    };
    let seen = Seen::Answer(Answer {
        json_content: true,
        ..Answer::bare(200, Body::Object { error_form: false, names_plan: false, expected_key: true, facts })
    });
    Observation { question, seen, duration: Duration::from_micros(123_456), phases: Phases::default() }
}

/// A Hex that answers everybody at once that all is well.
pub(crate) struct Instantly;

impl Prober for Instantly {
    async fn ask(&self, _: &Arc<Workspace>, _: &Secret, question: Question) -> Observation {
        fine(question)
    }
}
