//! What is known now: the single source for the metrics, the API, the page and the command line.
//!
//! Every outcome enters through [`Store::observe`], every reader leaves with a [`Snapshot`]. The lock is
//! held briefly and never over an await.

mod conclusion;
pub mod history;
mod labels;
mod peers;
pub mod persist;
pub mod report;
mod succession;
pub mod view;
mod workspace;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use jiff::Timestamp;
use tracing::{info, warn};

use succession::{continued, fresh, is_untouched, renames, same_stack};
pub use view::{Counts, CredentialView, ReloadStatus, Sighting, Snapshot, TokenView, WorkspaceView};
use workspace::{Tally, WorkspaceRecord};

use crate::{
    clock::Clock,
    domain::{
        Cadence, Check, Course, Credential, Digest, DigestKey, Kind, Moment, Name, Observation, Reason,
        Secret, TokenSpec, TokenState, Workspace, classify,
        heard::{Effects, Heard, Remembered},
        life::Peers,
        outcome::rate_limit_pause,
    },
};

/// All that is known.
#[derive(Debug)]
pub struct Store {
    clock: Arc<dyn Clock>,
    key: DigestKey,
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    cadence: Cadence,
    tokens: BTreeMap<Name, Arc<TokenView>>,
    workspaces: BTreeMap<Name, WorkspaceRecord>,
    reload: ReloadStatus,
}

/// What an observation brought about.
#[derive(Debug, Default)]
pub struct Observed {
    /// Why the outcome is what it is.
    pub reason: Option<Reason>,
    /// Whether Hex itself answered.
    pub by_hex: bool,
    /// What changed for the token itself.
    pub effects: Effects,
    /// Other tokens that are now due.
    pub wake: Vec<Name>,
    /// How long the workspace's other requests must pause too: two of its tokens were told to.
    pub workspace_pause: Option<Duration>,
}

impl Observed {
    /// Whether Hex has answered a question about a run with "there is none that you may see".
    pub fn knows_no_run(&self) -> bool {
        let course = |reason| Course::of(Check::DryRunGuard, reason, self.by_hex, false);
        self.reason.is_some_and(|reason| course(reason) == Course::Well)
    }
}

impl Store {
    /// An empty store. `key` tells credentials apart; it is the state file's where there is one.
    pub fn new(clock: Arc<dyn Clock>, key: DigestKey) -> Self {
        let reload = ReloadStatus { successful: true, last_success: clock.now().at };
        let inner = Inner {
            cadence: Cadence::default(),
            tokens: BTreeMap::new(),
            workspaces: BTreeMap::new(),
            reload,
        };
        Self { clock, key, inner: Mutex::new(inner) }
    }

    /// The key under which credentials are told apart.
    pub fn digest_key(&self) -> &DigestKey {
        &self.key
    }

    /// Makes the configured tokens the ones that are known. A token keeps its record while its workspace
    /// and credential stay the same, under whatever name; `remembered` is asked about the rest.
    pub fn conform(
        &self,
        cadence: Cadence,
        workspaces: impl IntoIterator<Item = (Arc<Workspace>, f64)>,
        tokens: impl IntoIterator<Item = (Arc<TokenSpec>, Credential)>,
        remembered: impl Fn(&TokenSpec, &Digest) -> Option<Remembered>,
    ) {
        // Outside the lock, which no probe waits for longer than it must.
        let tokens: Vec<_> = tokens.into_iter().map(|(spec, it)| (spec, self.describe(&it), it)).collect();
        let now = self.clock.now();
        let mut inner = self.lock();
        inner.cadence = cadence;
        let mut known = std::mem::take(&mut inner.workspaces);
        for (spec, planned) in workspaces {
            let of_stack = |record: &WorkspaceRecord| record.spec.origin == spec.origin;
            let its_own = known.get(&spec.name).is_some_and(of_stack);
            let record = if its_own && let Some(before) = known.remove(&spec.name) {
                before.with(spec.clone(), planned)
            } else if let Some(other) =
                known.values().chain(inner.workspaces.values()).find(|it| of_stack(it))
            {
                other.beside(spec.clone(), planned)
            } else {
                WorkspaceRecord::new(spec.clone(), planned)
            };
            inner.workspaces.insert(spec.name.clone(), record);
        }
        let mut before = std::mem::take(&mut inner.tokens);
        let renamed = renames(&before, &tokens);
        let mut views = Vec::with_capacity(tokens.len());
        for (spec, credential, source) in tokens {
            let kind = match &source {
                Credential::Loaded { secret, .. } => secret.kind(),
                Credential::Unreadable(_) => Kind::Unknown,
            };
            let same_name = before.remove(&spec.name).filter(|view| same_stack(&view.spec, &spec));
            let known = same_name.or_else(|| renamed.get(&spec.name).cloned());
            let hex_now = inner.hex_now(&spec.workspace.name, now);
            let view = match known {
                Some(known) if is_untouched(&known, &spec, credential, hex_now) => known,
                known => {
                    let mut view = match &known {
                        Some(known) => continued(known, &spec, credential, kind, now, &remembered),
                        None => fresh(&spec, credential, kind, now, &remembered),
                    };
                    let before = known.as_ref().map_or(&spec, |known| &known.spec);
                    view.record.conform(before, &spec, |check| spec.asks(check), now, hex_now);
                    Arc::new(view)
                }
            };
            if let Some(workspace) = inner.workspaces.get_mut(&spec.workspace.name) {
                workspace.note_trouble(&spec.name, &view.record);
            }
            views.push((spec.name.clone(), view));
        }
        // At once, which fills a tree's nodes; one after the other leaves half of them empty.
        inner.tokens = views.into_iter().collect();
    }

    /// Notes how a load of the configuration went.
    pub fn note_reload(&self, status: ReloadStatus) {
        self.lock().reload = status;
    }

    /// Takes in what a probe saw, which has sent this credential to this workspace, or nothing. `None`:
    /// there is no such token any more, or it has another credential, workspace or project by now. What
    /// was answered about the old one must not be told of the new.
    pub fn observe(
        &self,
        name: &Name,
        sent: Option<(&Workspace, &Secret)>,
        observation: &Observation,
    ) -> Option<Observed> {
        let sent = sent.map(|(workspace, secret)| (&workspace.origin, secret.digest(&self.key)));
        let now = self.clock.now();
        let mut outcome = classify(observation);
        let mut guard = self.lock();
        let inner = &mut *guard;
        let cadence = inner.cadence;
        let view = inner.tokens.get(name)?;
        let spec = view.spec.clone();
        let is_current = sent.is_none_or(|(origin, digest)| {
            *origin == spec.workspace.origin && Some(digest) == view.credential.digest
        });
        let project = observation.question.project.as_ref();
        // A worker hears of a credential that is readable again after the store has.
        let is_mended = outcome.reason == Reason::CredentialUnreadable && view.credential.problem.is_none();
        if !is_current || is_mended || project.is_some_and(|(name, id)| spec.projects.get(name) != Some(id)) {
            return None;
        }
        let workspace = inner.workspaces.get_mut(&spec.workspace.name)?;
        workspace.hear(observation, &outcome, now);
        workspace.share_org_id(&mut outcome.facts);
        let mut observed =
            Observed { reason: Some(outcome.reason), by_hex: outcome.by_hex, ..Observed::default() };
        if let Some(pause) = rate_limit_pause(observation) {
            observed.workspace_pause = workspace.rate_limited(name, pause, now);
        }
        let peers = match outcome.reason {
            Reason::Unauthorized => inner.peers(inner.tokens.get(name)?, now),
            _ => Peers::default(),
        };
        let hex_now = inner.hex_now(&spec.workspace.name, now);
        let heard = Heard {
            question: &observation.question,
            outcome: &outcome,
            status: observation.status(),
            duration: observation.duration,
            now,
            hex_now,
            dated: observation.date().map_or(hex_now, |date| date.max(hex_now)),
            peers,
        };
        let view = Arc::make_mut(inner.tokens.get_mut(name)?);
        observed.effects = view.record.apply(&heard, &spec, &cadence);
        if let Some(workspace) = inner.workspaces.get_mut(&spec.workspace.name) {
            workspace.note_trouble(name, &view.record);
        }
        view.last_probe = Some(now.at);
        let entry = history::Entry {
            at: now.at,
            check: observation.question.check,
            project: observation.question.project_name().cloned(),
            reason: outcome.reason,
            by_hex: outcome.by_hex,
            status: observation.status(),
            duration: observation.duration,
        };
        view.counts.count((view.course(&entry) != Course::Well).then_some(outcome.reason));
        view.history.push(entry);
        if observed.effects.accepted {
            observed.wake = inner.wake_peers(name, &spec.workspace.name, observed.effects.revived, now);
        } else if outcome.reason == Reason::Unauthorized {
            observed.wake.extend(inner.call_witness(name));
        }
        Some(observed)
    }

    /// Takes a token's pending rejection for confirmed.
    pub fn confirm_rejection(&self, name: &Name) {
        let now = self.clock.now();
        let mut guard = self.lock();
        let inner = &mut *guard;
        let Some(spec) = inner.tokens.get(name).map(|view| view.spec.clone()) else { return };
        let hex_now = inner.hex_now(&spec.workspace.name, now);
        if let Some(view) = inner.tokens.get_mut(name) {
            let view = Arc::make_mut(view);
            view.record.confirm_rejection(&spec, now, hex_now);
            if let Some(workspace) = inner.workspaces.get_mut(&spec.workspace.name) {
                workspace.note_trouble(name, &view.record);
            }
        }
    }

    /// Notes the intervals in force of a token's checks.
    pub fn note_intervals(&self, name: &Name, intervals: Arc<[(Check, Duration)]>) {
        let mut guard = self.lock();
        let inner = &mut *guard;
        if let Some(view) = inner.tokens.get_mut(name)
            && let Some(workspace) = inner.workspaces.get_mut(&view.spec.workspace.name)
        {
            Arc::make_mut(view).intervals = workspace.share_intervals(intervals);
        }
    }

    /// Notes until when, by uptime, Hex has asked to leave a token alone.
    pub fn note_pause(&self, name: &Name, until: Duration) {
        if let Some(view) = self.lock().tokens.get_mut(name) {
            let view = Arc::make_mut(view);
            view.paused_until = view.paused_until.max(until);
        }
    }

    /// Judges all tokens anew as time passes. Returns the changes.
    pub fn settle(&self) -> Vec<(Name, TokenState, TokenState)> {
        let now = self.clock.now();
        let mut guard = self.lock();
        let inner = &mut *guard;
        let mut changes = Vec::new();
        let hex_now: BTreeMap<Name, Timestamp> =
            inner.workspaces.keys().map(|name| (name.clone(), inner.hex_now(name, now))).collect();
        for view in inner.tokens.values_mut() {
            let hex_now = hex_now.get(&view.spec.workspace.name).copied().unwrap_or(now.at);
            if crate::domain::state::judge(&view.record, &view.spec, hex_now) != view.record.state() {
                let view = Arc::make_mut(view);
                if let Some((before, after)) = view.record.settle(&view.spec, now, hex_now) {
                    changes.push((view.spec.name.clone(), before, after));
                }
            }
        }
        changes
    }

    /// A reload gives the dry runs of all workspaces a new chance.
    pub fn reset_dry_runs(&self) {
        for record in self.lock().workspaces.values_mut() {
            record.dry_run_unsafe = false;
        }
    }

    /// Notes that a dry run of this workspace started a real run.
    pub fn note_dry_run_unsafe(&self, workspace: &Name) {
        if let Some(record) = self.lock().workspaces.get_mut(workspace) {
            record.dry_run_unsafe = true;
        }
    }

    /// One token now.
    pub fn token(&self, name: &Name) -> Option<Arc<TokenView>> {
        self.lock().tokens.get(name).cloned()
    }

    /// One token for somebody who shows it.
    pub fn sight(&self, name: &str) -> Option<Sighting> {
        let now = self.clock.now();
        let inner = self.lock();
        let token = inner.tokens.get(name)?.clone();
        Some(Sighting { now, hex_now: inner.hex_now(&token.spec.workspace.name, now), token })
    }

    /// The time on the clock of a workspace's Hex.
    pub fn hex_now(&self, workspace: &Name) -> Timestamp {
        let now = self.clock.now();
        self.lock().hex_now(workspace, now)
    }

    /// Everything now.
    pub fn snapshot(&self) -> Snapshot {
        let now = self.clock.now();
        let (tokens, workspaces, reload) = {
            let inner = self.lock();
            let tokens: Vec<_> = inner.tokens.values().cloned().collect();
            let workspaces: Vec<_> = inner.workspaces.values().map(|record| record.view(now)).collect();
            (tokens, workspaces, inner.reload)
        };
        let tallies = Tally::by_workspace(&tokens, now);
        let workspaces = workspaces.into_iter().map(|view| view(&tallies)).collect();
        Snapshot { now, tokens, workspaces, reload }
    }

    fn describe(&self, credential: &Credential) -> CredentialView {
        match credential {
            Credential::Loaded { secret, loaded_at } => CredentialView {
                digest: Some(secret.digest(&self.key)),
                loaded_at: Some(*loaded_at),
                problem: None,
            },
            Credential::Unreadable(problem) => {
                CredentialView { digest: None, loaded_at: None, problem: Some(*problem) }
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        lock(&self.inner)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A panic while holding it ends the process through its task's owner; until then others may go on.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Inner {
    fn hex_now(&self, workspace: &Name, now: Moment) -> Timestamp {
        self.workspaces.get(workspace).map_or(now.at, |record| record.hex_now(now))
    }
}

/// Logs that a token has another state: good news is no warning.
pub fn tell_change(token: &Name, before: TokenState, after: TokenState) {
    let (from, to) = (before.as_label(), after.as_label());
    if after == TokenState::Valid {
        info!(%token, from, to, "{token} is now {to}, was {from}");
    } else {
        warn!(%token, from, to, "{token} is now {to}, was {from}");
    }
}
