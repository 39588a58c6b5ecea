//! Writes what the store knows: a snapshot in, series out.
//!
//! A gauge with nothing to tell is absent. A verdict is always there as 0 or 1, so that none can vanish
//! while its token is configured; and a token that is gone leaves nothing behind.

use std::sync::Arc;

use jiff::Timestamp;

use super::{
    catalogue::{self as the, Metric},
    exposition::{Exposition, Labels, Value},
};
use crate::{
    domain::{Check, Expiry, TokenState},
    store::{Snapshot, TokenView, WorkspaceView, view::ProjectRights},
};

/// Writes the series of these tokens of the snapshot.
pub fn write_tokens(page: &mut Exposition, snapshot: &Snapshot, tokens: &[Arc<TokenView>]) {
    let rows: Vec<_> = tokens
        .iter()
        .map(|view| {
            let (name, workspace) = (&view.spec.name, &view.spec.workspace.name);
            let labels = Labels::new(&[("token", name.as_str()), ("workspace", workspace.as_str())]);
            let token =
                Token { view, expiry: view.record.expiry(&view.spec), hex_now: snapshot.hex_now(workspace) };
            (labels, token)
        })
        .collect();
    let mut section = Section { page, rows: &rows };
    section.probes();
    section.expiry();
    section.state();
    section.rights();
    section.dates();
    section.counts();
    section.info();
}

/// Writes the series of the workspaces.
pub fn write_workspaces(page: &mut Exposition, snapshot: &Snapshot) {
    let mut section = Section { page, rows: &workspaces(snapshot) };
    section.one(&the::API_UP, |workspace| workspace.api_up);
    section.one(&the::API_REJECTS_ALL, |workspace| Some(workspace.rejects_all_tokens));
    section.one(&the::API_DRY_RUN_UNSAFE, |workspace| Some(workspace.dry_run_unsafe));
    section.one(&the::API_BUDGET, |workspace| Some(workspace.spec.requests_per_minute));
    section.one(&the::API_PLANNED, |workspace| Some(workspace.planned_per_minute));
    section.one(&the::API_CLOCK_SKEW, |workspace| workspace.skew_seconds);
}

/// Writes what the store knows of the exporter itself.
pub fn write_exporter(page: &mut Exposition, snapshot: &Snapshot) {
    let mut section = Section { page, rows: &[(Labels::default(), snapshot.reload)] };
    section.one(&the::RELOAD_SUCCESSFUL, |reload| Some(reload.successful));
    section.one(&the::RELOAD_TIMESTAMP, |reload| Some(reload.last_success));
    let mut section = Section { page, rows: &workspaces(snapshot) };
    section.one(&the::TOKENS, |workspace| Some(workspace.tokens));
}

fn workspaces(snapshot: &Snapshot) -> Vec<(Labels, &WorkspaceView)> {
    let labels = |view: &WorkspaceView| Labels::new(&[("workspace", view.spec.name.as_str())]);
    snapshot.workspaces.iter().map(|view| (labels(view), view)).collect()
}

/// Families about the same subjects.
struct Section<'a, S> {
    page: &'a mut Exposition,
    rows: &'a [(Labels, S)],
}

impl<'a, S> Section<'a, S> {
    /// A family with at most one series a subject.
    fn one<V: Into<Value>>(&mut self, metric: &'static Metric, value: impl Fn(&S) -> Option<V>) {
        let mut family = self.page.family(metric);
        for (labels, subject) in self.rows {
            if let Some(value) = value(subject) {
                family.sample(labels, &[], value);
            }
        }
    }

    /// A family with a series for each value of its own label.
    fn each<'v, V, I>(&mut self, metric: &'static Metric, values: impl Fn(&'a S) -> I)
    where
        V: Into<Value>,
        I: IntoIterator<Item = (&'v str, V)>,
    {
        let mut family = self.page.family(metric);
        for (labels, subject) in self.rows {
            for (label, value) in values(subject) {
                family.sample(labels, &[label], value);
            }
        }
    }
}

/// One token, with what several families need of it.
struct Token<'a> {
    view: &'a TokenView,
    expiry: Expiry,
    hex_now: Timestamp,
}

impl Section<'_, Token<'_>> {
    fn probes(&mut self) {
        self.one(&the::PROBE_SUCCESS, |token| token.view.probe_success());
        self.each(&the::PROBE_DURATION, |token| {
            checks(|check| token.view.latest(check).map(|tried| tried.duration))
        });
        self.each(&the::PROBE_STATUS, |token| {
            checks(|check| token.view.latest(check).map(|tried| tried.status))
        });
        self.each(&the::PROBE_INTERVAL, |token| {
            token.view.intervals.iter().map(|(check, interval)| (check.as_label(), *interval))
        });
    }

    fn expiry(&mut self) {
        self.one(&the::DAYS_UNTIL_EXPIRY, |token| token.expiry.days_left(token.hex_now));
        self.one(&the::EXPIRY_TIMESTAMP, |token| token.expiry.date());
        self.each(&the::EXPIRY, |token| {
            Expiry::LABELS.map(|label| (label, label == token.expiry.as_label()))
        });
        self.one(&the::EXPIRY_WARNING, |token| Some(token.view.spec.expiry_warning));
        self.one(&the::EXPIRY_CRITICAL, |token| Some(token.view.spec.expiry_critical));
    }

    fn state(&mut self) {
        self.each(&the::STATE, |token| {
            TokenState::ALL.map(|state| (state.as_label(), state == token.view.record.state()))
        });
        self.one(&the::STATE_SINCE, |token| token.view.record.state_since());
        self.one(&the::REJECTION_PENDING, |token| Some(token.view.record.pending().is_some()));
    }

    fn rights(&mut self) {
        self.each(&the::SCOPE_GRANTED, |token| {
            token.view.checked_scopes().filter_map(|scope| {
                Some((scope.as_label(), token.view.record.granted(&token.view.spec, scope)?))
            })
        });
        self.each(&the::SCOPE_REQUIRED, |token| {
            token
                .view
                .checked_scopes()
                .map(|scope| (scope.as_label(), token.view.spec.required_scopes.contains(&scope)))
        });
        self.one(&the::EXCESS_READ_SCOPES, |token| token.view.excess_read_scopes());
        self.each(&the::PROJECT_VISIBLE, |token| projects(token.view, |project| project.visible));
        self.each(&the::PROJECT_RUNNABLE, |token| projects(token.view, |project| project.runnable));
    }

    fn dates(&mut self) {
        self.one(&the::LAST_PROBE, |token| token.view.last_probe);
        self.each(&the::LAST_CONCLUSIVE, |token| checks(|check| token.view.last_conclusive(check)));
        self.one(&the::LAST_SUCCESS, |token| token.view.record.last_success());
        self.one(&the::CREDENTIAL_LOADED, |token| token.view.credential.loaded_at);
    }

    fn counts(&mut self) {
        self.one(&the::PROBES, |token| Some(token.view.counts.probes));
        self.each(&the::PROBE_FAILURES, |token| {
            token.view.counts.failures().map(|(reason, count)| (reason.as_label(), count))
        });
    }

    fn info(&mut self) {
        let mut family = self.page.family(&the::INFO);
        for (labels, Token { view, .. }) in self.rows {
            let owner = view.spec.token_owner.as_deref().unwrap_or_default();
            let rotate_url = view.spec.rotate_url.as_deref().unwrap_or_default();
            family.sample(labels, &[view.record.kind().as_label(), owner, rotate_url], true);
        }
    }
}

/// A value for each check that has one.
fn checks<V>(value: impl Fn(Check) -> Option<V>) -> impl Iterator<Item = (&'static str, V)> {
    Check::ALL.into_iter().filter_map(move |check| Some((check.as_label(), value(check)?)))
}

/// What is settled of each listed project.
fn projects<'v>(
    view: &'v TokenView,
    right: impl Fn(&ProjectRights<'v>) -> Option<bool>,
) -> impl Iterator<Item = (&'v str, bool)> {
    view.project_rights().filter_map(move |project| Some((project.name.as_str(), right(&project)?)))
}
