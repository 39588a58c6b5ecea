//! The reference: what a process leaves to the next in its state file.

use std::{collections::BTreeMap, time::Duration};

use hex_token_exporter::domain::TokenState;

use crate::{
    cast::{Date, START},
    expiry::Calendar,
    life::{Life, Verdict},
    model::{Known, Model, wall},
};

/// What each credential at each workspace is remembered for.
pub(crate) type Memories = BTreeMap<(String, usize), Memory>;

/// What is remembered of one credential: never that it was alive.
#[derive(Debug, Clone)]
pub(crate) struct Memory {
    name: String,
    calendar: Calendar,
    death: Option<(TokenState, i128)>,
}

impl Model {
    /// What a state file would hold now.
    pub(crate) fn memory(&self, now: Duration) -> Memories {
        let mut memory = BTreeMap::new();
        for (cast, known) in self.config.tokens.iter().zip(&self.known) {
            let Some(known) = known else { continue };
            let Some(credential) = known.credential.clone() else {
                // It may come back, under the same name.
                let old = self.memory.get(&(cast.credential.clone(), cast.stack));
                let old = old.filter(|old| old.name == cast.name).cloned();
                memory.extend(old.map(|old| ((cast.credential.clone(), cast.stack), old)));
                continue;
            };
            let has_run_out = known.calendar.has_run_out(cast, self.hex_now(cast.stack, now));
            let dead = (known.life.is_dead() || has_run_out)
                && matches!(known.state, TokenState::Expired | TokenState::Invalid);
            let death = known.since.filter(|_| dead).map(|since| (known.state, since));
            memory.insert(
                (credential, cast.stack),
                Memory { name: cast.name.clone(), calendar: known.calendar.remembered(), death },
            );
        }
        memory
    }

    /// Remembers that it was dead, and since when; never that it was alive.
    pub(crate) fn recall(&self, slot: usize, memory: &Memory, now: Duration) -> Known {
        let is_to_come = matches!(memory.calendar.told, Date::At(date) if date > START + i64::try_from(now.as_secs()).unwrap());
        let death = memory.death.filter(|(state, _)| !(*state == TokenState::Expired && is_to_come));
        let (state, since) = death.unwrap_or((TokenState::Unknown, wall(now)));
        let expired = state == TokenState::Expired;
        let verdict = if death.is_some() { Verdict::Dead { expired } } else { Verdict::Unheard };
        Known {
            credential: Some(self.config.tokens[slot].credential.clone()),
            life: Life { verdict, ..Life::default() },
            calendar: memory.calendar,
            state,
            since: Some(since),
            at_once: Some(now),
            ..Known::default()
        }
    }
}
