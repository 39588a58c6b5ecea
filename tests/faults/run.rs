//! One run: foul weather and ill fortune for a while, then fair weather, and everything must be known again
//! within the promised time.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    sync::{Arc, Mutex},
    time::Duration,
};

use hex_token_exporter::domain::{Name, TokenState};
use tokio::time::{advance, sleep};

use crate::{
    catalogue::{Fault, Weather},
    chance::Chance,
    rules::Rules,
    stage::Stage,
};

/// How often the rules are checked.
const STEP: Duration = Duration::from_secs(20);

/// The same while waiting for what is promised.
const CLOSE_LOOK: Duration = Duration::from_secs(5);

/// Purposes of draws.
const PLOT: u64 = 1;

/// What a run has tried.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) requests: u64,
    pub(crate) virtual_time: Duration,
    pub(crate) faults: BTreeMap<Fault, u64>,
    pub(crate) events: BTreeMap<&'static str, u64>,
    pub(crate) deaths: u64,
    pub(crate) recoveries: u64,
}

impl Tally {
    pub(crate) fn add(&mut self, other: Self) {
        self.requests += other.requests;
        self.virtual_time += other.virtual_time;
        self.deaths += other.deaths;
        self.recoveries += other.recoveries;
        for (fault, count) in other.faults {
            *self.faults.entry(fault).or_default() += count;
        }
        for (event, count) in other.events {
            *self.events.entry(event).or_default() += count;
        }
    }
}

/// What is logged, at every level, by everybody.
#[derive(Debug, Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn take(&self) -> String {
        String::from_utf8_lossy(&std::mem::take(&mut *self.0.lock().unwrap())).into_owned()
    }
}

impl io::Write for Log {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(text)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Plays the run of a seed. Panics with what does not hold.
pub(crate) fn run(seed: u64) -> Tally {
    let log = Log::default();
    let writer = log.clone();
    // To listen to everybody is slow, so only some runs do.
    let _listening = seed.is_multiple_of(8).then(|| {
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(tracing::Level::TRACE)
            .with_writer(move || writer.clone())
            .finish();
        tracing::subscriber::set_default(subscriber)
    });
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    runtime.block_on(Run::play(seed, log))
}

struct Run {
    stage: Stage,
    rules: Rules,
    chance: Chance,
    edited: BTreeSet<usize>,
    log: Log,
    tally: Tally,
}

impl Run {
    async fn play(seed: u64, log: Log) -> Tally {
        let mut chance = Chance::of(seed, &[PLOT]);
        let spells: Vec<Weather> = (0..2 + chance.below(3))
            .map(|_| if chance.percent(15) { Weather::fair() } else { Weather::foul(&mut chance) })
            .collect();
        let faults = spells.iter().flat_map(Weather::faults).collect();
        let stage = Stage::start(seed, &mut chance, &faults).await;
        let mut run = Self {
            stage,
            rules: Rules::default(),
            chance,
            edited: BTreeSet::new(),
            log,
            tally: Tally::default(),
        };
        for weather in spells {
            run.stage.sky.set_weather(weather);
            for _ in 0..3 + run.chance.below(12) {
                if run.chance.percent(25) {
                    run.happen().await;
                }
                run.step(STEP).await;
            }
        }
        run.clear_up().await;
        run.finish().await
    }

    /// Lets time pass, judges as it does, and checks the rules.
    async fn step(&mut self, length: Duration) {
        sleep(length).await;
        self.stage.store.settle();
        self.rules.check(&self.stage, &std::mem::take(&mut self.edited), &self.log.take());
    }

    /// Something happens to a token, to the process or to its machine.
    async fn happen(&mut self) {
        let token = self.chance.below(self.stage.tokens.len());
        let event = match self.chance.below(11) {
            0 | 1 => {
                self.stage.change(token, |account| account.alive = false);
                "death"
            }
            2 => {
                self.stage.change(token, |account| account.alive = true);
                "recovery"
            }
            3 => {
                let may_read = self.chance.percent(50);
                self.stage.change(token, |account| account.may_read = may_read);
                "scope edited"
            }
            4 => {
                self.stage.rotate(token);
                self.edited.insert(token);
                "rotation"
            }
            5 => {
                let readable = &mut self.stage.tokens[token].readable;
                *readable = !*readable;
                self.edited.insert(token);
                self.stage.conform();
                "credential unreadable or back"
            }
            6 | 7 => {
                let day = 86_400;
                self.stage.jump(self.chance.pick(&[
                    -400 * day,
                    -day,
                    -3_600,
                    3_600,
                    day,
                    60 * day,
                    4_000 * day,
                ]));
                "clock set"
            }
            8 => {
                let length = Duration::from_secs(self.chance.pick(&[30, 400, 7_200]));
                self.rules.excuse_until(self.stage.up() + length);
                advance(length).await;
                "process stopped"
            }
            9 => {
                let name = &self.stage.tokens[token].spec.name;
                // Nobody waits for it: a scrape that timed out.
                drop(self.stage.scheduler.probe_now(name));
                "asked on demand"
            }
            _ => {
                self.stage.conform();
                "reload"
            }
        };
        *self.tally.events.entry(event).or_default() += 1;
    }

    /// Fair weather: the truth about every token must be known within the promised time.
    async fn clear_up(&mut self) {
        for index in 0..self.stage.tokens.len() {
            if !self.stage.tokens[index].readable {
                self.stage.tokens[index].readable = true;
                self.edited.insert(index);
            }
        }
        self.stage.conform();
        self.stage.sky.set_weather(Weather::fair());
        let before = self.shown();
        let fair_since = self.stage.up().max(self.stage.sky.paused_until());
        loop {
            let shown = self.shown();
            let late = self.stage.up().saturating_sub(fair_since);
            let open: Vec<_> = self
                .stage
                .tokens
                .iter()
                .filter(|token| {
                    shown[&token.spec.name] != token.truth() && late > self.promised(token.truth())
                })
                .map(|token| (token.spec.name.as_str(), shown[&token.spec.name], token.truth()))
                .collect();
            assert!(open.is_empty(), "{late:?} after Hex answers: (token, shown, true) {open:?}");
            if self.stage.tokens.iter().all(|token| shown[&token.spec.name] == token.truth()) {
                break;
            }
            self.step(CLOSE_LOOK).await;
        }
        for token in &self.stage.tokens {
            match (before[&token.spec.name], token.truth()) {
                (TokenState::Invalid, TokenState::Valid | TokenState::UnderScoped) => {
                    self.tally.recoveries += 1;
                }
                (TokenState::Invalid, _) => {}
                (_, TokenState::Invalid) => self.tally.deaths += 1,
                _ => {}
            }
        }
    }

    /// How long the truth may take, once Hex answers.
    fn promised(&self, truth: TokenState) -> Duration {
        let cadence = &self.stage.settings.cadence;
        // A request may wait a minute for the budget, and a timeout for the one that is under way.
        let round = cadence.interval + Duration::from_mins(1) + cadence.timeout * 2;
        let confirmed = cadence.confirm_after * 3 + Duration::from_mins(1);
        let alive = self.stage.tokens.iter().any(|token| token.account.alive);
        // Where nobody lives it looks as if Hex had lost its way, so that is waited out.
        let hold = if alive { Duration::ZERO } else { cadence.mass_rejection_hold + Duration::from_mins(2) };
        match truth {
            TokenState::Invalid => round * 2 + confirmed * 2 + hold,
            _ => cadence.rejected_interval.max(cadence.scope_interval) + round * 2 + Duration::from_mins(1),
        }
    }

    fn shown(&self) -> BTreeMap<Name, TokenState> {
        let views = self.stage.snapshot().tokens;
        views.iter().map(|view| (view.spec.name.clone(), view.record.state())).collect()
    }

    /// What is known stays known, and the process ends well.
    async fn finish(mut self) -> Tally {
        let shown = self.shown();
        for _ in 0..3 {
            self.step(STEP).await;
            assert_eq!(shown, self.shown(), "changed in fair weather");
        }
        assert!(self.stage.tasks.finish(Duration::from_secs(10)).await, "a task has died");
        for ask in self.stage.sky.asks(0) {
            *self.tally.faults.entry(ask.fault).or_default() += 1;
            self.tally.requests += 1;
        }
        self.tally.virtual_time = self.stage.up();
        self.tally
    }
}
