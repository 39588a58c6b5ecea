//! The reference: what may be asked of a token when, and by when it must have been.

use std::{collections::BTreeMap, time::Duration};

use hex_token_exporter::domain::{Check, Scope};

use crate::{
    cast::{Cast, Question},
    hex::Said,
    model::{Model, Request, key},
};

const MINUTE: Duration = Duration::from_mins(1);
const DAY: Duration = Duration::from_hours(24);

/// Waiting is rounded to milliseconds.
const TICK: Duration = Duration::from_millis(5);

/// Clocks tell whole seconds.
const CLOCK: Duration = Duration::from_secs(2);

/// When something is due: not before, and not after, as far as a time can be told.
#[derive(Debug, Clone, Copy)]
struct Window {
    from: Duration,
    to: Duration,
}

impl Window {
    fn at(time: Duration) -> Self {
        Self { from: time, to: time }
    }

    /// A stroke of a steady rhythm: half to one and a half intervals after the last.
    fn stroke(last: Duration, (short, long): (Duration, Duration)) -> Self {
        Self { from: last + short / 2, to: last + long * 3 / 2 }
    }
}

impl Model {
    /// What a workspace's tokens ask for in steady health, in requests a minute.
    pub(crate) fn demand(&self, stack: usize) -> f64 {
        let cadence = &self.config.cadence;
        let rate = |count: usize, every: Duration| {
            #[expect(clippy::cast_precision_loss, reason = "small numbers")]
            let count = count as f64;
            count * 60.0 / every.as_secs_f64()
        };
        let tokens = self.config.tokens.iter().filter(|it| it.listed && it.stack == stack);
        let demands = tokens.map(|cast| {
            let runs = usize::from(cast.required.contains(&Scope::ProjectsRun));
            let excess = Scope::ALL.iter().filter(|it| cast.looks_for(**it) && !cast.required.contains(it));
            let rights = cast.required.len() - runs + cast.projects.len();
            rate(1, cadence.interval)
                + rate(rights, cadence.scope_interval)
                + rate(runs * cast.projects.len(), cadence.run_interval)
                + rate(excess.count(), DAY)
        });
        demands.sum()
    }

    /// All that may be asked of a token now, at some time.
    fn askable(&self, slot: usize) -> Vec<Question> {
        let (cast, Some(known)) = (&self.config.tokens[slot], &self.known[slot]) else { return Vec::new() };
        let life = known.life_question();
        // An older workspace may be renewed any day.
        let mut questions = if known.is_older { vec![life, (Check::Identity, None)] } else { vec![life] };
        if !known.life.is_unquestioned() || known.current(life).is_none() {
            return questions;
        }
        let usable = || {
            let is_usable =
                |it: &&usize| known.rights.projects.get(it).is_some_and(|project| project.is_usable());
            cast.projects.iter().filter(is_usable).copied()
        };
        for scope in Scope::ALL.into_iter().filter(|scope| *scope != Scope::ProjectsRun) {
            let is_asked = cast.required.contains(&scope) || (cast.looks_for(scope) && !cast.is_personal());
            let is_life = scope.check() == life.0;
            if is_asked && !is_life && (!scope.is_project_bound() || usable().next().is_some()) {
                questions.push((scope.check(), None));
            }
        }
        if !known.rights.projects_are_hidden(cast) {
            questions.extend(cast.projects.iter().map(|it| (Check::ProjectVisible, Some(*it))));
        }
        if cast.required.contains(&Scope::ProjectsRun) {
            questions.extend(usable().map(|it| (Check::ProjectsRun, Some(it))));
        }
        questions
    }

    /// Notes since when which questions may be asked.
    pub(crate) fn open(&mut self, now: Duration) {
        self.give_up_proofs();
        for slot in 0..self.known.len() {
            let askable = self.askable(slot);
            let Some(known) = &mut self.known[slot] else { continue };
            let since = |question| (question, known.open_since.get(&question).copied().unwrap_or(now));
            known.open_since = askable.into_iter().map(since).collect::<BTreeMap<_, _>>();
            if !self.config.tokens[slot].readable {
                known.in_vain.extend(known.open_since.keys().map(|question| (*question, now)));
                known.was_in_vain = true;
            }
        }
    }

    /// When a question is due.
    fn window(&self, slot: usize, question: Question, now: Duration) -> Option<Window> {
        let known = self.known[slot].as_ref()?;
        let question = key(question);
        let open = *known.open_since.get(&question)?;
        let mut window = match question.0 {
            _ if question == known.life_question() => self.life_window(slot, now)?,
            check => match known.current(question) {
                None => Window { from: Duration::ZERO, to: open },
                Some(tried) if let Some(since) = self.doubted(slot, check, tried.at) => {
                    Window { from: Duration::ZERO, to: since }
                }
                Some(tried) => self.right_window(slot, check, tried.said, tried.at),
            },
        };
        if let Some(back) = known.in_vain.get(&question) {
            let cadence = &self.config.cadence;
            let is_life = question == known.life_question();
            let interval = match question.0 {
                Check::Identity if !is_life => self.stretched(slot, cadence.scope_interval, *back).1,
                _ => cadence.interval * 2,
            };
            window = Window { from: Duration::ZERO, to: window.to.max(*back + interval) };
        }
        // What was edited counts from then on.
        window.to = window.to.max(open).max(self.conformed);
        Some(window)
    }

    /// Since when it is to be asked at once whether projects may be seen: one has come to look missing.
    fn doubted(&self, slot: usize, check: Check, last: Duration) -> Option<Duration> {
        let (cast, known) = (&self.config.tokens[slot], self.known[slot].as_ref()?);
        let tells = check == Check::ProjectsRead && cast.required.contains(&Scope::ProjectsRead);
        known.rights.missing_since(cast).filter(|since| tells && *since > last)
    }

    fn life_window(&self, slot: usize, now: Duration) -> Option<Window> {
        let (cadence, known) = (&self.config.cadence, self.known[slot].as_ref()?);
        let stack = self.config.tokens[slot].stack;
        let since = known.at_once.unwrap_or_default();
        let Some(last) = known.current(known.life_question()) else { return Some(Window::at(since)) };
        let mut window = if let Some(time) = known.life.asked_again_at(last.at, cadence) {
            Window::at(time)
        } else {
            let (short, long) = self.stretched(slot, cadence.interval, last.at);
            // Life never waits for longer than its interval.
            Window { from: last.at + short / 2, to: last.at + long }
        };
        let is_steady = known.life.is_unquestioned() || known.life.verdict == crate::life::Verdict::Unheard;
        let date = known
            .calendar
            .date(&self.config.tokens[slot])
            .filter(|_| is_steady && known.life.doubt.is_none());
        if let Some(date) = date {
            // Half a minute after an expiry it is looked what has become of it.
            let look = date + 30.0 - self.hex_now(stack, now) + now.as_secs_f64();
            if let Ok(look) = Duration::try_from_secs_f64(look)
                && last.at < look
            {
                window.from = window.from.min(look.saturating_sub(CLOCK));
                if last.at + 2 * CLOCK < look {
                    window.to = window.to.min(look + CLOCK);
                }
            }
        }
        if known.life.doubt.is_none() && known.asked.is_some_and(|asked| asked >= known.life_began) {
            window.from = window.from.min(last.at + Duration::from_secs(30));
        }
        if known.at_once.is_some() {
            window = Window { from: Duration::ZERO, to: since };
        }
        Some(window)
    }

    fn right_window(&self, slot: usize, check: Check, said: Said, last: Duration) -> Window {
        let (cadence, cast) = (&self.config.cadence, &self.config.tokens[slot]);
        let is_required = check.scope().is_none_or(|scope| cast.required.contains(&scope));
        let settled = said.is_yes() || (!is_required && said.is_conclusive());
        let interval = match (check, settled) {
            // Of an older workspace.
            (Check::Identity, _) => cadence.scope_interval,
            (Check::ProjectsRun, true) => cadence.run_interval,
            (Check::ProjectsRun, false) => cadence.run_interval.min(30 * MINUTE),
            (_, true) if is_required => cadence.scope_interval,
            (_, true) => DAY,
            (_, false) if is_required => cadence.interval,
            (_, false) => cadence.scope_interval,
        };
        let (short, long) = self.stretched(slot, interval, last);
        if settled {
            Window::stroke(last, (short, long))
        } else {
            Window { from: last + short, to: last + long }
        }
    }

    fn stretched(&self, slot: usize, interval: Duration, since: Duration) -> (Duration, Duration) {
        let (short, long) = self.stacks[self.config.tokens[slot].stack].spending.stretch_since(since);
        (interval.mul_f64(short), interval.mul_f64(long))
    }

    /// Whether a request that begins now may be made, and was not made too late.
    pub(crate) fn is_due(&self, request: &Request, now: Duration) -> Result<(), String> {
        let &Request { slot, question, .. } = request;
        if question.0 == Check::DryRunGuard {
            return Ok(());
        }
        let window = self.window(slot, question, now).ok_or("it must not be asked at all")?;
        if now + TICK < window.from {
            return Err(format!("it is due at {:?}", window.from));
        }
        self.is_late(slot, question, window, now)
    }

    /// Whether everything that is due has been asked.
    pub(crate) fn nothing_is_overdue(&self, now: Duration) -> Result<(), String> {
        for (slot, known) in self.known.iter().enumerate() {
            let is_busy = self.under_way.iter().any(|request| request.slot == slot);
            let Some(known) = known.as_ref().filter(|_| self.config.tokens[slot].readable && !is_busy) else {
                continue;
            };
            for question in known.open_since.keys() {
                let Some(window) = self.window(slot, *question, now) else { continue };
                let name = &self.config.tokens[slot].name;
                self.is_late(slot, *question, window, now)
                    .map_err(|late| format!("{name} is not asked {question:?}: {late}"))?;
            }
        }
        Ok(())
    }

    fn is_late(
        &self,
        slot: usize,
        (check, _): Question,
        window: Window,
        now: Duration,
    ) -> Result<(), String> {
        let (cast, Some(known)) = (&self.config.tokens[slot], &self.known[slot]) else { return Ok(()) };
        let stack = &self.stacks[cast.stack];
        let ready = window.to.max(known.last_end).max(known.paused_until).max(stack.paused_until);
        // Dry runs wait for one another's proofs.
        let is_bound = check != Check::ProjectsRun && cast.readable;
        // A turn whose credential has gone meanwhile is spent in vain.
        let in_vain = |it: &Cast| it.listed && !it.readable && it.stack == cast.stack;
        let is_quiet = !self.config.tokens.iter().any(in_vain) && stack.spending.is_quiet_since(ready);
        let patience = if is_quiet {
            Duration::from_secs(1)
        } else if check == known.life_question().0 || !self.is_crowded(cast.stack) {
            self.patience(cast.stack)
        } else {
            Duration::MAX
        };
        if is_bound && now > ready.saturating_add(patience) {
            return Err(format!("it was due by {:?}, and could have been asked by {ready:?}", window.to));
        }
        Ok(())
    }

    /// How long a request may wait for others: ten minutes for more urgent ones, then until a minute has gone
    /// by, and each was asked twice.
    fn patience(&self, stack: usize) -> Duration {
        let questions = u32::try_from(self.questions(stack)).unwrap();
        11 * MINUTE
            + self.config.cadence.timeout * 3
            + self.stacks[stack].spending.spacing() * (2 * questions + 2)
    }

    fn questions(&self, stack: usize) -> usize {
        let own = |slot: &usize| self.config.tokens[*slot].stack == stack;
        (0..self.known.len())
            .filter(own)
            .filter_map(|it| self.known[it].as_ref())
            .map(|it| it.open_since.len())
            .sum()
    }

    /// Whether, in trouble, more may be asked for than the budget allows.
    fn is_crowded(&self, stack: usize) -> bool {
        #[expect(clippy::cast_precision_loss, reason = "small numbers")]
        let demand = self.questions(stack) as f64 / self.config.cadence.interval.as_secs_f64();
        demand > 0.5 / self.stacks[stack].spending.spacing().as_secs_f64()
    }
}
