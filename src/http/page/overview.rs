//! `/`: all tokens, the most urgent first.

use std::{collections::BTreeSet, fmt::Write as _};

use askama::Template;

use super::{
    Frame,
    filter::{Choice, View},
    picture::Strip,
    rights::{self, Mark, ProjectRow},
    verdict::Verdict,
    words::{Tone, count, days},
    workspaces::WorkspaceRow,
};
use crate::store::{
    Snapshot,
    report::{Report, Urgency},
};

/// How many projects of a token the list names.
const PROJECTS: usize = 3;

/// The page.
#[derive(Debug, Template)]
#[template(path = "overview.html")]
pub(super) struct Overview<'a> {
    frame: Frame,
    view: View,
    attention: usize,
    summary: String,
    next: String,
    alarms: Vec<String>,
    chips: Vec<Chip>,
    workspaces: Vec<WorkspaceRow<'a>>,
    fields: [Field; 3],
    columns: Vec<String>,
    rows: Vec<Row<'a>>,
    shown: String,
    pages: usize,
}

/// A count that is a link to what it counts.
#[derive(Debug)]
struct Chip {
    words: String,
    count: usize,
    tone: Option<Tone>,
    query: String,
    current: bool,
}

/// A field of the form, with what can be chosen.
#[derive(Debug)]
struct Field {
    name: &'static str,
    label: &'static str,
    any: &'static str,
    picks: Vec<Pick>,
}

#[derive(Debug)]
struct Pick {
    value: String,
    words: String,
    chosen: bool,
}

#[derive(Debug)]
struct Row<'a> {
    verdict: Verdict<'a>,
    marks: Vec<Mark>,
    projects: Vec<ProjectRow<'a>>,
    more_projects: usize,
    strip: Option<Strip>,
}

impl<'a> Overview<'a> {
    /// What is there at this moment, as far as it is asked for. `alive`: the probe loop moves.
    pub(super) fn of(snapshot: &'a Snapshot, view: &View, frame: Frame, alive: bool) -> Self {
        let all = Report::by_urgency(snapshot);
        let attention = all.iter().filter(|report| Choice::Attention.holds(report)).count();
        let ((summary, next), chips) = (summary(snapshot, &all, attention), chips(&all, view));
        let fields = fields(&all, view);
        let mut asked: Vec<_> = all.into_iter().filter(|report| view.filter.holds(report)).collect();
        let found = asked.len();
        let pages = View::pages(found);
        let view = view.on_page(view.page.min(pages));
        let range = view.range(found);
        let shown = if pages == 1 {
            count(found, "token")
        } else {
            format!("{} to {} of {}", range.start + 1, range.end, count(found, "token"))
        };
        let page: Vec<_> = asked.drain(range).collect();
        let columns = rights::columns(&page);
        let now = snapshot.now.at;
        let row = |report: Report<'a>| {
            let token = snapshot.token(report.name.as_str())?;
            let mut projects = rights::project_rows(token);
            let more_projects = projects.len().saturating_sub(PROJECTS);
            projects.truncate(PROJECTS);
            let marks = rights::marks(&report, &columns);
            let strip = Strip::of(token);
            Some(Row { verdict: Verdict::of(token, report, now), marks, projects, more_projects, strip })
        };
        let rows = page.into_iter().filter_map(row).collect();
        let columns = columns.into_iter().map(rights::heading).collect();
        Self {
            frame,
            attention,
            summary,
            next,
            alarms: alarms(snapshot, alive),
            chips,
            workspaces: WorkspaceRow::all(snapshot),
            fields,
            columns,
            rows,
            shown,
            pages,
            view,
        }
    }

    fn is_complete(&self) -> bool {
        !self.view.filter.is_set()
    }
}

/// The state of everything in a line, and what comes next.
fn summary(snapshot: &Snapshot, all: &[Report<'_>], attention: usize) -> (String, String) {
    let verdict = match (all.len(), attention) {
        (0, _) => "No token is watched here".to_owned(),
        (all, 0) => format!("All is well with {}", count(all, "token")),
        (all, 1) => format!("1 of {} needs attention", count(all, "token")),
        (all, some) => format!("{some} of {} need attention", count(all, "token")),
    };
    let mut next = count(snapshot.workspaces.len(), "workspace");
    let soonest = all
        .iter()
        .filter(|report| report.urgency != Urgency::Dead)
        .filter_map(|report| Some((report.expiry.days.filter(|days| *days >= 0.0)?, report.name)))
        .min_by(|(a, _), (b, _)| a.total_cmp(b));
    if let Some((left, name)) = soonest {
        // Writing to a string can't fail.
        let _ = write!(next, ". Next to expire: {name}, in {}", days(left));
    }
    (verdict, next)
}

/// What is wrong with the exporter itself: the rest of the page may then be old.
fn alarms(snapshot: &Snapshot, alive: bool) -> Vec<String> {
    let mut alarms = Vec::new();
    if !alive {
        alarms.push(
            "The probe loop has stalled: what is told here grows old. Restart the exporter, and see its log."
                .to_owned(),
        );
    }
    if !snapshot.reload.successful {
        alarms.push(format!(
            "The configuration or a token directory cannot be used as it is now; a load last succeeded at {:.0}. The log says what is wrong.",
            snapshot.reload.last_success
        ));
    }
    alarms
}

fn chips(all: &[Report<'_>], view: &View) -> Vec<Chip> {
    let chip = |choice: Choice| Chip {
        words: choice.words(),
        count: all.iter().filter(|report| choice.holds(report)).count(),
        tone: match choice {
            Choice::Attention => None,
            Choice::Expiring => Some(Tone::Warn),
            Choice::State(state) => Some(Tone::of_state(state)),
        },
        query: view.with_state(Some(choice)).query(),
        current: view.filter.state == Some(choice),
    };
    let everything = Chip {
        words: "all".to_owned(),
        count: all.len(),
        tone: None,
        query: view.with_state(None).query(),
        current: view.filter.state.is_none(),
    };
    let some = Choice::all().map(chip).filter(|chip| chip.count > 0 || chip.current);
    [everything].into_iter().chain(some).collect()
}

fn fields(all: &[Report<'_>], view: &View) -> [Field; 3] {
    let filter = &view.filter;
    let texts = |found: BTreeSet<&str>, chosen: &Option<String>| {
        // What is asked for stays in the form, though it may have left the configuration.
        let all: BTreeSet<&str> = found.into_iter().chain(chosen.as_deref()).collect();
        let pick = |text: &str| Pick {
            value: text.to_owned(),
            words: text.to_owned(),
            chosen: chosen.as_deref() == Some(text),
        };
        all.into_iter().map(pick).collect()
    };
    let states = Choice::all().map(|choice| Pick {
        value: choice.value().to_owned(),
        words: choice.words(),
        chosen: filter.state == Some(choice),
    });
    let owners = all.iter().filter_map(|report| report.token_owner).collect();
    let workspaces = all.iter().map(|report| report.workspace.as_str()).collect();
    [
        Field { name: "state", label: "State", any: "any state", picks: states.collect() },
        Field { name: "owner", label: "Owner", any: "any owner", picks: texts(owners, &filter.owner) },
        Field {
            name: "workspace",
            label: "Workspace",
            any: "any workspace",
            picks: texts(workspaces, &filter.workspace),
        },
    ]
}
