//! Hex as it is: the truth about every credential, the weather between, and the answers that follow from
//! both.

use std::{collections::BTreeMap, time::Duration};

use hex_token_exporter::domain::{Answer, Body, Check, Exp, Facts, Failure, Quota, Scope, Seen, Uuid};
use jiff::Timestamp;

use crate::cast::{Date, ORG, PROJECTS, Question, STACKS};

/// What comes between: none of it tells anything about a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Weather {
    /// Hex fails, and says so in its own form.
    Failing,
    /// No answer within the time allowed.
    Silent,
    /// No connection.
    Unreachable,
    /// A firewall refuses with a page.
    Firewall,
    /// A portal asks for a login, by 401 and a page.
    Portal,
    /// A page where JSON should be.
    Page,
    /// A cache answers that all is well.
    Cached,
    /// JSON of another shape.
    OtherShape,
    /// 429, with a pause in seconds or without.
    Limited(Option<u32>),
}

/// Why a scope is denied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Denial {
    ByScope,
    ByPlan,
}

/// What a project is to a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    Published,
    Unpublished,
    Hidden,
    NotRunnable,
}

/// One credential as Hex knows it.
#[expect(clippy::struct_excessive_bools, reason = "independent facts, not states")]
#[derive(Debug, Clone)]
pub(crate) struct Account {
    pub(crate) alive: bool,
    pub(crate) home: usize,
    /// The expiry that the answer tells; never is null.
    pub(crate) exp: Date,
    /// Whether Hex rejects it once that has passed.
    pub(crate) expires: bool,
    pub(crate) foreign: bool,
    /// Hex tells it nothing about itself.
    pub(crate) mute: bool,
    pub(crate) denied: BTreeMap<Scope, Denial>,
    pub(crate) projects: [Standing; PROJECTS],
    pub(crate) weather: Option<Weather>,
}

/// One stack of Hex.
#[derive(Debug, Clone, Default)]
pub(crate) struct Stack {
    pub(crate) weather: Option<Weather>,
    /// It has lost its way and rejects every token.
    pub(crate) rejects_all: bool,
    pub(crate) ignores_dry_run: bool,
    /// An older one, which has no route to ask about the token itself.
    pub(crate) is_older: bool,
    /// Its clock minus ours, in seconds.
    pub(crate) skew: i64,
}

/// What was answered, as one who knows Hex would put it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Said {
    /// Yes; of a token itself with its expiry and whether it is of another organisation.
    Yes { exp: Date, foreign: bool },
    /// The token is not accepted.
    Unauthorized,
    /// This right is denied.
    Forbidden,
    /// The plan does not include it.
    Plan,
    /// There is no such thing.
    Missing,
    /// The project is unpublished.
    Unpublished,
    /// Too many requests: wait so long.
    Wait(Duration),
    /// Nothing that could tell anything.
    Noise,
}

impl Said {
    /// Whether Hex has told something about the token.
    pub(crate) fn is_conclusive(self) -> bool {
        !matches!(self, Self::Wait(_) | Self::Noise)
    }

    pub(crate) fn is_yes(self) -> bool {
        matches!(self, Self::Yes { .. })
    }
}

/// Everything that is so.
#[derive(Debug, Default)]
pub(crate) struct Truth {
    pub(crate) accounts: BTreeMap<String, Account>,
    pub(crate) stacks: [Stack; STACKS],
    runs: u64,
}

impl Truth {
    /// Whether Hex accepts a credential at this stack, where `local` is our time in seconds since 1970.
    pub(crate) fn accepts(&self, credential: &str, stack: usize, local: i64) -> bool {
        let account = &self.accounts[credential];
        let now = local + self.stacks[stack].skew;
        let has_expired = account.exp.second().is_some_and(|exp| account.expires && exp <= now);
        account.alive && account.home == stack && !has_expired
    }

    /// Answers a question, in the form in which it is seen and in the words of one who knows.
    pub(crate) fn answer(
        &mut self,
        credential: &str,
        stack: usize,
        asked: Question,
        local: i64,
    ) -> (Seen, Said) {
        let (account, place) = (&self.accounts[credential], &self.stacks[stack]);
        if let Some(weather) = place.weather.or(account.weather) {
            return weather.answer();
        }
        let (seen, said) = if place.is_older && asked.0 == Check::Identity {
            (error(404, false), Said::Missing)
        } else if place.rejects_all || !self.accepts(credential, stack, local) {
            (answer(401, Body::UnauthorizedText), Said::Unauthorized)
        } else {
            self.honest(credential, stack, asked)
        };
        let Seen::Answer(mut heard) = seen else { return (seen, said) };
        heard.date = Some(Timestamp::from_second(local + self.stacks[stack].skew).unwrap());
        (Seen::Answer(heard), said)
    }

    fn honest(&mut self, credential: &str, stack: usize, (check, project): Question) -> (Seen, Said) {
        let account = &self.accounts[credential];
        // Whoever may not read projects may not read one.
        let scope = if check == Check::ProjectVisible { Some(Scope::ProjectsRead) } else { check.scope() };
        match scope.and_then(|scope| account.denied.get(&scope)) {
            Some(Denial::ByPlan) => return (error(403, true), Said::Plan),
            Some(Denial::ByScope) => return (error(403, false), Said::Forbidden),
            None => {}
        }
        let standing = project.map(|project| account.projects[project]);
        match (check, standing) {
            (Check::Identity, _) if account.mute => (error(403, false), Said::Forbidden),
            (Check::Identity, _) => {
                #[expect(clippy::cast_precision_loss, reason = "dates of this century are exact")]
                let exp = match account.exp {
                    Date::Untold => Exp::Absent,
                    Date::Never => Exp::Null,
                    Date::At(second) => Exp::Number(second as f64),
                };
                let org = if account.foreign { "another" } else { ORG };
                let facts = Facts::Identity { exp, org_id: Some(org.into()), describes_user: false };
                (object(200, facts), Said::Yes { exp: account.exp, foreign: account.foreign })
            }
            (_, Some(Standing::Hidden)) => (error(404, false), Said::Missing),
            (Check::ProjectVisible, Some(Standing::Unpublished)) => {
                (object(200, Facts::Project { unavailable: true }), Said::Unpublished)
            }
            (Check::ProjectVisible, _) => (object(200, Facts::Project { unavailable: false }), YES),
            (Check::ProjectsRun, Some(Standing::NotRunnable)) => (error(403, false), Said::Forbidden),
            (Check::ProjectsRun, Some(Standing::Unpublished)) => (error(422, false), Said::Noise),
            (Check::ProjectsRun, _) => {
                self.runs += 1;
                let id = Uuid::parse(&format!("00000000-0000-7000-8000-{:012x}", self.runs));
                (object(201, Facts::Run { id }), YES)
            }
            (Check::DryRunGuard, _) if !self.stacks[stack].ignores_dry_run => {
                (error(404, false), Said::Missing)
            }
            (Check::ProjectsRead, _) => (object(200, Facts::Projects { count: 1, more: false }), YES),
            _ => (object(200, Facts::None), YES),
        }
    }
}

/// Yes, and nothing besides.
pub(crate) const YES: Said = Said::Yes { exp: Date::Untold, foreign: false };

impl Weather {
    /// What is seen of it. Some of it lies.
    fn answer(self) -> (Seen, Said) {
        let identity =
            Facts::Identity { exp: Exp::Null, org_id: Some("nobody".into()), describes_user: true };
        let seen = match self {
            Self::Failing => error(503, false),
            Self::Silent => Seen::Failed(Failure::Timeout),
            Self::Unreachable => Seen::Failed(Failure::Connect),
            Self::Firewall => answer(403, Body::Html),
            Self::Portal => answer(401, Body::Html),
            Self::Page => answer(200, Body::Html),
            Self::OtherShape => answer(200, Body::OtherJson),
            Self::Cached => {
                let Seen::Answer(cached) = object(200, identity) else { unreachable!() };
                Seen::Answer(Answer { cached: true, ..cached })
            }
            Self::Limited(seconds) => {
                let pause = seconds.map(|seconds| Duration::from_secs(seconds.into()));
                let Seen::Answer(limited) = error(429, false) else { unreachable!() };
                let wait = pause.map_or(Duration::from_mins(1), |pause| pause.min(Duration::from_mins(15)));
                return (
                    Seen::Answer(Answer { retry_after: pause, quota: QUOTA, ..limited }),
                    Said::Wait(wait),
                );
            }
        };
        (seen, Said::Noise)
    }
}

/// Headers of a limit that is not spent.
const QUOTA: Option<Quota> = Some(Quota { remaining: 7, reset_in: None });

fn object(status: u16, facts: Facts) -> Seen {
    answer(status, Body::Object { error_form: false, names_plan: false, expected_key: true, facts })
}

fn error(status: u16, names_plan: bool) -> Seen {
    answer(status, Body::Object { error_form: true, names_plan, expected_key: false, facts: Facts::None })
}

fn answer(status: u16, body: Body) -> Seen {
    Seen::Answer(Answer {
        json_content: !matches!(body, Body::Html | Body::UnauthorizedText),
        ..Answer::bare(status, body)
    })
}
