//! The reference: what the answers of one token mean for the others of its workspace.

use std::time::Duration;

use crate::{
    life::{Life, Verdict},
    model::Model,
};

impl Model {
    /// A 429 pauses its token; two tokens' within a minute pause the workspace.
    pub(crate) fn wait(&mut self, slot: usize, stack: usize, pause: Duration, now: Duration) {
        let shared = &mut self.stacks[stack];
        let before = shared.limited.replace((slot, now));
        if before.is_some_and(|(other, at)| other != slot && now <= at + Duration::from_mins(1)) {
            shared.paused_until = shared.paused_until.max(now + pause);
        }
        if let Some(known) = &mut self.known[slot] {
            known.paused_until = known.paused_until.max(now + pause);
        }
    }

    /// Other tokens of the workspace of this one.
    fn neighbours(&self, slot: usize) -> Vec<usize> {
        let stack = self.config.tokens[slot].stack;
        let is_other = |other: &usize| *other != slot && self.config.tokens[*other].stack == stack;
        (0..self.known.len()).filter(|it| is_other(it) && self.known[*it].is_some()).collect()
    }

    pub(crate) fn others(&self, slot: usize) -> Vec<Life> {
        self.neighbours(slot)
            .into_iter()
            .filter_map(|it| self.known[it].as_ref())
            .map(|it| it.life.clone())
            .collect()
    }

    /// A token was accepted: whoever is held in a mass rejection is asked again, and where it had been
    /// dead, so are the other dead, at most once in five minutes.
    pub(crate) fn spread_news(&mut self, slot: usize, stack: usize, revived: bool, now: Duration) {
        let hope = &mut self.stacks[stack].hope;
        let gives_hope = revived && hope.is_none_or(|last| now >= last + Duration::from_mins(5));
        if gives_hope {
            *hope = Some(now);
        }
        for other in self.neighbours(slot) {
            let Some(other) = &mut self.known[other] else { continue };
            if other.life.release() || (gives_hope && other.life.is_dead()) {
                other.at_once = Some(now);
            }
        }
    }

    /// One 401 before a death, another token is asked too: the living one that was silent longest. Not
    /// where one is in doubt since Hex last accepted any, or has been answered since the first of these 401s.
    pub(crate) fn call_witness(&mut self, slot: usize, now: Duration) {
        let Some(doubt) = self.known[slot].as_ref().and_then(|it| it.life.doubt) else { return };
        let others = self.neighbours(slot);
        let life = |other: &usize| &self.known[*other].as_ref().unwrap().life;
        let lives = |it: &usize| {
            let is_sure = life(it).verdict == Verdict::Alive && life(it).doubt.is_none();
            is_sure && self.config.tokens[*it].readable
        };
        let own = self.known[slot].as_ref().and_then(|it| it.life.accepted);
        let accepted = others.iter().filter_map(|it| life(it).accepted).chain(own).max();
        let doubted = |it: &usize| life(it).doubt.is_some_and(|it| Some(it.first) > accepted);
        let tells = |it: &usize| lives(it) && life(it).answered >= Some(doubt.first);
        if doubt.rejections != 2 || others.iter().any(|it| doubted(it) || tells(it)) {
            return;
        }
        let by_silence = |it: &&usize| (life(it).answered, self.config.tokens[**it].name.clone());
        if let Some(witness) = others.iter().filter(|it| lives(it)).min_by_key(by_silence).copied() {
            self.known[witness].as_mut().unwrap().at_once = Some(now);
        }
    }
}
