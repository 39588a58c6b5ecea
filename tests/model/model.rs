//! The reference model: what must be known of every token, from the configuration and the answers alone.
//!
//! It is written from what the program promises, and shares no rule with it: only the words of `domain`, and
//! of its catalogue which check answers for which scope, and which is about a project.

use std::{collections::BTreeMap, time::Duration};

use hex_token_exporter::domain::{Check, TokenState};

use crate::{
    budget::Spending,
    cast::{Cast, Config, Date, Question, STACKS, START},
    dry_runs::Proofs,
    expiry::Calendar,
    hex::Said,
    life::{Life, Verdict},
    memory::Memories,
    rights::{self, Rights},
};

/// The latest probe of one question.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Try {
    /// When it ended.
    pub(crate) at: Duration,
    pub(crate) said: Said,
    /// Whether it was made with the credential of now.
    pub(crate) is_current: bool,
}

/// What must be known of one token.
#[expect(clippy::struct_excessive_bools, reason = "independent facts, not states")]
#[derive(Debug, Clone, Default)]
pub(crate) struct Known {
    /// The last credential that could be read.
    pub(crate) credential: Option<String>,
    pub(crate) life: Life,
    pub(crate) calendar: Calendar,
    pub(crate) foreign: bool,
    /// Whether its workspace was last said to have no answer about a token itself.
    pub(crate) is_older: bool,
    pub(crate) rights: Rights,
    pub(crate) tries: BTreeMap<Question, Try>,
    pub(crate) state: TokenState,
    /// Since when it is shown, on our clock, in time after the start.
    pub(crate) since: Option<i128>,
    /// Since when its life is to be asked about at once.
    pub(crate) at_once: Option<Duration>,
    /// Since when each question may be asked.
    pub(crate) open_since: BTreeMap<Question, Duration>,
    /// Questions that may have been tried in vain while the credential could not be read.
    pub(crate) in_vain: BTreeMap<Question, Duration>,
    /// Whether there have ever been any: nobody tells how often they were tried.
    pub(crate) was_in_vain: bool,
    /// When somebody last asked for a probe.
    pub(crate) asked: Option<Duration>,
    /// Whether that one still waits.
    pub(crate) waits: bool,
    /// The pause that Hex has asked for.
    pub(crate) paused_until: Duration,
    pub(crate) probes: u64,
    /// When its life was last asked about, and when its last request of any kind ended.
    pub(crate) life_began: Duration,
    pub(crate) last_end: Duration,
    /// Which worker carries it: a new one where its name or workspace is.
    pub(crate) worker: u64,
    /// Requests that began since its credential can't be read.
    pub(crate) blind: u32,
    /// When a dry run began while somebody waited for a probe.
    pub(crate) suspect: Option<Duration>,
}

impl Known {
    /// The latest probe with the present credential.
    pub(crate) fn current(&self, question: Question) -> Option<Try> {
        self.tries.get(&question).copied().filter(|tried| tried.is_current)
    }

    /// The question that decides life and death: where nothing tells of the token itself, whether it may read.
    pub(crate) fn life_question(&self) -> Question {
        (if self.is_older { Check::ProjectsRead } else { Check::Identity }, None)
    }

    /// It has been edited: what is not asked about any more goes.
    fn forget(&mut self, old: &Cast, new: &Cast) {
        self.rights.conform(old, new);
        let is_older = self.is_older;
        let kept = |(check, project): &Question| match check {
            Check::Identity => true,
            Check::ProjectsRead if is_older => true,
            Check::ProjectVisible => project.is_some_and(|it| new.projects.contains(&it)),
            Check::DryRunGuard => false,
            _ => {
                let listed = project.is_none_or(|it| new.projects.contains(&it));
                listed && check.scope().is_some_and(|scope| new.looks_for(scope))
            }
        };
        self.tries.retain(|question, _| kept(question));
        self.in_vain.retain(|question, _| kept(question));
    }

    /// Another credential: all that the old one's answers told goes, but for what is shown.
    fn rotate(&mut self, now: Duration) {
        let tries = std::mem::take(&mut self.tries)
            .into_iter()
            .map(|(question, tried)| (question, Try { is_current: false, ..tried }));
        *self = Self {
            tries: tries.collect(),
            credential: self.credential.take(),
            state: self.state,
            since: self.since,
            probes: self.probes,
            asked: self.asked,
            waits: self.waits,
            paused_until: self.paused_until,
            life_began: self.life_began,
            last_end: self.last_end,
            worker: self.worker,
            at_once: Some(now),
            calendar: self.calendar.of_next(),
            in_vain: std::mem::take(&mut self.in_vain),
            was_in_vain: self.was_in_vain,
            ..Self::default()
        };
    }
}

/// What is shared by the tokens of a workspace.
#[derive(Debug, Default)]
pub(crate) struct Stack {
    /// What Hex's clock last said, in seconds since 1970, and when.
    pub(crate) told: Option<(f64, Duration)>,
    /// The same of an answer that stands alone against it.
    pub(crate) doubted: Option<(f64, Duration)>,
    /// When the rejected were last given hope by a revival.
    pub(crate) hope: Option<Duration>,
    /// The token that was last told to wait, and when.
    pub(crate) limited: Option<(usize, Duration)>,
    pub(crate) paused_until: Duration,
    pub(crate) spending: Spending,
    pub(crate) proofs: Proofs,
}

/// One request.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) slot: usize,
    pub(crate) stack: usize,
    pub(crate) credential: String,
    pub(crate) question: Question,
    pub(crate) began: Duration,
    pub(crate) worker: u64,
    pub(crate) name: String,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Model {
    pub(crate) config: Config,
    pub(crate) known: Vec<Option<Known>>,
    pub(crate) stacks: [Stack; STACKS],
    pub(crate) memory: Memories,
    pub(crate) under_way: Vec<Request>,
    workers: u64,
    /// When the configuration or a credential last changed.
    pub(crate) conformed: Duration,
}

impl Model {
    /// A process starts, with the state file of an earlier one or none.
    pub(crate) fn start(config: Config, memory: Memories, now: Duration) -> Self {
        let unlisted = config.tokens.iter().cloned().map(|mut cast| {
            cast.listed = false;
            cast
        });
        let nothing = Config { tokens: unlisted.collect(), ..config.clone() };
        let known = vec![None; config.tokens.len()];
        let mut model = Self {
            config: nothing,
            known,
            stacks: Default::default(),
            memory,
            under_way: Vec::new(),
            workers: 0,
            conformed: now,
        };
        model.conform(config, now);
        model
    }

    /// The configuration or a credential has changed.
    pub(crate) fn conform(&mut self, config: Config, now: Duration) {
        let before = std::mem::replace(&mut self.config, config);
        self.conformed = now;
        for slot in 0..self.known.len() {
            let (old, new) = (before.tokens[slot].clone(), self.config.tokens[slot].clone());
            let known = self.known[slot].take();
            if !new.listed {
                continue;
            }
            let stays = old.stack == new.stack && (old.name == new.name || new.readable);
            let mut known = match known.filter(|_| stays) {
                Some(known) => self.carry_on(slot, known, old.readable, now),
                None => self.meet(slot, now),
            };
            if (old.listed, &old.name, old.stack) != (new.listed, &new.name, new.stack) {
                self.workers += 1;
                (known.asked, known.waits, known.worker) = (None, false, self.workers);
            }
            known.calendar.is_personal = known.credential.is_some() && new.is_personal();
            let budgets = [&before, &self.config].map(|it| it.budgets[new.stack]);
            if old != new || budgets[0] != budgets[1] {
                known.forget(&old, &new);
            }
            self.known[slot] = Some(known);
        }
        for stack in 0..STACKS {
            let (demand, budget) = (self.demand(stack), self.config.budgets[stack]);
            self.stacks[stack].spending.allow(now, budget, demand);
        }
        self.settle(now);
        self.open(now);
    }

    fn carry_on(&self, slot: usize, mut known: Known, was_readable: bool, now: Duration) -> Known {
        let cast = &self.config.tokens[slot];
        if !cast.readable {
            if was_readable {
                known.blind = 0;
            }
        } else if known.credential.as_ref() != Some(&cast.credential) {
            let is_first = known.credential.replace(cast.credential.clone()).is_none();
            match self.memory.get(&(cast.credential.clone(), cast.stack)).filter(|_| is_first) {
                Some(memory) => {
                    return Known {
                        probes: known.probes,
                        was_in_vain: known.was_in_vain,
                        worker: known.worker,
                        ..self.recall(slot, memory, now)
                    };
                }
                None => known.rotate(now),
            }
        } else if !was_readable {
            known.at_once = Some(now);
            known.in_vain.values_mut().for_each(|at| *at = now);
        }
        known
    }

    fn meet(&self, slot: usize, now: Duration) -> Known {
        let cast = &self.config.tokens[slot];
        if let Some(memory) =
            self.memory.get(&(cast.credential.clone(), cast.stack)).filter(|_| cast.readable)
        {
            return self.recall(slot, memory, now);
        }
        let credential = cast.readable.then(|| cast.credential.clone());
        Known { credential, since: Some(wall(now)), at_once: Some(now), ..Known::default() }
    }

    /// Somebody asks for a probe.
    pub(crate) fn ask(&mut self, slot: usize, now: Duration) {
        if let Some(known) = &mut self.known[slot] {
            (known.asked, known.waits) = (Some(now), true);
        }
    }

    /// Time on the clock of a workspace's Hex, in seconds since 1970.
    pub(crate) fn hex_now(&self, stack: usize, now: Duration) -> f64 {
        self.stacks[stack]
            .told
            .map_or(local(now), |(date, then)| date + (now.saturating_sub(then)).as_secs_f64())
    }

    /// Judges all tokens anew, as time passes.
    pub(crate) fn settle(&mut self, now: Duration) {
        for slot in 0..self.known.len() {
            self.judge(slot, now);
        }
    }

    fn judge(&mut self, slot: usize, now: Duration) {
        let cast = &self.config.tokens[slot];
        let hex_now = self.hex_now(cast.stack, now);
        let Some(known) = &mut self.known[slot] else { return };
        let has_run_out = known.calendar.has_run_out(cast, hex_now);
        let state = rights::state(
            known.state,
            known.life.verdict,
            has_run_out,
            known.foreign,
            known.life.accepted_again,
            &known.rights,
            cast,
        );
        if state != known.state {
            (known.state, known.since) = (state, Some(wall(now)));
        }
    }

    /// An answer has come. `local` is the date it came with. Nothing is learnt from what was asked of
    /// another credential, workspace or project than now's.
    pub(crate) fn hear(&mut self, request: &Request, said: Said, date: Option<i64>, now: Duration) {
        let &Request { slot, stack, question, .. } = request;
        let cast = self.config.tokens[slot].clone();
        let stands = |known: &Known| {
            known.credential.as_ref() == Some(&request.credential)
                && (cast.stack, &cast.name) == (stack, &request.name)
                && question.1.is_none_or(|project| cast.projects.contains(&project))
        };
        if !self.known[slot].as_ref().is_some_and(stands) {
            return;
        }
        if let (true, Some(date)) = (said.is_conclusive(), date) {
            self.stacks[stack].hear_date(date, now);
        }
        let (hex_now, local) = (self.hex_now(stack, now), local(now));
        #[expect(clippy::cast_precision_loss, reason = "dates of this century are exact")]
        let dated = date.map_or(hex_now, |date| hex_now.max(date as f64));
        let others = self.others(slot);
        let cadence = self.config.cadence;
        let Some(known) = &mut self.known[slot] else { return };
        known.probes += 1;
        known.tries.insert(key(question), Try { at: now, said, is_current: true });
        known.in_vain.remove(&key(question));
        let (mut accepted, mut revived) = (false, false);
        if question.0 == Check::Identity && said.is_conclusive() {
            known.is_older = said == Said::Missing;
        }
        if question == known.life_question() {
            known.at_once = None;
            match said {
                Said::Plan if known.is_older => {}
                Said::Yes { .. } | Said::Forbidden | Said::Plan => {
                    (accepted, revived) = (true, known.life.accept(request.began, now));
                    match said {
                        Said::Yes { exp, foreign } if !known.is_older => {
                            known.foreign = foreign;
                            known.calendar.accept(exp, dated, local);
                        }
                        _ => known.calendar.accept(Date::Untold, dated, local),
                    }
                }
                Said::Unauthorized if known.life.reject(now, &others, &cadence) => {
                    let expired = known.calendar.explains_rejection(&cast, hex_now);
                    if known.life.verdict == Verdict::Alive && known.state.is_dead() {
                        known.since = Some(wall(now));
                    }
                    known.life.verdict = Verdict::Dead { expired };
                }
                _ => {}
            }
        } else if said == Said::Unauthorized {
            known.at_once = Some(now);
        }
        if said.is_conclusive() {
            let repeat_after = cadence.interval.min(Duration::from_mins(1));
            known.rights.hear(&cast, question, said, now, repeat_after);
        }
        self.judge(slot, now);
        if let Said::Wait(pause) = said {
            self.wait(slot, stack, pause, now);
        }
        if accepted {
            self.spread_news(slot, stack, revived, now);
        } else if said == Said::Unauthorized {
            self.call_witness(slot, now);
        }
        self.open(now);
    }
}

/// A scope is one right, whichever project it was asked about.
pub(crate) fn key((check, project): Question) -> Question {
    (check, project.filter(|_| check.is_about_project()))
}

/// Our clock, in seconds since 1970.
#[expect(clippy::cast_precision_loss, reason = "dates of this century are exact")]
fn local(now: Duration) -> f64 {
    START as f64 + now.as_secs_f64()
}

/// Our clock, in nanoseconds since the start.
pub(crate) fn wall(now: Duration) -> i128 {
    i128::try_from(now.as_nanos()).unwrap()
}
