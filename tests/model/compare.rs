//! What the program shows of a token, beside what the reference says.

use std::time::Duration;

use hex_token_exporter::{
    domain::{Check, Name, Scope, TokenState},
    store::{Snapshot, TokenView},
};
use jiff::Timestamp;

use crate::{
    cast::{START, project_of},
    hex::Said,
    model::{Known, Model, Try},
    rights::SETTLED,
};

/// What is shown of a token's rights, state and life.
#[derive(Debug, PartialEq)]
struct Shown {
    state: TokenState,
    since: Option<i128>,
    pending: bool,
    expiry: hex_token_exporter::domain::Expiry,
    scopes: Vec<(Scope, Option<bool>)>,
    /// Visible, runnable.
    projects: Vec<(usize, Option<bool>, Option<bool>)>,
    excess: Option<usize>,
}

impl Shown {
    fn by_program(view: &TokenView) -> Self {
        let record = &view.record;
        let start = Timestamp::from_second(START).unwrap();
        Self {
            state: record.state(),
            since: record.state_since().map(|at| at.duration_since(start).as_nanos()),
            pending: record.pending().is_some(),
            expiry: record.expiry(&view.spec),
            scopes: view.checked_scopes().map(|scope| (scope, record.granted(&view.spec, scope))).collect(),
            projects: view
                .project_rights()
                .map(|it| (project_of(it.name), it.visible, it.runnable))
                .collect(),
            excess: view.excess_read_scopes(),
        }
    }

    fn by_reference(model: &Model, slot: usize, known: &Known) -> Self {
        let cast = &model.config.tokens[slot];
        let rights = &known.rights;
        // Personal tokens have no scopes beyond their user's rights.
        let is_personal = cast.is_personal() && known.credential.is_some();
        let is_asked =
            |scope: &Scope| cast.required.contains(scope) || (cast.looks_for(*scope) && !is_personal);
        let granted = |scope: Scope| rights.granted(cast, scope, SETTLED);
        // Without it all projects look missing, whatever they are.
        let hidden = granted(Scope::ProjectsRead) == Some(false);
        let runs = cast.required.contains(&Scope::ProjectsRun);
        let project = |project: &usize| match rights.projects.get(project).filter(|_| !hidden) {
            Some(known) => (*project, known.visible.settled, known.runnable.settled.filter(|_| runs)),
            None => (*project, None, None),
        };
        let excess = Scope::ALL.into_iter().filter(|it| is_asked(it) && !cast.required.contains(it));
        let excess: Vec<bool> = excess.filter_map(granted).collect();
        Self {
            state: known.state,
            since: known.since,
            pending: known.life.doubt.is_some(),
            expiry: known.calendar.shown(cast),
            scopes: Scope::ALL.into_iter().filter(is_asked).map(|scope| (scope, granted(scope))).collect(),
            projects: cast.projects.iter().map(project).collect(),
            excess: (!excess.is_empty()).then(|| excess.iter().filter(|is_granted| **is_granted).count()),
        }
    }
}

/// Whether the latest answers are all yes. `None`: nothing was asked yet.
fn succeeds(model: &Model, slot: usize, known: &Known) -> Option<bool> {
    let required = &model.config.tokens[slot].required;
    let matters = |check: Check| {
        check == Check::ProjectVisible || check.scope().is_some_and(|scope| required.contains(&scope))
    };
    let life = known.tries.get(&known.life_question())?.said;
    let rights = known.tries.iter().filter(|((check, _), _)| matters(*check));
    let all = rights.into_iter().all(|(_, Try { said, .. })| said.is_yes());
    Some((life.is_yes() || life == Said::Forbidden) && all)
}

/// Compares all tokens. An error says what differs.
pub(crate) fn compare(model: &mut Model, snapshot: &Snapshot, now: Duration) -> Result<(), String> {
    let listed = model.config.tokens.iter().filter(|cast| cast.listed).count();
    if snapshot.tokens.len() != listed {
        return Err(format!("{} tokens are known, {listed} listed", snapshot.tokens.len()));
    }
    for slot in 0..model.known.len() {
        compare_one(model, slot, |name| snapshot.token(name.as_str()).cloned(), now)?;
    }
    for view in &snapshot.workspaces {
        let stack: usize = view.spec.name.as_str()[1..].parse().unwrap();
        if view.dry_run_unsafe != model.stacks[stack].proofs.ignored {
            return Err(format!("dry runs of w{stack} are said to be unsafe: {}", view.dry_run_unsafe));
        }
    }
    Ok(())
}

/// Compares one token.
pub(crate) fn compare_one(
    model: &mut Model,
    slot: usize,
    view: impl Fn(&Name) -> Option<std::sync::Arc<TokenView>>,
    now: Duration,
) -> Result<(), String> {
    let cast = &model.config.tokens[slot];
    let Some(known) = &mut model.known[slot] else { return Ok(()) };
    let name = Name::parse(&cast.name).unwrap();
    let view = view(&name).ok_or_else(|| format!("{name} is not known"))?;
    if !known.in_vain.is_empty() && view.record.state() == known.state {
        // Whatever is tried in vain is judged too, at a time that nobody is told of.
        known.since = Shown::by_program(&view).since;
    }
    let (cast, Some(known)) = (&model.config.tokens[slot], &model.known[slot]) else { return Ok(()) };
    let (shown, expected) = (Shown::by_program(&view), Shown::by_reference(model, slot, known));
    if shown != expected {
        return Err(format!("{name} at {now:?}: shown {shown:?}, expected {expected:?}"));
    }
    // What was tried in vain, without a credential, is a failure, and no request.
    if cast.readable && known.in_vain.is_empty() {
        let (shown, expected) = (view.probe_success(), succeeds(model, slot, known));
        if shown != expected {
            return Err(format!("{name}: success is shown as {shown:?}, and is {expected:?}"));
        }
    }
    let counted = view.counts.probes;
    if counted < known.probes || (counted > known.probes && !known.was_in_vain) {
        return Err(format!("{name}: {counted} probes counted, of {}", known.probes));
    }
    Ok(())
}
