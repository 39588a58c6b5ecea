//! What is told to a record, and what a record tells of one probe.

use std::time::Duration;

use jiff::Timestamp;

use super::{
    Moment, Outcome, Question, Reason, TokenState,
    expiry::{Told, is_past},
    life::Peers,
};

/// The latest probe of one question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Try {
    /// When it ended, by uptime.
    pub at: Duration,
    /// Its outcome.
    pub reason: Reason,
    /// Its HTTP status, 0 without an answer.
    pub status: u16,
    /// Whether it was redirected to another address of Hex.
    pub moved: bool,
    /// How long the last request took; zero where none was ever made.
    pub duration: Duration,
    /// When the question was last answered conclusively.
    pub concluded: Option<Timestamp>,
    /// Whether it was made with the credential of now.
    pub current: bool,
}

impl Try {
    /// The latest probe, where there was one `before`.
    pub fn of(heard: &Heard<'_>, before: Option<&Self>) -> Self {
        let Heard { outcome: Outcome { reason, moved, .. }, status, now, .. } = *heard;
        let concluded = before.and_then(|it| it.concluded);
        let duration = match reason {
            // No request was made: the last one took as long as it took.
            Reason::CredentialUnreadable => before.map(|it| it.duration).unwrap_or_default(),
            _ => heard.duration,
        };
        Self {
            at: now.up,
            reason: *reason,
            status,
            moved: *moved,
            duration,
            concluded: if reason.is_conclusive() { Some(now.at) } else { concluded },
            current: true,
        }
    }
}

/// One outcome, with all that is needed to apply it.
#[derive(Debug, Clone, Copy)]
pub struct Heard<'a> {
    /// What was asked.
    pub question: &'a Question,
    /// What the answer means.
    pub outcome: &'a Outcome,
    /// The HTTP status, 0 without an answer.
    pub status: u16,
    /// How long it took.
    pub duration: Duration,
    /// When it ended.
    pub now: Moment,
    /// The same on Hex's clock.
    pub hex_now: Timestamp,
    /// The same by the answer's own date, where that is later: what Hex accepts then has not expired before.
    pub dated: Timestamp,
    /// The other tokens of the workspace.
    pub peers: Peers,
}

/// What applying an outcome brought about, for those who must act on it.
#[expect(clippy::struct_excessive_bools, reason = "independent consequences, not states")]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Effects {
    /// The state before and after, where it changed.
    pub change: Option<(TokenState, TokenState)>,
    /// Hex accepted the token.
    pub accepted: bool,
    /// Hex accepted it though it was known to be rejected.
    pub revived: bool,
    /// A 401 awaits confirmation: the credential may have been replaced meanwhile.
    pub pending: bool,
    /// The known expiry has just been disproved by an acceptance.
    pub expiry_disproved: bool,
}

/// What a state file may bring back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Remembered {
    /// What the API had told of the expiry.
    pub told: Told,
    /// That the credential was rejected, and since when.
    pub death: Option<(TokenState, Timestamp)>,
    /// When Hex last accepted it.
    pub last_success: Option<Timestamp>,
}

impl Remembered {
    /// The death, unless it is one by a date that is still to come, which was seen by a wrong clock. Somewhat
    /// before its date, a rejection counts as an expiry.
    pub fn death_that_stands(&self, now: Timestamp) -> Option<(TokenState, Timestamp)> {
        let is_to_come = matches!(self.told, Told::At(date) if is_past(now, date));
        self.death.filter(|(state, _)| state.is_dead() && !(*state == TokenState::Expired && is_to_come))
    }
}
