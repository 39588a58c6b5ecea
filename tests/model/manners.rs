//! The reference: what must hold whenever a request begins or ends.

use std::time::Duration;

use hex_token_exporter::domain::Check;

use crate::{
    cast::{Question, STACKS},
    hex::Said,
    life::Verdict,
    model::{Known, Model, Request},
};

impl Model {
    /// A request with this credential reaches this workspace.
    pub(crate) fn begin(
        &mut self,
        credential: &str,
        stack: usize,
        question: Question,
        now: Duration,
    ) -> Result<Request, String> {
        let owns = |slot: &usize| {
            self.known[*slot].as_ref().is_some_and(|it| it.credential.as_deref() == Some(credential))
        };
        let Some(slot) = (0..self.known.len()).find(owns) else {
            return Err("a credential was sent that is no token's".to_owned());
        };
        let name = self.config.tokens[slot].name.clone();
        let worker = self.known[slot].as_ref().map_or(0, |it| it.worker);
        let request = Request {
            slot,
            stack,
            credential: credential.to_owned(),
            question,
            began: now,
            worker,
            name: name.clone(),
        };
        self.may_begin(&request, now)
            .map_err(|why| format!("{name} was asked {question:?} at {now:?}: {why}"))?;
        self.stacks[stack].spending.begin(now)?;
        let Some(known) = &mut self.known[slot] else { return Ok(request) };
        known.blind += 1;
        if question == known.life_question() {
            known.life_began = now;
        }
        self.under_way.push(request.clone());
        Ok(request)
    }

    fn may_begin(&mut self, request: &Request, now: Duration) -> Result<(), String> {
        let &Request { slot, stack, question, worker, .. } = request;
        let cast = &self.config.tokens[slot];
        let Some(known) = &mut self.known[slot] else { return Err("it is not configured".to_owned()) };
        if cast.stack != stack {
            return Err(format!("its credential was sent to w{stack}"));
        }
        if self.under_way.iter().any(|other| other.worker == worker && other.slot == slot) {
            return Err("another request of it is under way".to_owned());
        }
        if !cast.readable && known.blind > 0 {
            return Err("its credential can't be read".to_owned());
        }
        let paused_until = known.paused_until.max(self.stacks[stack].paused_until);
        if now < paused_until {
            return Err(format!("Hex has asked to wait until {paused_until:?}"));
        }
        if let (Check::ProjectsRun, Some(project)) = question {
            let serves = known.waits && known.asked.is_some_and(|asked| asked <= known.last_end);
            known.suspect = serves.then_some(now);
            self.may_run(slot, stack, project)?;
        }
        // Whoever has their turn in the very moment of a change still takes it.
        if cast.readable && now > self.conformed { self.is_due(request, now) } else { Ok(()) }
    }

    fn may_run(&self, slot: usize, stack: usize, project: usize) -> Result<(), String> {
        let proofs = &self.stacks[stack].proofs;
        if proofs.ignored {
            return Err("the stack ignores dryRun".to_owned());
        }
        match proofs.open {
            Some(open) => {
                Err(format!("the dry run of {open:?} is to be proven first; this is {:?}", (slot, project)))
            }
            None => Ok(()),
        }
    }

    /// Whoever was to prove a dry run gives up where it is no longer known to live, has another worker, or
    /// the project is not listed any more.
    pub(crate) fn give_up_proofs(&mut self) {
        for stack in 0..STACKS {
            let Some((worker, slot, project)) = self.stacks[stack].proofs.open else { continue };
            let cast = &self.config.tokens[slot];
            let lives =
                |it: &Known| it.worker == worker && it.life.verdict == Verdict::Alive && cast.readable;
            let goes_on = cast.projects.contains(&project) && self.known[slot].as_ref().is_some_and(lives);
            if !goes_on {
                self.stacks[stack].proofs.open = None;
            }
        }
    }

    /// A request has ended with this answer.
    pub(crate) fn end(&mut self, request: &Request, said: Said, date: Option<i64>, now: Duration) {
        self.under_way.retain(|other| other.worker != request.worker || other.slot != request.slot);
        self.stacks[request.stack].spending.end(request.began, now);
        self.stacks[request.stack].proofs.hear(request, said);
        if let Some(known) = &mut self.known[request.slot] {
            known.last_end = now;
        }
        self.hear(request, said, date, now);
    }

    /// Whoever had asked for a probe of the token then is answered.
    pub(crate) fn answered(&mut self, slot: usize, asked: Duration, now: Duration) -> Result<(), String> {
        let Some(known) = &mut self.known[slot] else { return Ok(()) };
        if known.asked != Some(asked) {
            return Ok(());
        }
        let suspect = known.suspect.take().filter(|began| *began > asked && *began < now);
        known.waits = false;
        match suspect {
            Some(began) => Err(format!("a dry run was made on demand, at {began:?}")),
            None => Ok(()),
        }
    }
}
