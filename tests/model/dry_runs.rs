//! The reference: after the first dry run of a project it is looked whether it has started a run; until
//! then no other goes out, and none ever where it has.

use std::collections::BTreeSet;

use hex_token_exporter::domain::Check;

use crate::{hex::Said, model::Request};

/// What is known of a workspace's dry runs.
#[derive(Debug, Default)]
pub(crate) struct Proofs {
    proven: BTreeSet<usize>,
    /// The worker that is to look, and the token and the project that it is to look at.
    pub(crate) open: Option<(u64, usize, usize)>,
    pub(crate) ignored: bool,
}

impl Proofs {
    /// An answer about a run or a dry run, whatever else it tells.
    pub(crate) fn hear(&mut self, request: &Request, said: Said) {
        let &Request { slot, question: (check, project), .. } = request;
        let Some(project) = project else { return };
        match check {
            Check::ProjectsRun if said.is_yes() && !self.proven.contains(&project) => {
                self.open = Some((request.worker, slot, project));
            }
            Check::DryRunGuard if said.is_yes() => {
                (self.ignored, self.open) = (true, None);
            }
            Check::DryRunGuard if matches!(said, Said::Missing | Said::Forbidden | Said::Plan) => {
                self.proven.insert(project);
                self.open = self.open.filter(|(_, of, _)| *of != slot);
            }
            _ => {}
        }
    }

    /// A reload: all of it is to be proven again.
    pub(crate) fn reset(&mut self) {
        self.ignored = false;
        self.proven.clear();
    }
}
