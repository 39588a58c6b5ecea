//! The guard against a stack that ignores `dryRun`: its first dry run of each project is checked for having
//! started a real one, and until that is known no other goes out.

use std::{
    collections::BTreeSet,
    sync::{Mutex, MutexGuard, PoisonError},
};

use crate::domain::{Name, Uuid};

/// What is known of a workspace's dry runs since the start.
#[derive(Debug, Default)]
pub(super) struct DryRuns(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    ignored: bool,
    /// The token whose dry run is being looked into.
    proving: Option<Name>,
    proven: BTreeSet<Uuid>,
}

impl DryRuns {
    /// Whether any dry run may go out now.
    pub(super) fn may_start(&self) -> bool {
        let inner = self.lock();
        !inner.ignored && inner.proving.is_none()
    }

    /// Whether the stack was seen to ignore `dryRun`.
    pub(super) fn are_ignored(&self) -> bool {
        self.lock().ignored
    }

    /// Asks to dry-run a project. `None`: not now. `Some(true)`: the first of this project, which must be
    /// followed by [`Self::proven`], [`Self::ignored`] or [`Self::release`].
    pub(super) fn claim(&self, token: &Name, project: &Uuid) -> Option<bool> {
        let mut inner = self.lock();
        if inner.ignored || inner.proving.is_some() {
            return None;
        }
        let first = !inner.proven.contains(project);
        if first {
            inner.proving = Some(token.clone());
        }
        Some(first)
    }

    /// The dry run of this project has started no run.
    pub(super) fn proven(&self, token: &Name, project: &Uuid) {
        let mut inner = self.lock();
        inner.proven.insert(project.clone());
        inner.release(token);
    }

    /// A dry run has started a real run: there will be no other.
    pub(super) fn ignored(&self) {
        let mut inner = self.lock();
        inner.ignored = true;
        inner.proving = None;
    }

    /// What this token was to prove stays unproven. Whether there was anything, for which others may wait.
    pub(super) fn release(&self, token: &Name) -> bool {
        self.lock().release(token)
    }

    /// A reload gives dry runs a new chance, and asks for new proof. Whether there were none any more.
    pub(super) fn reset(&self) -> bool {
        let mut inner = self.lock();
        inner.proven.clear();
        std::mem::take(&mut inner.ignored)
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn release(&mut self, token: &Name) -> bool {
        self.proving.take_if(|prover| prover == token).is_some()
    }
}
