//! What befalls twenty tokens and their Hex in a month: all of it follows from a seed.
//!
//! Trouble is far more frequent than in life, so that a few months hold enough of it to measure. Three
//! things are bounded, for a monitor is judged by whether it is wrong about them: a token's own 401s that are
//! no death last at most 80 seconds, those of all tokens at once at most 8 minutes, and an outage 3 hours.

use std::{collections::BTreeSet, time::Duration};

use hex_token_exporter::domain::Scope;

use super::chance::Chance;

/// How many tokens it has.
pub(crate) const TOKENS: usize = 20;

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// From one time to another, by uptime.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) from: Duration,
    pub(crate) until: Duration,
}

impl Span {
    pub(crate) fn holds(&self, at: Duration) -> bool {
        self.from <= at && at < self.until
    }

    fn of(from: Duration, length: Duration) -> Self {
        Self { from, until: from + length }
    }
}

/// One credential of a token.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Credential {
    /// When it is put where the exporter reads it.
    pub(crate) from: Duration,
    /// From when on Hex rejects it.
    pub(crate) dies: Option<Duration>,
    /// Whether that is its expiry, which Hex has told of.
    pub(crate) expires: bool,
}

/// A right that is withdrawn for a while.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Right {
    /// The scope `groups_read`.
    Scope,
    /// To run the project.
    Run,
}

/// The month of one token.
#[derive(Debug, Clone)]
pub(crate) struct TokenMonth {
    /// What is required of it.
    pub(crate) scopes: BTreeSet<Scope>,
    /// One after the other.
    pub(crate) credentials: Vec<Credential>,
    /// When Hex rejects it by mistake.
    pub(crate) mistakes: Vec<Span>,
    /// Which right it lacks when.
    pub(crate) losses: Vec<(Right, Span)>,
}

/// A month, or as much of it as is asked for.
#[derive(Debug, Clone)]
pub(crate) struct Month {
    pub(crate) end: Duration,
    pub(crate) tokens: Vec<TokenMonth>,
    /// When Hex answers nobody.
    pub(crate) outages: Vec<Span>,
    /// When Hex rejects everybody by mistake.
    pub(crate) lost: Vec<Span>,
}

impl Month {
    /// A month in which nothing happens.
    pub(crate) fn quiet(days: u64) -> Self {
        let token = |index| TokenMonth {
            scopes: scopes(index),
            credentials: vec![Credential { from: Duration::ZERO, dies: None, expires: false }],
            mistakes: Vec::new(),
            losses: Vec::new(),
        };
        let tokens = (0..TOKENS).map(token).collect();
        Self { end: Duration::from_secs(days * DAY), tokens, outages: Vec::new(), lost: Vec::new() }
    }

    /// The month of a seed.
    pub(crate) fn of(seed: u64, days: u64) -> Self {
        let end = Duration::from_secs(days * DAY);
        let token = |index: usize| {
            let mut chance = Chance::of(seed, &[1, u64::try_from(index).unwrap_or_default()]);
            let scopes = scopes(index);
            TokenMonth {
                credentials: credentials(&mut chance, end),
                mistakes: spans(&mut chance, end, 4 * DAY, 2..80),
                losses: losses(&mut chance, end, &scopes),
                scopes,
            }
        };
        let mut chance = Chance::of(seed, &[2]);
        let mut outages = spans(&mut chance, end, 18 * HOUR, 5..MINUTE);
        outages.extend(spans(&mut chance, end, 7 * DAY, 5 * MINUTE..3 * HOUR));
        let lost = spans(&mut chance, end, 12 * DAY, MINUTE..8 * MINUTE);
        Self { end, tokens: (0..TOKENS).map(token).collect(), outages, lost }
    }

    /// Whether Hex answers nobody then.
    pub(crate) fn is_out(&self, at: Duration) -> bool {
        self.outages.iter().any(|span| span.holds(at))
    }

    /// Whether Hex rejects the credential then, rightly or not.
    pub(crate) fn rejects(&self, token: usize, credential: usize, at: Duration) -> bool {
        let month = &self.tokens[token];
        let dead = month.credentials[credential].dies.is_some_and(|dies| dies <= at);
        dead || self.lost.iter().chain(&month.mistakes).any(|span| span.holds(at))
    }

    /// Whether the token has the right then.
    pub(crate) fn grants(&self, token: usize, right: Right, at: Duration) -> bool {
        !self.tokens[token].losses.iter().any(|(lost, span)| *lost == right && span.holds(at))
    }

    /// Since when Hex could tell it at `seen`, of what is so since `from`: nobody can know of a death during
    /// an outage.
    pub(crate) fn told_since(&self, token: usize, from: Duration, seen: Duration) -> Duration {
        let spans = self.outages.iter().chain(&self.lost).chain(&self.tokens[token].mistakes);
        let over =
            spans.filter(|span| span.until > from && span.from < seen).map(|span| span.until.min(seen));
        over.fold(from, Duration::max)
    }
}

/// Eight tokens need nothing but their life, eight need scopes, four need to run a project.
fn scopes(index: usize) -> BTreeSet<Scope> {
    match index {
        0..8 => BTreeSet::new(),
        8..16 => BTreeSet::from([Scope::ProjectsRead, Scope::GroupsRead]),
        _ => BTreeSet::from([Scope::ProjectsRead, Scope::ProjectsRun]),
    }
}

/// Half of those that die are revoked, a quarter expire, and a quarter are replaced in time.
fn credentials(chance: &mut Chance, end: Duration) -> Vec<Credential> {
    let mut all = Vec::new();
    let mut from = Duration::ZERO;
    loop {
        let dies = from + Duration::from_secs(6 * HOUR) + after(chance, 12 * DAY);
        let (in_time, expires) = chance.pick(&[(false, false), (false, false), (false, true), (true, false)]);
        if dies >= end {
            all.push(Credential { from, dies: None, expires: false });
            return all;
        }
        all.push(Credential { from, dies: Some(dies), expires });
        from = if in_time {
            dies.saturating_sub(between(chance, 5 * MINUTE..HOUR))
        } else {
            dies + Duration::from_secs(2 * HOUR) + after(chance, 3 * HOUR)
        };
    }
}

/// One right at a time: lost for long enough to be noticed at the slowest cadence.
fn losses(chance: &mut Chance, end: Duration, scopes: &BTreeSet<Scope>) -> Vec<(Right, Span)> {
    let rights: &[Right] = match (scopes.contains(&Scope::GroupsRead), scopes.contains(&Scope::ProjectsRun)) {
        (true, _) => &[Right::Scope],
        (_, true) => &[Right::Run],
        _ => return Vec::new(),
    };
    let mut all = Vec::new();
    let mut at = Duration::from_secs(HOUR) + after(chance, 6 * DAY);
    while at < end {
        let right = chance.pick(rights);
        let length = match right {
            Right::Scope => between(chance, 8 * HOUR..14 * HOUR),
            Right::Run => between(chance, 40 * HOUR..60 * HOUR),
        };
        let span = Span::of(at, length);
        at = span.until + Duration::from_secs(DAY) + after(chance, 6 * DAY);
        all.push((right, span));
    }
    all
}

/// Spans of some seconds, so far apart on average.
fn spans(chance: &mut Chance, end: Duration, apart: u64, seconds: std::ops::Range<u64>) -> Vec<Span> {
    let mut all = Vec::new();
    let mut at = Duration::from_secs(HOUR) + after(chance, apart);
    while at < end {
        let span = Span::of(at, between(chance, seconds.clone()));
        at = span.until + Duration::from_secs(HOUR) + after(chance, apart);
        all.push(span);
    }
    all
}

fn between(chance: &mut Chance, seconds: std::ops::Range<u64>) -> Duration {
    Duration::from_millis(seconds.start * 1_000 + chance.next() % ((seconds.end - seconds.start) * 1_000))
}

/// A wait for what comes at any time alike, so long on average (in seconds).
#[expect(clippy::cast_precision_loss, reason = "a draw needs no more than 53 bits")]
fn after(chance: &mut Chance, mean: u64) -> Duration {
    let uniform = (chance.next() >> 11) as f64 / (1u64 << 53) as f64;
    Duration::from_secs_f64(mean as f64 * -(1.0 - uniform).ln())
}
