//! The guard against a stack that ignores `dryRun`: its first dry run of each project is checked for having
//! started a real one, and until that is known no other goes out.

use std::{
    collections::BTreeSet,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use super::plan::RUN_RETRY;
use crate::domain::{Answer, Body, Cadence, Facts, Failure, Name, Observation, Seen, Uuid};

/// How long a token leaves the turn to each that has had none for longer.
const TURN: Duration = Duration::from_secs(1);

/// How long a workspace's dry runs rest after one that may have been a real run, and of which nothing is known:
/// less than the one that made it, so that another is made by the next.
pub(super) fn rest_of_dry_runs(cadence: &Cadence) -> Duration {
    RUN_RETRY.min(cadence.run_interval) * 5 / 6
}

/// What is known of a workspace's dry runs since the start.
#[derive(Debug, Default)]
pub(super) struct DryRuns(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    ignored: bool,
    /// The token whose dry run is being looked into.
    proving: Option<Name>,
    proven: BTreeSet<Uuid>,
    /// Until when, by uptime, none goes out, since nothing is known of the last one.
    rest_until: Duration,
    /// Who made such ones, the last at the end.
    unclear: Vec<Name>,
}

impl DryRuns {
    /// From when on, by uptime, this token may make one. `None`: not before something is proven or given up.
    pub(super) fn may_start(&self, token: &Name) -> Option<Duration> {
        let inner = self.lock();
        (!inner.ignored && inner.proving.is_none()).then(|| inner.rest_of(token))
    }

    /// Whether the stack was seen to ignore `dryRun`.
    pub(super) fn are_ignored(&self) -> bool {
        self.lock().ignored
    }

    /// Asks to dry-run a project, at this uptime. `None`: not now. `Some(true)`: the first of this project, which
    /// must be followed by [`Self::proven`], [`Self::ignored`], [`Self::unclear`] or [`Self::release`].
    pub(super) fn claim(&self, token: &Name, project: &Uuid, now: Duration) -> Option<bool> {
        let mut inner = self.lock();
        if inner.ignored || inner.proving.is_some() || now < inner.rest_of(token) {
            return None;
        }
        let first = !inner.proven.contains(project);
        if first {
            inner.proving = Some(token.clone());
        }
        Some(first)
    }

    /// The dry run of this project has started no run.
    pub(super) fn proven(&self, token: &Name, project: &Uuid) {
        let mut inner = self.lock();
        inner.proven.insert(project.clone());
        inner.unclear.clear();
        inner.release(token);
    }

    /// A dry run has started a real run: there will be no other.
    pub(super) fn ignored(&self) {
        let mut inner = self.lock();
        inner.ignored = true;
        inner.proving = None;
    }

    /// The dry run may have started a run, and nothing tells which: all rest until then.
    pub(super) fn unclear(&self, token: &Name, rest_until: Duration) {
        let mut inner = self.lock();
        inner.rest_until = rest_until;
        inner.unclear.retain(|other| other != token);
        inner.unclear.push(token.clone());
        inner.release(token);
    }

    /// What this token was to prove stays unproven. Whether there was anything, for which others may wait.
    pub(super) fn release(&self, token: &Name) -> bool {
        self.lock().release(token)
    }

    /// A reload gives dry runs a new chance, and asks for new proof. Whether there were none any more.
    pub(super) fn reset(&self) -> bool {
        let mut inner = self.lock();
        inner.proven.clear();
        inner.rest_until = Duration::ZERO;
        inner.unclear.clear();
        std::mem::take(&mut inner.ignored)
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    /// Until when a token rests: a little longer, the later it had its turn.
    fn rest_of(&self, token: &Name) -> Duration {
        let turn = self.unclear.iter().position(|other| other == token).map_or(0, |index| index + 1);
        self.rest_until + TURN * u32::try_from(turn).unwrap_or(u32::MAX)
    }

    fn release(&mut self, token: &Name) -> bool {
        self.proving.take_if(|prover| prover == token).is_some()
    }
}

/// What a dry run has made at Hex, as far as its answer tells.
pub(super) enum Made {
    /// This run: a dummy, unless the stack ignored `dryRun`.
    Dummy(Uuid),
    /// None: it was refused, or did not reach Hex.
    Nothing,
    /// A run or none, and if so, nobody knows which.
    Unclear,
}

/// What this dry run has made.
pub(super) fn made(dry_run: &Observation) -> Made {
    match &dry_run.seen {
        Seen::Failed(Failure::Timeout | Failure::Connect | Failure::Protocol) => Made::Unclear,
        Seen::Answer(Answer { status: 200..=299, body, .. }) => match body {
            Body::Object { facts: Facts::Run { id: Some(run) }, .. } => Made::Dummy(run.clone()),
            _ => Made::Unclear,
        },
        // Hex's own word that it has no room for a run.
        Seen::Answer(Answer { status: 503, body: Body::Object { error_form: true, .. }, .. }) => {
            Made::Nothing
        }
        Seen::Answer(answer) if answer.status >= 500 => Made::Unclear,
        Seen::Failed(_) | Seen::Answer(_) => Made::Nothing,
    }
}
