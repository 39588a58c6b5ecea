//! What a record knows, for others to read.

use std::time::Duration;

use jiff::Timestamp;

use super::TokenRecord;
use crate::domain::{
    Check, Kind, Name, Scope, TokenSpec,
    expiry::{Expiry, Told, expiry},
    finding::{Finding, ProjectFinding},
    heard::Try,
    life::{Life, Peer, Pending},
    state::{self, TokenState},
};

impl TokenRecord {
    /// Whose rights it carries, as far as is known.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The last conclusive answer about the credential itself.
    pub fn life(&self) -> Life {
        self.life
    }

    /// The 401 that awaits confirmation.
    pub fn pending(&self) -> Option<Pending> {
        self.pending.as_deref().copied()
    }

    /// Whether its life is to be checked now, whatever its cadence.
    pub fn is_asked_at_once(&self) -> bool {
        self.ask_at_once
    }

    /// The state that is shown.
    pub fn state(&self) -> TokenState {
        self.state
    }

    /// Since when.
    pub fn state_since(&self) -> Option<Timestamp> {
        self.state_since
    }

    /// The check that decides life and death: `identity`, or `projects_read` on a stack without it.
    pub fn life_check(&self) -> Check {
        if self.identity_missing { Check::ProjectsRead } else { Check::Identity }
    }

    /// The expiry, as far as is known.
    pub fn expiry(&self, spec: &TokenSpec) -> Expiry {
        // What an earlier process was told on Hex's clock, our clock does not disprove.
        let accepted_at = match self.told {
            Told::At(_) => self.accepted.map(|(_, hex)| hex),
            Told::Null | Told::Nothing => self.accepted_at(),
        };
        expiry(self.told, spec.expires_at, self.prefix, accepted_at)
    }

    /// What the API told of it.
    pub fn told(&self) -> Told {
        self.told
    }

    /// When Hex last accepted this credential, on its clock; or the one before, or an earlier process, on ours.
    pub fn accepted_at(&self) -> Option<Timestamp> {
        self.accepted.map(|(_, hex)| hex).or(self.last_success)
    }

    /// Whether Hex has accepted this credential more than once since it last rejected it for good.
    pub fn is_accepted_again(&self) -> bool {
        self.accepted_again
    }

    /// When Hex last accepted any credential of this token.
    pub fn last_success(&self) -> Option<Timestamp> {
        self.last_success
    }

    /// The last conclusive answer about life: when by uptime, and whether the token was accepted.
    pub fn answered(&self) -> Option<(Duration, bool)> {
        self.answered
    }

    /// The organisation it belongs to.
    pub fn org_id(&self) -> Option<&str> {
        self.org_id.as_deref()
    }

    /// How many projects it sees on a first page, and whether there are more.
    pub fn projects_seen(&self) -> Option<(usize, bool)> {
        self.projects_seen
    }

    /// What is known of a scope. Not for `projects_run`, which the projects tell: see [`Self::granted`].
    pub fn scope(&self, scope: Scope) -> Option<Finding> {
        self.scopes.get(&scope).copied()
    }

    /// Whether a scope is granted, as far as is settled.
    pub fn granted(&self, spec: &TokenSpec, scope: Scope) -> Option<bool> {
        state::granted(self, spec, scope, Finding::settled)
    }

    /// Whether projects are not to be asked about: without a scope that is required anyway, all of them would
    /// look missing. Where it is not required, nothing else would tell that they can't be seen.
    pub fn hides_projects(&self, spec: &TokenSpec) -> bool {
        let scope = Scope::ProjectsRead;
        spec.required_scopes.contains(&scope) && self.granted(spec, scope) == Some(false)
    }

    /// What is known of a listed project.
    pub fn project(&self, name: &Name) -> Option<ProjectFinding> {
        self.projects.get(name).copied()
    }

    /// Its latest probes, one a question, check by check.
    pub fn tries(&self) -> &[((Check, Option<Name>), Try)] {
        self.tries.entries()
    }

    /// The latest probe of a question.
    pub fn last_try(&self, check: Check, project: Option<&Name>) -> Option<&Try> {
        self.tries.find(|(of, about)| of.cmp(&check).then_with(|| about.as_ref().cmp(&project)))
    }

    /// This record as another token of the workspace sees it.
    pub fn as_peer(&self) -> Peer {
        Peer { life: self.life, pending: self.pending(), accepted: self.accepted.map(|(now, _)| now) }
    }
}
