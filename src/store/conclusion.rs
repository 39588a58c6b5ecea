//! The report of a token after the one round that `check` makes: what is open stays open, since no further
//! probe comes that could be waited for.

use super::{
    Snapshot,
    report::{Report, Urgency},
};
use crate::domain::{Reason, TokenState, advice};

impl Report<'_> {
    /// How urgent the token is in the end. Its report gets the words for what the round, which made dry runs
    /// or not, has left open.
    pub fn conclude(&mut self, snapshot: &Snapshot, with_dry_runs: bool) -> Urgency {
        let token = snapshot.token(self.name.as_str());
        let Some(token) = token.filter(|_| self.state == TokenState::Unknown) else { return self.urgency };
        let lacks_dry_runs = token.lacks_dry_runs_alone();
        let workspace = snapshot.workspace(self.workspace);
        if lacks_dry_runs && workspace.is_some_and(|workspace| workspace.dry_run_unsafe) {
            let (cause, remedy) = advice::of_stopped_dry_runs();
            (self.cause, self.remedy) = (Some(cause.to_owned()), Some(remedy.to_owned()));
        } else if lacks_dry_runs && !with_dry_runs {
            // What was not asked is not held against it: its expiry alone counts.
            let urgency = Urgency::of_expiry(&token.spec, self.expiry.days);
            let (cause, remedy) = advice::of_unasked_runs(self.expiry.advice(urgency));
            (self.cause, self.remedy) = (Some(cause), Some(remedy));
            return urgency;
        } else if self.reason == Reason::Ok {
            self.remedy = Some(advice::ASK_AGAIN.to_owned());
        }
        self.urgency
    }
}
