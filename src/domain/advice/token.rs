//! Cause and remedy for one token now: what its record tells of its state, and what its latest probes met.

use jiff::Timestamp;

use super::{Advice, BEYOND_PLAN, CORRECT_URL, WAIT, of_credential, of_reason, of_state};
use crate::domain::{
    Check, CredentialProblem, Kind, Name, Reason, Scope, TokenRecord, TokenSpec, TokenState,
    finding::Finding,
    heard::Try,
    life::Life,
    state::{has_run_out, is_of_another_workspace},
};

/// Of what is open, so many are named: a token may have hundreds of projects.
const NAMED_AT_ONCE: usize = 5;

/// Cause and remedy for one token now, where `problem` is why its credential can't be used and `hex_now` the
/// time on Hex's clock.
pub fn of_token(
    record: &TokenRecord,
    spec: &TokenSpec,
    problem: Option<CredentialProblem>,
    hex_now: Timestamp,
) -> Advice {
    Case { record, spec, problem, hex_now }.advice()
}

/// A token to give advice on.
struct Case<'a> {
    record: &'a TokenRecord,
    spec: &'a TokenSpec,
    problem: Option<CredentialProblem>,
    hex_now: Timestamp,
}

/// What keeps something from being well or known, in words.
struct Trouble {
    reason: Reason,
    cause: String,
    remedy: String,
}

impl Trouble {
    fn new(reason: Reason, (cause, remedy): (&str, &str)) -> Self {
        Self { reason, cause: cause.to_owned(), remedy: remedy.to_owned() }
    }
}

impl Case<'_> {
    fn advice(&self) -> Advice {
        let state = self.record.state();
        let trouble = self.trouble();
        let Some((cause, remedy)) = of_state(state) else {
            return match trouble {
                Some(met) => Advice::new(met.reason, sentence(&met.cause), met.remedy),
                None => Advice { reason: Reason::Ok, cause: None, remedy: None },
            };
        };
        let shortcomings = match state {
            TokenState::UnderScoped => self.under_scoped(cause, remedy),
            TokenState::ProjectUnavailable => self.unavailable(remedy),
            TokenState::WrongWorkspace => is_of_another_workspace(self.record, self.spec)
                .then(|| Advice::new(Reason::Ok, cause, remedy)),
            TokenState::Expired | TokenState::Invalid => self.dead(state, trouble.as_ref(), cause, remedy),
            TokenState::Unknown | TokenState::Valid => None,
        };
        shortcomings.unwrap_or_else(|| self.open(state, trouble, cause))
    }

    /// The state awaits answers: it is `unknown`, or the one of before the credential or the requirements
    /// changed.
    fn open(&self, state: TokenState, trouble: Option<Trouble>, cause: &str) -> Advice {
        let held = state != TokenState::Unknown;
        let is_alive = self.record.life() == Life::Alive;
        let cause = match (is_alive, held) {
            (true, _) => {
                let accepts =
                    if self.is_accepted_now() { "Hex accepts the token now" } else { "Hex has accepted the token" };
                let until = if held { "; until then the state is the one of before" } else { "" };
                format!("{accepts}; not settled yet: {}{until}", self.unsettled())
            }
            (false, true) => {
                "The credential was replaced, and Hex has given no verdict on the new one yet, so the state is \
                 the old one's"
                    .to_owned()
            }
            (false, false) => cause.to_owned(),
        };
        let colon = if is_alive || held { ";" } else { ":" };
        match trouble {
            Some(met) => Advice::new(met.reason, format!("{cause}{colon} {}", met.cause), met.remedy),
            None => Advice::new(Reason::Ok, cause, WAIT),
        }
    }

    fn is_accepted_now(&self) -> bool {
        let latest = self.record.last_try(self.record.life_check(), None);
        latest.is_some_and(|tried| matches!(tried.reason, Reason::Ok | Reason::Forbidden | Reason::Plan))
    }

    /// What is required and has no answer that counts.
    fn unsettled(&self) -> String {
        let Self { record, spec, .. } = self;
        let runs = spec.required_scopes.contains(&Scope::ProjectsRun);
        let may_run = record.granted(spec, Scope::ProjectsRun).is_some();
        let is_open = |name: &&Name| {
            record.project(name).is_none_or(|project| {
                project.visible.settled().is_none()
                    || (project.visible.settled() == Some(true) && project.published.is_none())
                    || (runs && may_run && project.runnable.settled().is_none())
            })
        };
        let scopes = spec.required_scopes.iter().filter(|scope| record.granted(spec, **scope).is_none());
        let projects = spec.projects.keys().filter(is_open);
        let open: Vec<String> = scopes
            .map(|scope| scope.as_label().to_owned())
            .chain(projects.map(|name| format!("project {name}")))
            .collect();
        match open.get(..NAMED_AT_ONCE) {
            _ if open.is_empty() => "what is required".to_owned(),
            Some(first) if first.len() < open.len() => {
                format!("{} and {} more", first.join(", "), open.len() - first.len())
            }
            _ => open.join(", "),
        }
    }

    /// `None` where a death is shown that Hex has since disproved, or that was the old credential's.
    fn dead(
        &self,
        state: TokenState,
        trouble: Option<&Trouble>,
        cause: &str,
        remedy: &str,
    ) -> Option<Advice> {
        let is_rejected = matches!(self.record.life(), Life::Rejected(_));
        let date = self.record.expiry(self.spec).date().filter(|_| state == TokenState::Expired);
        let cause = date.map_or_else(|| cause.to_owned(), |date| format!("{cause}, on {date:.0}"));
        if is_rejected {
            return Some(Advice::new(Reason::Unauthorized, cause, remedy));
        }
        if state != TokenState::Expired || !has_run_out(self.record, self.spec, self.hex_now) {
            return None;
        }
        Some(match trouble {
            Some(met) => Advice::new(met.reason, format!("{cause}; {}", met.cause), remedy),
            None => Advice::new(Reason::Ok, cause, remedy),
        })
    }

    /// `None` where no scope is known to lack.
    fn under_scoped(&self, cause: &str, remedy: &str) -> Option<Advice> {
        let required = self.spec.required_scopes.iter().copied();
        let missing = required.filter(|scope| self.record.granted(self.spec, *scope) == Some(false));
        let (by_plan, lacking): (Vec<Scope>, Vec<Scope>) =
            missing.partition(|scope| self.is_beyond_plan(*scope));
        let names = |scopes: &[Scope]| list(scopes, Scope::as_label, ", ");
        let remedy = match self.record.kind() {
            Kind::Personal => {
                "Check the role of the token's user, the sharing of the project and the plan: a personal token can do what its user can".to_owned()
            }
            Kind::Workspace => format!(
                "Create a workspace token with the scopes that this one has and \"{}\"",
                list(&lacking, Scope::hex_wording, "\", \"")
            ),
            Kind::Unknown => remedy.to_owned(),
        };
        match (by_plan.is_empty(), lacking.is_empty()) {
            (true, true) => None,
            (true, false) => {
                Some(Advice::new(Reason::Forbidden, format!("{cause}: {}", names(&lacking)), remedy))
            }
            (false, is_alone) => {
                let (why, then) = BEYOND_PLAN;
                let cause = format!("{cause} ({}): {why}", names(&by_plan));
                Some(if is_alone {
                    Advice::new(Reason::Plan, cause, then)
                } else {
                    let cause = format!("{cause}; it also lacks {}", names(&lacking));
                    Advice::new(Reason::Plan, cause, format!("{then}. {remedy}"))
                })
            }
        }
    }

    /// Whether it is the workspace's plan that lacks. Of runs, the projects tell.
    fn is_beyond_plan(&self, scope: Scope) -> bool {
        if scope == Scope::ProjectsRun {
            let mut projects = self.spec.projects.keys().filter_map(|name| self.record.project(name));
            return projects.any(|project| project.runnable.is_denied_by_plan());
        }
        self.record.scope(scope).is_some_and(Finding::is_denied_by_plan)
    }

    /// `None` where no project is known to be unavailable.
    fn unavailable(&self, remedy: &str) -> Option<Advice> {
        let (why, then) = BEYOND_PLAN;
        let troubles = self.spec.projects.keys().filter_map(|name| {
            let (reason, trouble) = self.trouble_of(name)?;
            let words = format!("project {name} {trouble}");
            Some((reason, if reason == Reason::Plan { format!("{words}: {why}") } else { words }))
        });
        let (reasons, words): (Vec<Reason>, Vec<String>) = troubles.unzip();
        let reason = *reasons.first()?;
        let remedy = if reason == Reason::Plan { then } else { remedy };
        Some(Advice::new(reason, sentence(&words.join("; ")), remedy))
    }

    fn trouble_of(&self, name: &Name) -> Option<(Reason, &'static str)> {
        let project = self.record.project(name)?;
        let runs = self.spec.required_scopes.contains(&Scope::ProjectsRun);
        if project.visible.settled() == Some(false) {
            let told = self.record.last_try(Check::ProjectVisible, Some(name)).map(|tried| tried.reason);
            return Some(match told {
                _ if project.visible.is_denied_by_plan() => (Reason::Plan, "cannot be seen"),
                Some(Reason::Forbidden) => (Reason::Forbidden, "is not shared with the token"),
                _ => (Reason::NotFound, "does not exist or is not shared with the token"),
            });
        }
        if project.published == Some(false) {
            return Some((Reason::Unavailable, "is unpublished, archived or trashed"));
        }
        (runs && project.runnable.settled() == Some(false)).then(|| {
            if project.runnable.is_denied_by_plan() {
                (Reason::Plan, "may not be run")
            } else {
                (Reason::Forbidden, "may not be run with the token")
            }
        })
    }

    /// A credential that can't be used, else the latest probe of the token's life that did not go well, else
    /// that of anything.
    fn trouble(&self) -> Option<Trouble> {
        if let Some(problem) = self.problem {
            return Some(Trouble::new(Reason::CredentialUnreadable, of_credential(problem)));
        }
        let life = self.record.life_check();
        let troubles = self.record.tries().iter().filter_map(|((check, project), tried)| {
            // What was answered about a credential that is gone is no news of its successor.
            (tried.current && self.is_trouble(*check, tried.reason)).then_some((*check, project, tried))
        });
        let (check, project, tried) = troubles.max_by_key(|(check, _, tried)| (*check == life, tried.at))?;
        let mut met = self.met(check, tried)?;
        if check != life {
            let of = project.as_ref().map_or_else(String::new, |name| format!(" of {name}"));
            met.cause = format!("{} ({}{of})", met.cause, check.as_label());
        }
        Some(met)
    }

    fn is_trouble(&self, check: Check, reason: Reason) -> bool {
        let is_required = check.scope().is_some_and(|scope| self.spec.required_scopes.contains(&scope));
        match reason {
            Reason::Ok => false,
            // Then the token itself is accepted.
            Reason::Forbidden if check == self.record.life_check() => is_required,
            _ if check == self.record.life_check() => true,
            _ => is_required || check == Check::ProjectVisible || !reason.is_conclusive(),
        }
    }

    /// The words for what one probe met.
    fn met(&self, check: Check, tried: &Try) -> Option<Trouble> {
        let is_life = check == self.record.life_check();
        let words = match tried.reason {
            Reason::Unauthorized if !is_life => (
                "Hex accepts the token, and answered this check with a 401",
                "See whether the next answer agrees; if it does, regenerate the token in Hex under Settings > API keys",
            ),
            Reason::Unauthorized if self.record.pending().is_some() => (
                "Hex answered with a 401, which awaits its confirmation",
                "See whether its repeats agree; if they do, regenerate the token in Hex under Settings > API keys",
            ),
            Reason::NotFound if is_life => (
                "Hex answers with a 404 to what every token may ask, as where the workspace's url is of something else",
                CORRECT_URL,
            ),
            Reason::NotFound if !check.is_about_project() => (
                "Hex answers with a 404, as a stack does that does not have this part of the API",
                "Verify the workspace's url, or stop requiring this scope",
            ),
            Reason::WrongUrl if tried.moved => (
                "Hex redirects to another of its addresses: the workspace has moved",
                "Change the workspace's url to the address where people open it now",
            ),
            reason => of_reason(reason)?,
        };
        Some(Trouble::new(tried.reason, words))
    }
}

fn list(scopes: &[Scope], word: fn(Scope) -> &'static str, between: &str) -> String {
    scopes.iter().map(|scope| word(*scope)).collect::<Vec<_>>().join(between)
}

fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

#[cfg(test)]
#[path = "token_tests.rs"]
mod tests;
