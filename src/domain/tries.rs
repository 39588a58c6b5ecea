//! The latest probes of a token, one a question: a short list in order, since most tokens are asked one or
//! two questions, and a tree would take a kilobyte for each.

use super::{Check, Name, heard::Try};

/// The latest probe of every question, by check and, where it is about one, project.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tries(Vec<(Check, Option<Name>, Try)>);

impl Tries {
    /// The latest probe of a question.
    pub fn get(&self, check: Check, project: Option<&Name>) -> Option<&Try> {
        let at = self.place(check, project).ok()?;
        self.0.get(at).map(|(.., tried)| tried)
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = (Check, &Try)> {
        self.0.iter().map(|(check, _, tried)| (*check, tried))
    }

    /// Those of a check, of whichever project.
    pub fn of_check(&self, check: Check) -> impl Iterator<Item = &Try> {
        self.iter().filter(move |(of, _)| *of == check).map(|(_, tried)| tried)
    }

    /// Takes the place of the probe before.
    pub(super) fn put(&mut self, check: Check, project: Option<&Name>, tried: Try) {
        match self.place(check, project) {
            Ok(at) => self.0[at].2 = tried,
            Err(at) => {
                self.0.reserve_exact(1);
                self.0.insert(at, (check, project.cloned(), tried));
            }
        }
    }

    pub(super) fn retain(&mut self, stays: impl Fn(Check, Option<&Name>) -> bool) {
        self.0.retain(|(check, project, _)| stays(*check, project.as_ref()));
    }

    /// Says of all that they were made with another credential.
    pub(super) fn outdate(&mut self) {
        for (.., tried) in &mut self.0 {
            tried.current = false;
        }
    }

    fn place(&self, check: Check, project: Option<&Name>) -> Result<usize, usize> {
        self.0.binary_search_by(|(of, about, _)| (*of, about.as_ref()).cmp(&(check, project)))
    }
}
