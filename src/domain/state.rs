//! The state of a token: the last conclusive verdict, which no outage changes.

use jiff::Timestamp;

use super::{
    Name, Scope, TokenSpec,
    expiry::{Expiry, is_past},
    finding::{Finding, ProjectFinding},
    life::Life,
    record::TokenRecord,
};

/// The label `state`, in order of precedence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum TokenState {
    /// Rejected or unconfirmed past its expiry.
    Expired,
    /// Rejected for another reason: Hex does not tell which.
    Invalid,
    /// Alive, and of another organisation than configured.
    WrongWorkspace,
    /// Alive, and lacks a required scope.
    UnderScoped,
    /// Alive with its scopes, and a listed project can't be seen or run.
    ProjectUnavailable,
    /// Nothing conclusive yet.
    #[default]
    Unknown,
    /// Alive, and everything required is granted.
    Valid,
}

impl TokenState {
    /// All states, in order of precedence.
    pub const ALL: [Self; 7] = [
        Self::Expired,
        Self::Invalid,
        Self::WrongWorkspace,
        Self::UnderScoped,
        Self::ProjectUnavailable,
        Self::Unknown,
        Self::Valid,
    ];

    /// The value of the label `state`.
    pub fn as_label(self) -> &'static str {
        match self {
            Self::Expired => "expired",
            Self::Invalid => "invalid",
            Self::WrongWorkspace => "wrong_workspace",
            Self::UnderScoped => "under_scoped",
            Self::ProjectUnavailable => "project_unavailable",
            Self::Unknown => "unknown",
            Self::Valid => "valid",
        }
    }

    /// The state of that name.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_label() == text)
    }

    /// Whether it says that Hex does not accept the token.
    pub fn is_dead(self) -> bool {
        matches!(self, Self::Expired | Self::Invalid)
    }
}

/// The state that a record shows, where `hex_now` is the time on Hex's clock.
///
/// Where not everything required has been answered, the state of before stands, and `unknown` where there
/// was none. A death that Hex has since disproved stands only until everything has been answered once,
/// confirmed or not, or Hex accepts the token once more.
pub fn judge(record: &TokenRecord, spec: &TokenSpec, hex_now: Timestamp) -> TokenState {
    let settled = verdict(record, spec, hex_now, Finding::settled);
    let provisional = || {
        let disproved = record.life() == Life::Alive && record.state().is_dead();
        let latest = || verdict(record, spec, hex_now, Finding::latest);
        let in_vain = || record.is_accepted_again().then_some(TokenState::Unknown);
        disproved.then(|| latest().or_else(in_vain)).flatten()
    };
    settled.or_else(provisional).unwrap_or(record.state())
}

/// The verdict that the facts allow; `None` where something required is still unanswered.
fn verdict(
    record: &TokenRecord,
    spec: &TokenSpec,
    hex_now: Timestamp,
    answer: fn(Finding) -> Option<bool>,
) -> Option<TokenState> {
    match record.life() {
        _ if has_run_out(record, spec, hex_now) => return Some(TokenState::Expired),
        Life::Rejected(rejection) if rejection.expired => return Some(TokenState::Expired),
        Life::Rejected(_) => return Some(TokenState::Invalid),
        Life::Unseen => return None,
        Life::Alive => {}
    }
    if is_of_another_workspace(record, spec) {
        return Some(TokenState::WrongWorkspace);
    }
    let scopes = all(spec.required_scopes.iter().map(|scope| granted(record, spec, *scope, answer)));
    if scopes == Some(false) {
        return Some(TokenState::UnderScoped);
    }
    // Where no project may be run it is the scope that lacks, and while that is open no project is to blame.
    let runs = spec.required_scopes.contains(&Scope::ProjectsRun);
    let may_run = if runs { granted(record, spec, Scope::ProjectsRun, answer) } else { Some(true) };
    let projects = all(spec.projects.keys().map(|name| available(record, spec, name, may_run, answer)));
    if projects == Some(false) {
        return Some(TokenState::ProjectUnavailable);
    }
    all([scopes, projects])?.then_some(TokenState::Valid)
}

/// Whether Hex has told of another organisation than is configured.
pub(super) fn is_of_another_workspace(record: &TokenRecord, spec: &TokenSpec) -> bool {
    let ids = spec.workspace.org_id.as_deref().zip(record.org_id());
    ids.is_some_and(|(expected, actual)| !expected.eq_ignore_ascii_case(actual))
}

/// Whether all are so: not where one is known not to be, and unknown where one is unknown.
fn all(answers: impl IntoIterator<Item = Option<bool>>) -> Option<bool> {
    let mut all = Some(true);
    for answer in answers {
        match answer {
            Some(true) => {}
            Some(false) => return Some(false),
            None => all = None,
        }
    }
    all
}

/// Whether an expiry that the API told has passed, and Hex has not accepted the token since.
pub fn has_run_out(record: &TokenRecord, spec: &TokenSpec, hex_now: Timestamp) -> bool {
    match record.expiry(spec) {
        Expiry::Api(date) => {
            is_past(date, hex_now) && record.accepted_at().is_none_or(|accepted| accepted <= date)
        }
        _ => false,
    }
}

/// Whether a scope is granted. For runs, that is told by the projects' dry runs together.
pub(super) fn granted(
    record: &TokenRecord,
    spec: &TokenSpec,
    scope: Scope,
    answer: fn(Finding) -> Option<bool>,
) -> Option<bool> {
    if scope != Scope::ProjectsRun {
        return record.scope(scope).and_then(answer);
    }
    let projects = spec.projects.keys().filter_map(|name| record.project(name));
    let mut tried = projects.filter(|project| project.runnable.latest().is_some()).peekable();
    tried.peek()?;
    // None is denied unless all are.
    all(tried.map(|project| answer(project.runnable).map(|granted| !granted))).map(|denied| !denied)
}

fn available(
    record: &TokenRecord,
    spec: &TokenSpec,
    name: &Name,
    may_run: Option<bool>,
    answer: fn(Finding) -> Option<bool>,
) -> Option<bool> {
    let ProjectFinding { visible, published, runnable, not_found_to_run } = record.project(name)?;
    let seen = answer(visible).filter(|seen| *seen || is_its_own(record, spec, visible));
    let runs = spec.required_scopes.contains(&Scope::ProjectsRun);
    let runnable = match answer(runnable) {
        _ if !runs => Some(true),
        Some(answer) => may_run.map(|_| answer),
        // That leaves it to whether the project is seen.
        None => (not_found_to_run && runnable.latest().is_none()).then_some(true),
    };
    all([seen, published, runnable])
}

/// Whether it is for a project itself that it is not seen. Without `projects_read` all look missing: where
/// that is required, it must have been granted since.
fn is_its_own(record: &TokenRecord, spec: &TokenSpec, denied: Finding) -> bool {
    let granted_at = || {
        let scope = record.scope(Scope::ProjectsRead).filter(|scope| scope.latest() == Some(true))?;
        scope.concluded()
    };
    !spec.required_scopes.contains(&Scope::ProjectsRead)
        || denied.denied_since().zip(granted_at()).is_some_and(|(denied, granted)| denied <= granted)
}
