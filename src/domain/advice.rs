//! Cause and remedy, in words for the person who is paged: written once, shown everywhere.

use jiff::Timestamp;

use super::{CredentialProblem, Reason, TokenState};

mod token;

pub use token::of_token;

/// Where there is nothing to do yet.
const WAIT: &str = "Wait for the first probes; if it lasts, see what the latest probe met";

/// What to do where one round of probes was made and has left something open.
pub const ASK_AGAIN: &str = "Run check again; if it lasts, look at what the token requires";

/// What to do before a token expires.
pub const REPLACE: &str = "Create its successor in Hex under Settings > API keys, and replace it where the exporter and the jobs read it, before that day";

/// What to do where a scope lacks, whatever the kind of token.
const GRANT: &str = "Create a workspace token with the named scope; for a personal token check the user's role, the project's sharing and the plan";

/// What to do where another than Hex answers.
const CORRECT_URL: &str = "Verify the workspace's url: it is the origin that people open in the browser, such as https://app.hex.tech";

/// Cause and remedy where it is the workspace's plan that lacks.
const BEYOND_PLAN: (&str, &str) = (
    "the workspace's plan does not include this part of the API",
    "Upgrade the plan, or stop requiring what it does not include",
);

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
        Reason::Unauthorized => return of_state(TokenState::Invalid),
        Reason::Forbidden => {
            ("Hex accepts the token and refuses this request: the token lacks the right", GRANT)
        }
        Reason::Plan => BEYOND_PLAN,
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
        Reason::WrongUrl => ("what answers at this URL is no Hex API", CORRECT_URL),
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
            "there is no credential that could be sent",
            "Mount or fill the credential, readable to the exporter",
        ),
    })
}

/// Cause and remedy of a credential that can't be used.
pub fn of_credential(problem: CredentialProblem) -> (&'static str, &'static str) {
    match problem {
        CredentialProblem::Missing => (
            "the credential's file does not exist",
            "Mount or write the file; a running exporter reads it within seconds",
        ),
        CredentialProblem::NotSet => (
            "the variable that should hold the credential is not set",
            "Set the variable where the exporter is started",
        ),
        CredentialProblem::PermissionDenied => (
            "the exporter may not read the credential's file: permission denied",
            "Let the exporter's user read the file and enter the directories above it",
        ),
        CredentialProblem::NotAFile => (
            "what should be the credential's file is a directory, a pipe or something else that is no plain file",
            "Put the token alone into a plain file, and check the mount that it lies on",
        ),
        CredentialProblem::TooLarge => {
            ("the credential's file is larger than a token can be", "Put the token alone into it")
        }
        CredentialProblem::LinkLoop => {
            ("the links to the credential's file lead in a circle", "Let the link lead to the file itself")
        }
        CredentialProblem::Unreadable => (
            "the credential's file cannot be read",
            "Put the token alone into a plain file, and check the mount that it lies on",
        ),
        CredentialProblem::Empty => ("the credential source is empty", "Write the token into it"),
        CredentialProblem::Exposed => (
            "the mode of the credential's file lets every user of the machine read it, which refuse_exposed_credentials forbids",
            "Take that right away, as with chmod o-rwx; where somebody may have read it, regenerate the token",
        ),
        CredentialProblem::IllegalHeaderValue => (
            "the credential source holds characters that no token has",
            "Put the token alone into it, on one line",
        ),
    }
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
        TokenState::UnderScoped => ("The token lacks a required scope", GRANT),
        TokenState::ProjectUnavailable => (
            "A listed project cannot be used with this token",
            "Publish or restore the project in Hex, share it with the token's user, or take it off the token's list",
        ),
        TokenState::Unknown => ("There is no conclusive answer about the token yet", WAIT),
        TokenState::Valid => return None,
    })
}

/// Cause and remedy where dry runs were stopped before they told whether a token may run its projects.
pub fn of_stopped_dry_runs() -> (&'static str, &'static str) {
    (
        "Whether the token may run its projects is open: the dry runs of its workspace were stopped, since one started a real run",
        "Look for that run in Hex and cancel it; ask without --dry-run",
    )
}

/// Cause and remedy where no dry run was made to tell it. Those of the token's expiry, if that is near, go first.
pub fn of_unasked_runs(near_expiry: Option<(String, String)>) -> (String, String) {
    let (cause, remedy) = near_expiry.unwrap_or_else(|| {
        ("The token is alive".to_owned(), "Run check with --dry-run, which starts no run".to_owned())
    });
    (format!("{cause}; whether it may run its projects, only --dry-run can tell"), remedy)
}

/// Cause and remedy of an expiry that is near.
pub fn of_near_expiry(date: Timestamp, days_left: f64) -> (String, String) {
    (format!("The token expires in {days_left:.1} days, on {date:.0}"), REPLACE.to_owned())
}
