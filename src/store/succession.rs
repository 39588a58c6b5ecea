//! Whose record a configured token carries on with: its own, a renamed one's, a remembered one's or none.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use jiff::Timestamp;

use super::{Counts, CredentialView, TokenView, history::History};
use crate::domain::{
    Credential, Digest, Kind, Moment, Name, TokenRecord, TokenSpec, heard::Remembered, state::judge,
};

pub(super) fn same_stack(a: &TokenSpec, b: &TokenSpec) -> bool {
    a.workspace.origin == b.workspace.origin
}

/// Whether there is nothing new about a token: neither its configuration nor its credential, nor what the time
/// says of it.
pub(super) fn is_untouched(
    known: &TokenView,
    spec: &Arc<TokenSpec>,
    credential: CredentialView,
    hex_now: Timestamp,
) -> bool {
    known.spec == *spec
        && known.credential == credential
        && judge(&known.record, spec, hex_now) == known.record.state()
}

/// Records whose name is gone, by the new name that carries on with their workspace and credential.
pub(super) fn renames(
    before: &BTreeMap<Name, Arc<TokenView>>,
    tokens: &[(Arc<TokenSpec>, CredentialView, Credential)],
) -> BTreeMap<Name, Arc<TokenView>> {
    if tokens.iter().all(|(spec, ..)| before.contains_key(&spec.name)) {
        return BTreeMap::new();
    }
    let stay: BTreeSet<&Name> = tokens.iter().map(|(spec, ..)| &spec.name).collect();
    let gone: BTreeMap<Digest, &Arc<TokenView>> = before
        .values()
        .filter(|view| !stay.contains(&view.spec.name))
        .filter_map(|view| Some((view.credential.digest?, view)))
        .collect();
    let successors = tokens.iter().filter(|(spec, ..)| !before.contains_key(&spec.name));
    successors
        .filter_map(|(spec, credential, _)| {
            let digest = credential.digest?;
            let view = gone.get(&digest).filter(|view| same_stack(spec, &view.spec))?;
            Some((spec.name.clone(), Arc::clone(view)))
        })
        .collect()
}

/// A token that was known, under the present configuration and credential. While a credential can't be
/// read the last one is remembered, so that its return is no rotation.
pub(super) fn continued(
    known: &TokenView,
    spec: &Arc<TokenSpec>,
    credential: CredentialView,
    kind: Kind,
    now: Moment,
    remembered: &impl Fn(&TokenSpec, &Digest) -> Option<Remembered>,
) -> TokenView {
    let mut view = known.clone();
    view.spec = spec.clone();
    match (credential.digest, known.credential.digest) {
        (None, _) => view.credential.problem = credential.problem,
        (Some(new), Some(old)) if new == old => {
            if view.credential.problem.take().is_some() {
                view.record.ask_at_once();
            }
        }
        (Some(new), old) => {
            view.credential = credential;
            // The first credential that this process sees may be one that an earlier process knew.
            match remembered(spec, &new).filter(|_| old.is_none()) {
                Some(remembered) => view.record = TokenRecord::restored(kind, now.at, &remembered),
                None => view.record.rotate(kind),
            }
        }
    }
    view
}

pub(super) fn fresh(
    spec: &Arc<TokenSpec>,
    credential: CredentialView,
    kind: Kind,
    now: Moment,
    remembered: &impl Fn(&TokenSpec, &Digest) -> Option<Remembered>,
) -> TokenView {
    let record = match credential.digest.and_then(|digest| remembered(spec, &digest)) {
        Some(remembered) => TokenRecord::restored(kind, now.at, &remembered),
        None => TokenRecord::new(kind, now.at),
    };
    TokenView {
        spec: spec.clone(),
        record,
        credential,
        intervals: Arc::default(),
        paused_until: Duration::ZERO,
        last_probe: None,
        counts: Counts::default(),
        history: History::default(),
    }
}
