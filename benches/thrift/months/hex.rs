//! Hex as the month has it: answers from the month, and counts what arrives.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use hex_token_exporter::{
    clock::Clock,
    domain::{
        Answer, Body, Check, Digest, DigestKey, Exp, Facts, Failure, Observation, Phases, Question, Secret,
        Seen, Uuid, Workspace,
    },
    probe::Prober,
};
use tokio::time::sleep;

use super::month::{Month, Right};

const LATENCY: Duration = Duration::from_millis(150);

/// What arrived.
#[derive(Debug, Clone, Default)]
pub(crate) struct Ledger {
    /// Requests, by what they asked.
    pub(crate) requests: BTreeMap<Check, u64>,
    /// The most in any minute.
    pub(crate) most_in_a_minute: usize,
    minute: VecDeque<Duration>,
    runs: u64,
}

impl Ledger {
    fn note(&mut self, check: Check, at: Duration) {
        *self.requests.entry(check).or_default() += 1;
        self.minute.push_back(at);
        while self.minute.front().is_some_and(|first| *first + Duration::from_mins(1) <= at) {
            self.minute.pop_front();
        }
        self.most_in_a_minute = self.most_in_a_minute.max(self.minute.len());
    }
}

/// The prober of the schedule.
#[derive(Debug, Clone)]
pub(crate) struct Hex {
    pub(crate) month: Arc<Month>,
    pub(crate) clock: Arc<dyn Clock>,
    ledger: Arc<Mutex<Ledger>>,
    /// Which credential of which token it is.
    known: Arc<BTreeMap<Digest, (usize, usize)>>,
    key: DigestKey,
}

impl Hex {
    pub(crate) fn new(month: Arc<Month>, clock: Arc<dyn Clock>) -> Self {
        let key = DigestKey::from_bytes([3; 32]);
        let mut known = BTreeMap::new();
        for (token, tokens_month) in month.tokens.iter().enumerate() {
            for credential in 0..tokens_month.credentials.len() {
                known.insert(secret(token, credential).digest(&key), (token, credential));
            }
        }
        Self { month, clock, ledger: Arc::default(), known: Arc::new(known), key }
    }

    pub(crate) fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn answer(&self, token: usize, credential: usize, check: Check, at: Duration) -> Seen {
        let lacks = |right| !self.month.grants(token, right, at);
        if self.month.is_out(at) {
            // An outage has many faces; all of them mean the same.
            return match at.as_secs() % 3 {
                0 => Seen::Failed(Failure::Connect),
                1 => object(503, Facts::None),
                _ => answer(502, Body::Html),
            };
        }
        if self.month.rejects(token, credential, at) {
            return answer(401, Body::UnauthorizedText);
        }
        match check {
            Check::Identity => object(
                200,
                Facts::Identity { exp: self.expiry(token, credential), org_id: None, describes_user: false },
            ),
            Check::GroupsRead if lacks(Right::Scope) => object(403, Facts::None),
            Check::ProjectsRun if lacks(Right::Run) => object(403, Facts::None),
            Check::ProjectsRead => object(200, Facts::Projects { count: 1, more: false }),
            Check::ProjectVisible => object(200, Facts::Project { unavailable: false }),
            Check::ProjectsRun => {
                let mut ledger = self.ledger();
                ledger.runs += 1;
                let id = Uuid::parse(&format!("00000000-0000-7000-8000-{:012x}", ledger.runs));
                object(201, Facts::Run { id })
            }
            Check::DryRunGuard => object(404, Facts::None),
            _ => object(200, Facts::None),
        }
    }

    fn expiry(&self, token: usize, credential: usize) -> Exp {
        let credential = self.month.tokens[token].credentials[credential];
        let Some(dies) = credential.dies.filter(|_| credential.expires) else { return Exp::Null };
        let now = self.clock.now();
        #[expect(clippy::cast_precision_loss, reason = "dates of this century are exact")]
        let start = now.at.as_second() as f64 - now.up.as_secs_f64();
        Exp::Number((start + dies.as_secs_f64()).round())
    }
}

impl Prober for Hex {
    async fn ask(&self, _: &Arc<Workspace>, secret: &Secret, question: Question) -> Observation {
        let start = self.clock.now();
        self.ledger().note(question.check, start.up);
        let (token, credential) = self.known.get(&secret.digest(&self.key)).copied().unwrap_or_default();
        sleep(LATENCY).await;
        let now = self.clock.now();
        let mut seen = self.answer(token, credential, question.check, now.up);
        if let Seen::Answer(answer) = &mut seen {
            answer.date = Some(now.at);
        }
        Observation { question, seen, duration: now.since(start), phases: Phases::default() }
    }
}

/// A credential of a token.
pub(crate) fn secret(token: usize, credential: usize) -> Secret {
    Secret::opaque(&format!("hxtw_the-credential-{credential}-of-token-{token}"))
}

fn object(status: u16, facts: Facts) -> Seen {
    let refused = status >= 400;
    answer(status, Body::Object { error_form: refused, names_plan: false, expected_key: !refused, facts })
}

fn answer(status: u16, body: Body) -> Seen {
    Seen::Answer(Answer {
        json_content: matches!(body, Body::Object { .. }),
        bearer_challenge: matches!(body, Body::UnauthorizedText),
        ..Answer::bare(status, body)
    })
}
