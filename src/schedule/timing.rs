//! PURE: which check of a token is due when. No clock, no waiting: the record and a moment come in, a list
//! of due times goes out.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::{
    phase::{Anchor, seed},
    plan::{EXCESS_INTERVAL, RUN_RETRY},
};
use crate::domain::{
    Cadence, Check, Method, Moment, Name, Question, Reason, Scope, TokenRecord, TokenSpec, Uuid,
    finding::ProjectFinding, heard::Try, life::Life,
};

/// The pauses between the first probes of a token known to be rejected.
const REJECTED_STEPS: [Duration; 4] =
    [Duration::from_mins(1), Duration::from_mins(2), Duration::from_mins(5), Duration::from_mins(10)];

/// How long after a known expiry its effect is looked at.
const AFTER_EXPIRY: Duration = Duration::from_secs(30);

/// How far Hex's clock may seem to jump: it is told in whole seconds. The extra look is one.
const CLOCK_STEP: Duration = Duration::from_secs(2);

/// How long after a dry run it is looked whether it has become a real one: that may not show at once.
const RUN_SHOWS: Duration = Duration::from_secs(5);

/// From this age on, an on-demand probe asks for the identity again.
const STALE_IDENTITY: Duration = Duration::from_secs(30);

/// Which requests go first where the budget is short.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// A rejection that is being confirmed, by its token or by a witness.
    Confirmation,
    /// Life and death, and the guard against real runs.
    Identity,
    /// Scopes and projects.
    Right,
    /// Dry runs.
    Run,
}

impl Class {
    /// Whether it asks about life and death.
    pub fn is_life(self) -> bool {
        self <= Self::Identity
    }

    /// By how much a less urgent request waits longer than an urgent one. It waits, it does not starve.
    pub fn patience(self) -> Duration {
        match self {
            Self::Confirmation => Duration::ZERO,
            Self::Identity => Duration::from_mins(5),
            Self::Right => Duration::from_mins(10),
            Self::Run => Duration::from_mins(15),
        }
    }
}

/// How long after a dry run the guard looks for a real one.
pub(super) fn run_shows(cadence: &Cadence) -> Duration {
    RUN_SHOWS.min(cadence.confirm_after)
}

/// One check and when it is due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Due {
    /// When, by uptime. What lies in the past is due now.
    pub at: Duration,
    /// How urgent.
    pub class: Class,
    /// What to ask.
    pub question: Question,
}

/// A dry run that may have been a real one, until its dummy run has been looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Guard {
    /// The project, by its configured name and its id.
    pub project: (Name, Uuid),
    /// The dummy run that the answer spoke of.
    pub run: Uuid,
}

/// All that the due times of a token depend on.
#[derive(Debug, Clone, Copy)]
pub struct Timing<'a> {
    /// What is configured.
    pub spec: &'a TokenSpec,
    /// What is known.
    pub record: &'a TokenRecord,
    /// How often what is asked.
    pub cadence: &'a Cadence,
    /// By how much the intervals of the workspace are stretched.
    pub stretch: f64,
    /// The grid of the process.
    pub anchor: Anchor,
    /// The time now.
    pub now: Moment,
    /// The same on Hex's clock.
    pub hex_now: Timestamp,
    /// The dry run of this token that is still to be looked into.
    pub guard: Option<&'a Guard>,
    /// From when on, by uptime, dry runs may be sent. `None`: not now.
    pub dry_runs_from: Option<Duration>,
}

impl Timing<'_> {
    /// All checks of the token with their due times, the soonest first.
    pub fn agenda(&self) -> Vec<Due> {
        let mut agenda = vec![self.life()];
        if self.record.life_check() != Check::Identity {
            agenda.push(self.identity_again());
        }
        if self.is_alive() {
            agenda.extend(self.guard());
            agenda.extend(self.scopes());
            agenda.extend(self.projects());
            agenda.extend(self.runs());
        }
        agenda.sort_by(|a, b| (a.at, a.class, &a.question).cmp(&(b.at, b.class, &b.question)));
        agenda
    }

    /// What to ask next. Of what is due, life and death come first, however long the rest has waited.
    pub fn next(&self) -> Option<Due> {
        let agenda = self.agenda();
        let due = agenda.iter().filter(|due| due.at <= self.now.up);
        let urgent = due.min_by_key(|due| (!due.class.is_life(), due.at + due.class.patience()));
        urgent.or(agenda.first()).cloned()
    }

    /// Until when a question that waits for the budget may go on waiting: until life or death is due.
    /// `None`: it is to be asked no more.
    pub fn may_wait_until(&self, waiting: &Due) -> Option<Duration> {
        let agenda = self.agenda();
        let stands = match waiting.class {
            Class::Confirmation | Class::Identity => true,
            Class::Right => {
                agenda.iter().any(|due| due.question == waiting.question && due.at <= self.now.up)
            }
            // One that was claimed is off the agenda of all.
            Class::Run => self.wants_run_of(&waiting.question),
        };
        let urgent = agenda.iter().filter(|due| due.class.is_life()).map(|due| due.at).min();
        urgent.filter(|at| stands && *at > self.now.up)
    }

    /// Whether the configuration asks for this dry run.
    fn wants_run_of(&self, question: &Question) -> bool {
        let listed = |(name, id): &(Name, Uuid)| self.spec.projects.get(name) == Some(id);
        self.spec.required_scopes.contains(&Scope::ProjectsRun)
            && question.project.as_ref().is_some_and(listed)
    }

    /// What an on-demand probe of that time may ask now: what is due, never a dry run, and the identity where
    /// its last answer was not fresh then. One that comes while the probe waits for the budget is not asked
    /// for again. A rejection that is being confirmed keeps its own pace.
    pub fn on_demand(&self, asked: Duration) -> Option<Due> {
        let mut agenda = self.agenda();
        for due in &mut agenda {
            let is_life = due.question.check == self.record.life_check();
            if is_life && self.record.pending().is_none() {
                let last = self.record.last_try(due.question.check, None);
                let stale = last.map_or(Duration::ZERO, |tried| tried.at + STALE_IDENTITY);
                if stale <= asked {
                    due.at = due.at.min(stale);
                }
            }
        }
        let due = |due: &Due| due.at <= self.now.up && due.question.check.method() == Method::Get;
        agenda.into_iter().filter(due).min_by_key(|due| (due.class, due.at))
    }

    /// The interval in force of every check that the configuration asks for: of project checks the longest.
    /// A check that rests while the token is rejected keeps its interval, so that none comes and goes.
    pub fn intervals(&self) -> impl Iterator<Item = (Check, Duration)> + Clone + use<> {
        let mut intervals = [None; Check::ALL.len()];
        intervals[Check::Identity as usize] = Some(self.stretched(self.cadence.scope_interval));
        for check in self.checked_scopes().map(Scope::check) {
            let bound = check.is_about_project().then(|| self.spec.projects.keys().map(Some));
            let projects = bound.into_iter().flatten();
            let alone = (!check.is_about_project()).then_some(None);
            for project in projects.chain(alone) {
                self.add_interval(&mut intervals, check, project);
            }
        }
        for project in self.spec.projects.keys() {
            self.add_interval(&mut intervals, Check::ProjectVisible, Some(project));
        }
        intervals[self.record.life_check() as usize] = Some(self.life_interval());
        Check::ALL.into_iter().filter_map(move |check| Some((check, intervals[check as usize]?)))
    }

    fn add_interval(
        &self,
        to: &mut [Option<Duration>; Check::ALL.len()],
        check: Check,
        project: Option<&Name>,
    ) {
        let interval = self.right_interval(check, self.current_try(check, project));
        let longest = &mut to[check as usize];
        *longest = (*longest).max(Some(interval));
    }

    /// Rights are asked about only while the token is known to be accepted: a 401 would be the answer.
    fn is_alive(&self) -> bool {
        self.record.life() == Life::Alive
            && self.record.pending().is_none()
            && self.current_try(self.record.life_check(), None).is_some()
    }

    fn life(&self) -> Due {
        let check = self.record.life_check();
        let at = match self.current_try(check, None) {
            None => Duration::ZERO,
            Some(_) if self.record.is_asked_at_once() => Duration::ZERO,
            Some(tried) => self.next_life(tried.at),
        };
        // A dead one that is asked whether it lives again can wait: that is no confirmation.
        let is_witness = self.record.is_asked_at_once() && !matches!(self.record.life(), Life::Rejected(_));
        let confirms = self.record.pending().is_some() || is_witness;
        let class = if confirms { Class::Confirmation } else { Class::Identity };
        Due { at, class, question: Question::of(check) }
    }

    fn next_life(&self, last: Duration) -> Duration {
        if let Some(pending) = self.record.pending() {
            return pending.next_repeat(last, self.cadence);
        }
        if matches!(self.record.life(), Life::Rejected(_)) {
            return last + self.life_interval();
        }
        let interval = self.life_interval();
        let pause = self.stroke(self.record.life_check(), None, last, interval).saturating_sub(last);
        // No pause is longer than what is promised: out of step, the way back to the grid is made in two.
        let regular = last + if pause > interval { pause / 2 } else { pause };
        match self.after_expiry() {
            Some(extra) if last + CLOCK_STEP < extra => regular.min(extra),
            _ => regular,
        }
    }

    /// When the effect of a known expiry is to be looked at, by uptime.
    fn after_expiry(&self) -> Option<Duration> {
        let date = self.record.expiry(self.spec).date()?;
        let from_now = date.duration_since(self.hex_now) + SignedDuration::try_from(AFTER_EXPIRY).ok()?;
        let up = SignedDuration::try_from(self.now.up).ok()?;
        Duration::try_from(up.checked_add(from_now)?).ok()
    }

    fn life_interval(&self) -> Duration {
        match (self.record.pending(), self.record.life()) {
            (Some(pending), _) => {
                let last = self.record.answered().map_or(self.now.up, |(at, _)| at);
                pending.next_repeat(last, self.cadence).saturating_sub(last)
            }
            (None, Life::Rejected(rejection)) => {
                let step = usize::try_from(rejection.probes).unwrap_or(usize::MAX);
                let pause = REJECTED_STEPS.get(step).copied().unwrap_or(self.cadence.rejected_interval);
                pause.min(self.cadence.rejected_interval)
            }
            (None, _) => self.stretched(self.cadence.interval),
        }
    }

    /// A stack without `/users/me` may get it any day.
    fn identity_again(&self) -> Due {
        let last = self.record.last_try(Check::Identity, None).map_or(Duration::ZERO, |tried| tried.at);
        let at = last + self.stretched(self.cadence.scope_interval);
        Due { at, class: Class::Right, question: Question::of(Check::Identity) }
    }

    fn guard(&self) -> Option<Due> {
        let Guard { project: (name, id), run } = self.guard?;
        let question = Question { run: Some(run.clone()), ..Question::about(Check::DryRunGuard, name, id) };
        let made = self.record.last_try(Check::ProjectsRun, Some(name)).map(|run| run.at);
        let last = self.record.last_try(Check::DryRunGuard, Some(name)).map(|guard| guard.at);
        let at = match last.filter(|last| Some(*last) > made) {
            Some(last) => last + self.cadence.interval,
            None => made.map_or(Duration::ZERO, |made| made + run_shows(self.cadence)),
        };
        Some(Due { at, class: Class::Identity, question })
    }

    fn checked_scopes(&self) -> impl Iterator<Item = Scope> {
        self.spec.checked_scopes(self.record.kind())
    }

    fn scopes(&self) -> impl Iterator<Item = Due> {
        let usable = self.usable().next();
        self.checked_scopes().filter_map(move |scope| {
            let check = scope.check();
            if scope == Scope::ProjectsRun || check == self.record.life_check() {
                return None;
            }
            let question = if scope.is_project_bound() {
                let (name, id) = usable?;
                Question::about(check, name, id)
            } else {
                Question::of(check)
            };
            let due = self.right(question, None, Class::Right);
            Some(if scope == Scope::ProjectsRead && self.is_a_project_missing() {
                Due { at: Duration::ZERO, ..due }
            } else {
                due
            })
        })
    }

    /// Whether a project has come to look missing since it was last asked whether any may be seen.
    pub(super) fn is_a_project_missing(&self) -> bool {
        let asked = self.current_try(Check::ProjectsRead, None).map(|tried| tried.at);
        let is_required = self.spec.required_scopes.contains(&Scope::ProjectsRead);
        let missing =
            self.spec.projects.keys().filter_map(|name| self.record.project(name)?.visible.denied_since());
        is_required && missing.max() > asked
    }

    fn projects(&self) -> impl Iterator<Item = Due> {
        let hidden = self.record.hides_projects(self.spec);
        self.spec.projects.iter().filter(move |_| !hidden).map(|(name, id)| {
            self.right(Question::about(Check::ProjectVisible, name, id), Some(name), Class::Right)
        })
    }

    fn runs(&self) -> Vec<Due> {
        let wanted = self.spec.required_scopes.contains(&Scope::ProjectsRun);
        let Some(from) = self.dry_runs_from.filter(|_| wanted) else { return Vec::new() };
        let run =
            |(name, id)| self.right(Question::about(Check::ProjectsRun, name, id), Some(name), Class::Run);
        let runs = self.usable().map(run);
        if from <= self.now.up {
            return runs.collect();
        }
        // They rest. Whichever has been due for longest is the next, or the first by name would always be.
        let next = runs.min_by_key(|due| due.at).map(|due| Due { at: due.at.max(from), ..due });
        next.into_iter().collect()
    }

    fn usable(&self) -> impl Iterator<Item = (&Name, &Uuid)> {
        self.spec
            .projects
            .iter()
            .filter(|(name, _)| self.record.project(name).is_some_and(ProjectFinding::is_usable))
    }

    fn right(&self, question: Question, project: Option<&Name>, class: Class) -> Due {
        let check = question.check;
        let last = self.current_try(check, project);
        let interval = self.right_interval(check, last);
        let at = match last {
            None => Duration::ZERO,
            Some(tried) if self.is_settled(check, tried.reason) => {
                self.stroke(check, project, tried.at, interval)
            }
            Some(tried) => tried.at + interval,
        };
        Due { at, class, question }
    }

    fn current_try(&self, check: Check, project: Option<&Name>) -> Option<&Try> {
        self.record.last_try(check, project).filter(|tried| tried.current)
    }

    fn right_interval(&self, check: Check, last: Option<&Try>) -> Duration {
        let settled = last.is_none_or(|tried| self.is_settled(check, tried.reason));
        let interval = match (check, settled) {
            (Check::ProjectsRun, true) => self.cadence.run_interval,
            (Check::ProjectsRun, false) => RUN_RETRY.min(self.cadence.run_interval),
            _ if self.is_excess(check) && settled => EXCESS_INTERVAL,
            _ if self.is_excess(check) || settled => self.cadence.scope_interval,
            _ => self.cadence.interval,
        };
        self.stretched(interval)
    }

    /// A right that nobody requires is settled by any conclusive answer, others by `ok` alone.
    fn is_settled(&self, check: Check, reason: Reason) -> bool {
        reason == Reason::Ok || (self.is_excess(check) && reason.is_conclusive())
    }

    fn is_excess(&self, check: Check) -> bool {
        check.scope().is_some_and(|scope| !self.spec.required_scopes.contains(&scope))
    }

    fn stroke(&self, check: Check, project: Option<&Name>, last: Duration, interval: Duration) -> Duration {
        let words = [self.spec.name.as_str(), check.as_label(), project.map_or("", Name::as_str)];
        self.anchor.next_stroke(last, interval, seed(&words))
    }

    fn stretched(&self, interval: Duration) -> Duration {
        interval.mul_f64(self.stretch)
    }
}
