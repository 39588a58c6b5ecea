//! What is known of a workspace: whether Hex answers, its clock, its limits.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use jiff::Timestamp;

use super::view::{TokenView, WorkspaceView};
use crate::domain::{
    Check, Digest, Facts, Moment, Name, Observation, Outcome, Seen, TokenRecord, Workspace, expiry::GRACE,
    life::Life,
};

/// How long an answer speaks for the health of the API.
const FRESH: Duration = Duration::from_mins(1);

/// How much later another answer must agree before the clock jumps: those of one moment may come from one place.
const AGREES_AFTER: Duration = Duration::from_mins(1);

/// How often the rejected tokens of a workspace may be asked again because another was accepted again.
const RECONSIDER_EVERY: Duration = Duration::from_mins(5);

#[derive(Debug)]
pub(super) struct WorkspaceRecord {
    pub(super) spec: Arc<Workspace>,
    pub(super) dry_run_unsafe: bool,
    planned_per_minute: f64,
    newest: Option<(Moment, bool)>,
    answered: Option<Moment>,
    /// The last date on Hex's clock, and when it was told.
    told: Option<(Timestamp, Moment)>,
    /// A date that would set that clock, until another answer agrees.
    doubted: Option<(Timestamp, Moment)>,
    rate_limited: Option<(Name, Moment)>,
    reconsidered: Option<Moment>,
    /// Org id last told to any of its tokens, shared.
    org_id: Option<Arc<str>>,
    /// Intervals last noted for any of its tokens, shared where equal.
    intervals: Arc<[(Check, Duration)]>,
    /// Tokens that a mass rejection holds.
    pub(super) held: BTreeSet<Name>,
    /// Tokens known to be rejected.
    pub(super) rejected: BTreeSet<Name>,
}

impl WorkspaceRecord {
    pub(super) fn new(spec: Arc<Workspace>, planned_per_minute: f64) -> Self {
        Self {
            spec,
            dry_run_unsafe: false,
            planned_per_minute,
            newest: None,
            answered: None,
            told: None,
            doubted: None,
            rate_limited: None,
            reconsidered: None,
            org_id: None,
            intervals: Arc::default(),
            held: BTreeSet::new(),
            rejected: BTreeSet::new(),
        }
    }

    /// Keeps in mind who is in trouble, so that nobody has to look through all tokens for them.
    pub(super) fn note_trouble(&mut self, name: &Name, record: &TokenRecord) {
        let is_held = record.pending().is_some_and(|pending| pending.held_until.is_some());
        let is_rejected = matches!(record.life(), Life::Rejected(_));
        for (troubled, is_troubled) in [(&mut self.held, is_held), (&mut self.rejected, is_rejected)] {
            if !is_troubled {
                troubled.remove(name);
            } else if !troubled.contains(name) {
                troubled.insert(name.clone());
            }
        }
    }

    /// The same workspace under another configuration.
    pub(super) fn with(self, spec: Arc<Workspace>, planned_per_minute: f64) -> Self {
        Self { spec, planned_per_minute, held: BTreeSet::new(), rejected: BTreeSet::new(), ..self }
    }

    /// Another workspace on the same stack, as one that was renamed is: Hex's clock and health are the same.
    pub(super) fn beside(&self, spec: Arc<Workspace>, planned_per_minute: f64) -> Self {
        let Self { newest, answered, told, .. } = *self;
        Self { newest, answered, told, ..Self::new(spec, planned_per_minute) }
    }

    /// Takes in an answer. Only a conclusive one tells Hex's clock, by which tokens expire: a 429 or a 400
    /// may come from anybody. Dry runs tell nothing about the API.
    pub(super) fn hear(&mut self, observation: &Observation, outcome: &Outcome, now: Moment) {
        if let (true, Seen::Answer(answer)) = (outcome.reason.is_conclusive(), &observation.seen)
            && let Some(date) = answer.date
        {
            self.hear_date(date, now);
        }
        let made = !matches!(observation.seen, Seen::Failed(crate::domain::Failure::CredentialUnreadable));
        if made && observation.question.check != Check::ProjectsRun {
            self.newest = Some((now, outcome.by_hex));
            if outcome.by_hex {
                self.answered = Some(now);
            }
        }
    }

    /// One answer alone sets the clock by no more than a token's grace: by it, all tokens of the workspace expire.
    fn hear_date(&mut self, date: Timestamp, now: Moment) {
        let goes_on = |clock: (Timestamp, Moment)| {
            time_on(clock, now).is_some_and(|expected| date.duration_since(expected).abs() <= GRACE)
        };
        let doubted = self.doubted.filter(|clock| goes_on(*clock));
        if self.told.is_none_or(goes_on) || doubted.is_some_and(|(_, then)| now.since(then) >= AGREES_AFTER) {
            (self.told, self.doubted) = (Some((date, now)), None);
        } else {
            self.doubted = doubted.or(Some((date, now)));
        }
    }

    /// The time on Hex's clock. It goes on with our uptime, so that no token expires because somebody sets
    /// the local clock.
    pub(super) fn hex_now(&self, now: Moment) -> Timestamp {
        self.told.and_then(|clock| time_on(clock, now)).unwrap_or(now.at)
    }

    /// A token was told to slow down. Where another was too within a minute, they share a limit, and the
    /// whole workspace must pause.
    pub(super) fn rate_limited(&mut self, token: &Name, pause: Duration, now: Moment) -> Option<Duration> {
        let before = self.rate_limited.replace((token.clone(), now));
        before.filter(|(other, at)| other != token && now.since(*at) <= FRESH).map(|_| pause)
    }

    pub(super) fn may_reconsider_rejected(&mut self, now: Moment) -> bool {
        let may = self.reconsidered.is_none_or(|last| now.since(last) >= RECONSIDER_EVERY);
        if may {
            self.reconsidered = Some(now);
        }
        may
    }

    /// Puts in the id that another token was told, where it is the same: most belong to one organisation.
    pub(super) fn share_org_id(&mut self, facts: &mut Facts) {
        if let Facts::Identity { org_id: told @ Some(_), .. } = facts {
            if self.org_id != *told {
                self.org_id.clone_from(told);
            }
            told.clone_from(&self.org_id);
        }
    }

    /// The list that another token has, where it is the same: nearly all have one of few.
    pub(super) fn share_intervals(
        &mut self,
        intervals: Arc<[(Check, Duration)]>,
    ) -> Arc<[(Check, Duration)]> {
        if self.intervals != intervals {
            self.intervals = intervals;
        }
        self.intervals.clone()
    }

    /// What is shown of it, once its tokens are counted: that takes a while, and needs no lock.
    pub(super) fn view(&self, now: Moment) -> impl FnOnce(&BTreeMap<&Name, Tally>) -> WorkspaceView + use<> {
        let spec = self.spec.clone();
        let api_up = self.newest.map(|(newest, by_hex)| {
            if now.since(newest) <= FRESH {
                self.answered.is_some_and(|answered| now.since(answered) <= FRESH)
            } else {
                by_hex
            }
        });
        let skew_seconds = self.told.map(|_| self.hex_now(now).duration_since(now.at).as_secs_f64());
        let Self { dry_run_unsafe, planned_per_minute, .. } = *self;
        move |tallies| {
            let tally = tallies.get(&spec.name);
            WorkspaceView {
                api_up,
                skew_seconds,
                dry_run_unsafe,
                rejects_all_tokens: tally.is_some_and(Tally::rejects_all),
                planned_per_minute,
                tokens: tally.map_or(0, |tally| tally.tokens),
                spec,
            }
        }
    }
}

/// The time on a clock that once told a date, and goes on with our uptime.
fn time_on((date, then): (Timestamp, Moment), now: Moment) -> Option<Timestamp> {
    date.checked_add(now.since(then)).ok()
}

/// What the tokens of a workspace tell of it together.
#[derive(Debug, Default)]
pub(super) struct Tally {
    tokens: usize,
    /// Whether one was accepted within its last two intervals.
    accepted: bool,
    /// The credentials that were rejected within theirs.
    rejected: BTreeSet<Option<Digest>>,
}

impl Tally {
    /// Counts the tokens of each workspace.
    pub(super) fn by_workspace(tokens: &[Arc<TokenView>], now: Moment) -> BTreeMap<&Name, Self> {
        let mut tallies: BTreeMap<&Name, Self> = BTreeMap::new();
        for token in tokens {
            tallies.entry(&token.spec.workspace.name).or_default().count(token, now);
        }
        tallies
    }

    fn count(&mut self, token: &TokenView, now: Moment) {
        self.tokens += 1;
        // One that is accepted settles it.
        let Some((at, accepted)) = token.record.answered().filter(|_| !self.accepted) else { return };
        let interval = token.interval(token.record.life_check()).unwrap_or_default();
        if now.up.saturating_sub(at) <= interval * 2 {
            self.accepted = accepted;
            if !accepted {
                self.rejected.insert(token.credential.digest);
            }
        }
    }

    /// Whether all with a recent verdict were rejected, and these are at least two credentials.
    fn rejects_all(&self) -> bool {
        !self.accepted && self.rejected.len() >= 2
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Answer, Body, Facts, Phases, Question, classify};

    fn moment(at: i64, up: u64) -> Moment {
        Moment { at: Timestamp::from_second(at).unwrap(), up: Duration::from_secs(up) }
    }

    /// A workspace that has heard an answer of this status and form, dated so.
    fn hearing(answers: &[(u16, Body, i64)]) -> WorkspaceRecord {
        let spec = Workspace::new(Name::parse("main").unwrap(), "https://app.hex.tech");
        let mut record = WorkspaceRecord::new(Arc::new(spec), 1.0);
        for (status, body, date) in answers {
            let answer = Answer {
                status: *status,
                json_content: true,
                bearer_challenge: false,
                cached: false,
                date: Some(Timestamp::from_second(*date).unwrap()),
                retry_after: None,
                quota: None,
                moved_within_hex: false,
                body: body.clone(),
            };
            let observation = Observation {
                question: Question::of(Check::Identity),
                seen: Seen::Answer(answer),
                duration: Duration::ZERO,
                phases: Phases::default(),
            };
            record.hear(&observation, &classify(&observation), moment(1_000, 100));
        }
        record
    }

    fn object(error_form: bool) -> Body {
        Body::Object { error_form, names_plan: false, expected_key: !error_form, facts: Facts::None }
    }

    #[test]
    fn only_a_conclusive_answer_tells_the_time() {
        let accepted = (200, object(false), 1_007);
        for (status, body) in
            [(429, Body::Other), (429, object(true)), (400, object(true)), (503, object(true))]
        {
            let record = hearing(&[accepted.clone(), (status, body, 4_000_000_000)]);
            assert_eq!(record.hex_now(moment(1_000, 100)).as_second(), 1_007, "{status}");
        }
        assert_eq!(hearing(&[(401, object(true), 1_003)]).hex_now(moment(1_000, 100)).as_second(), 1_003);
    }

    #[test]
    fn the_local_clock_may_be_set_and_hex_s_goes_on() {
        let record = hearing(&[(200, object(false), 1_007)]);
        for local in [0, 1_030, 4_000_000_000] {
            let now = moment(local, 130);
            assert_eq!(record.hex_now(now).as_second(), 1_037);
            let skew = record.view(now)(&BTreeMap::new()).skew_seconds.unwrap();
            assert!(
                (skew + now.at.duration_since(Timestamp::UNIX_EPOCH).as_secs_f64() - 1_037.0).abs() < 1e-3
            );
        }
    }
}
