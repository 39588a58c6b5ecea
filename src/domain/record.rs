//! All that is known of one token: every outcome is applied here, and nowhere else.

mod known;

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;

use super::{
    Cadence, Check, Facts, Kind, Moment, Name, Question, Reason, Scope, TokenSpec,
    expiry::{Expiry, Told},
    finding::{Finding, ProjectFinding},
    heard::{Effects, Heard, Remembered, Try},
    life::{Life, Pending, Rejection},
    small_map::SmallMap,
    state::{TokenState, judge},
};

/// The least time between a denial and the repeat that confirms it, where the interval is no shorter.
const DENIAL_REPEAT: Duration = Duration::from_mins(1);

/// What one token's answers have told so far.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct TokenRecord {
    prefix: Kind,
    kind: Kind,
    life: Life,
    /// Boxed: few tokens have one, and seldom.
    pending: Option<Box<Pending>>,
    ask_at_once: bool,
    accepted: Option<(Duration, Timestamp)>,
    accepted_again: bool,
    last_success: Option<Timestamp>,
    answered: Option<(Duration, bool)>,
    told: Told,
    org_id: Option<Arc<str>>,
    identity_missing: bool,
    projects_seen: Option<(usize, bool)>,
    scopes: SmallMap<Scope, Finding>,
    projects: SmallMap<Name, ProjectFinding>,
    tries: SmallMap<(Check, Option<Name>), Try>,
    state: TokenState,
    state_since: Option<Timestamp>,
}

impl TokenRecord {
    /// A record of a credential that nothing is known of.
    pub fn new(kind: Kind, now: Timestamp) -> Self {
        Self { prefix: kind, kind, state_since: Some(now), ..Self::default() }
    }

    /// What an earlier process knew of this very credential: its expiry and, perhaps, its death. Never
    /// that it was valid.
    pub fn restored(kind: Kind, now: Timestamp, remembered: &Remembered) -> Self {
        let mut record = Self::new(kind, now);
        record.told = remembered.told;
        record.last_success = remembered.last_success;
        if let Some((state, since)) = remembered.death_that_stands(now) {
            record.life =
                Life::Rejected(Rejection { expired: state == TokenState::Expired, probes: 0, seen: None });
            record.state = state;
            record.state_since = Some(since);
        }
        record
    }

    /// The credential has been replaced: what was known of the old one goes, the state is held until the
    /// new one has been answered, and everything is due.
    pub fn rotate(&mut self, kind: Kind) {
        *self = Self {
            prefix: kind,
            kind,
            last_success: self.last_success,
            tries: std::mem::take(&mut self.tries),
            state: self.state,
            state_since: self.state_since,
            ..Self::default()
        };
        self.tries.iter_mut().for_each(|(_, tried)| tried.current = false);
    }

    /// Forgets what the configuration no longer asks for, what was known of projects that are other ones
    /// now, and denials that were not repeated because the scope was not required. Judges anew.
    pub fn conform(
        &mut self,
        before: &TokenSpec,
        spec: &TokenSpec,
        wanted: impl Fn(Check) -> bool,
        now: Moment,
        hex_now: Timestamp,
    ) {
        let stays = |name: &Name| {
            spec.projects.get(name).is_some_and(|id| before.projects.get(name).is_none_or(|it| it == id))
        };
        self.projects.retain(stays);
        if !wanted(Check::ProjectsRun) {
            self.projects.iter_mut().for_each(|(_, project)| project.forget_runs());
        }
        self.scopes.retain(|scope| wanted(scope.check()));
        for (scope, finding) in self.scopes.iter_mut() {
            if spec.required_scopes.contains(scope) && !before.required_scopes.contains(scope) {
                finding.reopen();
            }
        }
        self.tries.retain(|(check, project)| {
            *check == Check::Identity
                || (wanted(*check) && project.as_ref().is_none_or(stays))
                || (*check == Check::ProjectsRead && self.identity_missing)
        });
        self.settle(spec, now, hex_now);
    }

    /// Applies one outcome.
    pub fn apply(&mut self, heard: &Heard<'_>, spec: &TokenSpec, cadence: &Cadence) -> Effects {
        self.note(heard);
        let mut effects = Effects::default();
        let (told, known) = (self.told, self.expiry(spec));
        let (check, reason) = (heard.question.check, heard.outcome.reason);
        if check == Check::Identity && reason.is_conclusive() {
            self.identity_missing = reason == Reason::NotFound;
        }
        if check == self.life_check() {
            self.hear_life(heard, spec, cadence, &mut effects);
        } else if reason == Reason::Unauthorized {
            self.ask_at_once = true;
        }
        if reason.is_conclusive() {
            self.hear_rights(heard, spec, cadence);
        }
        let claimed = known.date().is_some() || (self.told != told && matches!(self.told, Told::At(_)));
        effects.expiry_disproved = claimed && self.expiry(spec) == Expiry::Unknown && effects.accepted;
        effects.change = self.settle(spec, heard.now, heard.hex_now);
        effects
    }

    /// Judges anew as time passes; returns the states before and after where that changed anything.
    pub fn settle(
        &mut self,
        spec: &TokenSpec,
        now: Moment,
        hex_now: Timestamp,
    ) -> Option<(TokenState, TokenState)> {
        let (before, after) = (self.state, judge(self, spec, hex_now));
        if before == after {
            return None;
        }
        self.state = after;
        self.stands_since(now.at);
        Some((before, after))
    }

    fn stands_since(&mut self, now: Timestamp) {
        self.state_since = Some(now);
        // Whose clock was set back must not seem to have been accepted since.
        self.last_success = self.last_success.map(|at| at.min(now));
    }

    /// Another token of the workspace was accepted: a mass rejection is over, and this one is asked again.
    pub fn release(&mut self) -> bool {
        let held = self.pending.as_mut().is_some_and(|pending| pending.release());
        self.ask_at_once |= held;
        held
    }

    /// Makes its life due now: news of another token may be news of this one.
    pub fn ask_at_once(&mut self) {
        self.ask_at_once = true;
    }

    fn note(&mut self, heard: &Heard<'_>) {
        let check = heard.question.check;
        // A scope is one right, whichever project it was asked about.
        let project = check.is_about_project().then(|| heard.question.project_name().cloned()).flatten();
        let key = (check, project);
        let tried = Try::of(heard, self.tries.get(&key));
        self.tries.insert(key, tried);
    }

    fn hear_life(&mut self, heard: &Heard<'_>, spec: &TokenSpec, cadence: &Cadence, effects: &mut Effects) {
        self.ask_at_once = false;
        match heard.outcome.reason {
            // Of `projects_read` a plan may speak in any form, a firewall's too.
            Reason::Plan if heard.question.check != Check::Identity => {
                effects.pending = self.pending.is_some();
            }
            Reason::Ok | Reason::Forbidden | Reason::Plan => {
                effects.accepted = true;
                effects.revived = matches!(self.life, Life::Rejected(_));
                self.accept(heard);
            }
            Reason::Unauthorized => self.reject(heard, spec, cadence, effects),
            _ => effects.pending = self.pending.is_some(),
        }
    }

    fn accept(&mut self, heard: &Heard<'_>) {
        self.accepted_again = self.life == Life::Alive;
        self.life = Life::Alive;
        self.pending = None;
        // By when it was asked: a slow answer tells nothing of what has happened since.
        self.accepted = Some((heard.now.up.saturating_sub(heard.duration), heard.dated));
        self.last_success = Some(heard.now.at);
        self.answered = Some((heard.now.up, true));
        if let Facts::Identity { exp, org_id, describes_user } = &heard.outcome.facts {
            self.told = self.told.after(*exp);
            if org_id.is_some() {
                self.org_id.clone_from(org_id);
            }
            if self.kind == Kind::Unknown {
                self.kind = if *describes_user { Kind::Personal } else { Kind::Workspace };
            }
        }
    }

    fn reject(&mut self, heard: &Heard<'_>, spec: &TokenSpec, cadence: &Cadence, effects: &mut Effects) {
        let is_first = self.answered.replace((heard.now.up, false)).is_none();
        if let Life::Rejected(rejection) = &mut self.life {
            // The first answer after a remembered death is its confirmation.
            rejection.probes = rejection.probes.saturating_add(u32::from(!is_first));
            return;
        }
        let mut pending = self.pending().unwrap_or_else(|| Pending::start(heard.now.up));
        if pending.confirm(heard.now.up, heard.peers, cadence) {
            self.die(pending, spec, heard.now, heard.hex_now);
        } else {
            self.pending = Some(Box::new(pending));
            effects.pending = true;
        }
    }

    fn die(&mut self, pending: Pending, spec: &TokenSpec, now: Moment, hex_now: Timestamp) {
        if self.state.is_dead() && self.life == Life::Alive {
            // Hex had disproved the death that is still held: this is another one.
            self.stands_since(now.at);
        }
        let due = hex_now.checked_add(super::expiry::GRACE).unwrap_or(hex_now);
        let expired = self.expiry(spec).date().is_some_and(|date| date <= due);
        self.life = Life::Rejected(Rejection { expired, probes: 0, seen: Some((pending.first, now.up)) });
        self.pending = None;
    }

    /// Takes a pending rejection for confirmed: for a single round, which can't wait for more repeats.
    pub fn confirm_rejection(&mut self, spec: &TokenSpec, now: Moment, hex_now: Timestamp) {
        if let Some(pending) = self.pending() {
            self.die(pending, spec, now, hex_now);
            self.settle(spec, now, hex_now);
        }
    }

    fn hear_rights(&mut self, heard: &Heard<'_>, spec: &TokenSpec, cadence: &Cadence) {
        let Question { check, project, .. } = heard.question;
        let repeat_after = match check.scope() {
            Some(scope) if !spec.required_scopes.contains(&scope) => Duration::ZERO,
            _ => DENIAL_REPEAT.min(cadence.interval),
        };
        let now = heard.now.up;
        match (check, project) {
            (Check::Identity | Check::DryRunGuard, _) => {}
            (Check::ProjectVisible, Some((name, _))) => {
                let project = self.projects.entry(name.clone());
                match heard.outcome.reason {
                    Reason::Ok | Reason::Unavailable => {
                        project.visible.grant(now);
                        project.published = Some(heard.outcome.reason == Reason::Ok);
                    }
                    Reason::Forbidden | Reason::NotFound => project.visible.deny(now, repeat_after, false),
                    Reason::Plan => project.visible.deny(now, repeat_after, true),
                    _ => {}
                }
            }
            (Check::ProjectsRun, Some((name, _))) => {
                self.projects.entry(name.clone()).hear_run(heard.outcome.reason, now, repeat_after);
            }
            _ => {
                if let Facts::Projects { count, more } = heard.outcome.facts {
                    self.projects_seen = Some((count, more));
                }
                if let Some(scope) = check.scope() {
                    let finding = self.scopes.entry(scope);
                    finding.hear(heard.outcome.reason, now, repeat_after);
                    let is_denied = finding.latest() == Some(false);
                    if is_denied && scope == Scope::ProjectsRead && spec.required_scopes.contains(&scope) {
                        self.projects.iter_mut().for_each(|(_, project)| project.visible.dismiss_denials());
                    }
                }
            }
        }
    }
}

#[cfg(test)]
#[path = "record_tests.rs"]
mod tests;
