//! The reference: what a workspace may be asked, and by how much its intervals stretch.

use std::{collections::VecDeque, time::Duration};

const MINUTE: Duration = Duration::from_mins(1);

/// Time is kept in milliseconds by whoever waits.
const TICK: Duration = Duration::from_millis(2);

/// How long requests are remembered.
const MEMORY: Duration = Duration::from_mins(30);

/// The requests of one workspace.
#[derive(Debug, Default)]
pub(crate) struct Spending {
    /// Since when which budget holds, and the stretch that comes with it.
    terms: Vec<(Duration, u32, f64)>,
    /// When requests began, and ended.
    requests: VecDeque<(Duration, Option<Duration>)>,
}

impl Spending {
    /// From now on so many requests a minute are allowed, and so many asked for.
    pub(crate) fn allow(&mut self, now: Duration, budget: u32, demand: f64) {
        let stretch = (demand / f64::from(budget)).max(1.0);
        if self.terms.last().is_none_or(|(_, was, by)| (*was, *by) != (budget, stretch)) {
            self.terms.push((now, budget, stretch));
        }
    }

    fn budget(&self) -> u32 {
        self.terms.last().map_or(1, |(_, budget, _)| *budget)
    }

    /// The terms that held at any time since then.
    fn terms_since(&self, then: Duration) -> impl Iterator<Item = &(Duration, u32, f64)> {
        let ended_before =
            move |index: usize| self.terms.get(index + 1).is_some_and(|(next, ..)| *next < then);
        self.terms.iter().enumerate().filter(move |(index, _)| !ended_before(*index)).map(|(_, term)| term)
    }

    /// The least and the most by which intervals were stretched since then.
    pub(crate) fn stretch_since(&self, then: Duration) -> (f64, f64) {
        let all = || self.terms_since(then).map(|(_, _, stretch)| *stretch);
        (all().fold(f64::MAX, f64::min), all().fold(1.0, f64::max))
    }

    /// The pause between two requests that are evenly spread.
    pub(crate) fn spacing(&self) -> Duration {
        MINUTE / self.budget()
    }

    /// A request begins: an error where it must not.
    pub(crate) fn begin(&mut self, now: Duration) -> Result<(), String> {
        while self.requests.front().is_some_and(|(began, _)| *began + MEMORY < now) {
            self.requests.pop_front();
        }
        // Hex may count a request at any time between its beginning and its end.
        let counts =
            |(_, ended): &&(Duration, Option<Duration>)| ended.is_none_or(|ended| ended + MINUTE > now);
        let counted = self.requests.iter().filter(counts).count();
        let budget = self.budget();
        if counted >= budget as usize {
            return Err(format!("{} requests within a minute, of {budget}", counted + 1));
        }
        let ample = self.terms_since(now.saturating_sub(2 * MINUTE)).map(|(_, budget, _)| *budget).max();
        let ample = ample.unwrap_or(budget);
        let burst = (ample / 10).max(1) as usize;
        let index = self.requests.len().checked_sub(burst);
        if let Some((before, _)) = index.and_then(|index| self.requests.get(index))
            && now + TICK < *before + MINUTE / ample
        {
            return Err(format!("more than {burst} requests in a burst, of {budget} a minute"));
        }
        self.requests.push_back((now, None));
        Ok(())
    }

    /// The request that began then has ended.
    pub(crate) fn end(&mut self, began: Duration, now: Duration) {
        let open = self.requests.iter_mut().find(|(at, ended)| *at == began && ended.is_none());
        if let Some((_, ended)) = open {
            *ended = Some(now);
        }
    }

    /// Whether whoever is ready then need not wait for others.
    pub(crate) fn is_quiet_since(&self, ready: Duration) -> bool {
        let from = ready.saturating_sub(MINUTE + Duration::from_secs(1));
        let burst = self.terms_since(from).map(|(_, budget, _)| (budget / 10).max(1)).min().unwrap_or(1);
        self.requests.iter().rev().take_while(|(began, _)| *began >= from).count() < burst as usize
    }
}
