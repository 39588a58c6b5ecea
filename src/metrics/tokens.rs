//! Writes what the store knows: a snapshot in, series out.
//!
//! A gauge with nothing to tell is absent. A verdict is always there as 0 or 1, so that none can vanish
//! while its token is configured; and a token that is gone leaves nothing behind.

use std::sync::Arc;

use jiff::Timestamp;

use super::{
    catalogue::{self as the, Metric},
    exposition::{Family, Series, push_labels},
};
use crate::{
    domain::{Check, Expiry, Name, TokenState, heard::Try},
    store::{ReloadStatus, Snapshot, TokenView, WorkspaceView, view::ProjectRights},
};

/// A family, and what writes its series about one subject.
type Written<S> = (&'static Metric, fn(&S, &mut Series<'_>));

/// The same about a token, which is borrowed from a snapshot.
type WrittenOfToken = (&'static Metric, fn(&Token<'_>, &mut Series<'_>));

/// One token, with what several families need of it.
#[derive(Debug)]
struct Token<'a> {
    view: &'a TokenView,
    facts: &'a Facts,
}

/// The families about tokens, in the order of the page.
static OF_TOKENS: [WrittenOfToken; 24] = [
    (&the::PROBE_SUCCESS, |token, series| series.one(token.view.probe_success())),
    (&the::PROBE_DURATION, |token, series| {
        // None, where no request was ever made.
        let durations = token.latest(|tried| tried.duration);
        series.each(durations.filter(|(_, duration)| !duration.is_zero()));
    }),
    (&the::PROBE_STATUS, |token, series| series.each(token.latest(|tried| tried.status))),
    (&the::PROBE_INTERVAL, |token, series| {
        series.each(token.view.intervals.iter().map(|(check, interval)| (check.as_label(), *interval)));
    }),
    (&the::DAYS_UNTIL_EXPIRY, |token, series| {
        series.one(token.facts.expiry.days_left(token.facts.hex_now));
    }),
    (&the::EXPIRY_TIMESTAMP, |token, series| series.one(token.facts.expiry.date())),
    (&the::EXPIRY, |token, series| {
        series.each(Expiry::LABELS.map(|label| (label, label == token.facts.expiry.as_label())));
    }),
    (&the::EXPIRY_WARNING, |token, series| series.one(Some(token.view.spec.expiry_warning))),
    (&the::EXPIRY_CRITICAL, |token, series| series.one(Some(token.view.spec.expiry_critical))),
    (&the::STATE, |token, series| {
        let shown = token.view.record.state();
        series.each(TokenState::ALL.map(|state| (state.as_label(), state == shown)));
    }),
    (&the::STATE_SINCE, |token, series| series.one(token.view.record.state_since())),
    (&the::REJECTION_PENDING, |token, series| series.one(Some(token.view.record.pending().is_some()))),
    (&the::SCOPE_GRANTED, |token, series| {
        series.each(token.view.checked_scopes().filter_map(|scope| {
            Some((scope.as_label(), token.view.record.granted(&token.view.spec, scope)?))
        }));
    }),
    (&the::SCOPE_REQUIRED, |token, series| {
        let required = &token.view.spec.required_scopes;
        series.each(token.view.checked_scopes().map(|scope| (scope.as_label(), required.contains(&scope))));
    }),
    (&the::EXCESS_READ_SCOPES, |token, series| series.one(token.view.excess_read_scopes())),
    (&the::PROJECT_VISIBLE, |token, series| series.each(token.projects(|project| project.visible))),
    (&the::PROJECT_RUNNABLE, |token, series| series.each(token.projects(|project| project.runnable))),
    (&the::LAST_PROBE, |token, series| series.one(token.view.last_probe)),
    (&the::LAST_CONCLUSIVE, |token, series| series.each(token.last_conclusive())),
    (&the::LAST_SUCCESS, |token, series| series.one(token.view.record.last_success())),
    (&the::CREDENTIAL_LOADED, |token, series| series.one(token.view.credential.loaded_at)),
    (&the::PROBES, |token, series| series.one(Some(token.view.counts.probes))),
    (&the::PROBE_FAILURES, |token, series| {
        series.each(token.view.counts.failures().map(|(reason, count)| (reason.as_label(), count)));
    }),
    (&the::INFO, |token, series| {
        let owner = token.view.spec.token_owner.as_deref().unwrap_or_default();
        let rotate_url = token.view.spec.rotate_url.as_deref().unwrap_or_default();
        series.sample(&[token.view.record.kind().as_label(), owner, rotate_url], true);
    }),
];

/// The families about workspaces.
static OF_WORKSPACES: [Written<WorkspaceView>; 7] = [
    (&the::API_UP, |workspace, series| series.one(workspace.api_up)),
    (&the::API_REJECTS_ALL, |workspace, series| series.one(Some(workspace.rejects_all_tokens))),
    (&the::API_DRY_RUN_UNSAFE, |workspace, series| series.one(Some(workspace.dry_run_unsafe))),
    (&the::API_BUDGET, |workspace, series| series.one(Some(workspace.spec.requests_per_minute))),
    (&the::API_PLANNED, |workspace, series| series.one(Some(workspace.planned_per_minute))),
    (&the::API_CLOCK_SKEW, |workspace, series| series.one(workspace.skew_seconds)),
    (&the::TOKENS, |workspace, series| series.one(Some(workspace.tokens))),
];

/// The families about the exporter itself that the store tells.
static OF_EXPORTER: [Written<ReloadStatus>; 2] = [
    (&the::RELOAD_SUCCESSFUL, |reload, series| series.one(Some(reload.successful))),
    (&the::RELOAD_TIMESTAMP, |reload, series| series.one(Some(reload.last_success))),
];

impl Token<'_> {
    /// A value of the latest probe of each check, of whichever project.
    fn latest<V>(&self, value: impl Fn(&Try) -> V) -> impl Iterator<Item = (&'static str, V)> {
        self.checks(move |tries| {
            tries.iter().map(|(_, tried)| tried).max_by_key(|tried| tried.at).map(&value)
        })
    }

    /// When each check was last answered conclusively: for project checks, the oldest project's.
    fn last_conclusive(&self) -> impl Iterator<Item = (&'static str, Timestamp)> {
        self.checks(|tries| tries.iter().filter_map(|(_, tried)| tried.concluded).min())
    }

    /// A value for each check that has one.
    fn checks<V>(
        &self,
        value: impl Fn(&[((Check, Option<Name>), Try)]) -> Option<V>,
    ) -> impl Iterator<Item = (&'static str, V)> {
        let checks = self.view.record.tries().chunk_by(|((check, _), _), ((next, _), _)| check == next);
        checks.filter_map(move |tries| Some((tries.first()?.0.0.as_label(), value(tries)?)))
    }

    /// What is settled of each listed project.
    fn projects(
        &self,
        right: impl Fn(&ProjectRights<'_>) -> Option<bool>,
    ) -> impl Iterator<Item = (&str, bool)> {
        self.view.project_rights().filter_map(move |it| Some((it.name.as_str(), right(&it)?)))
    }
}

/// What is worked out of a token once a page.
#[derive(Debug, Clone, Copy)]
struct Facts {
    /// Where its labels end among those of all.
    labels_end: usize,
    expiry: Expiry,
    hex_now: Timestamp,
}

/// The series of tokens, written in pieces.
#[derive(Debug)]
pub struct TokenSeries {
    /// Of all tokens, one after the other.
    labels: String,
    facts: Vec<Facts>,
    family: Family,
    /// What comes next: a family, and a token of it.
    next: (usize, usize),
}

impl TokenSeries {
    /// Prepares to write about these tokens of a snapshot, which must be the same at each [`Self::write`].
    pub fn of(tokens: &[Arc<TokenView>], hex_now: impl Fn(&TokenView) -> Timestamp) -> Self {
        let mut labels = String::new();
        let prepare = |view: &Arc<TokenView>| {
            let (name, workspace) = (&view.spec.name, &view.spec.workspace.name);
            push_labels(&mut labels, &[("token", name.as_str()), ("workspace", workspace.as_str())]);
            let expiry = view.record.expiry(&view.spec);
            Facts { labels_end: labels.len(), expiry, hex_now: hex_now(view) }
        };
        let facts = tokens.iter().map(prepare).collect();
        Self { labels, facts, family: Family::of(OF_TOKENS[0].0), next: (0, 0) }
    }

    /// Appends series to a page until it is as long as `enough`. `false`: all are written.
    ///
    /// It also ends with a family, unless that is a short one: so what changes from page to page moves none of
    /// the ends of what does not, and most pieces are the same as before.
    pub fn write(&mut self, tokens: &[Arc<TokenView>], page: &mut String, enough: usize) -> bool {
        let is_rest_of_family = self.next.1 > 0;
        while let Some((_, write)) = OF_TOKENS.get(self.next.0) {
            let (skipped, rest) = (self.next.1, tokens.get(self.next.1..).unwrap_or_default());
            let before = skipped.checked_sub(1).and_then(|last| self.facts.get(last));
            let mut labels_start = before.map_or(0, |facts| facts.labels_end);
            for (view, facts) in rest.iter().zip(&self.facts[skipped..]) {
                if page.len() >= enough {
                    return true;
                }
                let labels = &self.labels[labels_start..facts.labels_end];
                write(&Token { view, facts }, &mut self.family.about(labels, page));
                labels_start = facts.labels_end;
                self.next.1 += 1;
            }
            self.next = (self.next.0 + 1, 0);
            if let Some((metric, _)) = OF_TOKENS.get(self.next.0) {
                self.family = Family::of(metric);
                if is_rest_of_family || page.len() >= enough / 4 {
                    return true;
                }
            }
        }
        false
    }
}

/// Writes the series of the workspaces.
pub fn write_workspaces(page: &mut String, snapshot: &Snapshot) {
    let mut labels = String::new();
    for (metric, write) in &OF_WORKSPACES {
        let mut family = Family::of(metric);
        for workspace in &snapshot.workspaces {
            labels.clear();
            push_labels(&mut labels, &[("workspace", workspace.spec.name.as_str())]);
            write(workspace, &mut family.about(&labels, page));
        }
    }
}

/// Writes what the store knows of the exporter itself.
pub fn write_exporter(page: &mut String, snapshot: &Snapshot) {
    for (metric, write) in &OF_EXPORTER {
        write(&snapshot.reload, &mut Family::of(metric).about("", page));
    }
}
