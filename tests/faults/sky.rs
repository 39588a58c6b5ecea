//! Everything between the exporter and Hex, and Hex behind it: decides what each request meets, and keeps
//! the note that the rules are checked against.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, mpsc},
    time::Duration,
};

use hex_token_exporter::{
    clock::Clock,
    domain::{Check, Digest, DigestKey, Observation, Question, Secret, Workspace},
    probe::{HexProber, Prober},
};
use jiff::Timestamp;

use crate::{
    catalogue::{Fault, Weather},
    chance::Chance,
    elsewhere::Elsewhere,
    hex::{self, Account, Accounts},
    raw_upstream::{Dialogue, Step, Upstream},
    script,
};

/// Longer than any answer over loopback takes, so that a fault that unexpectedly lasts shows and no run
/// hangs.
const NOT_YET_LASTING: Duration = Duration::from_secs(20);

/// One request and what it met.
#[derive(Debug, Clone)]
pub(crate) struct Ask {
    /// When it began, by uptime.
    pub(crate) began: Duration,
    pub(crate) credential: String,
    pub(crate) check: Check,
    pub(crate) fault: Fault,
}

/// See the module.
pub(crate) struct Sky {
    seed: u64,
    pub(crate) key: DigestKey,
    clock: Arc<dyn Clock>,
    inner: Mutex<Inner>,
}

struct Inner {
    accounts: Accounts,
    weather: Weather,
    credentials: BTreeMap<Digest, String>,
    asked: BTreeMap<String, u64>,
    /// What the request under way of each credential meets.
    fates: BTreeMap<String, (Fault, Chance)>,
    asks: Vec<Ask>,
    /// Until when requests may rest because a 429, or a spent quota, said so.
    paused_until: Duration,
}

impl fmt::Debug for Sky {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sky").field("seed", &self.seed).finish_non_exhaustive()
    }
}

impl Sky {
    pub(crate) fn new(seed: u64, clock: Arc<dyn Clock>) -> Self {
        let inner = Inner {
            accounts: Accounts::new(),
            weather: Weather::fair(),
            credentials: BTreeMap::new(),
            asked: BTreeMap::new(),
            fates: BTreeMap::new(),
            asks: Vec::new(),
            paused_until: Duration::ZERO,
        };
        Self { seed, key: DigestKey::from_bytes([7; 32]), clock, inner: Mutex::new(inner) }
    }

    /// Makes a credential known to Hex, or changes what Hex knows of it.
    pub(crate) fn account(&self, credential: &str, account: Account) {
        let digest = Secret::credential(credential).unwrap().digest(&self.key);
        let mut inner = self.lock();
        inner.credentials.insert(digest, credential.to_owned());
        inner.accounts.insert(credential.to_owned(), account);
    }

    pub(crate) fn set_weather(&self, weather: Weather) {
        self.lock().weather = weather;
    }

    pub(crate) fn paused_until(&self) -> Duration {
        self.lock().paused_until
    }

    /// What was asked from the `from`-th request on.
    pub(crate) fn asks(&self, from: usize) -> Vec<Ask> {
        self.lock().asks[from..].to_vec()
    }

    /// What answers in Hex's place.
    pub(crate) fn dialogue(self: &Arc<Self>) -> Dialogue {
        let sky = self.clone();
        Dialogue::new(move |request| sky.answer(request))
    }

    fn answer(&self, request: &str) -> Vec<Step> {
        let date = self.hex_date();
        let mut inner = self.lock();
        let credential = hex::credential(request).unwrap_or_default();
        let told = hex::answer(&inner.accounts, request, date);
        let mut opposite = inner.accounts.clone();
        if let Some(account) = opposite.get_mut(credential) {
            account.alive = !account.alive;
        }
        let lie = hex::answer(&opposite, request, date);
        let Some((fault, chance)) = inner.fates.get_mut(credential) else { return vec![Step::Reset] };
        match fault {
            Fault::RateLimited => {
                let (steps, pause) = script::rate_limited(chance);
                inner.pause(self.clock.now().up + pause);
                steps
            }
            Fault::QuotaSpent => {
                let steps = script::steps(*fault, &told, &lie, request, chance);
                inner.pause(self.clock.now().up + Duration::from_mins(1));
                steps
            }
            _ => script::steps(*fault, &told, &lie, request, chance),
        }
    }

    /// Hex's clock, which nobody here can move.
    fn hex_date(&self) -> Timestamp {
        let up = i64::try_from(self.clock.now().up.as_secs()).unwrap();
        Timestamp::from_second(crate::stage::START + up).unwrap()
    }

    /// Decides what the next request of a credential meets. It depends on the seed and on how often the
    /// credential was used, not on who comes first.
    fn cast(&self, digest: Digest) -> (String, Fault) {
        let mut inner = self.lock();
        let credential = inner.credentials[&digest].clone();
        let times = inner.asked.entry(credential.clone()).or_default();
        *times += 1;
        let letters = credential.bytes().map(u64::from).collect::<Vec<_>>();
        let mut chance = Chance::of(self.seed, &[letters, vec![*times]].concat());
        let fault = inner.weather.meets(&mut chance);
        inner.fates.insert(credential.clone(), (fault, chance));
        (credential, fault)
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap()
    }
}

impl Inner {
    fn pause(&mut self, until: Duration) {
        self.paused_until = self.paused_until.max(until);
    }
}

/// The real prober, under that sky. Time stands still while an answer is on its way, so that hours of
/// schedule pass in moments over real sockets; where only a timeout ends a request, time goes on.
pub(crate) struct Outside {
    pub(crate) real: HexProber,
    pub(crate) sky: Arc<Sky>,
    pub(crate) elsewhere: Elsewhere,
    /// Holds Hex.
    pub(crate) _hex: Upstream,
}

impl Prober for Outside {
    async fn ask(&self, workspace: &Arc<Workspace>, secret: &Secret, question: Question) -> Observation {
        let (credential, fault) = self.sky.cast(secret.digest(&self.sky.key));
        let (began, check) = (self.sky.clock.now().up, question.check);
        let elsewhere = self.elsewhere.instead_of(workspace, fault);
        let workspace = elsewhere.map_or_else(|| workspace.clone(), Arc::new);
        let still = (!fault.lasts()).then(stop_time);
        let observation = self.real.ask(&workspace, secret, question).await;
        drop(still);
        self.sky.lock().asks.push(Ask { began, credential, check, fault });
        observation
    }
}

/// Holds paused time where it is for as long as the sender lives: tokio does not advance it while
/// a blocking task runs.
fn stop_time() -> mpsc::Sender<()> {
    let (sender, receiver) = mpsc::channel();
    tokio::task::spawn_blocking(move || receiver.recv_timeout(NOT_YET_LASTING));
    sender
}
