//! The tables, in Markdown.

use std::{sync::Arc, time::Duration};

use hex_token_exporter::{
    domain::{Cadence, Check},
    schedule::plan,
};

use crate::{
    figures,
    months::{
        figures::Figures,
        month::{Month, TOKENS},
        peer::{Peer, Signal},
        watch::{Way, watch},
    },
};

const fn mins(minutes: u64) -> Duration {
    Duration::from_mins(minutes)
}

const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// What the defaults ask, by check, in a quiet month and in the others.
pub(crate) fn cost(months: &[Arc<Month>]) {
    let quiet = Arc::new(Month::quiet(7));
    let watched = watch(&quiet, Way::default());
    let calm = Figures::of(&quiet, &watched);
    let all = &figures(months, &[Way::default()])[0];
    heading("Requests a token and day under the defaults", &["asked", "nothing happens", "all that happens"]);
    let (identity, runs) = (|check| check == Check::Identity, |check| check == Check::ProjectsRun);
    let rights = |check| !identity(check) && !runs(check);
    row(&["life and expiry".to_owned(), per_day(&calm, identity), per_day(all, identity)]);
    row(&["scopes and projects".to_owned(), per_day(&calm, rights), per_day(all, rights)]);
    row(&["dry runs".to_owned(), per_day(&calm, runs), per_day(all, runs)]);
    row(&["all of it".to_owned(), per_day(&calm, |_| true), per_day(all, |_| true)]);
    let planned = watched.planned_a_day / f64::from(u32::try_from(TOKENS).unwrap_or(u32::MAX));
    row(&["as `plan` tells".to_owned(), format!("{planned:.1}"), String::new()]);
    println!(
        "\nMost in a minute: {} of 30. Longest wait for the budget: {}. Deaths: {}, of which unseen: {}; \
         tokens called dead that lived: {}.",
        all.most_in_a_minute,
        time(all.longest_wait),
        all.deaths.len(),
        all.unseen,
        all.false_deaths
    );
}

/// Life and death: how often it is asked, and how fast a 401 is confirmed.
pub(crate) fn lives(months: &[Arc<Month>]) {
    let default = Cadence::default();
    let mut ways = Vec::new();
    for interval in [mins(1), mins(2), mins(5), mins(10), mins(15), mins(30)] {
        for confirm_after in [secs(10), secs(20), secs(30), secs(60)] {
            ways.push(Cadence { interval, confirm_after, ..default });
        }
    }
    let found = of_cadences(months, &ways);
    heading(
        "Life and death",
        &[
            "`interval`",
            "`confirm_after`",
            "requests a token and day",
            "death: median",
            "p99",
            "max",
            "promised",
            "good news: median",
            "p99",
            "wrong deaths",
            "frontier",
        ],
    );
    let points: Vec<_> = found.iter().map(|it| (it.false_deaths, cost_of(it), it.deaths.p99())).collect();
    for (index, (cadence, figures)) in ways.iter().zip(&found).enumerate() {
        row(&[
            time(cadence.interval),
            time(cadence.confirm_after),
            per_day(figures, |_| true),
            time(figures.deaths.median()),
            time(figures.deaths.p99()),
            time(figures.deaths.max()),
            time(plan::delay(cadence, 1.0).death),
            time(figures.recoveries.median()),
            time(figures.recoveries.p99()),
            figures.false_deaths.to_string(),
            frontier(&points, index, *cadence == default),
        ]);
    }
    let holds = [mins(2), mins(5), mins(10), mins(20)];
    let ways: Vec<_> = holds.map(|mass_rejection_hold| Cadence { mass_rejection_hold, ..default }).into();
    heading("While all tokens are rejected", &["`mass_rejection_hold`", "death: p99", "wrong deaths"]);
    for (cadence, figures) in ways.iter().zip(of_cadences(months, &ways)) {
        row(&[
            time(cadence.mass_rejection_hold),
            time(figures.deaths.p99()),
            figures.false_deaths.to_string(),
        ]);
    }
}

/// Scopes and dry runs.
pub(crate) fn rights(months: &[Arc<Month>]) {
    let default = Cadence::default();
    let mut ways = Vec::new();
    for scope_interval in [mins(15), mins(60), mins(180)] {
        for run_interval in [mins(60), mins(360), mins(1440)] {
            ways.push(Cadence { scope_interval, run_interval, ..default });
        }
    }
    let found = of_cadences(months, &ways);
    heading(
        "Scopes and dry runs",
        &[
            "`scope_interval`",
            "`run_interval`",
            "requests a token and day",
            "scope lost: median",
            "p99",
            "promised",
            "run lost: median",
            "p99",
            "promised",
        ],
    );
    for (cadence, figures) in ways.iter().zip(&found) {
        let promised = plan::delay(cadence, 1.0);
        row(&[
            time(cadence.scope_interval),
            time(cadence.run_interval),
            per_day(figures, |_| true),
            time(figures.scopes.median()),
            time(figures.scopes.p99()),
            time(promised.right),
            time(figures.runs.median()),
            time(figures.runs.p99()),
            time(promised.run),
        ]);
    }
}

/// What a budget does that does not suffice.
pub(crate) fn budgets(months: &[Arc<Month>]) {
    let ways = [30, 6, 4, 3, 2].map(|requests_per_minute| Way { requests_per_minute, ..Way::default() });
    heading(
        "Budgets",
        &[
            "`requests_per_minute`",
            "stretched by",
            "requests a token and day",
            "most in a minute",
            "death: median",
            "p99",
            "max",
            "promised",
            "longest wait",
        ],
    );
    let planned = watch(&Arc::new(Month::quiet(7)), Way::default()).planned_a_day / 24.0 / 60.0;
    for (way, figures) in ways.iter().zip(figures(months, &ways)) {
        let stretch = plan::stretch(planned, way.requests_per_minute);
        row(&[
            way.requests_per_minute.to_string(),
            format!("{stretch:.2}"),
            per_day(&figures, |_| true),
            figures.most_in_a_minute.to_string(),
            time(figures.deaths.median()),
            time(figures.deaths.p99()),
            time(figures.deaths.max()),
            time(plan::delay(&way.cadence, stretch).death),
            time(figures.longest_wait),
        ]);
    }
}

/// A probe at a fixed interval, with the alert that never errs.
pub(crate) fn peers(months: &[Arc<Month>]) {
    heading(
        "A probe at a fixed interval",
        &[
            "interval",
            "alert on",
            "requests a token and day, life alone",
            "as many checks as ours",
            "wrong pages without `for`",
            "`for` without wrong pages",
            "death: median",
            "p99",
            "unseen",
        ],
    );
    // Per token: life, and what each of the twenty requires.
    let checks = f64::from(20 + 8 * 2 + 4 * 3) / 20.0;
    for interval in [mins(1), mins(2), mins(5)] {
        let a_day = 1_440.0 * 60.0 / interval.as_secs_f64();
        for (signal, named) in
            [(Signal::Failing, "`probe_success == 0`"), (Signal::Refused, "`probe_http_status_code == 401`")]
        {
            let peer = Peer::probe(months, interval, signal);
            row(&[
                time(interval),
                named.to_owned(),
                format!("{a_day:.0}"),
                format!("{:.0}", a_day * checks),
                peer.false_pages.to_string(),
                time(peer.hold),
                time(peer.deaths.median()),
                time(peer.deaths.p99()),
                peer.unseen.to_string(),
            ]);
        }
    }
}

fn of_cadences(months: &[Arc<Month>], cadences: &[Cadence]) -> Vec<Figures> {
    let ways: Vec<Way> = cadences.iter().map(|cadence| Way { cadence: *cadence, ..Way::default() }).collect();
    figures(months, &ways)
}

fn cost_of(figures: &Figures) -> f64 {
    figures.per_token_and_day(TOKENS, |_| true)
}

/// Whether no other way costs as little, within half a percent, and tells sooner, without calling the living
/// dead.
fn frontier(points: &[(usize, f64, Duration)], index: usize, is_default: bool) -> String {
    let (errors, cost, delay) = points[index];
    let beaten = points.iter().any(|(errors, other, sooner)| {
        *errors == 0 && *other <= cost * 1.005 && sooner.mul_f64(1.01) < delay
    });
    let place = match (errors, beaten) {
        (1.., _) => "wrong",
        (0, true) => "beaten",
        (0, false) => "on it",
    };
    if is_default { format!("**{place}: the default**") } else { place.to_owned() }
}

fn per_day(figures: &Figures, counts: impl Fn(Check) -> bool) -> String {
    format!("{:.1}", figures.per_token_and_day(TOKENS, counts))
}

fn heading(title: &str, columns: &[&str]) {
    println!("\n### {title}\n\n| {} |\n|{}", columns.join(" | "), " --- |".repeat(columns.len()));
}

fn row(cells: &[String]) {
    println!("| {} |", cells.join(" | "));
}

/// In whole seconds, as operators write it.
fn time(duration: Duration) -> String {
    let whole = Duration::from_secs((duration + Duration::from_millis(500)).as_secs());
    humantime::format_duration(whole).to_string().replace(' ', "")
}
