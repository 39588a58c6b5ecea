//! One worker a token: waits for the next due check, for the budget, asks, and hands the answer to the
//! store. All requests of a token go through it, one at a time.

use std::{
    future::pending,
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{
    sync::{Notify, oneshot},
    time::{Instant, sleep},
};
use tracing::{debug, error, warn};

use super::{
    Assignment, Lane, Shared,
    budget::Permit,
    dry_runs::{Made, made, rest_of_dry_runs},
    lock,
    timing::{Class, Due, Guard, Timing},
};
use crate::{
    domain::{
        Check, Credential, Failure, Name, Observation, Phases, Question, Reason, RequestEnded, Secret, Seen,
        Uuid, Workspace, classify, life::Life, outcome::rate_limit_pause,
    },
    probe::Prober,
    store::{self, Observed, TokenView},
};

/// The longest pause on a rate-limit header that no 429 came with.
const QUOTA_PAUSE: Duration = Duration::from_mins(1);

/// How many on-demand probes of a token may wait for one another.
const MOST_ASKERS: usize = 64;

/// What a worker is told from outside, and what it shows.
#[derive(Debug)]
pub(super) struct Handle {
    pub(super) name: Name,
    pub(super) lane: Arc<Lane>,
    pub(super) assignment: Mutex<Assignment>,
    /// Those who wait for an on-demand probe. `None`: its worker has ended.
    pub(super) askers: Mutex<Option<Vec<oneshot::Sender<()>>>>,
    /// That there is something new here.
    pub(super) changed: Notify,
    /// Whether its worker is to end, though the process goes on.
    pub(super) stopped: AtomicBool,
    /// Until when, in milliseconds of uptime, it may be silent without having stalled.
    pub(super) quiet_until: AtomicU64,
}

impl Handle {
    /// Asks for an on-demand probe. Where too many do, or its worker has ended, the asker is dropped, which
    /// resolves at once: the store answers as well as it can.
    pub(super) fn ask(&self, asker: oneshot::Sender<()>) {
        if let Some(askers) = self.askers().as_mut().filter(|askers| askers.len() < MOST_ASKERS) {
            askers.push(asker);
            self.changed.notify_one();
        }
    }

    /// Makes its worker end, softly.
    pub(super) fn stop(&self) {
        self.stopped.store(true, Ordering::Relaxed);
        self.changed.notify_one();
    }

    fn is_asked(&self) -> bool {
        self.askers().as_ref().is_some_and(|askers| !askers.is_empty())
    }

    fn askers(&self) -> MutexGuard<'_, Option<Vec<oneshot::Sender<()>>>> {
        lock(&self.askers)
    }

    fn is_unreadable(&self) -> bool {
        matches!(lock(&self.assignment).credential, Credential::Unreadable(_))
    }

    /// A credential, and the only workspace that it may be sent to. Together: during a reload, the store may know
    /// the next workspace while the credential is the old one's.
    fn sendable(&self) -> Option<(Arc<Workspace>, Secret)> {
        let assignment = lock(&self.assignment);
        match &assignment.credential {
            Credential::Loaded { secret, .. } => Some((assignment.spec.workspace.clone(), secret.clone())),
            Credential::Unreadable(_) => None,
        }
    }

    fn may_be_quiet_until(&self, up: Duration) {
        self.quiet_until.store(u64::try_from(up.as_millis()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }
}

pub(super) struct Worker<P> {
    pub(super) shared: Arc<Shared<P>>,
    pub(super) handle: Arc<Handle>,
    guard: Option<Box<Guard>>,
    /// A question that left the budget's queue for a more urgent one, and since when it had waited.
    postponed: Option<Box<(Question, Instant)>>,
}

impl<P> Drop for Worker<P> {
    fn drop(&mut self) {
        // Whoever still waits is told, and nobody else begins to.
        *self.handle.askers() = None;
    }
}

impl<P: Prober> Worker<P> {
    pub(super) fn new(shared: Arc<Shared<P>>, handle: Arc<Handle>) -> Self {
        Self { shared, handle, guard: None, postponed: None }
    }

    /// Works until told to stop. A request under way is finished; one that waits is not made.
    pub(super) async fn run(&mut self) {
        // Held by a reload until all that start with it are there: the first would ask for its scopes before others
        // are asked whether they live.
        drop(lock(&self.shared.handles));
        // What asking needs is there only while it asks: most workers wait, most of the time.
        while !self.is_stopped() {
            let Some(due) = self.next_due().map(Box::new) else { break };
            if self.handle.is_asked() {
                Box::pin(self.serve()).await;
                continue;
            }
            self.handle.may_be_quiet_until(due.at);
            let wait = due.at.saturating_sub(self.shared.clock.now().up);
            tokio::select! {
                biased;
                () = self.handle.changed.notified() => continue,
                () = sleep(wait) => {}
            }
            if !wait.is_zero() {
                self.shared.observer.woke_late(self.shared.clock.now().up.saturating_sub(due.at));
            }
            Box::pin(self.probe(due)).await;
        }
        self.handle.may_be_quiet_until(Duration::MAX);
        self.release_dry_runs();
    }

    fn is_stopped(&self) -> bool {
        self.handle.stopped.load(Ordering::Relaxed) || self.shared.stopping.is_cancelled()
    }

    /// Makes what is due on demand, one after the other, and then answers all who have asked meanwhile.
    async fn serve(&mut self) {
        let since = self.shared.clock.now().up;
        while !self.is_stopped() {
            let due = self.timing(|timing| timing.on_demand(since));
            let is_paused = |view: Arc<TokenView>| self.shared.clock.now().up < view.paused_until;
            let paused = self.shared.store.token(&self.handle.name).is_none_or(is_paused);
            let Some(due) = due.flatten().filter(|_| !paused) else { break };
            self.probe(Box::new(due)).await;
        }
        let askers = self.handle.askers().as_mut().map(std::mem::take);
        for asker in askers.into_iter().flatten() {
            // Whoever asked may have left: a scrape that timed out.
            let _ = asker.send(());
        }
    }

    /// `None`: the token is not known any more.
    fn next_due(&mut self) -> Option<Due> {
        let view = self.shared.store.token(&self.handle.name)?;
        // What can't be proven any more is given up, or no other dry run would ever go out.
        let lives = view.record.life() == Life::Alive && view.credential.problem.is_none();
        let is_of_now = |(name, id): &(Name, Uuid)| view.spec.projects.get(name) == Some(id);
        if self.guard.take_if(|guard| !lives || !is_of_now(&guard.project)).is_some() {
            self.release_dry_runs();
        }
        let (mut due, intervals) = self.with_timing(&view, |timing| (timing.next(), timing.intervals()));
        if !view.intervals.iter().copied().eq(intervals.clone()) {
            self.shared.store.note_intervals(&self.handle.name, intervals.collect());
        }
        if let Some(due) = &mut due {
            due.at = due.at.max(view.paused_until);
        }
        due
    }

    fn timing<T>(&self, ask: impl FnOnce(Timing<'_>) -> T) -> Option<T> {
        let view = self.shared.store.token(&self.handle.name)?;
        Some(self.with_timing(&view, ask))
    }

    fn with_timing<T>(&self, view: &TokenView, ask: impl FnOnce(Timing<'_>) -> T) -> T {
        let settings = self.shared.settings();
        ask(Timing {
            spec: &view.spec,
            record: &view.record,
            cadence: &settings.cadence,
            stretch: self.handle.lane.stretch(),
            anchor: self.shared.anchor,
            now: self.shared.clock.now(),
            hex_now: self.shared.store.hex_now(&self.handle.lane.workspace),
            guard: self.guard.as_deref(),
            dry_runs_from: self.handle.lane.dry_runs.may_start(&self.handle.name),
        })
    }

    /// Asks one question, now or as soon as the budget allows.
    async fn probe(&mut self, due: Box<Due>) {
        if self.handle.is_unreadable() {
            if self.take(None, &unreadable(due.question)).is_none() {
                // The store knows better, and its worker is about to be told.
                self.handle.changed.notified().await;
            }
            return;
        }
        let mut proving = false;
        if let (Check::ProjectsRun, Some((_, id))) = (due.question.check, &due.question.project) {
            match self.handle.lane.dry_runs.claim(&self.handle.name, id, self.shared.clock.now().up) {
                Some(first) => proving = first,
                None => return,
            }
        }
        match self.request(&due).await {
            Some((sent, observation)) => {
                let observed = self.take(Some((&sent.0, &sent.1)), &observation);
                self.follow_dry_run(&observation, proving, &observed.unwrap_or_default());
            }
            None if due.class == Class::Run => self.release_dry_runs(),
            None => {}
        }
    }

    fn release_dry_runs(&self) {
        // Every worker that ends comes here: to wake all for each would take the square of their number.
        if self.handle.lane.dry_runs.release(&self.handle.name) {
            self.shared.nudge_workspace(&self.handle.lane.workspace);
        }
    }

    /// Waits for the budget and makes the request. `None`: it was not made, since the process ends, since
    /// something more urgent is due or since it makes no sense any more.
    async fn request(&mut self, due: &Due) -> Option<((Arc<Workspace>, Secret), Observation)> {
        self.handle.may_be_quiet_until(Duration::MAX);
        let queued = Instant::now();
        let since = self.postponed.take_if(|postponed| postponed.0 == due.question);
        let since = since.map_or(queued, |postponed| postponed.1);
        let permit = self.wait_for_turn(due, since).await;
        self.shared.observer.budget_waited(&self.handle.lane.workspace, queued.elapsed());
        let Some(permit) = permit else {
            self.postponed = Some(Box::new((due.question.clone(), since)));
            return None;
        };
        self.handle
            .may_be_quiet_until(self.shared.clock.now().up + self.shared.settings().cadence.timeout * 2);
        // Only now: while the request waited, the credential may have been replaced, or have gone.
        let (workspace, secret) = self.handle.sendable()?;
        if due.class == Class::Run && self.handle.lane.dry_runs.are_ignored() {
            return None;
        }
        // On the heap while it lasts: of those that have a request to make, most wait for the budget.
        let asking = Box::pin(self.shared.prober.ask(&workspace, &secret, due.question.clone()));
        let observation = asking.await;
        drop(permit);
        Some(((workspace, secret), observation))
    }

    /// Waits for the budget and for a slot; not past the time when life or death is due.
    async fn wait_for_turn(&self, due: &Due, since: Instant) -> Option<Permit> {
        let slots = self.shared.concurrency();
        let permit = self.handle.lane.budget.acquire(due.class, since, &slots);
        tokio::pin!(permit);
        while !self.is_stopped() {
            let patience = match due.class {
                Class::Confirmation | Class::Identity => None,
                Class::Right | Class::Run => {
                    Some(self.timing(|timing| timing.may_wait_until(due)).flatten()?)
                }
            };
            let now = self.shared.clock.now().up;
            let patience = patience.map(|until| until.saturating_sub(now));
            tokio::select! {
                biased;
                () = self.handle.changed.notified() => {}
                permit = &mut permit => return permit.filter(|_| !self.is_stopped()),
                () = run_out(patience) => {}
            }
        }
        None
    }

    /// Hands an observation to the store, and acts on what follows from it.
    fn take(&mut self, sent: Option<(&Workspace, &Secret)>, observation: &Observation) -> Option<Observed> {
        let name = &self.handle.name;
        let lane = &self.handle.lane;
        let observed = self.shared.store.observe(name, sent, observation);
        let reason = classify(observation).reason;
        let (check, status) = (observation.question.check, observation.status());
        if reason != Reason::CredentialUnreadable {
            self.shared.observer.request_ended(&RequestEnded {
                workspace: &lane.workspace,
                check,
                status,
                reason,
                duration: observation.duration,
                phases: observation.phases,
            });
        }
        let observed = observed?;
        debug!(token = %name, check = check.as_label(), reason = reason.as_label(), status, "probed {name}");
        if let Some((before, after)) = observed.effects.change {
            store::tell_change(name, before, after);
        }
        if observed.effects.expiry_disproved {
            warn!(token = %name, "{name} is accepted after its expiry: the expiry is unknown");
        }
        if observed.effects.pending {
            (self.shared.credentials_stale)();
        }
        if let Some(pause) = pause(observation) {
            let until = self.shared.clock.now().up + pause;
            self.shared.store.note_pause(name, until);
        }
        if let Some(pause) = observed.workspace_pause {
            lane.budget.pause(pause);
        }
        self.shared.nudge(&observed.wake);
        Some(observed)
    }

    /// After a dry run, and after the look for the run that it must not have started.
    fn follow_dry_run(&mut self, observation: &Observation, proving: bool, observed: &Observed) {
        let Some(project) = &observation.question.project else { return };
        let (lane, name) = (&self.handle.lane, &self.handle.name);
        match observation.question.check {
            Check::ProjectsRun if proving => match made(observation) {
                Made::Dummy(run) => self.guard = Some(Box::new(Guard { project: project.clone(), run })),
                Made::Nothing => self.release_dry_runs(),
                Made::Unclear => {
                    let rest = rest_of_dry_runs(&self.shared.settings().cadence);
                    lane.dry_runs.unclear(name, self.shared.clock.now().up + rest);
                    self.shared.nudge_workspace(&lane.workspace);
                }
            },
            // What a portal says in Hex's place proves nothing, and is asked again.
            Check::DryRunGuard if classify(observation).reason == Reason::Ok => {
                error!(workspace = %lane.workspace, token = %name,
                    "workspace {} ignores dryRun: the dry run of project {} started a real run; no more are made",
                    lane.workspace, project.0);
                lane.dry_runs.ignored();
                self.shared.store.note_dry_run_unsafe(&lane.workspace);
                self.guard = None;
            }
            Check::DryRunGuard if observed.knows_no_run() => {
                self.guard = None;
                lane.dry_runs.proven(name, &project.1);
                self.shared.nudge_workspace(&lane.workspace);
            }
            _ => {}
        }
    }
}

/// Waits until a patience has run out; for ever where it has no end. On the heap: of those who wait for the
/// budget, most have none.
async fn run_out(patience: Option<Duration>) {
    match patience {
        Some(patience) => Box::pin(sleep(patience)).await,
        None => pending().await,
    }
}

/// How long the token itself must pause: after a 429, or where a header says that nothing is left for the
/// jobs that share the limit.
fn pause(observation: &Observation) -> Option<Duration> {
    let Seen::Answer(answer) = &observation.seen else { return None };
    let spent = answer.quota.filter(|quota| quota.remaining == 0);
    rate_limit_pause(observation)
        .or_else(|| spent.map(|quota| quota.reset_in.unwrap_or(QUOTA_PAUSE).min(QUOTA_PAUSE)))
}

pub(super) fn unreadable(question: Question) -> Observation {
    Observation {
        question,
        seen: Seen::Failed(Failure::CredentialUnreadable),
        duration: Duration::ZERO,
        phases: Phases::default(),
    }
}
