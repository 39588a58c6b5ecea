//! One token as the JSON API and the `check` command tell it, and how urgent it is.

use std::{fmt, sync::Arc, time::Duration};

use jiff::Timestamp;
use serde::{Serialize, Serializer};

use super::{Snapshot, TokenView, history::Entry};
use crate::domain::{Check, Expiry, Kind, Name, Reason, Scope, TokenSpec, TokenState, advice};

/// A token. Field names and labels are public interface; what there is nothing to tell of is null.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report<'a> {
    /// Its configured name.
    pub name: &'a Name,
    /// The configured name of its workspace.
    pub workspace: &'a Name,
    /// Whose rights it carries.
    pub kind: Kind,
    /// The last conclusive verdict.
    pub state: TokenState,
    /// Since when.
    pub state_since: Option<Second>,
    /// When it expires.
    pub expiry: ExpiryReport,
    /// The scopes that are checked.
    pub scopes: Vec<ScopeReport>,
    /// The projects that are listed.
    pub projects: Vec<ProjectReport<'a>>,
    /// When it was last probed.
    pub last_probe: Option<Second>,
    /// When Hex last accepted it.
    pub last_success: Option<Second>,
    /// Why it is in trouble; `ok` where it is not.
    pub reason: Reason,
    /// The same in words.
    pub cause: Option<String>,
    /// What to do.
    pub remedy: Option<String>,
    /// The people to turn to.
    pub token_owner: Option<&'a str>,
    /// Where a new token is made.
    pub rotate_url: Option<&'a str>,
    /// Not told in JSON: it follows from the rest.
    #[serde(skip)]
    pub urgency: Urgency,
}

/// When a token expires, and who says so.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct ExpiryReport {
    /// Where the date comes from, if there is one.
    pub source: Expiry,
    /// The date.
    pub at: Option<Second>,
    /// Days left on Hex's clock, negative once past.
    pub days: Option<f64>,
}

/// One scope.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct ScopeReport {
    /// Its name, as in the configuration.
    pub name: Scope,
    /// Whether the configuration requires it.
    pub required: bool,
    /// Whether the token holds it.
    pub granted: Option<bool>,
    /// When that was last answered conclusively.
    pub checked_at: Option<Second>,
}

/// One listed project.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct ProjectReport<'a> {
    /// Its configured name.
    pub name: &'a Name,
    /// Whether the token sees it.
    pub visible: Option<bool>,
    /// Whether Hex accepts a dry run of it; null where runs are not required.
    pub runnable: Option<bool>,
}

/// A token with its latest probes.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Detail<'a> {
    /// The token.
    #[serde(flatten)]
    pub report: Report<'a>,
    /// Its latest probes, newest first.
    pub history: Vec<ProbeReport>,
}

/// One probe.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct ProbeReport {
    /// When it ended.
    pub at: Second,
    /// What was asked.
    pub check: Check,
    /// Its outcome.
    pub reason: Reason,
    /// The HTTP status, 0 without an answer.
    pub status: u16,
    /// How long it took.
    pub duration_seconds: f64,
}

/// A date in RFC 3339, UTC, to the second.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Second(pub Timestamp);

impl fmt::Display for Second {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.0}", self.0)
    }
}

impl Serialize for Second {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// How soon somebody must act, most urgent first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Urgency {
    /// Hex does not accept the token.
    Dead,
    /// It is of another workspace.
    WrongWorkspace,
    /// It lacks a required scope.
    UnderScoped,
    /// It cannot use a listed project.
    ProjectUnavailable,
    /// It expires within its critical threshold.
    ExpiresCritical,
    /// Nothing is known yet.
    Unknown,
    /// It expires within its warning threshold.
    ExpiresWarning,
    /// All is well.
    Fine,
}

impl Urgency {
    /// How urgent a token in this state is, with so many days left.
    fn of(state: TokenState, spec: &TokenSpec, days_left: Option<f64>) -> Self {
        match (state, Self::of_expiry(spec, days_left)) {
            (TokenState::Expired | TokenState::Invalid, _) => Self::Dead,
            (TokenState::WrongWorkspace, _) => Self::WrongWorkspace,
            (TokenState::UnderScoped, _) => Self::UnderScoped,
            (TokenState::ProjectUnavailable, _) => Self::ProjectUnavailable,
            (TokenState::Unknown, Self::ExpiresCritical) => Self::ExpiresCritical,
            (TokenState::Unknown, _) => Self::Unknown,
            (TokenState::Valid, by_expiry) => by_expiry,
        }
    }

    /// How urgent an expiry alone is, whatever else is wrong with the token.
    pub fn of_expiry(spec: &TokenSpec, days_left: Option<f64>) -> Self {
        let is_within =
            |threshold: Duration| days_left.is_some_and(|days| days * 86_400.0 <= threshold.as_secs_f64());
        if is_within(spec.expiry_critical) {
            Self::ExpiresCritical
        } else if is_within(spec.expiry_warning) {
            Self::ExpiresWarning
        } else {
            Self::Fine
        }
    }

    /// Whether it is the expiry that is urgent.
    pub fn is_by_expiry(self) -> bool {
        matches!(self, Self::ExpiresCritical | Self::ExpiresWarning)
    }
}

impl<'a> Report<'a> {
    /// Tells of one token, where `hex_now` is the time on the clock of its workspace's Hex.
    pub fn of(view: &'a TokenView, hex_now: Timestamp) -> Self {
        let TokenView { spec, record, .. } = view;
        let mut advice = advice::of_token(record, spec, view.credential.problem, hex_now);
        let expiry = ExpiryReport::of(record.expiry(spec), hex_now);
        let urgency = Urgency::of(record.state(), spec, expiry.days);
        if let (None, Some((cause, remedy))) = (&advice.cause, expiry.advice(urgency)) {
            (advice.cause, advice.remedy) = (Some(cause), Some(remedy));
        }
        Self {
            name: &spec.name,
            workspace: &spec.workspace.name,
            kind: record.kind(),
            state: record.state(),
            state_since: record.state_since().map(Second),
            expiry,
            scopes: scopes(view),
            projects: projects(view),
            last_probe: view.last_probe.map(Second),
            last_success: record.last_success().map(Second),
            reason: advice.reason,
            cause: advice.cause,
            remedy: advice.remedy,
            token_owner: spec.token_owner.as_deref(),
            rotate_url: spec.rotate_url.as_deref(),
            urgency,
        }
    }

    /// All tokens of a snapshot, by name.
    pub fn all(snapshot: &'a Snapshot) -> Vec<Self> {
        let of = |view: &'a Arc<TokenView>| Self::of(view, snapshot.hex_now(&view.spec.workspace.name));
        snapshot.tokens.iter().map(of).collect()
    }

    /// All tokens of a snapshot, the most urgent first; then by days left, undated last, then by name.
    pub fn by_urgency(snapshot: &'a Snapshot) -> Vec<Self> {
        let days = |report: &Self| report.expiry.days.unwrap_or(f64::INFINITY);
        let mut reports = Self::all(snapshot);
        reports.sort_by(|a, b| {
            a.urgency
                .cmp(&b.urgency)
                .then_with(|| days(a).total_cmp(&days(b)))
                .then_with(|| a.name.cmp(b.name))
        });
        reports
    }
}

impl<'a> Detail<'a> {
    /// Tells of one token and its latest probes.
    pub fn of(view: &'a TokenView, hex_now: Timestamp) -> Self {
        let history = view.history.newest_first().map(|probe| ProbeReport::of(&probe)).collect();
        Self { report: Report::of(view, hex_now), history }
    }
}

impl ExpiryReport {
    fn of(expiry: Expiry, hex_now: Timestamp) -> Self {
        Self { source: expiry, at: expiry.date().map(Second), days: expiry.days_left(hex_now) }
    }

    /// Cause and remedy where it is urgent.
    pub(super) fn advice(&self, urgency: Urgency) -> Option<(String, String)> {
        let (Second(date), days) = self.at.zip(self.days).filter(|_| urgency.is_by_expiry())?;
        Some(advice::of_near_expiry(date, days))
    }
}

impl ProbeReport {
    fn of(entry: &Entry) -> Self {
        Self {
            at: Second(entry.at),
            check: entry.check,
            reason: entry.reason,
            status: entry.status,
            duration_seconds: entry.duration.as_secs_f64(),
        }
    }
}

fn scopes(view: &TokenView) -> Vec<ScopeReport> {
    let report = |scope: Scope| ScopeReport {
        name: scope,
        required: view.spec.required_scopes.contains(&scope),
        granted: view.record.granted(&view.spec, scope),
        checked_at: view.last_conclusive(scope.check()).map(Second),
    };
    view.checked_scopes().map(report).collect()
}

fn projects(view: &TokenView) -> Vec<ProjectReport<'_>> {
    view.project_rights()
        .map(|rights| ProjectReport { name: rights.name, visible: rights.visible, runnable: rights.runnable })
        .collect()
}
