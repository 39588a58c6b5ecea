//! What one probe saw: the status or failure, the time it took, and the few fields of the body that the
//! rules need. Nothing else of an answer is kept, and no text of it.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;

use super::{Question, Uuid};

/// One probe, as seen from here.
#[derive(Debug, Clone, PartialEq)]
pub struct Observation {
    /// What was asked.
    pub question: Question,
    /// What came back.
    pub seen: Seen,
    /// From the start of the request to the end of the answer, without any wait for the budget.
    pub duration: Duration,
    /// Where that time went.
    pub phases: Phases,
}

impl Observation {
    /// The HTTP status, or 0 where there was no answer.
    pub fn status(&self) -> u16 {
        match &self.seen {
            Seen::Answer(answer) => answer.status,
            Seen::Failed(_) => 0,
        }
    }

    /// The answer's own date, where it has one.
    pub fn date(&self) -> Option<Timestamp> {
        match &self.seen {
            Seen::Answer(answer) => answer.date,
            Seen::Failed(_) => None,
        }
    }
}

/// The answer, or why there was none.
#[derive(Debug, Clone, PartialEq)]
pub enum Seen {
    /// Something answered in HTTP. Whether it was Hex, classification says.
    Answer(Answer),
    /// Nothing did.
    Failed(Failure),
}

/// Why there was no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// None within the time allowed, the body included.
    Timeout,
    /// The name was not resolved.
    Dns,
    /// No connection, or it was reset before an answer.
    Connect,
    /// The certificate or the handshake failed.
    Tls,
    /// What came back was no HTTP.
    Protocol,
    /// There was no credential to send: no request was made.
    CredentialUnreadable,
}

/// An HTTP answer, reduced to what the rules need.
#[expect(clippy::struct_excessive_bools, reason = "independent facts about one answer, not states")]
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// Whether the content type is JSON.
    pub json_content: bool,
    /// Whether `WWW-Authenticate` holds a `Bearer` challenge.
    pub bearer_challenge: bool,
    /// Whether a cache answered: `Age` above 0, or `X-Cache: HIT`.
    pub cached: bool,
    /// The `Date` header: Hex's clock, to the second.
    pub date: Option<Timestamp>,
    /// The `Retry-After` header as a delay; `None` where it is missing or nonsense.
    pub retry_after: Option<Duration>,
    /// Rate-limit headers, whatever their names.
    pub quota: Option<Quota>,
    /// Whether it redirects to another origin of Hex: the workspace has moved.
    pub moved_within_hex: bool,
    /// The body.
    pub body: Body,
}

impl Answer {
    /// One that nothing but its status and its body tells of.
    pub fn bare(status: u16, body: Body) -> Self {
        Self {
            status,
            json_content: false,
            bearer_challenge: false,
            cached: false,
            date: None,
            retry_after: None,
            quota: None,
            moved_within_hex: false,
            body,
        }
    }
}

/// What rate-limit headers tell. Hex documents that they exist, and not their names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    /// Requests that are still allowed.
    pub remaining: u64,
    /// Time until more are; `None` where no header tells.
    pub reset_in: Option<Duration>,
}

/// The form of a body.
#[derive(Debug, Clone, PartialEq)]
pub enum Body {
    /// A JSON object.
    Object {
        /// Hex's error form: a string `reason`, or strings `code` and `message`.
        error_form: bool,
        /// Whether its `message` names a plan or tier.
        names_plan: bool,
        /// Whether a key that the check expects is there.
        expected_key: bool,
        /// The fields that the check is after.
        facts: Facts,
    },
    /// Other well-formed JSON.
    OtherJson,
    /// The text `Unauthorized`.
    UnauthorizedText,
    /// A web page.
    Html,
    /// Announced as JSON, and none.
    NotJson,
    /// The connection ended within the body.
    Truncated,
    /// More than 1 MiB, decoded.
    TooLarge,
    /// Anything else, an empty body included.
    Other,
}

/// The fields that a check is after.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Facts {
    /// Nothing but the form matters.
    #[default]
    None,
    /// Of `/users/me`.
    Identity {
        /// `token.exp`.
        exp: Exp,
        /// `org.id`.
        org_id: Option<Arc<str>>,
        /// Whether the answer describes a user, as for personal tokens.
        describes_user: bool,
    },
    /// Of a list of projects.
    Projects {
        /// How many the page holds.
        count: usize,
        /// Whether there is a next page.
        more: bool,
    },
    /// Of a project.
    Project {
        /// `lastPublishedAt` is null, `archivedAt` or `trashedAt` is set.
        unavailable: bool,
    },
    /// Of a dry run: its dummy run, where the id is one.
    Run {
        /// `runId`.
        id: Option<Uuid>,
    },
}

/// The forms of `token.exp` in `/users/me`. Hex documents "number or null", and no unit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Exp {
    /// There is no `token`, it is null, or it has no `exp`.
    Absent,
    /// `exp` is null.
    Null,
    /// A number, of seconds or milliseconds.
    Number(f64),
    /// Something else.
    Nonsense,
}

/// Where the time of a request went. A phase that did not happen, as with a reused connection, is `None`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Phases {
    /// Name resolution.
    pub resolve: Option<Duration>,
    /// TCP and TLS.
    pub connect: Option<Duration>,
    /// From the connection to the first byte of the answer.
    pub processing: Option<Duration>,
    /// From there to the last byte.
    pub transfer: Option<Duration>,
}
