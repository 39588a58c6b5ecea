//! What a way to watch cost in a month, and how long what happened was unknown.
//!
//! A delay counts from when Hex could first tell: from the death, or from the end of the last outage or
//! mistake of Hex that overlaps with the search for it.

use std::{collections::BTreeMap, time::Duration};

use hex_token_exporter::domain::{Check, TokenState};

use super::{
    month::{Month, Right},
    spread::Spread,
    watch::{Change, Watched},
};

/// What is measured.
#[derive(Debug, Clone, Default)]
pub(crate) struct Figures {
    /// How long all of it was.
    pub(crate) watched: Duration,
    /// Requests, by what they asked.
    pub(crate) requests: BTreeMap<Check, u64>,
    pub(crate) most_in_a_minute: usize,
    pub(crate) longest_wait: Duration,
    pub(crate) deaths: Spread,
    pub(crate) scopes: Spread,
    pub(crate) runs: Spread,
    /// From a new credential in place of a dead one to the end of the alarm.
    pub(crate) recoveries: Spread,
    /// Tokens shown as dead that lived.
    pub(crate) false_deaths: usize,
    /// What was over before it was seen.
    pub(crate) unseen: usize,
}

impl Figures {
    pub(crate) fn of(month: &Month, watched: &Watched) -> Self {
        let mut figures = Self {
            watched: month.end,
            requests: watched.ledger.requests.clone(),
            most_in_a_minute: watched.ledger.most_in_a_minute,
            longest_wait: watched.longest_wait,
            ..Self::default()
        };
        for token in 0..month.tokens.len() {
            let changes: Vec<&Change> = watched.changes.iter().filter(|it| it.token == token).collect();
            figures.lives(month, token, &changes);
            figures.rights(month, token, &changes);
        }
        figures
    }

    pub(crate) fn join(&mut self, other: &Self) {
        self.watched += other.watched;
        for (check, count) in &other.requests {
            *self.requests.entry(*check).or_default() += count;
        }
        self.most_in_a_minute = self.most_in_a_minute.max(other.most_in_a_minute);
        self.longest_wait = self.longest_wait.max(other.longest_wait);
        self.deaths.join(&other.deaths);
        self.scopes.join(&other.scopes);
        self.runs.join(&other.runs);
        self.recoveries.join(&other.recoveries);
        self.false_deaths += other.false_deaths;
        self.unseen += other.unseen;
    }

    /// Requests a day, per token, of the checks that are counted.
    #[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
    pub(crate) fn per_token_and_day(&self, tokens: usize, counts: impl Fn(Check) -> bool) -> f64 {
        let requests: u64 =
            self.requests.iter().filter(|(check, _)| counts(**check)).map(|(_, count)| count).sum();
        requests as f64 / (self.watched.as_secs_f64() / 86_400.0) / tokens as f64
    }

    fn lives(&mut self, month: &Month, token: usize, changes: &[&Change]) {
        let credentials = &month.tokens[token].credentials;
        for change in changes.iter().filter(|change| is_dead(change.state)) {
            let dies = credentials[change.credential].dies;
            self.false_deaths += usize::from(dies.is_none_or(|dies| change.at < dies));
        }
        for (index, credential) in credentials.iter().enumerate() {
            let Some(dies) = credential.dies else { continue };
            let next = credentials.get(index + 1).map_or(month.end, |next| next.from);
            // One that was replaced in time dies unseen, and nobody minds.
            if next <= dies {
                continue;
            }
            let seen = changes.iter().find(|it| it.credential == index && is_dead(it.state));
            match seen {
                Some(seen) => self.deaths.add(seen.at.saturating_sub(month.told_since(token, dies, seen.at))),
                None if next < month.end => self.unseen += 1,
                None => {}
            }
            let alive = changes.iter().find(|it| it.credential > index && !is_dead(it.state));
            if let Some(alive) = alive.filter(|_| seen.is_some() && next < month.end) {
                self.recoveries.add(alive.at.saturating_sub(month.told_since(token, next, alive.at)));
            }
        }
    }

    fn rights(&mut self, month: &Month, token: usize, changes: &[&Change]) {
        let credentials = &month.tokens[token].credentials;
        for (right, span) in &month.tokens[token].losses {
            // What a dead token may do is not asked, and a new credential is asked about everything at once.
            let in_use = credentials.iter().rposition(|it| it.from <= span.from).unwrap_or_default();
            let settled = credentials[in_use].from + Duration::from_hours(1) <= span.from || in_use == 0;
            let lives = credentials[in_use].dies.is_none_or(|dies| dies >= span.until);
            let stays = credentials.get(in_use + 1).is_none_or(|next| next.from >= span.until);
            if !(settled && lives && stays) || span.until >= month.end {
                continue;
            }
            let lacking = |it: &&&Change| {
                matches!(it.state, TokenState::UnderScoped | TokenState::ProjectUnavailable)
                    && it.at >= span.from
                    && it.at < span.until
            };
            let Some(seen) = changes.iter().find(lacking) else {
                self.unseen += 1;
                continue;
            };
            let delay = seen.at.saturating_sub(month.told_since(token, span.from, seen.at));
            match right {
                Right::Scope => self.scopes.add(delay),
                Right::Run => self.runs.add(delay),
            }
        }
    }
}

fn is_dead(state: TokenState) -> bool {
    matches!(state, TokenState::Invalid | TokenState::Expired)
}
