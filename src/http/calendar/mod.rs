//! `/calendar.ics`: one entry for each token that expires, with alarms at its thresholds. The query of the
//! status page chooses tokens here too, so that an owner can follow their own alone.
//!
//! An expiry is an instant, so the entries are timed, in UTC, and take no time: a whole day would be the
//! wrong one for half the world. The same tokens give the same bytes, whenever they are told; replicas may
//! differ in `DTSTAMP`, which for the credential of a variable is the start of the process.

mod ics;

use axum::{
    extract::{RawQuery, State},
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};
use jiff::Timestamp;

use self::ics::Calendar;
use super::{ExternalUrl, Parts, answer, page::filter::Filter};
use crate::{
    domain::advice,
    store::{
        Snapshot, TokenView,
        report::{Report, Second},
    },
};

/// How often a calendar should ask again.
const REFRESH: &str = "PT1H";

/// The expiry dates of the tokens that are asked for.
pub(super) async fn calendar(State(parts): State<Parts>, RawQuery(query): RawQuery) -> Response {
    const TYPE: HeaderValue = HeaderValue::from_static("text/calendar; charset=utf-8");
    let filter = Filter::parse(query.as_deref().unwrap_or_default());
    answer::written(move || {
        let calendar = entries(&parts.store.snapshot(), &filter, parts.external_url.as_ref());
        ([(header::CONTENT_TYPE, TYPE)], calendar).into_response()
    })
    .await
}

fn entries(snapshot: &Snapshot, filter: &Filter, external: Option<&ExternalUrl>) -> String {
    let mut calendar = Calendar::begin();
    calendar.value("VERSION", "2.0");
    calendar.value("PRODID", "-//hex-token-exporter//calendar//EN");
    for name in ["NAME", "X-WR-CALNAME"] {
        calendar.text(name, "Hex tokens");
    }
    calendar.value("REFRESH-INTERVAL;VALUE=DURATION", REFRESH);
    calendar.value("X-PUBLISHED-TTL", REFRESH);
    for report in Report::all(snapshot) {
        let token = snapshot.token(report.name.as_str());
        if let (Some(token), Some(Second(at)), true) = (token, report.expiry.at, filter.holds(&report)) {
            entry(&mut calendar, token, &report, at, snapshot, external);
        }
    }
    calendar.end()
}

fn entry(
    calendar: &mut Calendar,
    token: &TokenView,
    report: &Report<'_>,
    at: Timestamp,
    snapshot: &Snapshot,
    external: Option<&ExternalUrl>,
) {
    let summary = format!("Hex token {} expires", report.name);
    // What is told has its date from the credential: a new one is a revision of the entry, which stays
    // the same entry.
    let revised = token.credential.loaded_at.unwrap_or(snapshot.reload.last_success);
    calendar.value("BEGIN", "VEVENT");
    calendar.value("UID", &format!("{}@{}.hex-token-exporter", report.name, report.workspace));
    calendar.date("DTSTAMP", revised);
    calendar.date("DTSTART", at);
    calendar.text("SUMMARY", &summary);
    calendar.text("DESCRIPTION", &description(report));
    if let Some(external) = external {
        calendar.value("URL", &external.of(&format!("/tokens/{}", report.name)));
    }
    calendar.text("CATEGORIES", "Hex tokens");
    calendar.value("TRANSP", "TRANSPARENT");
    let (warning, critical) = (token.spec.expiry_warning, token.spec.expiry_critical);
    for before in [Some(warning), Some(critical).filter(|critical| *critical != warning)] {
        if let Some(before) = before.filter(|before| !before.is_zero()) {
            calendar.value("BEGIN", "VALARM");
            calendar.value("ACTION", "DISPLAY");
            calendar.value("TRIGGER", &format!("-{}", ics::duration(before)));
            calendar.text("DESCRIPTION", &summary);
            calendar.value("END", "VALARM");
        }
    }
    calendar.value("END", "VEVENT");
}

/// What to do, and for whom.
fn description(report: &Report<'_>) -> String {
    let mut lines = vec![format!("{}.", advice::REPLACE), format!("Workspace: {}", report.workspace)];
    lines.extend(report.token_owner.map(|owner| format!("Owner: {owner}")));
    lines.extend(report.rotate_url.map(|url| format!("How to rotate it: {url}")));
    lines.join("\n")
}
