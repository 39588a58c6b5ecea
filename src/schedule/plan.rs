//! PURE: what a configuration costs Hex, in requests, and how soon it tells what has happened.

use std::{collections::BTreeMap, iter::Sum, ops::Add, time::Duration};

use crate::domain::{Cadence, Name, Scope, TokenSpec};

/// How often a right that nobody requires is looked at.
pub const EXCESS_INTERVAL: Duration = Duration::from_hours(24);

/// The longest pause after a dry run that was not accepted.
pub const RUN_RETRY: Duration = Duration::from_mins(30);

/// What one token asks of its workspace's budget.
///
/// Of several tokens it is the sum.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Demand {
    /// `identity`, in requests a minute.
    pub identity: f64,
    /// Required scopes and listed projects.
    pub rights: f64,
    /// Dry runs.
    pub runs: f64,
    /// Read scopes that are not required.
    pub excess: f64,
}

impl Demand {
    /// All of it, in requests a minute.
    pub fn per_minute(self) -> f64 {
        self.identity + self.rights + self.runs + self.excess
    }

    /// The shortest `interval` and `scope_interval` with each of which, alone, it would fit into a budget, in
    /// whole minutes. `None` where that alone can't help.
    pub fn fitting(
        self,
        cadence: &Cadence,
        requests_per_minute: u32,
    ) -> (Option<Duration>, Option<Duration>) {
        let lengthened = |interval: Duration, share: f64| {
            let rest = f64::from(requests_per_minute) - (self.per_minute() - share);
            let minutes = (interval.as_secs_f64() * share / rest / 60.0).ceil();
            (rest > 0.0).then(|| Duration::try_from_secs_f64(minutes * 60.0).ok()).flatten()
        };
        (lengthened(cadence.interval, self.identity), lengthened(cadence.scope_interval, self.rights))
    }
}

impl Add for Demand {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            identity: self.identity + other.identity,
            rights: self.rights + other.rights,
            runs: self.runs + other.runs,
            excess: self.excess + other.excess,
        }
    }
}

impl Sum for Demand {
    fn sum<I: Iterator<Item = Self>>(demands: I) -> Self {
        demands.fold(Self::default(), Add::add)
    }
}

/// The steady demand of a healthy token.
pub fn demand(spec: &TokenSpec, cadence: &Cadence) -> Demand {
    let a_minute = |count: usize, every: Duration| {
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        f64::from(count) * 60.0 / every.as_secs_f64()
    };
    let runs = spec.required_scopes.contains(&Scope::ProjectsRun);
    let scopes = spec.required_scopes.len() - usize::from(runs);
    Demand {
        identity: a_minute(1, cadence.interval),
        rights: a_minute(scopes + spec.projects.len(), cadence.scope_interval),
        runs: if runs { a_minute(spec.projects.len(), cadence.run_interval) } else { 0.0 },
        excess: a_minute(spec.excess_scopes().count(), EXCESS_INTERVAL),
    }
}

/// The steady demand on each workspace that has tokens among these, in requests a minute, to the millionth: what adds
/// up to exactly a budget must not seem to exceed it.
pub fn demand_by_workspace<'a>(
    specs: impl IntoIterator<Item = &'a TokenSpec>,
    cadence: &Cadence,
) -> BTreeMap<&'a Name, f64> {
    let mut by_workspace: BTreeMap<&Name, Demand> = BTreeMap::new();
    for spec in specs {
        let total = by_workspace.entry(&spec.workspace.name).or_default();
        *total = *total + demand(spec, cadence);
    }
    by_workspace.into_iter().map(|(name, total)| (name, to_the_millionth(total.per_minute()))).collect()
}

fn to_the_millionth(number: f64) -> f64 {
    (number * 1e6).round() / 1e6
}

/// By how much all intervals of a workspace stretch, so that its demand fits its budget: 1 where it does.
pub fn stretch(demand_per_minute: f64, requests_per_minute: u32) -> f64 {
    (to_the_millionth(demand_per_minute) / f64::from(requests_per_minute.max(1))).max(1.0)
}

/// How long at most something is unknown, once Hex answers. The pauses that Hex asks for come on top, and
/// what a request waits in the queue of a budget that is spent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Delay {
    /// That a token is rejected: asked, and asked twice more.
    pub death: Duration,
    /// The same, where all tokens of a workspace are rejected: it could be a mistake of Hex.
    pub mass_death: Duration,
    /// That a required scope is denied or a project not to be seen: asked, and asked once more.
    pub right: Duration,
    /// That a project can't be run.
    pub run: Duration,
    /// That Hex answers nobody.
    pub outage: Duration,
}

/// The longest pause after a check of a right that was made out of step.
fn out_of_step(interval: Duration) -> Duration {
    interval * 3 / 2
}

/// The longest delays under a cadence whose intervals are stretched by that factor.
pub fn delay(cadence: &Cadence, stretch: f64) -> Delay {
    let death = cadence.interval.mul_f64(stretch) + cadence.confirm_after * 3;
    Delay {
        death,
        mass_death: death + cadence.mass_rejection_hold,
        right: (out_of_step(cadence.scope_interval) + cadence.interval).mul_f64(stretch),
        run: (out_of_step(cadence.run_interval) + RUN_RETRY.min(cadence.run_interval)).mul_f64(stretch),
        outage: cadence.interval.mul_f64(stretch) + cadence.timeout,
    }
}
