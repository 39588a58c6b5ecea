//! What the store shows: one token, one workspace, and the snapshot of all at one moment.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;

use super::history::{Entry, History};
use crate::domain::{
    Check, Course, CredentialProblem, Digest, Moment, Name, Reason, Scope, TokenRecord, TokenSpec, Workspace,
};

/// Everything at one moment. Cheap to take and to hold: tokens are shared, never copied.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// When it was taken.
    pub now: Moment,
    /// All tokens, by name.
    pub tokens: Vec<Arc<TokenView>>,
    /// All workspaces, by name.
    pub workspaces: Vec<WorkspaceView>,
    /// How the last load of the configuration went.
    pub reload: ReloadStatus,
}

impl Snapshot {
    /// The token of that name.
    pub fn token(&self, name: &str) -> Option<&Arc<TokenView>> {
        let index = self.tokens.binary_search_by(|token| token.spec.name.as_str().cmp(name)).ok()?;
        self.tokens.get(index)
    }

    /// The workspace of that name.
    pub fn workspace(&self, name: &Name) -> Option<&WorkspaceView> {
        let index = self.workspaces.binary_search_by(|view| view.spec.name.cmp(name)).ok()?;
        self.workspaces.get(index)
    }

    /// The time on the clock of a workspace's Hex, as far as its answers have told.
    pub fn hex_now(&self, workspace: &Name) -> Timestamp {
        let skew = self.workspace(workspace).and_then(|view| view.skew_seconds).unwrap_or_default();
        jiff::SignedDuration::try_from_secs_f64(skew)
            .ok()
            .and_then(|skew| self.now.at.checked_add(skew).ok())
            .unwrap_or(self.now.at)
    }
}

/// One token at one moment: who asks for one pays for no other.
#[derive(Debug, Clone)]
pub struct Sighting {
    /// The moment.
    pub now: Moment,
    /// The time on the clock of its workspace's Hex.
    pub hex_now: Timestamp,
    /// The token.
    pub token: Arc<TokenView>,
}

/// How the last load of the configuration went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReloadStatus {
    /// Whether the last attempt succeeded.
    pub successful: bool,
    /// When one last did.
    pub last_success: Timestamp,
}

/// One token: what is configured, what is known, what was counted.
#[derive(Debug, Clone)]
pub struct TokenView {
    /// What is configured.
    pub spec: Arc<TokenSpec>,
    /// What is known.
    pub record: TokenRecord,
    /// Its credential, without the credential.
    pub credential: CredentialView,
    /// The interval in force of each check that is made, stretching and back-off included, in the order of
    /// the checks.
    pub intervals: Arc<[(Check, Duration)]>,
    /// Until when, by uptime, Hex has asked to leave it alone. A rename does not end that.
    pub paused_until: Duration,
    /// When it was last probed, for whatever reason and with whatever outcome.
    pub last_probe: Option<Timestamp>,
    /// What was counted.
    pub counts: Counts,
    /// The latest probes.
    pub history: History,
}

impl TokenView {
    /// Whether the latest outcome of its life check, of every required check and of every listed project
    /// is `ok`. `None` before the first probe. A Hex-form 403 on the life check is an acceptance.
    pub fn probe_success(&self) -> Option<bool> {
        let life = self.record.life_check();
        let alive = match self.record.last_try(life, None)?.reason {
            Reason::Ok => true,
            Reason::Forbidden => !self.requires(life),
            _ => false,
        };
        let required = self.record.tries().iter().filter(|((check, _), _)| {
            *check != life && (*check == Check::ProjectVisible || self.requires(*check))
        });
        Some(alive && required.into_iter().all(|(_, tried)| tried.reason == Reason::Ok))
    }

    /// The interval in force of a check, where it is made.
    pub fn interval(&self, check: Check) -> Option<Duration> {
        self.intervals.iter().find(|(of, _)| *of == check).map(|(_, interval)| *interval)
    }

    /// Whether a failure of this check is a failure of the token.
    pub fn requires(&self, check: Check) -> bool {
        check.scope().is_some_and(|scope| self.spec.required_scopes.contains(&scope))
    }

    /// Whether it would be valid but for dry runs, which alone tell whether it may run its projects.
    pub fn lacks_dry_runs_alone(&self) -> bool {
        let mut others = self.spec.required_scopes.iter().filter(|scope| **scope != Scope::ProjectsRun);
        self.requires(Check::ProjectsRun)
            && self.probe_success() == Some(true)
            && others.all(|scope| self.record.granted(&self.spec, *scope) == Some(true))
            && self.project_rights().all(|rights| rights.visible == Some(true))
    }

    /// How a probe went, by what is required now.
    pub fn course(&self, entry: &Entry) -> Course {
        Course::of(entry.check, entry.reason, entry.by_hex, self.requires(entry.check))
    }

    /// How many read scopes are granted and not required. `None` where nothing is known of any.
    pub fn excess_read_scopes(&self) -> Option<usize> {
        let excess = self.checked_scopes().filter(|scope| !self.spec.required_scopes.contains(scope));
        let known = excess.filter_map(|scope| self.record.granted(&self.spec, scope));
        known.fold(None, |count, granted| Some(count.unwrap_or(0) + usize::from(granted)))
    }

    /// The scopes that are looked for, because they are required or least privilege is.
    pub fn checked_scopes(&self) -> impl Iterator<Item = Scope> {
        self.spec.checked_scopes(self.record.kind())
    }

    /// What is settled of the listed projects. Nothing while `projects_read` is denied, required or not, since
    /// then no project can be seen, whatever it is.
    pub fn project_rights(&self) -> impl Iterator<Item = ProjectRights<'_>> {
        let hidden = self.record.granted(&self.spec, Scope::ProjectsRead) == Some(false);
        let runs = self.spec.required_scopes.contains(&Scope::ProjectsRun);
        self.spec.projects.keys().map(move |name| {
            let finding = self.record.project(name).filter(|_| !hidden);
            ProjectRights {
                name,
                visible: finding.and_then(|it| it.visible.settled()),
                runnable: finding.filter(|_| runs).and_then(|it| it.runnable.settled()),
            }
        })
    }

    /// When a check was last answered conclusively: for project checks, the oldest project's.
    pub fn last_conclusive(&self, check: Check) -> Option<Timestamp> {
        let tries = self.record.tries().iter().filter(|((of, _), _)| *of == check);
        tries.filter_map(|(_, tried)| tried.concluded).min()
    }
}

/// What a token may do with a listed project, as far as is settled and may be shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProjectRights<'a> {
    /// Its configured name.
    pub name: &'a Name,
    /// Whether the token sees it.
    pub visible: Option<bool>,
    /// Whether Hex accepts a dry run of it. `None` where runs are not required.
    pub runnable: Option<bool>,
}

/// A credential as it may be shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CredentialView {
    /// Tells credentials apart, within this process; never shown.
    pub digest: Option<Digest>,
    /// When its present content appeared: the file's modification time, or the start of the process.
    pub loaded_at: Option<Timestamp>,
    /// Why it can't be used.
    pub problem: Option<CredentialProblem>,
}

/// What was counted of one token since the process started. A rename keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Counts {
    /// Probes made.
    pub probes: u64,
    /// By reason; made at the first failure. A token that fails every second fills a `u32` in a century.
    failures: Option<Box<[u32; Reason::ALL.len()]>>,
}

impl Counts {
    /// Counts a probe, and its failure where it is one. Of a guard that found a run, whose reason is `ok`,
    /// `hex_api_dry_run_unsafe` tells.
    pub fn count(&mut self, failure: Option<Reason>) {
        self.probes += 1;
        if let Some(reason) = failure {
            let failures = &mut self.failures.get_or_insert_default()[reason as usize];
            *failures = failures.saturating_add(1);
        }
    }

    /// Failures, by every reason that can be one.
    pub fn failures(&self) -> impl Iterator<Item = (Reason, u64)> + '_ {
        let failures = |reason| self.failures.as_ref().map_or(0, |failures| failures[reason as usize].into());
        Reason::ALL
            .into_iter()
            .filter(|reason| *reason != Reason::Ok)
            .map(move |reason| (reason, failures(reason)))
    }
}

/// One workspace.
#[derive(Debug, Clone)]
pub struct WorkspaceView {
    /// What is configured.
    pub spec: Arc<Workspace>,
    /// Whether Hex itself answers. `None` before the first request.
    pub api_up: Option<bool>,
    /// Hex's clock minus the local one, in seconds. `None` before an answer has told.
    pub skew_seconds: Option<f64>,
    /// Whether a dry run was seen to start a real run.
    pub dry_run_unsafe: bool,
    /// Whether all tokens with a recent verdict were rejected, and these are at least two.
    pub rejects_all_tokens: bool,
    /// What the configuration asks for, in requests a minute.
    pub planned_per_minute: f64,
    /// How many tokens it has.
    pub tokens: usize,
}
