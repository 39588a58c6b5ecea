//! What must hold after every step of a run, whatever came between.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use hex_token_exporter::{
    domain::{
        Name, Reason, Scope, TokenState,
        expiry::Told,
        finding::{Finding, ProjectFinding},
        life::{Life, Pending, Rejection},
    },
    metrics,
    store::TokenView,
};
use jiff::Timestamp;

use crate::{
    sky::Ask,
    stage::{CANARY, Stage},
};

/// How much later than planned a probe may come: it may wait a minute for the budget, and be asked behind
/// others.
const LATE: Duration = Duration::from_secs(90);

/// How long confirmations may go first where they alone fill the budget.
const CONFIRMATIONS_FIRST: Duration = Duration::from_mins(5);

/// What is known of a token that no fault may change.
#[derive(Debug, Clone, PartialEq)]
struct Known {
    state: TokenState,
    since: Option<Timestamp>,
    life: Life,
    told: Told,
    scope: Option<Finding>,
    projects: Vec<Option<ProjectFinding>>,
}

impl Known {
    fn of(view: &TokenView) -> Self {
        let record = &view.record;
        Self {
            state: record.state(),
            since: record.state_since(),
            life: match record.life() {
                // How often it was probed since is no verdict.
                Life::Rejected(rejection) => Life::Rejected(Rejection { probes: 0, ..rejection }),
                other => other,
            },
            told: record.told(),
            scope: record.scope(Scope::ProjectsRead),
            projects: view.spec.projects.keys().map(|name| record.project(name)).collect(),
        }
    }
}

/// Watches a run.
#[derive(Debug, Default)]
pub(crate) struct Rules {
    seen: usize,
    known: Vec<Known>,
    pending: Vec<Option<Pending>>,
    verdicts: BTreeMap<Name, TokenState>,
    began: Vec<Duration>,
    excused_until: Duration,
    /// When a rejection was last seen to be confirmed.
    confirming: Option<Duration>,
    /// When each token was last asked, how often it is to be asked, and since when that holds.
    plans: BTreeMap<Name, (Duration, Duration, Duration)>,
}

impl Rules {
    /// Checks all rules. `edited` are tokens whose configuration or credential was changed since the last
    /// time. Panics with what does not hold.
    pub(crate) fn check(&mut self, stage: &Stage, edited: &BTreeSet<usize>, log: &str) {
        let views = stage.snapshot().tokens;
        let asks = stage.sky.asks(self.seen);
        self.seen += asks.len();
        self.nothing_changed_without_an_answer(stage, &views_in_order(stage), &asks, edited);
        self.only_what_was_ever_true_is_shown(stage, &views);
        self.budget_is_kept(stage, &asks);
        self.nobody_is_forgotten(stage, &views);
        let page = metrics::page(&stage.snapshot(), &stage.own);
        page_is_whole(stage, &page);
        for text in [page.as_str(), log, &format!("{views:?}")] {
            assert!(!text.contains(CANARY), "a piece of a credential is shown");
        }
        assert!(!stage.tasks.stopping().is_cancelled(), "a task has died");
        assert!(stage.scheduler.is_moving(), "the probe loop has stalled");
    }

    /// Time has been skipped: nobody is late before they had their time.
    pub(crate) fn excuse_until(&mut self, up: Duration) {
        self.excused_until = self.excused_until.max(up);
    }

    fn nothing_changed_without_an_answer(
        &mut self,
        stage: &Stage,
        views: &[Arc<TokenView>],
        asks: &[Ask],
        edited: &BTreeSet<usize>,
    ) {
        let known: Vec<Known> = views.iter().map(|view| Known::of(view)).collect();
        let pending: Vec<_> = views.iter().map(|view| view.record.pending()).collect();
        let counted = |index: usize| {
            let credential = &stage.tokens[index].credential;
            asks.iter().any(|ask| ask.fault.is_harmless() && ask.credential == *credential)
        };
        for (index, before) in self.known.iter().enumerate() {
            if !counted(index) && !edited.contains(&index) {
                let faults: Vec<_> = asks.iter().map(|ask| (ask.check, ask.fault)).collect();
                assert_eq!(*before, known[index], "changed without an answer of Hex, by {faults:?}");
            }
        }
        let anybody = (0..stage.tokens.len()).any(counted);
        if !anybody && edited.is_empty() && !self.pending.is_empty() {
            assert_eq!(self.pending, pending, "a pending rejection changed without an answer of Hex");
        }
        (self.known, self.pending) = (known, pending);
    }

    fn only_what_was_ever_true_is_shown(&mut self, stage: &Stage, views: &[Arc<TokenView>]) {
        for view in views {
            let (name, shown) = (&view.spec.name, view.record.state());
            let token = stage.tokens.iter().find(|token| token.spec.name == *name).unwrap();
            assert!(token.ever.contains(&shown), "{name} is shown as {shown:?} and never was");
            if shown != TokenState::Unknown {
                self.verdicts.insert(name.clone(), shown);
            } else if let Some(verdict) = self.verdicts.remove(name) {
                // Hex accepts it, and something that it needs gets no answer.
                assert!(
                    verdict.is_dead() && view.record.is_accepted_again(),
                    "{name} was {verdict:?} and lost that"
                );
            }
        }
    }

    fn budget_is_kept(&mut self, stage: &Stage, asks: &[Ask]) {
        self.began.extend(asks.iter().map(|ask| ask.began));
        self.began.sort_unstable();
        let budget = stage.workspace.requests_per_minute as usize;
        for window in self.began.windows(budget + 1) {
            let took = window[budget].saturating_sub(window[0]);
            assert!(took >= Duration::from_mins(1), "{} requests within {took:?}", budget + 1);
        }
        // What is older than a window can be in none with what comes.
        let keep = self.began.len().saturating_sub(budget + 1);
        self.began.drain(..keep);
    }

    fn nobody_is_forgotten(&mut self, stage: &Stage, views: &[Arc<TokenView>]) {
        let excused = stage.sky.paused_until().max(self.excused_until);
        if views.iter().any(|view| view.record.pending().is_some()) {
            self.confirming = Some(stage.up());
        }
        let behind = self.confirming.filter(|at| stage.up() <= *at + CONFIRMATIONS_FIRST);
        let late = LATE + behind.map_or(Duration::ZERO, |_| CONFIRMATIONS_FIRST);
        for view in views {
            let (name, check) = (&view.spec.name, view.record.life_check());
            let last = view.record.last_try(check, None).map_or(Duration::ZERO, |tried| tried.at);
            let interval = view.interval(check).unwrap_or_default();
            // An interval that was shortened counts from then on.
            let plan = self.plans.entry(name.clone()).or_insert((last, interval, stage.up()));
            if (plan.0, plan.1) != (last, interval) {
                *plan = (last, interval, stage.up());
            }
            let due = (last + interval).max(plan.2).max(excused) + stage.settings.cadence.timeout * 4 + late;
            assert!(stage.up() <= due, "{name} was asked at {last:?}, every {interval:?}, and not since");
        }
    }
}

fn views_in_order(stage: &Stage) -> Vec<Arc<TokenView>> {
    stage.tokens.iter().map(|token| stage.store.token(&token.spec.name).unwrap()).collect()
}

/// Every series of every token is there, with its value.
fn page_is_whole(stage: &Stage, page: &str) {
    let mut counts: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    let mut shown: BTreeMap<&str, usize> = BTreeMap::new();
    for line in page.lines().filter(|line| !line.starts_with('#')) {
        let value: f64 = line.rsplit(' ').next().unwrap().parse().unwrap();
        assert!(value.is_finite(), "{line}");
        let Some((series, labels)) = line.split_once("{token=\"") else { continue };
        let token = labels.split('"').next().unwrap();
        *counts.entry((series, token)).or_default() += 1;
        if series == "hex_token_state" && line.ends_with("} 1") {
            *shown.entry(token).or_default() += 1;
        }
    }
    for token in &stage.tokens {
        let name = token.spec.name.as_str();
        assert_eq!(shown.get(name), Some(&1), "states shown of {name}");
        for (series, many) in [
            ("hex_token_state", 7),
            ("hex_token_probes_total", 1),
            ("hex_token_probe_failures_total", Reason::ALL.len() - 1),
            ("hex_token_expiry", 4),
            ("hex_token_rejection_pending", 1),
            ("hex_token_state_since_timestamp_seconds", 1),
            ("hex_token_info", 1),
        ] {
            assert_eq!(counts.get(&(series, name)), Some(&many), "{series} of {name}");
        }
    }
}
