//! The live world of one stack: the scenario, and what time, requests and tests made of it.

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use axum::http::StatusCode;
use jiff::{SignedDuration, Timestamp, fmt::rfc2822::DateTimePrinter};
use tokio::time::Instant;

use super::{
    auth::Keyring,
    behaviour::{Behaviour, Limits},
    credential::{TokenKind, trace_id, uuid},
    durations::Lifetime,
    faults::{Fault, FaultBook, Plight, Target},
    kernel::{Run, RunStatus},
    limits::Limiter,
    scenario::{Project, Role, Stack, Token, User, Workspace},
};

/// So many requests are remembered; older ones are forgotten first.
const LOG_LENGTH: usize = 10_000;

/// A personal token must expire; Hex offers 7 to 120 days.
const PERSONAL_LIFETIME: Lifetime = Lifetime::In(SignedDuration::from_hours(90 * 24));

/// A stack while it runs. The public fields and methods change it under running clients.
#[expect(missing_debug_implementations, reason = "it holds the values of all tokens")]
pub struct World {
    /// As in the scenario.
    pub behaviour: Behaviour,
    /// As in the scenario.
    pub limits: Limits,
    /// As in the scenario.
    pub workspaces: BTreeMap<String, Workspace>,
    /// As in the scenario.
    pub users: BTreeMap<String, User>,
    /// As in the scenario.
    pub projects: BTreeMap<String, Project>,
    pub(super) keyring: Keyring,
    pub(super) runs: Vec<Run>,
    pub(super) limiter: Limiter,
    pub(super) base_url: String,
    faults: FaultBook,
    log: VecDeque<Received>,
    forgotten: usize,
    ids: u64,
    origin: Instant,
    started: Timestamp,
    first_offset: SignedDuration,
}

/// One request as the fake saw it. It never holds a credential.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    /// Since the start of the fake.
    pub at: Duration,
    /// In capitals.
    pub method: String,
    /// As asked for.
    pub path_and_query: String,
    /// The token's name, where its value is or was one of ours.
    pub token: Option<String>,
    /// The status of the answer; `None` while there is none, for a reset or hanging connection for
    /// ever.
    pub status: Option<u16>,
}

/// There is no token of that name.
#[derive(Debug, thiserror::Error)]
#[error("the fake has no token called {0}")]
pub struct UnknownToken(String);

impl World {
    pub(super) fn new(stack: Stack, base_url: String) -> Self {
        let mut world = Self {
            first_offset: stack.behaviour.clock_offset,
            behaviour: stack.behaviour,
            limits: stack.limits,
            workspaces: stack.workspaces,
            users: stack.users,
            projects: stack.projects,
            keyring: Keyring::default(),
            runs: Vec::new(),
            limiter: Limiter::default(),
            base_url,
            faults: FaultBook::default(),
            log: VecDeque::new(),
            forgotten: 0,
            ids: 0,
            origin: Instant::now(),
            started: wall_clock(),
        };
        for (name, token) in stack.tokens {
            world.keyring.add(&name, token);
        }
        for fault in stack.faults {
            world.add_fault(fault);
        }
        world
    }

    // --- for tests and the demo ---

    /// The token called `name`, to change it: revoke it, narrow its scopes, move its expiry.
    pub fn token(&mut self, name: &str) -> Result<&mut Token, UnknownToken> {
        self.keyring.get_mut(name).ok_or_else(|| UnknownToken(name.to_owned()))
    }

    /// Adds a token, or replaces the one of that name.
    pub fn add_token(&mut self, name: &str, token: Token) {
        self.keyring.add(name, token);
    }

    /// The value of the token called `name` that is good now.
    pub fn credential(&self, name: &str) -> Result<String, UnknownToken> {
        self.keyring.value(name, self.elapsed()).ok_or_else(|| UnknownToken(name.to_owned()))
    }

    /// Gives the token called `name` a new value, which it answers, and refuses the old one from
    /// now on.
    pub fn regenerate(&mut self, name: &str) -> Result<String, UnknownToken> {
        self.keyring.regenerate(name);
        self.credential(name)
    }

    /// Refuses the token called `name` from now on.
    pub fn revoke(&mut self, name: &str) -> Result<(), UnknownToken> {
        self.token(name)?.revoked = true;
        Ok(())
    }

    /// Arms a fault; its `after` counts from now.
    pub fn add_fault(&mut self, fault: Fault) {
        let now = self.elapsed();
        self.faults.arm(fault, now);
    }

    /// Ends all faults, those of the scenario among them.
    pub fn clear_faults(&mut self) {
        self.faults.clear();
    }

    /// Gives every user a full allowance again.
    pub fn reset_limits(&mut self) {
        self.limiter.reset();
    }

    /// The real runs so far, and how each stands. Dry runs are none.
    pub fn runs(&self) -> Vec<(Run, RunStatus)> {
        let now = self.elapsed();
        let with_status = |run: &Run| (run.clone(), run.status(now));
        self.runs.iter().map(with_status).collect()
    }

    // --- time ---

    /// Since the start.
    pub(super) fn elapsed(&self) -> Duration {
        self.origin.elapsed()
    }

    /// The date by this stack's clock.
    pub(super) fn now(&self) -> Timestamp {
        self.date_at(self.elapsed(), self.behaviour.clock_offset)
    }

    /// The date at which something happened that long after the start.
    pub(super) fn date_of(&self, since_start: Duration) -> Timestamp {
        self.date_at(since_start, self.behaviour.clock_offset)
    }

    /// When the token expires by this stack's clock. Later changes of the clock do not move it.
    pub(super) fn expiry_of(&self, token: &Token) -> Option<Timestamp> {
        let lifetime = token.expires_in.unwrap_or(match token.kind {
            TokenKind::Personal => PERSONAL_LIFETIME,
            TokenKind::Workspace => Lifetime::Never,
        });
        match lifetime {
            Lifetime::Never => None,
            Lifetime::In(duration) => {
                let start = self.date_at(Duration::ZERO, self.first_offset);
                Some(shift(start, duration))
            }
        }
    }

    fn date_at(&self, since_start: Duration, offset: SignedDuration) -> Timestamp {
        let since_start = SignedDuration::try_from(since_start).unwrap_or(SignedDuration::MAX);
        shift(shift(self.started, since_start), offset)
    }

    /// The date in that long from now, as HTTP headers write it.
    pub(super) fn http_date(&self, from_now: Duration) -> String {
        let date = self.date_of(self.elapsed() + from_now);
        // Fails only before the year 0.
        DateTimePrinter::new().timestamp_to_rfc9110_string(&date).unwrap_or_default()
    }

    // --- names and ids ---

    pub(super) fn resolve_workspace(&self, named: Option<&String>) -> String {
        named.or_else(|| self.workspaces.keys().next()).cloned().unwrap_or_default()
    }

    pub(super) fn role(&self, user: &str) -> Role {
        self.users.get(user).cloned().unwrap_or_default().role
    }

    pub(super) fn next_uuid(&mut self) -> String {
        self.ids += 1;
        uuid(&format!("{} {}", self.base_url, self.ids))
    }

    pub(super) fn next_trace_id(&mut self) -> String {
        self.ids += 1;
        trace_id(&format!("{} {}", self.base_url, self.ids))
    }

    // --- requests ---

    /// Notes a request and says what befalls it. The number is for [`World::answered`].
    pub(super) fn arrived(&mut self, target: &Target<'_>, path_and_query: &str) -> (usize, Plight) {
        let at = self.elapsed();
        if self.log.len() == LOG_LENGTH {
            self.log.pop_front();
            self.forgotten += 1;
        }
        self.log.push_back(Received {
            at,
            method: target.method.to_owned(),
            path_and_query: path_and_query.to_owned(),
            token: target.token.map(ToOwned::to_owned),
            status: None,
        });
        let number = self.forgotten + self.log.len() - 1;
        (number, self.faults.strike(target, at))
    }

    pub(super) fn answered(&mut self, number: usize, status: StatusCode) {
        let entry = number.checked_sub(self.forgotten).and_then(|index| self.log.get_mut(index));
        if let Some(entry) = entry {
            entry.status = Some(status.as_u16());
        }
    }

    pub(super) fn requests(&self) -> Vec<Received> {
        self.log.iter().cloned().collect()
    }
}

fn shift(date: Timestamp, by: SignedDuration) -> Timestamp {
    date.saturating_add(by).unwrap_or(if by.is_negative() { Timestamp::MIN } else { Timestamp::MAX })
}

#[expect(
    clippy::disallowed_methods,
    reason = "the fake plays a server with a clock of its own, and uses nothing else of this crate"
)]
fn wall_clock() -> Timestamp {
    Timestamp::now()
}
