//! The latest probes of a token, for people who ask what happened.

use std::{collections::VecDeque, time::Duration};

use jiff::Timestamp;

use crate::domain::{Check, Name, Reason};

/// How many probes are kept.
pub const LENGTH: usize = 50;

/// One probe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// When it ended.
    pub at: Timestamp,
    /// What was asked.
    pub check: Check,
    /// Of which project.
    pub project: Option<Name>,
    /// Its outcome.
    pub reason: Reason,
    /// The HTTP status, 0 without an answer.
    pub status: u16,
    /// How long it took.
    pub duration: Duration,
}

/// The latest probes, oldest first.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct History(VecDeque<Entry>);

impl History {
    /// Adds a probe; the oldest goes where there are too many.
    pub fn push(&mut self, entry: Entry) {
        if self.0.len() == LENGTH {
            self.0.pop_front();
        }
        self.0.push_back(entry);
    }

    /// The probes, newest first.
    pub fn newest_first(&self) -> impl Iterator<Item = &Entry> {
        self.0.iter().rev()
    }
}
