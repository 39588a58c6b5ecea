//! The stage: a scripted Hex, tokens that are watched, and a clock that is wound by hand.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use hex_token_exporter::{
    clock::{Clock, ManualClock},
    domain::{
        Answer, Body, Cadence, Check, Credential, DigestKey, Exp, Facts, Failure, Moment, Name, Observation,
        Observer, Phases, Question, RequestEnded, Scope, Secret, Seen, TokenSpec, TokenState, Uuid,
        Workspace, heard::Remembered,
    },
    lifecycle::Tasks,
    probe::Prober,
    schedule::{Assignment, Scheduler, Settings, plan},
    store::{Store, TokenView},
};
use jiff::Timestamp;
use tokio::time::{Instant, sleep};

/// How the scripted Hex answers: by credential, question and the time since the curtain rose.
pub(crate) type Script = dyn Fn(&str, &Question, Duration) -> Reply + Send + Sync;

/// One answer of the scripted Hex.
#[derive(Debug, Clone)]
pub(crate) enum Reply {
    /// `/users/me`, with `token.exp`.
    Me(Exp),
    /// What the check is after.
    Fine,
    /// 401.
    Unauthorized,
    /// 403 in Hex's form.
    Forbidden,
    /// 403 that names a plan.
    Plan,
    /// 404 in Hex's form.
    NotFound,
    /// An unpublished project.
    Unpublished,
    /// 503.
    Down,
    /// 429, with `Retry-After` in seconds.
    Slow(u64),
    /// No answer at all.
    Silent,
}

/// One request that reached the scripted Hex.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Asked {
    pub(crate) at: Duration,
    pub(crate) token: String,
    pub(crate) check: Check,
}

#[derive(Clone)]
struct Hex {
    script: Arc<Mutex<Arc<Script>>>,
    asked: Arc<Mutex<Vec<Asked>>>,
    started: Instant,
    date: Timestamp,
}

impl Prober for Hex {
    async fn ask(&self, _: &Arc<Workspace>, secret: &Secret, question: Question) -> Observation {
        let credential = reveal(secret);
        let at = self.started.elapsed();
        self.asked.lock().unwrap().push(Asked { at, token: credential.clone(), check: question.check });
        sleep(Duration::from_millis(100)).await;
        let script = self.script.lock().unwrap().clone();
        let reply = script(&credential, &question, at);
        let date = self.date.checked_add(self.started.elapsed()).unwrap();
        let seen = seen(&reply, &question, date);
        Observation { question, seen, duration: Duration::from_millis(100), phases: Phases::default() }
    }
}

/// The scripted Hex tells tokens apart by their credential, as the real one does.
fn reveal(secret: &Secret) -> String {
    #[expect(clippy::disallowed_methods, reason = "the far end of the wire")]
    secrecy::ExposeSecret::expose_secret(secret).to_owned()
}

fn seen(reply: &Reply, question: &Question, date: Timestamp) -> Seen {
    let object = |error_form, names_plan, facts| Body::Object {
        error_form,
        names_plan,
        expected_key: !error_form,
        facts,
    };
    let run = Uuid::parse("78c33d18-170c-44d3-a227-b3194f134f73");
    let me = |exp| Facts::Identity { exp, org_id: Some("acme".to_owned()), describes_user: false };
    let (status, body) = match reply {
        Reply::Silent => return Seen::Failed(Failure::Timeout),
        Reply::Me(exp) => (200, object(false, false, me(*exp))),
        Reply::Fine => {
            let facts = match question.check {
                Check::Identity => me(Exp::Absent),
                Check::ProjectVisible => Facts::Project { unavailable: false },
                Check::ProjectsRun => Facts::Run { id: run },
                _ => Facts::None,
            };
            (200, object(false, false, facts))
        }
        Reply::Unpublished => (200, object(false, false, Facts::Project { unavailable: true })),
        Reply::Unauthorized => (401, Body::UnauthorizedText),
        Reply::Forbidden => (403, object(true, false, Facts::None)),
        Reply::Plan => (403, object(true, true, Facts::None)),
        Reply::NotFound => (404, object(true, false, Facts::None)),
        Reply::Down => (503, Body::Other),
        Reply::Slow(_) => (429, Body::Other),
    };
    Seen::Answer(Answer {
        status,
        json_content: true,
        bearer_challenge: false,
        cached: false,
        date: Some(date),
        retry_after: if let Reply::Slow(seconds) = reply {
            Some(Duration::from_secs(*seconds))
        } else {
            None
        },
        quota: None,
        moved_within_hex: false,
        body,
    })
}

#[derive(Debug)]
struct Deaf;

impl Observer for Deaf {
    fn request_ended(&self, _: &RequestEnded<'_>) {}
    fn budget_waited(&self, _: &Name, _: Duration) {}
    fn woke_late(&self, _: Duration) {}
}

/// The stage, set.
pub(crate) struct Stage {
    hex: Hex,
    store: Arc<Store>,
    scheduler: Scheduler<Hex>,
    tasks: Tasks,
    pub(crate) cadence: Cadence,
    workspace: Arc<Workspace>,
    tokens: BTreeMap<String, (TokenSpec, Credential)>,
}

/// When every story begins.
pub(crate) fn dawn() -> Timestamp {
    "2026-11-24T08:00:00Z".parse().unwrap()
}

impl Stage {
    pub(crate) fn new(
        requests_per_minute: u32,
        script: impl Fn(&str, &Question, Duration) -> Reply + Send + Sync + 'static,
    ) -> Self {
        Self::with_clock(requests_per_minute, Arc::new(ManualClock::at(dawn())), script)
    }

    /// A stage whose local clock may be wrong; Hex's never is.
    pub(crate) fn with_clock(
        requests_per_minute: u32,
        clock: Arc<dyn Clock>,
        script: impl Fn(&str, &Question, Duration) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let script: Arc<Script> = Arc::new(script);
        let hex = Hex {
            script: Arc::new(Mutex::new(script)),
            asked: Arc::default(),
            started: Instant::now(),
            date: dawn(),
        };
        let store = Arc::new(Store::new(clock.clone(), DigestKey::from_bytes([7; 32])));
        let tasks = Tasks::new();
        let scheduler =
            Scheduler::new(hex.clone(), store.clone(), clock, Arc::new(Deaf), tasks.clone(), || {});
        let workspace = Arc::new(Workspace {
            name: name("acme"),
            origin: "https://hex.test".to_owned(),
            org_id: None,
            requests_per_minute,
            ca_pem: None,
            proxy: None,
        });
        let cadence = Cadence::default();
        Self { hex, store, scheduler, tasks, cadence, workspace, tokens: BTreeMap::new() }
    }

    /// Adds a token whose credential is its name.
    pub(crate) fn token(mut self, token: &str, scopes: &[Scope], projects: &[&str]) -> Self {
        let id = |index: usize| Uuid::parse(&format!("5a8591dd-4039-49df-9202-{index:012x}")).unwrap();
        let spec = TokenSpec {
            name: name(token),
            workspace: self.workspace.clone(),
            required_scopes: scopes.iter().copied().collect(),
            projects: projects
                .iter()
                .enumerate()
                .map(|(index, project)| (name(project), id(index)))
                .collect(),
            least_privilege: false,
            expires_at: None,
            token_owner: None,
            rotate_url: None,
            expiry_warning: Duration::from_hours(24 * 14),
            expiry_critical: Duration::from_hours(24 * 3),
        };
        self.tokens.insert(token.to_owned(), (spec, credential(token)));
        self
    }

    /// Raises the curtain.
    pub(crate) fn begin(self) -> Self {
        self.conform(|_| None);
        self
    }

    /// The same, after an earlier process that remembered its tokens so.
    pub(crate) fn begin_remembering(self, remembered: Remembered) -> Self {
        self.conform(|_| Some(remembered));
        self
    }

    /// Replaces a token's credential.
    pub(crate) fn rotate(&mut self, token: &str, new: &str) {
        self.tokens.get_mut(token).unwrap().1 = credential(new);
        self.conform(|_| None);
    }

    /// Gives a token another name.
    pub(crate) fn rename(&mut self, token: &str, new: &str) {
        let (mut spec, credential) = self.tokens.remove(token).unwrap();
        spec.name = name(new);
        self.tokens.insert(new.to_owned(), (spec, credential));
        self.conform(|_| None);
    }

    fn conform(&self, remembered: impl Fn(&TokenSpec) -> Option<Remembered>) {
        let demand: f64 =
            self.tokens.values().map(|(spec, _)| plan::demand(spec, &self.cadence).per_minute()).sum();
        let tokens = || self.tokens.values().map(|(spec, it)| (Arc::new(spec.clone()), it.clone()));
        self.store
            .conform(self.cadence, [(self.workspace.clone(), demand)], tokens(), |spec, _| remembered(spec));
        let settings = Settings { cadence: self.cadence, max_concurrency: 16 };
        let assignments = tokens().map(|(spec, credential)| Assignment { spec, credential }).collect();
        self.scheduler.reconcile(settings, std::slice::from_ref(&self.workspace), assignments);
    }

    /// Changes how Hex answers from now on.
    pub(crate) fn script(&self, script: impl Fn(&str, &Question, Duration) -> Reply + Send + Sync + 'static) {
        *self.hex.script.lock().unwrap() = Arc::new(script);
    }

    /// Lets the time pass until so long after the curtain rose, judging as the housekeeping does.
    pub(crate) async fn until(&self, time: Duration) {
        while self.hex.started.elapsed() < time {
            let left = time.saturating_sub(self.hex.started.elapsed());
            sleep(left.min(Duration::from_secs(2))).await;
            self.store.settle();
        }
    }

    /// Asks for the due checks of a token now.
    pub(crate) async fn probe_now(&self, token: &str) {
        self.scheduler.probe_now(&name(token)).unwrap().await.unwrap();
    }

    pub(crate) fn view(&self, token: &str) -> Arc<TokenView> {
        self.store.token(&name(token)).unwrap()
    }

    pub(crate) fn state(&self, token: &str) -> TokenState {
        self.view(token).record.state()
    }

    pub(crate) fn api_up(&self) -> Option<bool> {
        self.store.snapshot().workspaces[0].api_up
    }

    pub(crate) fn dry_run_unsafe(&self) -> bool {
        self.store.snapshot().workspaces[0].dry_run_unsafe
    }

    /// The requests so far.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.hex.asked.lock().unwrap().clone()
    }

    /// When a token was asked one thing, in whole seconds.
    pub(crate) fn times(&self, token: &str, check: Check) -> Vec<u64> {
        let of = |asked: &&Asked| asked.token == token && asked.check == check;
        self.asked().iter().filter(of).map(|asked| asked.at.as_secs()).collect()
    }

    /// Lowers the curtain: everything ends well.
    pub(crate) async fn end(self) {
        assert!(self.tasks.finish(Duration::from_secs(10)).await, "a task has died");
    }
}

pub(crate) fn name(text: &str) -> Name {
    Name::parse(text).unwrap()
}

fn credential(text: &str) -> Credential {
    Credential::Loaded { secret: Secret::credential(text).unwrap(), loaded_at: dawn() }
}

/// A local clock that is wrong by so many seconds.
#[derive(Debug)]
pub(crate) struct WrongClock(pub(crate) ManualClock, pub(crate) i64);

impl Clock for WrongClock {
    fn now(&self) -> Moment {
        let right = self.0.now();
        let at = right.at.checked_add(jiff::SignedDuration::from_secs(self.1)).unwrap();
        Moment { at, up: right.up }
    }
}

pub(crate) fn minutes(minutes: u64) -> Duration {
    Duration::from_mins(minutes)
}

pub(crate) fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// `token.exp`, so many seconds after the curtain rose.
pub(crate) fn exp_after(seconds: i64) -> Exp {
    #[expect(clippy::cast_precision_loss, reason = "seconds since 1970 are far below 2^53")]
    Exp::Number((dawn().as_second() + seconds) as f64)
}
