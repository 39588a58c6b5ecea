//! What the tokens of a workspace mean to each other: Hex's mistakes hit many, a death hits one.

use std::sync::Arc;

use super::{Inner, TokenView};
use crate::domain::{
    Moment, Name,
    life::{Life, Peers},
};

impl Inner {
    /// The tokens of the same workspace with another credential.
    fn others(&self, of: &TokenView) -> impl Iterator<Item = &Arc<TokenView>> {
        self.tokens.values().filter(|view| {
            view.spec.workspace.name == of.spec.workspace.name
                && view.spec.name != of.spec.name
                && view.credential.digest != of.credential.digest
        })
    }

    pub(super) fn peers(&self, of: &TokenView, now: Moment) -> Peers {
        let peers: Vec<_> = self.others(of).map(|view| view.record.as_peer()).collect();
        Peers::of(&peers, of.record.as_peer().accepted, now.up)
    }

    /// Before a last 401 becomes a verdict, the living token that was silent longest is asked too: with few
    /// tokens, nobody else would otherwise tell in time whether Hex rejects everyone.
    pub(super) fn call_witness(&mut self, name: &Name) -> Option<Name> {
        let view = self.tokens.get(name)?;
        let pending = view.record.pending().filter(|pending| pending.is_on_the_brink())?;
        let accepted = self.others(view).filter_map(|other| other.record.as_peer().accepted).max();
        let accepted = accepted.max(view.record.as_peer().accepted);
        let mut silent = None;
        for other in self.others(view) {
            let answered = other.record.answered().map(|(at, _)| at);
            if let Some(doubt) = other.record.pending() {
                // One that was rejected before Hex last accepted another dies for itself, and testifies to nothing.
                if accepted < Some(doubt.first) {
                    return None;
                }
                continue;
            }
            let lives = other.record.life() == Life::Alive && other.credential.problem.is_none();
            if lives && answered >= Some(pending.first) {
                return None;
            }
            if lives && silent.is_none_or(|(before, _)| answered < before) {
                silent = Some((answered, &other.spec.name));
            }
        }
        let witness = silent?.1.clone();
        Arc::make_mut(self.tokens.get_mut(&witness)?).record.ask_at_once();
        Some(witness)
    }

    /// An acceptance ends a mass rejection, and gives hope to others that were rejected.
    pub(super) fn wake_peers(
        &mut self,
        accepted: &Name,
        workspace: &Name,
        revived: bool,
        now: Moment,
    ) -> Vec<Name> {
        let Some(workspace) = self.workspaces.get_mut(workspace) else { return Vec::new() };
        let mut woken = Vec::new();
        for name in std::mem::take(&mut workspace.held).into_iter().filter(|name| name != accepted) {
            if let Some(view) = self.tokens.get_mut(&name) {
                Arc::make_mut(view).record.release();
                woken.push(name);
            }
        }
        if revived && workspace.may_reconsider_rejected(now) {
            for name in workspace.rejected.iter().filter(|name| *name != accepted) {
                if let Some(view) = self.tokens.get_mut(name) {
                    Arc::make_mut(view).record.ask_at_once();
                    woken.push(name.clone());
                }
            }
        }
        woken
    }
}
