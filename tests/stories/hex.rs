//! A Hex that follows a script: what it answers is edited while time runs.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use hex_token_exporter::{
    clock::Clock,
    domain::{
        Answer, Body, Check, Digest, DigestKey, Exp, Facts, Failure, Observation, Phases, Question, Quota,
        Scope, Secret, Seen, Uuid, Workspace,
    },
    probe::Prober,
};
use jiff::SignedDuration;
use tokio::time::{Instant, sleep};

/// The organisation of every account, unless it says otherwise.
pub(crate) const ORG: &str = "0195fa0d-a0b5-7001-b18f-ec09baa16d1a";

/// One token as Hex knows it.
#[derive(Debug, Clone)]
pub(crate) struct Account {
    pub(crate) dead: bool,
    pub(crate) exp: Exp,
    pub(crate) org: Option<String>,
    pub(crate) describes_user: bool,
    pub(crate) scopes: BTreeSet<Scope>,
    /// Scopes that the plan does not include.
    pub(crate) beyond_plan: BTreeSet<Scope>,
    pub(crate) projects: BTreeMap<Uuid, Project>,
    /// What it meets in place of any answer.
    pub(crate) fault: Option<Fault>,
    /// What a check meets in place of its answer.
    pub(crate) faults: BTreeMap<Check, Fault>,
}

impl Default for Account {
    fn default() -> Self {
        Self {
            dead: false,
            exp: Exp::Null,
            org: Some(ORG.to_owned()),
            describes_user: false,
            scopes: Scope::ALL.into(),
            beyond_plan: BTreeSet::new(),
            projects: BTreeMap::new(),
            fault: None,
            faults: BTreeMap::new(),
        }
    }
}

/// A project as one token sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Project {
    Published,
    Unpublished,
    /// It may be seen and not be run.
    NotRunnable,
    /// It may be seen, and a dry run does not find it.
    NotFoundToRun,
}

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Hex's own refusal, in its newer form.
    Status(u16),
    /// Something before Hex refuses, with a web page.
    Page(u16),
    /// No answer.
    Lost(Failure),
    /// 429.
    RateLimited(Option<Duration>),
    /// What was asked for, and a header that says that nothing is left.
    Spent(Option<Duration>),
    /// JSON 200 of another shape.
    OtherShape,
    /// A cache answers.
    Cached,
}

/// One request that came in.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    pub(crate) start: Duration,
    pub(crate) end: Duration,
    /// The text by which the story knows the credential.
    pub(crate) credential: String,
    pub(crate) check: Check,
    pub(crate) project: Option<String>,
    pub(crate) status: u16,
    pub(crate) origin: String,
}

/// The script.
#[derive(Debug)]
pub(crate) struct Script {
    pub(crate) accounts: BTreeMap<String, Account>,
    /// Every request meets this.
    pub(crate) outage: Option<Fault>,
    pub(crate) latency: Duration,
    /// A stack that takes its own time.
    pub(crate) slow: Option<(&'static str, Duration)>,
    /// Hex's clock minus the exporter's, as its `Date` tells it. `None`: no `Date`.
    pub(crate) skew: Option<SignedDuration>,
    /// Whether the stack has `/users/me`.
    pub(crate) has_identity: bool,
    /// Whether a dry run stays one.
    pub(crate) honours_dry_run: bool,
    /// What a request for a run that does not exist meets.
    pub(crate) no_such_run: Fault,
    pub(crate) real_runs: usize,
    /// Projects of which no dry run is answered.
    pub(crate) unanswered: BTreeSet<Uuid>,
    pub(crate) calls: Vec<Call>,
    in_flight: BTreeMap<String, usize>,
    runs: u128,
}

#[derive(Debug)]
pub(crate) struct Hex {
    clock: Arc<dyn Clock>,
    started: Instant,
    key: DigestKey,
    secrets: Mutex<BTreeMap<Digest, String>>,
    script: Mutex<Script>,
}

/// The prober of the scheduler: a handle, since the scheduler owns its prober.
#[derive(Debug, Clone)]
pub(crate) struct Scripted(pub(crate) Arc<Hex>);

impl Hex {
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Arc<Self> {
        Arc::new(Self {
            clock,
            started: Instant::now(),
            key: DigestKey::from_bytes([3; 32]),
            secrets: Mutex::default(),
            script: Mutex::new(Script {
                accounts: BTreeMap::new(),
                outage: None,
                latency: Duration::from_millis(20),
                slow: None,
                skew: Some(SignedDuration::ZERO),
                has_identity: true,
                honours_dry_run: true,
                no_such_run: Fault::Status(404),
                real_runs: 0,
                unanswered: BTreeSet::new(),
                calls: Vec::new(),
                in_flight: BTreeMap::new(),
                runs: 0,
            }),
        })
    }

    /// Makes the script read or changed.
    pub(crate) fn script(&self) -> MutexGuard<'_, Script> {
        self.script.lock().unwrap()
    }

    pub(crate) fn knows(&self, secret: &Secret, text: &str) {
        self.secrets.lock().unwrap().insert(secret.digest(&self.key), text.to_owned());
    }
}

impl Prober for Scripted {
    async fn ask(&self, workspace: &Arc<Workspace>, secret: &Secret, question: Question) -> Observation {
        let hex = &self.0;
        let credential = hex.secrets.lock().unwrap()[&secret.digest(&hex.key)].clone();
        let start = hex.started.elapsed();
        let latency = {
            let mut script = hex.script();
            let running = script.in_flight.entry(credential.clone()).or_default();
            *running += 1;
            match script.slow {
                Some((origin, latency)) if workspace.origin == origin => latency,
                _ => script.latency,
            }
        };
        sleep(latency).await;
        let mut script = hex.script();
        *script.in_flight.get_mut(&credential).unwrap() -= 1;
        let mut seen = script.answer(&credential, &question);
        if let (Seen::Answer(answer), Some(skew)) = (&mut seen, script.skew) {
            answer.date = Some(hex.clock.now().at.checked_add(skew).unwrap());
        }
        let duration = hex.started.elapsed().saturating_sub(start);
        let observation = Observation { question, seen, duration, phases: Phases::default() };
        script.calls.push(Call {
            start,
            end: hex.started.elapsed(),
            credential,
            check: observation.question.check,
            project: observation.question.project_name().map(ToString::to_string),
            status: observation.status(),
            origin: workspace.origin.clone(),
        });
        observation
    }
}

impl Script {
    pub(crate) fn account(&mut self, credential: &str) -> &mut Account {
        self.accounts.get_mut(credential).unwrap()
    }

    /// How many requests have begun and not ended.
    pub(crate) fn under_way(&self) -> usize {
        self.in_flight.values().sum()
    }

    fn answer(&mut self, credential: &str, question: &Question) -> Seen {
        let account =
            self.accounts.get(credential).cloned().unwrap_or(Account { dead: true, ..Account::default() });
        let check = question.check;
        let fault = self.outage.or(account.fault);
        if let Some(fault) = fault {
            return fault.seen();
        }
        if account.dead {
            return unauthorized();
        }
        if let Some(fault) = account.faults.get(&check) {
            return fault.seen();
        }
        if check == Check::ProjectsRun
            && question.project.as_ref().is_some_and(|(_, id)| self.unanswered.contains(id))
        {
            return Fault::Lost(Failure::Timeout).seen();
        }
        if let Some(scope) = check.scope() {
            if account.beyond_plan.contains(&scope) {
                return object(403, false, true, Facts::None);
            }
            if !account.scopes.contains(&scope) {
                return Fault::Status(403).seen();
            }
        }
        let project = question.project.as_ref().map(|(_, id)| account.projects.get(id).copied());
        match (check, project) {
            (Check::Identity, _) if !self.has_identity => Fault::Status(404).seen(),
            (Check::Identity, _) => object(
                200,
                true,
                false,
                Facts::Identity {
                    exp: account.exp,
                    org_id: account.org.as_deref().map(Into::into),
                    describes_user: account.describes_user,
                },
            ),
            (Check::ProjectsRead, _) => object(
                200,
                true,
                false,
                Facts::Projects { count: account.projects.len().min(1), more: false },
            ),
            (_, Some(None)) | (Check::ProjectsRun, Some(Some(Project::NotFoundToRun))) => {
                Fault::Status(404).seen()
            }
            (Check::ProjectVisible, Some(Some(project))) => {
                object(200, true, false, Facts::Project { unavailable: project == Project::Unpublished })
            }
            (Check::ProjectsRun, Some(Some(Project::Unpublished))) => Fault::Status(422).seen(),
            (Check::ProjectsRun, Some(Some(Project::NotRunnable))) => Fault::Status(403).seen(),
            (Check::ProjectsRun, _) => {
                self.runs += 1;
                self.real_runs += usize::from(!self.honours_dry_run);
                let id = Uuid::parse(&format!("00000000-0000-7000-8000-{:012x}", self.runs));
                object(201, true, false, Facts::Run { id })
            }
            (Check::DryRunGuard, _) if self.honours_dry_run => self.no_such_run.seen(),
            _ => object(200, true, false, Facts::None),
        }
    }
}

impl Fault {
    pub(crate) fn seen(self) -> Seen {
        match self {
            Self::Status(status) => object(status, false, false, Facts::None),
            Self::Page(status) => answer(status, Body::Html),
            Self::Lost(failure) => Seen::Failed(failure),
            Self::RateLimited(pause) => {
                let Seen::Answer(answer) = object(429, false, false, Facts::None) else { unreachable!() };
                Seen::Answer(Answer { retry_after: pause, ..answer })
            }
            Self::Spent(reset_in) => {
                let facts = Facts::Identity { exp: Exp::Absent, org_id: None, describes_user: false };
                let Seen::Answer(answer) = object(200, true, false, facts) else { unreachable!() };
                Seen::Answer(Answer { quota: Some(Quota { remaining: 0, reset_in }), ..answer })
            }
            Self::OtherShape => answer(200, Body::OtherJson),
            Self::Cached => {
                let Seen::Answer(answer) = object(200, true, false, Facts::None) else { unreachable!() };
                Seen::Answer(Answer { cached: true, ..answer })
            }
        }
    }
}

fn unauthorized() -> Seen {
    let Seen::Answer(plain) = answer(401, Body::UnauthorizedText) else { unreachable!() };
    Seen::Answer(Answer { bearer_challenge: true, json_content: false, ..plain })
}

fn object(status: u16, expected_key: bool, names_plan: bool, facts: Facts) -> Seen {
    answer(status, Body::Object { error_form: status >= 400 && !names_plan, names_plan, expected_key, facts })
}

fn answer(status: u16, body: Body) -> Seen {
    Seen::Answer(Answer { json_content: !matches!(body, Body::Html), ..Answer::bare(status, body) })
}
