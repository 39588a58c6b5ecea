//! The reference: scopes and projects, from the answers about them; and which state all of it makes.

use std::{collections::BTreeMap, time::Duration};

use hex_token_exporter::domain::{Check, Scope, TokenState};

use crate::{
    cast::{Cast, Question},
    hex::Said,
    life::Verdict,
};

/// One right: a denial counts once a later one agrees, a grant at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Right {
    pub(crate) settled: Option<bool>,
    denied_since: Option<Duration>,
    granted_at: Option<Duration>,
}

impl Right {
    fn grant(&mut self, now: Duration) {
        *self = Self { settled: Some(true), denied_since: None, granted_at: Some(now) };
    }

    fn deny(&mut self, now: Duration, repeat_after: Duration) {
        let since = *self.denied_since.get_or_insert(now);
        if now >= since + repeat_after {
            self.settled = Some(false);
        }
    }

    /// What the latest answer said, confirmed or not.
    pub(crate) fn latest(self) -> Option<bool> {
        if self.denied_since.is_some() { Some(false) } else { self.settled }
    }
}

/// One listed project.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Project {
    pub(crate) visible: Right,
    pub(crate) published: Option<bool>,
    pub(crate) runnable: Right,
}

impl Project {
    /// Whether checks that need a project may ask about this one.
    pub(crate) fn is_usable(self) -> bool {
        self.visible.latest() == Some(true) && self.published == Some(true)
    }
}

/// How far an answer is believed: only what is settled, or the latest too.
type Belief = fn(Right) -> Option<bool>;

pub(crate) const SETTLED: Belief = |right| right.settled;
const LATEST: Belief = Right::latest;

/// All rights of a token.
#[derive(Debug, Clone, Default)]
pub(crate) struct Rights {
    pub(crate) scopes: BTreeMap<Scope, Right>,
    pub(crate) projects: BTreeMap<usize, Project>,
}

impl Rights {
    /// Forgets what is not asked about any more. A lone denial of what is required only now is in doubt.
    pub(crate) fn conform(&mut self, before: &Cast, now: &Cast) {
        self.projects.retain(|project, _| now.projects.contains(project));
        self.scopes.retain(|scope, _| now.looks_for(*scope));
        if !now.required.contains(&Scope::ProjectsRun) {
            self.projects.values_mut().for_each(|project| project.runnable = Right::default());
        }
        for (scope, right) in &mut self.scopes {
            let is_new = now.required.contains(scope) && !before.required.contains(scope);
            if is_new && right.settled == Some(false) {
                right.settled = None;
            }
        }
    }

    /// A conclusive answer about a right.
    pub(crate) fn hear(
        &mut self,
        cast: &Cast,
        (check, project): Question,
        said: Said,
        now: Duration,
        repeat_after: Duration,
    ) {
        match (check, project) {
            (Check::ProjectVisible, Some(project)) => {
                let project = self.projects.entry(project).or_default();
                match said {
                    Said::Yes { .. } | Said::Unpublished => {
                        project.visible.grant(now);
                        project.published = Some(said.is_yes());
                    }
                    Said::Forbidden | Said::Plan | Said::Missing => project.visible.deny(now, repeat_after),
                    _ => {}
                }
            }
            (Check::ProjectsRun, Some(project)) => {
                hear_scope(&mut self.projects.entry(project).or_default().runnable, said, now, repeat_after);
            }
            (Check::DryRunGuard, _) => {}
            _ => {
                let Some(scope) = check.scope() else { return };
                let repeat_after = if cast.required.contains(&scope) { repeat_after } else { Duration::ZERO };
                hear_scope(self.scopes.entry(scope).or_default(), said, now, repeat_after);
                let is_denied = matches!(said, Said::Forbidden | Said::Plan);
                if scope == Scope::ProjectsRead && is_denied && cast.required.contains(&scope) {
                    // All projects look missing then: what was said of one was not about it.
                    for project in self.projects.values_mut() {
                        let seen = project.visible.settled.filter(|seen| *seen);
                        project.visible = Right { settled: seen, denied_since: None, ..project.visible };
                    }
                }
            }
        }
    }

    /// Whether a scope is granted. Runs are, where any dry run was accepted, and are not, where all that
    /// were tried were refused.
    pub(crate) fn granted(&self, cast: &Cast, scope: Scope, belief: Belief) -> Option<bool> {
        if scope != Scope::ProjectsRun {
            return self.scopes.get(&scope).copied().and_then(belief);
        }
        let listed = cast.projects.iter().filter_map(|it| self.projects.get(it)).map(|it| it.runnable);
        let tried: Vec<_> = listed.filter(|right| right.latest().is_some()).map(belief).collect();
        if tried.contains(&Some(true)) {
            Some(true)
        } else {
            (!tried.is_empty() && tried.iter().all(|it| *it == Some(false))).then_some(false)
        }
    }

    /// Whether no project need be asked about: none can be seen, and the state says so.
    pub(crate) fn projects_are_hidden(&self, cast: &Cast) -> bool {
        let scope = Scope::ProjectsRead;
        cast.required.contains(&scope) && self.granted(cast, scope, SETTLED) == Some(false)
    }

    /// Whether projects may be seen, and it was said so since this one came to look missing.
    fn shows_projects_since(&self, cast: &Cast, project: &Project) -> bool {
        let scope = self.scopes.get(&Scope::ProjectsRead).copied().unwrap_or_default();
        !cast.required.contains(&Scope::ProjectsRead)
            || (scope.denied_since.is_none() && scope.granted_at >= project.visible.denied_since)
    }

    /// When the last of the projects came to look missing.
    pub(crate) fn missing_since(&self, cast: &Cast) -> Option<Duration> {
        let listed = cast.projects.iter().filter_map(|it| self.projects.get(it));
        listed.filter_map(|project| project.visible.denied_since).max()
    }

    fn of_the_living(&self, cast: &Cast, belief: Belief) -> Option<TokenState> {
        let granted = |scope: &Scope| self.granted(cast, *scope, belief);
        if cast.required.iter().any(|scope| granted(scope) == Some(false)) {
            return Some(TokenState::UnderScoped);
        }
        let runs = cast.required.contains(&Scope::ProjectsRun);
        let may_run = granted(&Scope::ProjectsRun).is_some();
        let mut open = cast.required.iter().any(|scope| granted(scope).is_none());
        for project in &cast.projects {
            let Some(known) = self.projects.get(project) else {
                open = true;
                continue;
            };
            let visible =
                belief(known.visible).filter(|seen| *seen || self.shows_projects_since(cast, known));
            let runnable = if runs { belief(known.runnable).filter(|_| may_run) } else { Some(true) };
            let answers = [visible, known.published, runnable];
            if answers.contains(&Some(false)) {
                return Some(TokenState::ProjectUnavailable);
            }
            open |= answers.contains(&None);
        }
        (!open).then_some(TokenState::Valid)
    }
}

fn hear_scope(right: &mut Right, said: Said, now: Duration, repeat_after: Duration) {
    match said {
        Said::Yes { .. } => right.grant(now),
        Said::Forbidden | Said::Plan => right.deny(now, repeat_after),
        _ => {}
    }
}

/// The state to show, in order of precedence; the one of before, where something required is open, but no
/// death for longer than until the next acceptance.
pub(crate) fn state(
    before: TokenState,
    verdict: Verdict,
    has_run_out: bool,
    foreign: bool,
    accepted_again: bool,
    rights: &Rights,
    cast: &Cast,
) -> TokenState {
    match verdict {
        _ if has_run_out => TokenState::Expired,
        Verdict::Dead { expired: true } => TokenState::Expired,
        Verdict::Dead { expired: false } => TokenState::Invalid,
        Verdict::Unheard => before,
        Verdict::Alive if foreign => TokenState::WrongWorkspace,
        Verdict::Alive => {
            let was_dead = matches!(before, TokenState::Expired | TokenState::Invalid);
            // Nothing is as wrong as calling a living token dead, so the first answers count then.
            let first_answers = || was_dead.then(|| rights.of_the_living(cast, LATEST)).flatten();
            let in_vain = || (was_dead && accepted_again).then_some(TokenState::Unknown);
            rights.of_the_living(cast, SETTLED).or_else(first_answers).or_else(in_vain).unwrap_or(before)
        }
    }
}
