//! `/tokens/{name}`: all that is known of one token.

use askama::Template;

use super::{
    Frame,
    filter::View,
    picture::Latencies,
    rights::{self, ProjectRow, ScopeRow},
    verdict::Verdict,
    words::{Time, Tone, latency, span, words},
};
use crate::{
    domain::{Course, Name, advice},
    store::{
        Sighting, TokenView,
        history::Entry,
        report::{Report, Second},
    },
};

/// The page.
#[derive(Debug, Template)]
#[template(path = "token.html")]
pub(super) struct Token<'a> {
    frame: Frame,
    /// The query of the list that the reader came from.
    back: String,
    verdict: Verdict<'a>,
    expires: Option<Time>,
    thresholds: String,
    last_success: Option<Time>,
    loaded: Option<Time>,
    problem: Option<&'static str>,
    asked_every: Option<String>,
    probes: u64,
    failures: Vec<(String, u64)>,
    scopes: Vec<ScopeRow>,
    projects: Vec<ProjectRow<'a>>,
    latencies: Option<Latencies>,
    history: Vec<Probe>,
}

/// One probe.
#[derive(Debug)]
struct Probe {
    at: Time,
    check: String,
    project: Option<Name>,
    tone: Tone,
    reason: String,
    status: u16,
    took: String,
}

impl<'a> Token<'a> {
    pub(super) fn of(seen: &'a Sighting, view: &View, frame: Frame) -> Self {
        let (token, now) = (&*seen.token, seen.now.at);
        let report = Report::of(token, seen.hex_now);
        let time = |at: Option<Second>| at.map(|Second(at)| Time::new(at, now));
        let interval = token.interval(token.record.life_check());
        let credential = &token.credential;
        Self {
            frame,
            back: view.query(),
            expires: time(report.expiry.at),
            thresholds: format!(
                "{} and {} before",
                span(token.spec.expiry_warning),
                span(token.spec.expiry_critical)
            ),
            last_success: time(report.last_success),
            loaded: credential.loaded_at.map(|at| Time::new(at, now)),
            problem: credential.problem.map(|problem| advice::of_credential(problem).0),
            asked_every: interval.map(span),
            probes: token.counts.probes,
            failures: token
                .counts
                .failures()
                .filter(|(_, count)| *count > 0)
                .map(|(reason, count)| (words(reason.as_label()), count))
                .collect(),
            scopes: rights::scope_rows(&report, now),
            projects: rights::project_rows(token),
            latencies: Latencies::of(token, now),
            history: token.history.newest_first().map(|entry| Probe::of(&entry, token, now)).collect(),
            verdict: Verdict::of(token, report, now),
        }
    }
}

impl Probe {
    fn of(entry: &Entry, token: &TokenView, now: jiff::Timestamp) -> Self {
        Self {
            at: Time::new(entry.at, now),
            check: words(entry.check.as_label()),
            project: entry.project.clone(),
            tone: Tone::of_course(token.course(entry)),
            reason: words(entry.reason.as_label()),
            status: entry.status,
            took: latency(entry.duration),
        }
    }
}
