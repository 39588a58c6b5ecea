//! The workspaces: whether Hex answers there, what their budgets carry, how their clocks go.

use super::{
    picture::Bar,
    words::{Tone, count},
};
use crate::store::{Snapshot, WorkspaceView};

/// One workspace.
#[derive(Debug)]
pub(super) struct WorkspaceRow<'a> {
    pub(super) name: &'a str,
    pub(super) origin: &'a str,
    pub(super) tone: Tone,
    pub(super) health: &'static str,
    /// What is wrong, and what to do.
    pub(super) troubles: Vec<&'static str>,
    pub(super) tokens: String,
    pub(super) budget: String,
    pub(super) bar: Bar,
    pub(super) skew: String,
}

impl<'a> WorkspaceRow<'a> {
    pub(super) fn all(snapshot: &'a Snapshot) -> Vec<Self> {
        snapshot.workspaces.iter().map(Self::of).collect()
    }

    fn of(view: &'a WorkspaceView) -> Self {
        let (planned, budget) = (view.planned_per_minute, view.spec.requests_per_minute);
        let mut troubles = Vec::new();
        if view.api_up == Some(false) {
            troubles.push("Hex does not answer; every verdict is held. What the latest probes met is told with the tokens.");
        }
        if view.rejects_all_tokens {
            troubles.push(
                "Hex rejects every token here. Look at the workspace and its url before you rotate any.",
            );
        }
        if view.dry_run_unsafe {
            troubles.push("This stack ignored that a run was a dry one, so none is made any more. A restart or reload tries again.");
        }
        if planned > f64::from(budget) {
            troubles.push("The configuration asks for more than the budget, so all intervals are stretched: see the plan command.");
        }
        let (tone, health) = match view.api_up {
            Some(true) if view.rejects_all_tokens => (Tone::Bad, "rejects all tokens"),
            Some(true) => (Tone::Good, "answers"),
            Some(false) => (Tone::Bad, "does not answer"),
            None => (Tone::Unclear, "not asked yet"),
        };
        Self {
            name: view.spec.name.as_str(),
            origin: &view.spec.origin,
            tone,
            health,
            troubles,
            tokens: count(view.tokens, "token"),
            budget: format!("{planned:.1} of {budget} a minute"),
            bar: Bar::of_budget(planned, f64::from(budget)),
            skew: view.skew_seconds.map_or_else(|| "not known".to_owned(), |skew| format!("{skew:+.1} s")),
        }
    }
}
