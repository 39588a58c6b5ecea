//! Scopes and projects: what a token may do, beside what its jobs need.

use std::collections::BTreeSet;

use super::words::{Time, Tone, words};
use crate::{
    domain::{Name, Scope},
    store::{
        TokenView,
        report::{Report, ScopeReport, Second},
    },
};

/// What is known of one right of one token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mark {
    /// Needed and there.
    Granted,
    /// Needed and not there.
    Missing,
    /// Needed, and not answered yet.
    Open,
    /// There without need.
    Excess,
    /// Neither there nor needed.
    Spare,
    /// Nobody asks.
    Unasked,
}

impl Mark {
    /// All that need an explanation.
    pub(super) const LEGEND: [Self; 5] =
        [Self::Granted, Self::Missing, Self::Open, Self::Excess, Self::Spare];

    pub(super) fn of(scope: &ScopeReport) -> Self {
        match (scope.required, scope.granted) {
            (true, Some(true)) => Self::Granted,
            (true, Some(false)) => Self::Missing,
            (true, None) => Self::Open,
            (false, Some(true)) => Self::Excess,
            (false, Some(false)) => Self::Spare,
            (false, None) => Self::Unasked,
        }
    }

    /// Whether there is anything to show.
    pub(super) fn is_told(self) -> bool {
        self != Self::Unasked
    }

    /// The name of its shape and of its class.
    pub(super) fn shape(self) -> &'static str {
        match self {
            Self::Granted => "granted",
            Self::Missing => "missing",
            Self::Open => "open",
            Self::Excess => "excess",
            Self::Spare => "spare",
            Self::Unasked => "unasked",
        }
    }

    pub(super) fn words(self) -> &'static str {
        match self {
            Self::Granted => "required and granted",
            Self::Missing => "required and missing",
            Self::Open => "required, not known yet",
            Self::Excess => "granted without need",
            Self::Spare => "neither required nor granted",
            Self::Unasked => "not asked for",
        }
    }
}

/// The scopes that anything is told of for any of these tokens: the columns of the matrix.
pub(super) fn columns<'a>(reports: impl IntoIterator<Item = &'a Report<'a>>) -> BTreeSet<Scope> {
    let scopes = reports.into_iter().flat_map(|report| &report.scopes);
    let told = scopes.filter(|scope| Mark::of(scope).is_told());
    told.map(|scope| scope.name).collect()
}

/// A token's row of the matrix.
pub(super) fn marks(report: &Report<'_>, columns: &BTreeSet<Scope>) -> Vec<Mark> {
    let mark = |column: &Scope| report.scopes.iter().find(|scope| scope.name == *column);
    columns.iter().map(|column| mark(column).map_or(Mark::Unasked, Mark::of)).collect()
}

/// One scope of one token.
#[derive(Debug)]
pub(super) struct ScopeRow {
    pub(super) name: Scope,
    pub(super) wording: &'static str,
    pub(super) mark: Mark,
    pub(super) checked: Option<Time>,
}

/// The scopes of one token.
pub(super) fn scope_rows(report: &Report<'_>, now: jiff::Timestamp) -> Vec<ScopeRow> {
    let row = |scope: &ScopeReport| ScopeRow {
        name: scope.name,
        wording: scope.name.hex_wording(),
        mark: Mark::of(scope),
        checked: scope.checked_at.map(|Second(at)| Time::new(at, now)),
    };
    report.scopes.iter().map(row).collect()
}

/// One listed project of one token.
#[derive(Debug)]
pub(super) struct ProjectRow<'a> {
    pub(super) name: &'a Name,
    pub(super) tone: Tone,
    /// What the token may do with it, in a word or two.
    pub(super) told: &'static str,
}

impl ProjectRow<'_> {
    pub(super) fn shape(&self) -> &'static str {
        match self.tone {
            Tone::Good => Mark::Granted.shape(),
            Tone::Bad | Tone::Warn => Mark::Missing.shape(),
            Tone::Unclear => Mark::Open.shape(),
        }
    }
}

/// The listed projects of one token, those in trouble first.
pub(super) fn project_rows(token: &TokenView) -> Vec<ProjectRow<'_>> {
    let runs = token.spec.required_scopes.contains(&Scope::ProjectsRun);
    let mut rows: Vec<_> = token
        .project_rights()
        .map(|rights| {
            let published = token.record.project(rights.name).and_then(|found| found.published);
            let (tone, told) = match (rights.visible, published, rights.runnable) {
                (Some(false), ..) => (Tone::Bad, "not visible"),
                (Some(true), Some(false), _) => (Tone::Bad, "unpublished, archived or trashed"),
                (Some(true), _, Some(false)) => (Tone::Bad, "visible, and may not be run"),
                (Some(true), _, Some(true)) => (Tone::Good, "visible, and may be run"),
                (Some(true), _, None) if runs => (Tone::Unclear, "visible; runs not known yet"),
                (Some(true), _, None) => (Tone::Good, "visible"),
                (None, ..) => (Tone::Unclear, "not known yet"),
            };
            ProjectRow { name: rights.name, tone, told }
        })
        .collect();
    rows.sort_by_key(|row| row.tone != Tone::Bad);
    rows
}

/// A column's heading.
pub(super) fn heading(scope: Scope) -> String {
    words(scope.as_label())
}
