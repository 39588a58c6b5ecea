//! Plays a history: what happens is brought about, time passes, and everything is looked at; in the end the
//! weather clears, and the truth must be shown in time.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use hex_token_exporter::domain::{Scope, TokenState};

use crate::{
    cast::{Cast, Config, Date, PROJECTS},
    hex::{Account, Stack, Standing, Truth},
    history::{Event, History},
    stage::{Stage, on_paused_time},
};

/// How often everything is looked at while nothing happens.
const STEP: Duration = Duration::from_mins(45);

const MINUTE: Duration = Duration::from_mins(1);

/// Plays it. The time that has passed in it; an error says what did not hold.
pub(crate) fn play(history: &History) -> Result<Duration, String> {
    on_paused_time(async {
        let mut play = Play::open(history);
        for (gap, event) in &history.events {
            play.pass(*gap).await?;
            play.happen(event).await;
            play.stage.look()?;
        }
        play.clear_up().await?;
        Ok(play.stage.world.now())
    })
}

struct Play {
    stage: Stage,
    credentials: u64,
    names: u64,
}

impl Play {
    fn open(history: &History) -> Self {
        let mut truth = Truth::default();
        let tokens = history.tokens.iter().enumerate().map(|(slot, birth)| {
            let prefix = if birth.personal { "hxtp" } else { "hxtw" };
            let credential = format!("{prefix}_{slot}");
            truth.accounts.insert(credential.clone(), account(birth.stack, birth.alive));
            let projects: BTreeSet<_> = (0..birth.projects).collect();
            let bound = |scope: &Scope| !scope.is_project_bound() || !projects.is_empty();
            Cast {
                name: format!("t{slot}"),
                listed: true,
                stack: birth.stack,
                credential,
                readable: true,
                required: birth.required.iter().copied().filter(bound).collect(),
                projects,
                least_privilege: false,
                declared: Date::Untold,
                owner: None,
            }
        });
        let tokens = tokens.collect();
        truth.stacks = [0, 1].map(|_| Stack { skew: history.skew, ..Stack::default() });
        let config = Config { cadence: history.cadence, budgets: [history.budget; 2], tokens };
        Self { stage: Stage::open(config, truth), credentials: 100, names: 100 }
    }

    async fn pass(&self, mut time: Duration) -> Result<(), String> {
        while !time.is_zero() {
            let step = time.min(STEP);
            self.stage.pass(step).await?;
            time -= step;
        }
        Ok(())
    }

    async fn happen(&mut self, event: &Event) {
        if let Event::Restart(with_file) = event {
            return self.stage.restart(*with_file).await;
        }
        if !self.happens_at_hex(event) {
            self.happens_here(event);
        }
    }

    /// The slot of a token that there is.
    fn slot(&self, slot: usize) -> usize {
        slot % self.stage.world.model().config.tokens.len()
    }

    fn account(&self, slot: usize, edit: impl FnOnce(&mut Account)) {
        let slot = self.slot(slot);
        let credential = self.stage.world.model().config.tokens[slot].credential.clone();
        edit(self.stage.world.truth.lock().unwrap().accounts.get_mut(&credential).unwrap());
    }

    fn happens_at_hex(&self, event: &Event) -> bool {
        let now = self.stage.world.date();
        let stack = |stack: usize, edit: &dyn Fn(&mut Stack)| {
            edit(&mut self.stage.world.truth.lock().unwrap().stacks[stack]);
        };
        match *event {
            Event::Dies(slot) => self.account(slot, |it| it.alive = false),
            Event::Revives(slot) => self.account(slot, |it| it.alive = true),
            Event::Expires(slot, date, honoured) => self.account(slot, |it| {
                (it.exp, it.expires) = (from_now(date, now), honoured);
            }),
            Event::Foreign(slot, is) => self.account(slot, |it| it.foreign = is),
            Event::Mute(slot, is) => self.account(slot, |it| it.mute = is),
            Event::Scope(slot, scope, denial) => self.account(slot, |it| match denial {
                Some(denial) => drop(it.denied.insert(scope, denial)),
                None => drop(it.denied.remove(&scope)),
            }),
            Event::Project(slot, project, is) => self.account(slot, |it| it.projects[project] = is),
            Event::TokenWeather(slot, weather) => self.account(slot, |it| it.weather = weather),
            Event::Weather(of, weather) => stack(of, &|it| it.weather = weather),
            Event::RejectsAll(of, does) => stack(of, &|it| it.rejects_all = does),
            Event::IgnoresDryRun(of, does) => stack(of, &|it| it.ignores_dry_run = does),
            Event::IsOlder(of, is) => stack(of, &|it| it.is_older = is),
            _ => return false,
        }
        true
    }

    fn happens_here(&mut self, event: &Event) {
        let now = self.stage.world.date();
        match *event {
            Event::Rotate(slot, good) => self.rotate(slot, good),
            Event::Readable(slot, readable) => self.token(false, slot, |it| it.readable = readable),
            Event::Owner(slot) => self.token(true, slot, |it| it.owner = Some(format!("team at {now}"))),
            Event::Require(slot, scope, true) => self.token(true, slot, |it| {
                if !scope.is_project_bound() || !it.projects.is_empty() {
                    it.required.insert(scope);
                }
            }),
            Event::Require(slot, scope, false) => self.token(true, slot, |it| {
                it.required.remove(&scope);
            }),
            Event::List(slot, project, true) => self.token(true, slot, |it| {
                it.projects.insert(project);
            }),
            Event::List(slot, project, false) => self.token(true, slot, |it| {
                // The last one must stay where a scope is bound to it.
                if it.projects.len() > 1 || !it.required.iter().any(|scope| scope.is_project_bound()) {
                    it.projects.remove(&project);
                }
            }),
            Event::LeastPrivilege(slot, is) => self.token(true, slot, |it| it.least_privilege = is),
            Event::Declare(slot, date) => self.token(true, slot, |it| it.declared = from_now(date, now)),
            Event::Listed(slot, is) => self.token(true, slot, |it| it.listed = is),
            Event::Rename(slot) => {
                self.names += 1;
                let name = format!("t{}", self.names);
                self.token(true, slot, |it| it.name = name);
            }
            Event::Move(slot, follows) => {
                if follows {
                    self.account(slot, |it| it.home = 1 - it.home);
                }
                self.token(true, slot, |it| it.stack = 1 - it.stack);
            }
            Event::Budget(stack, budget) => {
                self.stage.configure(true, |config| config.budgets[stack] = budget);
            }
            Event::Ask(slot) => self.stage.ask(self.slot(slot)),
            _ => self.stage.configure(true, |_| {}),
        }
    }

    /// Edits one token; `reload` where the configuration is read for it.
    fn token(&self, reload: bool, slot: usize, edit: impl FnOnce(&mut Cast)) {
        let slot = self.slot(slot);
        self.stage.configure(reload, |config| edit(&mut config.tokens[slot]));
    }

    fn rotate(&mut self, slot: usize, good: bool) {
        self.credentials += 1;
        let slot = self.slot(slot);
        let old = self.stage.world.model().config.tokens[slot].credential.clone();
        let credential = format!("{}_{}", &old[..4], self.credentials);
        {
            let mut truth = self.stage.world.truth.lock().unwrap();
            let before = truth.accounts.get_mut(&old).unwrap();
            let after = Account { alive: good, exp: Date::Never, ..before.clone() };
            before.alive = false;
            truth.accounts.insert(credential.clone(), after);
        }
        self.token(false, slot, |it| it.credential = credential);
    }

    /// Fair weather everywhere, and everything readable: the truth must be shown in the promised time.
    async fn clear_up(&mut self) -> Result<(), String> {
        {
            let mut truth = self.stage.world.truth.lock().unwrap();
            truth.stacks.iter_mut().for_each(|it| *it = Stack { skew: it.skew, ..Stack::default() });
            truth.accounts.values_mut().for_each(|it| it.weather = None);
        }
        self.stage.configure(true, |config| config.tokens.iter_mut().for_each(|it| it.readable = true));
        let promised = self.promised();
        self.pass(promised).await?;
        let (truth, model) = (self.stage.world.truth.lock().unwrap(), self.stage.world.model());
        for (cast, known) in model.config.tokens.iter().zip(&model.known) {
            let Some(known) = known else { continue };
            let may_be = true_states(&truth, cast, self.stage.world.date());
            if !may_be.contains(&known.state) {
                let shown = known.state;
                return Err(format!(
                    "{} is {may_be:?}, and {promised:?} later is shown as {shown:?}",
                    cast.name
                ));
            }
        }
        Ok(())
    }

    /// How long the truth may take, once Hex answers.
    fn promised(&self) -> Duration {
        let model = self.stage.world.model();
        let cadence = &model.config.cadence;
        let now = self.stage.world.now();
        let stretch = model.stacks.iter().map(|it| it.spending.stretch_since(now).1).fold(1.0, f64::max);
        let paused = model.known.iter().flatten().map(|it| it.paused_until);
        let paused = paused.chain(model.stacks.iter().map(|it| it.paused_until)).max().unwrap_or_default();
        // A rhythm strikes within one and a half intervals; a denial is repeated after another.
        let rhythm = cadence.interval.max(cadence.scope_interval).max(cadence.run_interval) * 3 / 2;
        let steady = (rhythm + cadence.interval + 30 * MINUTE * 2).mul_f64(stretch);
        let dying = cadence.confirm_after * 6 + cadence.mass_rejection_hold;
        paused.saturating_sub(now) + cadence.rejected_interval + steady + dying + 10 * MINUTE
    }
}

/// What may be shown of a token in the end.
fn true_states(truth: &Truth, cast: &Cast, now: i64) -> Vec<TokenState> {
    let account = &truth.accounts[&cast.credential];
    if !truth.accepts(&cast.credential, cast.stack, now) {
        // Whether it ever told its expiry, who knows.
        return vec![TokenState::Invalid, TokenState::Expired];
    }
    if account.foreign && !account.mute {
        return vec![TokenState::WrongWorkspace];
    }
    let mut may_be = of_the_rights(account, cast);
    // What it last told of itself stands while it tells no more.
    may_be.extend(account.mute.then_some(TokenState::WrongWorkspace));
    may_be
}

fn of_the_rights(account: &Account, cast: &Cast) -> Vec<TokenState> {
    let unusable = |it: &&usize| matches!(account.projects[**it], Standing::Hidden | Standing::Unpublished);
    let is_denied = |scope: &Scope| account.denied.contains_key(scope);
    let runs = cast.required.contains(&Scope::ProjectsRun);
    let hidden = is_denied(&Scope::ProjectsRead);
    let usable: Vec<_> = cast.projects.iter().filter(|it| !hidden && !unusable(it)).collect();
    let refused = |it: &&&usize| account.projects[***it] == Standing::NotRunnable;
    let none_runs =
        !usable.is_empty() && (is_denied(&Scope::ProjectsRun) || usable.iter().all(|it| refused(&it)));
    let asked = |scope: &Scope| !scope.is_project_bound() || !usable.is_empty();
    let lacks = cast.required.iter().any(|scope| match scope {
        Scope::ProjectsRun => none_runs,
        _ => asked(scope) && is_denied(scope),
    });
    let run_is_lacking = runs && usable.iter().any(|it| refused(&it));
    // What was last known of a scope or project that can't be asked about any more still stands.
    match (usable.len() < cast.projects.len(), lacks) {
        (true, _) => vec![TokenState::UnderScoped, TokenState::ProjectUnavailable],
        (false, true) => vec![TokenState::UnderScoped],
        (false, false) if run_is_lacking => vec![TokenState::ProjectUnavailable],
        (false, false) => vec![TokenState::Valid],
    }
}

/// A date that is so many seconds from now.
fn from_now(date: Date, now: i64) -> Date {
    date.second().map_or(date, |seconds| Date::At(now + seconds))
}

/// An account as it is at first.
fn account(home: usize, alive: bool) -> Account {
    Account {
        alive,
        home,
        exp: Date::Never,
        expires: true,
        foreign: false,
        mute: false,
        denied: BTreeMap::new(),
        projects: [Standing::Published; PROJECTS],
        weather: None,
    }
}
