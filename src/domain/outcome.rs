//! From what a probe saw to what it means: an observation becomes an outcome with one of a closed list of
//! reasons.
//!
//! Only an answer that can have come from nobody but Hex is conclusive. A proxy, a portal, a firewall or
//! an outage must never pass for a verdict.

use std::time::Duration;

use super::{Answer, Body, Check, Facts, Failure, Observation, Seen};

/// Why an outcome is what it is: the label `reason`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// Hex answered as it should.
    Ok,
    /// Hex does not accept the token.
    Unauthorized,
    /// Hex accepts the token, and not this request.
    Forbidden,
    /// The workspace's plan does not include this.
    Plan,
    /// Hex knows no such thing, or hides it from this token.
    NotFound,
    /// The project is unpublished, archived or trashed.
    Unavailable,
    /// Too many requests.
    RateLimited,
    /// Hex, or something before it, failed.
    ServerError,
    /// Something before Hex refused.
    Blocked,
    /// This is no Hex API.
    WrongUrl,
    /// A cache answered.
    Cached,
    /// Nothing that is known of Hex.
    Unexpected,
    /// No answer in time.
    Timeout,
    /// The host has no address.
    Dns,
    /// No connection.
    Connect,
    /// No trusted connection.
    Tls,
    /// No complete, readable answer.
    Protocol,
    /// More than any answer of Hex holds.
    BodyTooLarge,
    /// There is no credential to send.
    CredentialUnreadable,
}

impl Reason {
    /// All reasons, in the order of the documentation.
    pub const ALL: [Self; 19] = [
        Self::Ok,
        Self::Unauthorized,
        Self::Forbidden,
        Self::Plan,
        Self::NotFound,
        Self::Unavailable,
        Self::RateLimited,
        Self::ServerError,
        Self::Blocked,
        Self::WrongUrl,
        Self::Cached,
        Self::Unexpected,
        Self::Timeout,
        Self::Dns,
        Self::Connect,
        Self::Tls,
        Self::Protocol,
        Self::BodyTooLarge,
        Self::CredentialUnreadable,
    ];

    /// The value of the label `reason`.
    pub fn as_label(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Unauthorized => "unauthorized",
            Self::Forbidden => "forbidden",
            Self::Plan => "plan",
            Self::NotFound => "not_found",
            Self::Unavailable => "unavailable",
            Self::RateLimited => "rate_limited",
            Self::ServerError => "server_error",
            Self::Blocked => "blocked",
            Self::WrongUrl => "wrong_url",
            Self::Cached => "cached",
            Self::Unexpected => "unexpected",
            Self::Timeout => "timeout",
            Self::Dns => "dns",
            Self::Connect => "connect",
            Self::Tls => "tls",
            Self::Protocol => "protocol",
            Self::BodyTooLarge => "body_too_large",
            Self::CredentialUnreadable => "credential_unreadable",
        }
    }

    /// Whether it says something about the token. What is inconclusive changes no state, ever.
    pub fn is_conclusive(self) -> bool {
        matches!(
            self,
            Self::Ok | Self::Unauthorized | Self::Forbidden | Self::Plan | Self::NotFound | Self::Unavailable
        )
    }
}

/// What one probe means.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// Why.
    pub reason: Reason,
    /// Whether Hex itself answered, whatever it said.
    pub by_hex: bool,
    /// Whether Hex has redirected to another of its addresses: the workspace has moved.
    pub moved: bool,
    /// What a conclusive answer told besides.
    pub facts: Facts,
}

/// How a probe went: what is counted as a failure, and what is drawn as one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Course {
    /// Hex answered as it should, or as it may.
    Well,
    /// Hex said what it should not.
    Refused,
    /// It tells nothing about the token.
    Inconclusive,
}

impl Course {
    /// From what is kept of a probe, and whether the token must hold the scope that it asked for.
    pub fn of(check: Check, reason: Reason, by_hex: bool, is_required: bool) -> Self {
        let well = match (check, reason) {
            // The guard asks for a run that must not be there.
            (Check::DryRunGuard, Reason::Ok | Reason::Unauthorized | Reason::RateLimited) => false,
            (Check::DryRunGuard, _) => by_hex,
            // An acceptance, or an older stack, where another check decides.
            (Check::Identity, Reason::Forbidden | Reason::NotFound) | (_, Reason::Ok) => true,
            (_, Reason::Forbidden | Reason::Plan) => check.scope().is_some() && !is_required,
            _ => false,
        };
        match reason.is_conclusive() {
            _ if well => Self::Well,
            true => Self::Refused,
            false => Self::Inconclusive,
        }
    }
}

/// Classifies an observation.
pub fn classify(observation: &Observation) -> Outcome {
    match &observation.seen {
        Seen::Failed(failure) => {
            Outcome { reason: of_failure(*failure), by_hex: false, moved: false, facts: Facts::None }
        }
        Seen::Answer(answer) => {
            let reason = of_answer(observation.question.check, answer);
            let moved = reason == Reason::WrongUrl && answer.moved_within_hex;
            Outcome { reason, by_hex: by_hex(reason, answer), moved, facts: facts(reason, &answer.body) }
        }
    }
}

fn of_failure(failure: Failure) -> Reason {
    match failure {
        Failure::Timeout => Reason::Timeout,
        Failure::Dns => Reason::Dns,
        Failure::Connect => Reason::Connect,
        Failure::Tls => Reason::Tls,
        Failure::Protocol => Reason::Protocol,
        Failure::CredentialUnreadable => Reason::CredentialUnreadable,
    }
}

fn of_answer(check: Check, answer: &Answer) -> Reason {
    if answer.cached {
        return Reason::Cached;
    }
    match answer.status {
        429 => return Reason::RateLimited,
        500..=599 => return Reason::ServerError,
        300..=399 => return Reason::WrongUrl,
        407 => return Reason::Blocked,
        _ => {}
    }
    match answer.body {
        Body::TooLarge => return Reason::BodyTooLarge,
        Body::Truncated => return Reason::Protocol,
        _ => {}
    }
    match (answer.status, &answer.body) {
        (401, Body::Object { error_form: true, .. } | Body::UnauthorizedText) => Reason::Unauthorized,
        (401, _) if answer.bearer_challenge => Reason::Unauthorized,
        // A firewall has a plan too: that a token lives is believed in Hex's form alone.
        (403, Body::Object { names_plan: true, error_form, .. })
            if *error_form || check != Check::Identity =>
        {
            Reason::Plan
        }
        (403, Body::Object { error_form: true, .. }) => Reason::Forbidden,
        (401 | 403, _) => Reason::Blocked,
        (404, Body::Object { error_form: true, .. }) => Reason::NotFound,
        (404, _) | (_, Body::Html) => Reason::WrongUrl,
        (200..=299, Body::NotJson) => Reason::Protocol,
        (200..=299, Body::Object { expected_key: true, facts, .. }) if answer.json_content => {
            match (check, facts) {
                (Check::ProjectVisible, Facts::Project { unavailable: true }) => Reason::Unavailable,
                _ => Reason::Ok,
            }
        }
        _ => Reason::Unexpected,
    }
}

/// Hex itself answered where the form of the answer is its own, a refusal included.
fn by_hex(reason: Reason, answer: &Answer) -> bool {
    let form = matches!(answer.body, Body::Object { error_form: true, .. });
    reason.is_conclusive()
        || reason == Reason::RateLimited
        || (reason == Reason::Unexpected && (400..=499).contains(&answer.status) && form)
}

fn facts(reason: Reason, body: &Body) -> Facts {
    match (reason, body) {
        (Reason::Ok | Reason::Unavailable, Body::Object { facts, .. }) => facts.clone(),
        _ => Facts::None,
    }
}

/// The pause that a 429 asks for: its `Retry-After`, bounded, or a minute where it has none that is sound.
pub fn rate_limit_pause(observation: &Observation) -> Option<Duration> {
    match &observation.seen {
        Seen::Answer(answer) if answer.status == 429 => {
            Some(answer.retry_after.unwrap_or(Duration::from_mins(1)).min(Duration::from_mins(15)))
        }
        _ => None,
    }
}

#[cfg(test)]
#[path = "outcome_tests.rs"]
mod tests;
