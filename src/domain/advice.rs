//! Cause and remedy, in words for the person who is paged: written once, shown everywhere.

use jiff::Timestamp;

use super::{
    Expiry, Kind, Name, Reason, Scope, TokenRecord, TokenSpec, TokenState,
    finding::{Finding, ProjectFinding},
    heard::Try,
};

/// Why a token is in trouble and what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Advice {
    /// The reason behind it; `ok` where all is well.
    pub reason: Reason,
    /// What happened. `None` where all is well.
    pub cause: Option<String>,
    /// What to do about it. `None` where all is well.
    pub remedy: Option<String>,
}

impl Advice {
    fn new(reason: Reason, cause: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { reason, cause: Some(cause.into()), remedy: Some(remedy.into()) }
    }
}

/// Cause and remedy of an outcome, in general. `None` for `ok`.
pub fn of_reason(reason: Reason) -> Option<(&'static str, &'static str)> {
    Some(match reason {
        Reason::Ok => return None,
        Reason::Unauthorized => (
            "Hex does not accept the token: it expired, was revoked or regenerated, is mistyped, its user was deactivated, the allowed lifetime was lowered, or it is of another Hex stack",
            "Regenerate the token in Hex under Settings > API keys and put the new value where the exporter and the jobs read it",
        ),
        Reason::Forbidden => (
            "Hex accepts the token and refuses this request: the token lacks the right",
            "Create a workspace token with the named scope; for a personal token check the user's role, the project's sharing and the plan",
        ),
        Reason::Plan => (
            "the workspace's plan does not include this part of the API",
            "Upgrade the plan, or stop requiring what it does not include",
        ),
        Reason::NotFound => (
            "Hex knows no such object, or hides it from this token",
            "Check the configured id and share the project with the token's user",
        ),
        Reason::Unavailable => (
            "the project is unpublished, archived or trashed",
            "Publish or restore the project in Hex, or take it off the token's list",
        ),
        Reason::RateLimited => (
            "Hex asks for fewer requests: the limit is shared with everything else that uses the same user",
            "Lower requests_per_minute or lengthen the probe intervals; see the plan command",
        ),
        Reason::ServerError => (
            "Hex, or a server before it, failed",
            "Wait, and see status.hex.tech; the verdict on the token is held",
        ),
        Reason::Blocked => (
            "something before Hex refused the request: a firewall, a proxy or a login portal",
            "Let the exporter's host reach the workspace's URL without a login in between",
        ),
        Reason::WrongUrl => (
            "what answers at this URL is no Hex API",
            "Check the workspace's url: it is the origin that people open in the browser, such as https://app.hex.tech; if Hex redirects, the workspace has moved and url must follow",
        ),
        Reason::Cached => (
            "a cache answered in place of Hex, so the answer may be old",
            "Keep the cache between the exporter and Hex from storing API answers",
        ),
        Reason::Unexpected => (
            "the answer is nothing that is known of Hex",
            "Check the workspace's url and proxy; if Hex changed its API, look for a newer exporter",
        ),
        Reason::Timeout => {
            ("no answer came in time", "Check the network to Hex, or allow more time with probe.timeout")
        }
        Reason::Dns => {
            ("the workspace's host name has no address", "Check the workspace's url and the resolver")
        }
        Reason::Connect => {
            ("no connection to the workspace's host", "Check the network, the firewall and the proxy")
        }
        Reason::Tls => (
            "no trusted TLS connection: the certificate is not accepted",
            "Where a proxy inspects TLS, name its certificate authority in ca_file",
        ),
        Reason::Protocol => (
            "the answer broke off or was not readable",
            "Check the proxies between the exporter and Hex; the verdict on the token is held",
        ),
        Reason::BodyTooLarge => {
            ("the answer was larger than any answer of Hex", "Check the workspace's url and proxy")
        }
        Reason::CredentialUnreadable => (
            "the credential source is missing, empty or not a legal token",
            "Mount or fill the credential; it is read again every few seconds",
        ),
    })
}

/// Cause and remedy of a state, in general. `None` for `valid`.
pub fn of_state(state: TokenState) -> Option<(&'static str, &'static str)> {
    Some(match state {
        TokenState::Expired => (
            "The token has expired",
            "Create a new token in Hex under Settings > API keys and put it where the exporter and the jobs read it",
        ),
        TokenState::Invalid => (
            "Hex rejects the token: it was revoked or regenerated, is mistyped, its user was deactivated, the allowed lifetime was lowered, or it is of another Hex stack",
            "Regenerate the token in Hex under Settings > API keys and put the new value where the exporter and the jobs read it; for a new token check the workspace's url",
        ),
        TokenState::WrongWorkspace => (
            "The token belongs to another Hex workspace than configured",
            "Use a token of the right workspace, or correct org_id",
        ),
        TokenState::UnderScoped => (
            "The token lacks a required scope",
            "Create a workspace token with the named scope; for a personal token check the user's role, the project's sharing and the plan",
        ),
        TokenState::ProjectUnavailable => (
            "A listed project cannot be used with this token",
            "Publish or restore the project in Hex, share it with the token's user, or take it off the token's list",
        ),
        TokenState::Unknown => (
            "There is no conclusive answer about the token yet",
            "Wait for the first probes; if it lasts, see what the latest probe met",
        ),
        TokenState::Valid => return None,
    })
}

/// Cause and remedy of an expiry that is near.
pub fn of_near_expiry(date: Timestamp, days_left: f64) -> (String, String) {
    (
        format!("The token expires in {days_left:.1} days, on {date:.0}"),
        "Create its successor in Hex under Settings > API keys, and replace it where the exporter and the jobs read it, before that day".to_owned(),
    )
}

/// Cause and remedy for one token now.
pub fn of_token(record: &TokenRecord, spec: &TokenSpec) -> Advice {
    let latest = latest_trouble(record);
    let state = record.state();
    let Some((cause, remedy)) = of_state(state) else {
        return match latest.and_then(|tried| of_reason(tried.reason).map(|words| (tried.reason, words))) {
            Some((reason, (cause, remedy))) => Advice::new(reason, sentence(cause), remedy),
            None => Advice { reason: Reason::Ok, cause: None, remedy: None },
        };
    };
    match state {
        TokenState::Expired => {
            let date = match record.expiry(spec) {
                Expiry::Api(date) | Expiry::Config(date) => format!("{cause}, on {date:.0}"),
                Expiry::Never | Expiry::Unknown => cause.to_owned(),
            };
            Advice::new(Reason::Unauthorized, date, remedy)
        }
        TokenState::UnderScoped => under_scoped(record, spec, cause, remedy),
        TokenState::ProjectUnavailable => unavailable(record, spec, remedy),
        TokenState::Unknown => {
            match latest.and_then(|tried| of_reason(tried.reason).map(|w| (tried.reason, w))) {
                Some((reason, (met, then))) => Advice::new(reason, format!("{cause}: {met}"), then),
                None => Advice::new(Reason::Ok, cause, remedy),
            }
        }
        TokenState::WrongWorkspace => Advice::new(Reason::Ok, cause, remedy),
        TokenState::Invalid | TokenState::Valid => Advice::new(Reason::Unauthorized, cause, remedy),
    }
}

fn under_scoped(record: &TokenRecord, spec: &TokenSpec, cause: &str, remedy: &str) -> Advice {
    let missing: Vec<Scope> =
        spec.required_scopes.iter().copied().filter(|s| record.granted(spec, *s) == Some(false)).collect();
    let names: Vec<&str> = missing.iter().map(|scope| scope.as_label()).collect();
    let by_plan = missing.iter().any(|scope| record.scope(*scope).is_some_and(Finding::is_denied_by_plan));
    if by_plan && let Some((why, then)) = of_reason(Reason::Plan) {
        return Advice::new(Reason::Plan, format!("{cause} ({}): {why}", names.join(", ")), then);
    }
    let wording: Vec<&str> = missing.iter().map(|scope| scope.hex_wording()).collect();
    let remedy = match record.kind() {
        Kind::Personal => {
            "Check the role of the token's user, the sharing of the project and the plan: a personal token can do what its user can".to_owned()
        }
        Kind::Workspace => {
            format!("Create a workspace token with the scopes that this one has and \"{}\"", wording.join("\", \""))
        }
        Kind::Unknown => remedy.to_owned(),
    };
    Advice::new(Reason::Forbidden, format!("{cause}: {}", names.join(", ")), remedy)
}

fn unavailable(record: &TokenRecord, spec: &TokenSpec, remedy: &str) -> Advice {
    let runs = spec.required_scopes.contains(&Scope::ProjectsRun);
    let troubles: Vec<(&Name, Reason, &str)> = spec
        .projects
        .keys()
        .filter_map(|name| {
            let ProjectFinding { visible, published, runnable } = record.project(name)?;
            if visible.settled() == Some(false) {
                Some((name, Reason::NotFound, "does not exist or is not shared with the token"))
            } else if published == Some(false) {
                Some((name, Reason::Unavailable, "is unpublished, archived or trashed"))
            } else if runs && runnable.settled() == Some(false) {
                Some((name, Reason::Forbidden, "may not be run with the token"))
            } else {
                None
            }
        })
        .collect();
    let reason = troubles.first().map_or(Reason::Unavailable, |(_, reason, _)| *reason);
    let words: Vec<String> =
        troubles.iter().map(|(name, _, trouble)| format!("project {name} {trouble}")).collect();
    Advice::new(reason, sentence(&words.join("; ")), remedy)
}

/// The latest probe of the token's life, or else of anything, where it did not go well.
fn latest_trouble(record: &TokenRecord) -> Option<&Try> {
    let accepted = |tried: &Try| matches!(tried.reason, Reason::Ok | Reason::Forbidden);
    let life = record.last_try(record.life_check(), None).filter(|tried| !accepted(tried));
    let other = || {
        let tries = record.tries().iter().map(|(_, tried)| tried);
        tries.filter(|tried| !tried.reason.is_conclusive()).max_by_key(|tried| tried.at)
    };
    life.or_else(other)
}

fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}
