//! One round: every check of every token once, now, within the budget. For the `check` command, which
//! can't wait: a 401 is repeated once, a denial is taken at its word.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::{
    sync::Semaphore,
    task::{JoinError, JoinSet},
    time::{Instant, sleep},
};

use super::{
    Assignment, Settings,
    budget::Budget,
    dry_runs::{Made, made},
    phase::Anchor,
    timing::{Class, Due, Timing, run_shows},
    worker::unreadable,
};
use crate::{
    clock::Clock,
    domain::{
        Cadence, Check, Credential, Name, Observation, Question, Reason, Secret, Workspace, classify,
        life::Life,
    },
    probe::Prober,
    store::{Observed, Store},
};

/// From a 401 to its repeat.
const REPEAT_AFTER: Duration = Duration::from_secs(5);

/// Projects are counted up to this many.
const PROJECTS_COUNTED: u8 = 100;

/// A single round.
pub struct Round<P> {
    prober: P,
    store: Arc<Store>,
    clock: Arc<dyn Clock>,
    lanes: BTreeMap<Name, Lane>,
    slots: Arc<Semaphore>,
    /// Whether dry runs are made.
    dry_run: bool,
    progress: Box<dyn Fn(Progress<'_>) + Send + Sync>,
}

struct Lane {
    budget: Arc<Budget>,
    /// Dry runs go one at a time, each with the look for a run that it must not have started.
    dry_run_turn: Semaphore,
    /// Whether such a look has not shown that there is none: no other dry run is made then.
    dry_runs_end: AtomicBool,
}

/// What happens, for people who wait.
#[derive(Debug, Clone, Copy)]
pub enum Progress<'a> {
    /// A request is on its way.
    Asking(&'a Name, Check),
    /// A 401 is about to be repeated.
    Repeating(&'a Name),
    /// A token is done.
    Done(&'a Name),
}

impl<P> fmt::Debug for Round<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Round").finish_non_exhaustive()
    }
}

impl<P: Prober> Round<P> {
    /// Prepares a round. The store must know the tokens under [`Self::cadence`].
    pub fn new(
        prober: P,
        store: Arc<Store>,
        clock: Arc<dyn Clock>,
        workspaces: &[Arc<Workspace>],
        settings: &Settings,
        dry_run: bool,
        progress: impl Fn(Progress<'_>) + Send + Sync + 'static,
    ) -> Self {
        let lanes = workspaces
            .iter()
            .map(|workspace| {
                let lane = Lane {
                    budget: Arc::new(Budget::new(workspace.requests_per_minute)),
                    dry_run_turn: Semaphore::new(1),
                    dry_runs_end: AtomicBool::new(false),
                };
                (workspace.name.clone(), lane)
            })
            .collect();
        let slots = Arc::new(Semaphore::new(settings.max_concurrency));
        Self { prober, store, clock, lanes, slots, dry_run, progress: Box::new(progress) }
    }

    /// The cadence of a round: without an interval, so that a first denial counts.
    pub fn cadence(cadence: Cadence) -> Cadence {
        Cadence { interval: Duration::ZERO, ..cadence }
    }

    /// Asks about all tokens, side by side.
    pub async fn run(self, tokens: Vec<Assignment>, cadence: Cadence) {
        let round = Arc::new(self);
        let mut tasks = JoinSet::new();
        for Assignment { spec, credential } in tokens {
            let round = round.clone();
            tasks.spawn(async move {
                match credential {
                    Credential::Loaded { secret, .. } => {
                        // `None`: nothing more could be asked about it.
                        let _ = round.token(&spec.name, &secret, &cadence).await;
                    }
                    Credential::Unreadable(_) => {
                        round.store.observe(&spec.name, None, &unreadable(Question::of(Check::Identity)));
                    }
                }
                (round.progress)(Progress::Done(&spec.name));
            });
        }
        while let Some(done) = tasks.join_next().await {
            if let Err(Ok(panic)) = done.map_err(JoinError::try_into_panic) {
                std::panic::resume_unwind(panic);
            }
        }
    }

    async fn token(&self, name: &Name, secret: &Secret, cadence: &Cadence) -> Option<()> {
        self.life(name, secret).await?;
        while let Some(due) = self.next(name, cadence) {
            let dry_run = due.question.check == Check::ProjectsRun;
            let turn = if dry_run { Some(self.lane(name)?.dry_run_turn.acquire().await.ok()?) } else { None };
            if dry_run && self.lane(name)?.dry_runs_end.load(Ordering::Relaxed) {
                break;
            }
            let (observation, _) = self.ask(name, secret, due.question, due.class).await?;
            if let (true, Some((project, id))) = (dry_run, &observation.question.project) {
                match made(&observation) {
                    Made::Dummy(run) => {
                        let question = Question::about(Check::DryRunGuard, project, id);
                        self.guard(name, secret, Question { run: Some(run), ..question }, cadence).await?;
                    }
                    Made::Nothing => {}
                    Made::Unclear => self.lane(name)?.dry_runs_end.store(true, Ordering::Relaxed),
                }
            }
            drop(turn);
        }
        Some(())
    }

    /// Looks for the run that a dry run must not have started.
    async fn guard(&self, name: &Name, secret: &Secret, question: Question, cadence: &Cadence) -> Option<()> {
        let dry_runs_end = &self.lane(name)?.dry_runs_end;
        dry_runs_end.store(true, Ordering::Relaxed);
        sleep(run_shows(cadence)).await;
        let (observation, observed) = self.ask(name, secret, question, Class::Identity).await?;
        if classify(&observation).reason == Reason::Ok {
            self.store.note_dry_run_unsafe(&self.store.token(name)?.spec.workspace.name);
        }
        dry_runs_end.store(!observed.knows_no_run(), Ordering::Relaxed);
        Some(())
    }

    /// Alive or dead. `None`: no more need be asked.
    async fn life(&self, name: &Name, secret: &Secret) -> Option<()> {
        let mut repeated = false;
        loop {
            let check = self.store.token(name)?.record.life_check();
            let question = Self::counting(check);
            let (_, observed) = self.ask(name, secret, question, Class::Identity).await?;
            let view = self.store.token(name)?;
            match observed.reason? {
                Reason::Unauthorized if !repeated => {
                    repeated = true;
                    (self.progress)(Progress::Repeating(name));
                    sleep(REPEAT_AFTER).await;
                }
                Reason::Unauthorized => {
                    self.store.confirm_rejection(name);
                    return None;
                }
                Reason::NotFound if check != view.record.life_check() => {}
                _ => break (view.record.life() == Life::Alive).then_some(()),
            }
        }?;
        if self.store.token(name)?.record.life_check() != Check::ProjectsRead {
            self.ask(name, secret, Self::counting(Check::ProjectsRead), Class::Right).await?;
        }
        Some(())
    }

    fn counting(check: Check) -> Question {
        Question { limit: PROJECTS_COUNTED, ..Question::of(check) }
    }

    /// The next check that has not been made.
    fn next(&self, name: &Name, cadence: &Cadence) -> Option<Due> {
        let view = self.store.token(name)?;
        let now = self.clock.now();
        let timing = Timing {
            spec: &view.spec,
            record: &view.record,
            cadence,
            stretch: 1.0,
            anchor: Anchor::of(now),
            now,
            hex_now: self.store.hex_now(&view.spec.workspace.name),
            // Each dry run is followed by its guard at once.
            guard: None,
            dry_runs_from: self.dry_run.then_some(Duration::ZERO),
        };
        let unasked = timing.agenda().into_iter().find(|due| {
            let check = due.question.check;
            let project = check.is_about_project().then(|| due.question.project_name()).flatten();
            view.record.last_try(check, project).is_none()
        });
        // One question is asked twice: whether projects that are missing could be seen at all.
        let again = || timing.is_a_project_missing().then(|| Self::counting(Check::ProjectsRead));
        unasked.or_else(|| Some(Due { at: now.up, class: Class::Right, question: again()? }))
    }

    async fn ask(
        &self,
        name: &Name,
        secret: &Secret,
        question: Question,
        class: Class,
    ) -> Option<(Observation, Observed)> {
        let workspace = self.store.token(name)?.spec.workspace.clone();
        let permit = self.lane(name)?.budget.acquire(class, Instant::now(), &self.slots).await?;
        (self.progress)(Progress::Asking(name, question.check));
        let observation = self.prober.ask(&workspace, secret, question).await;
        drop(permit);
        let observed = self.store.observe(name, Some((&workspace, secret)), &observation)?;
        if let Some(pause) = observed.workspace_pause {
            self.lane(name)?.budget.pause(pause);
        }
        // Asking on would only be refused again.
        (observed.reason != Some(Reason::RateLimited)).then_some((observation, observed))
    }

    fn lane(&self, name: &Name) -> Option<&Lane> {
        self.lanes.get(&self.store.token(name)?.spec.workspace.name)
    }
}
