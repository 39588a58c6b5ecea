//! What is known of a workspace: whether Hex answers, its clock, its limits.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use jiff::{SignedDuration, Timestamp};

use super::view::{TokenView, WorkspaceView};
use crate::domain::{Check, Moment, Name, Observation, Outcome, Seen, Workspace};

/// How long an answer speaks for the health of the API.
const FRESH: Duration = Duration::from_mins(1);

/// How often the rejected tokens of a workspace may be asked again because another was accepted again.
const RECONSIDER_EVERY: Duration = Duration::from_mins(5);

#[derive(Debug)]
pub(super) struct WorkspaceRecord {
    pub(super) spec: Arc<Workspace>,
    pub(super) dry_run_unsafe: bool,
    planned_per_minute: f64,
    newest: Option<(Moment, bool)>,
    answered: Option<Moment>,
    skew: Option<SignedDuration>,
    rate_limited: Option<(Name, Moment)>,
    reconsidered: Option<Moment>,
}

impl WorkspaceRecord {
    pub(super) fn new(spec: Arc<Workspace>, planned_per_minute: f64) -> Self {
        Self {
            spec,
            dry_run_unsafe: false,
            planned_per_minute,
            newest: None,
            answered: None,
            skew: None,
            rate_limited: None,
            reconsidered: None,
        }
    }

    /// The same workspace under another configuration.
    pub(super) fn with(self, spec: Arc<Workspace>, planned_per_minute: f64) -> Self {
        Self { spec, planned_per_minute, ..self }
    }

    /// Takes in an answer. Only Hex's own tells its clock; dry runs tell nothing about the API.
    pub(super) fn hear(&mut self, observation: &Observation, outcome: &Outcome, now: Moment) {
        if let (true, Seen::Answer(answer)) = (outcome.by_hex, &observation.seen)
            && let Some(date) = answer.date
        {
            self.skew = Some(date.duration_since(now.at));
        }
        let made = !matches!(observation.seen, Seen::Failed(crate::domain::Failure::CredentialUnreadable));
        if made && observation.question.check != Check::ProjectsRun {
            self.newest = Some((now, outcome.by_hex));
            if outcome.by_hex {
                self.answered = Some(now);
            }
        }
    }

    pub(super) fn hex_now(&self, now: Moment) -> Timestamp {
        self.skew.and_then(|skew| now.at.checked_add(skew).ok()).unwrap_or(now.at)
    }

    /// A token was told to slow down. Where another was too within a minute, they share a limit, and the
    /// whole workspace must pause.
    pub(super) fn rate_limited(&mut self, token: &Name, pause: Duration, now: Moment) -> Option<Duration> {
        let before = self.rate_limited.replace((token.clone(), now));
        before.filter(|(other, at)| other != token && now.since(*at) <= FRESH).map(|_| pause)
    }

    pub(super) fn may_reconsider_rejected(&mut self, now: Moment) -> bool {
        let may = self.reconsidered.is_none_or(|last| now.since(last) >= RECONSIDER_EVERY);
        if may {
            self.reconsidered = Some(now);
        }
        may
    }

    pub(super) fn view(&self, tokens: &[Arc<TokenView>], now: Moment) -> WorkspaceView {
        let own = || tokens.iter().filter(|token| token.spec.workspace.name == self.spec.name);
        WorkspaceView {
            spec: self.spec.clone(),
            api_up: self.newest.map(|(newest, by_hex)| {
                if now.since(newest) <= FRESH {
                    self.answered.is_some_and(|answered| now.since(answered) <= FRESH)
                } else {
                    by_hex
                }
            }),
            skew_seconds: self.skew.map(|skew| skew.as_secs_f64()),
            dry_run_unsafe: self.dry_run_unsafe,
            rejects_all_tokens: rejects_all(own(), now),
            planned_per_minute: self.planned_per_minute,
            tokens: own().count(),
        }
    }
}

/// Whether at least two credentials had a verdict within their last two intervals, and every one was a 401.
fn rejects_all<'a>(tokens: impl Iterator<Item = &'a Arc<TokenView>>, now: Moment) -> bool {
    let mut rejected = BTreeSet::new();
    for token in tokens {
        let Some((at, accepted)) = token.record.answered() else { continue };
        let interval = token.intervals.get(&token.record.life_check()).copied().unwrap_or_default();
        if now.since(at) > interval * 2 {
            continue;
        }
        if accepted {
            return false;
        }
        rejected.insert(token.credential.digest);
    }
    rejected.len() >= 2
}
