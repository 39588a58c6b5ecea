//! The latest probes of a token, for people who ask what happened.
//!
//! There are many tokens and few such people, so a probe is kept in few bytes: its date to the second, its
//! duration to the microsecond, and the name of a project only where there is one.

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
    /// Whether Hex itself answered.
    pub by_hex: bool,
    /// The HTTP status, 0 without an answer.
    pub status: u16,
    /// How long it took.
    pub duration: Duration,
}

/// The latest probes, oldest first.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct History {
    probes: VecDeque<Packed>,
    /// The project of each probe that is about one, in the same order. Most tokens have none.
    projects: Vec<Name>,
}

/// All of an [`Entry`] but the name of its project.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Packed {
    /// Since 1970.
    seconds: u32,
    micros: u32,
    /// A status has three digits, which leaves bits for whether Hex itself answered and whether it is about a
    /// project.
    status: u16,
    check: Check,
    reason: Reason,
}

const BY_HEX: u16 = 1 << 15;
const ABOUT_PROJECT: u16 = 1 << 14;

impl Packed {
    fn new(entry: &Entry) -> Self {
        let by_hex = if entry.by_hex { BY_HEX } else { 0 };
        let about_project = if entry.project.is_some() { ABOUT_PROJECT } else { 0 };
        Self {
            seconds: u32::try_from(entry.at.as_second().max(0)).unwrap_or(u32::MAX),
            micros: u32::try_from(entry.duration.as_micros()).unwrap_or(u32::MAX),
            status: (entry.status & !(BY_HEX | ABOUT_PROJECT)) | by_hex | about_project,
            check: entry.check,
            reason: entry.reason,
        }
    }

    fn is_about_project(self) -> bool {
        self.status & ABOUT_PROJECT != 0
    }

    fn unpacked(self, project: Option<Name>) -> Entry {
        Entry {
            at: Timestamp::from_second(self.seconds.into()).unwrap_or(Timestamp::UNIX_EPOCH),
            check: self.check,
            project,
            reason: self.reason,
            by_hex: self.status & BY_HEX != 0,
            status: self.status & !(BY_HEX | ABOUT_PROJECT),
            duration: Duration::from_micros(self.micros.into()),
        }
    }
}

impl History {
    /// Adds a probe; the oldest goes where there are too many.
    pub fn push(&mut self, entry: Entry) {
        if self.probes.len() == LENGTH && self.probes.pop_front().is_some_and(Packed::is_about_project) {
            self.projects.remove(0);
        }
        if self.probes.len() == self.probes.capacity() {
            self.probes.reserve_exact(self.probes.len().max(2).min(LENGTH - self.probes.len()));
        }
        self.probes.push_back(Packed::new(&entry));
        self.projects.extend(entry.project);
    }

    /// The probes, newest first.
    pub fn newest_first(&self) -> impl Iterator<Item = Entry> {
        let mut projects = self.projects.iter().rev();
        self.probes.iter().rev().map(move |probe| {
            let project = if probe.is_about_project() { projects.next() } else { None };
            probe.unpacked(project.cloned())
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn entry(number: u32, project: Option<u8>) -> Entry {
        Entry {
            at: Timestamp::from_second(number.into()).unwrap(),
            check: Check::ALL[number as usize % Check::ALL.len()],
            project: project.map(|project| Name::parse(&format!("p{project}")).unwrap()),
            reason: Reason::ALL[number as usize % Reason::ALL.len()],
            by_hex: number.is_multiple_of(3),
            status: [0, 200, 999][number as usize % 3],
            duration: Duration::from_micros(number.into()),
        }
    }

    proptest! {
        #[test]
        fn the_latest_are_told_as_they_came(projects in prop::collection::vec(any::<Option<u8>>(), 0..200)) {
            let entries: Vec<_> = (0..).zip(&projects).map(|(number, project)| entry(number, *project)).collect();
            let mut history = History::default();
            for entry in &entries {
                history.push(entry.clone());
                // A copy has no room to spare, wherever it is made.
                history = history.clone();
            }
            let latest: Vec<_> = entries.into_iter().rev().take(LENGTH).collect();
            prop_assert_eq!(history.newest_first().collect::<Vec<_>>(), latest);
        }
    }

    #[test]
    fn what_does_not_fit_is_told_as_near_as_it_can_be() {
        let mut history = History::default();
        let early = Timestamp::from_second(-1).unwrap();
        history.push(Entry { at: early, duration: Duration::from_hours(9), ..entry(0, None) });
        let told = history.newest_first().next().unwrap();
        assert_eq!((told.at, told.duration.as_micros()), (Timestamp::UNIX_EPOCH, u32::MAX.into()));
    }
}
