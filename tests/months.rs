//! What `benches/thrift/` measures over months must hold in the days of a test: what is promised is kept, at
//! the cost that `plan` tells.

#![expect(clippy::unwrap_used, reason = "what cannot be drawn is a failed test")]

#[path = "../benches/thrift/months/mod.rs"]
mod months;

use std::{sync::Arc, time::Duration};

use hex_token_exporter::{domain::Cadence, schedule::plan};
use months::{
    figures::Figures,
    month::{Month, TOKENS},
    peer::{Peer, Signal},
    watch::{Way, watch},
};

const DAYS: u64 = 5;

fn troubled() -> Vec<Arc<Month>> {
    (0..3).map(|seed| Arc::new(Month::of(seed, DAYS))).collect()
}

fn figures(months: &[Arc<Month>], way: Way) -> Figures {
    months.iter().fold(Figures::default(), |mut all, month| {
        all.join(&Figures::of(month, &watch(month, way)));
        all
    })
}

#[test]
fn where_nothing_happens_it_costs_what_the_plan_tells() {
    let month = Arc::new(Month::quiet(2));
    let watched = watch(&month, Way::default());
    let figures = Figures::of(&month, &watched);
    let planned = watched.planned_a_day / f64::from(u32::try_from(TOKENS).unwrap());
    let asked = figures.per_token_and_day(TOKENS, |_| true);
    assert!((asked / planned - 1.0).abs() < 0.02, "{asked} requests a token and day, {planned} planned");
    assert!(figures.most_in_a_minute <= 30);
    assert_eq!(figures.false_deaths, 0);
}

#[test]
fn in_troubled_days_every_death_and_loss_is_told_within_the_promise_and_nobody_is_called_dead_that_lives() {
    let figures = figures(&troubled(), Way::default());
    let promised = plan::delay(&Cadence::default(), 1.0);
    // Answers take their time, and after trouble all tokens ask at once.
    let late = figures.longest_wait + Duration::from_secs(2);
    assert!(late < Duration::from_mins(1), "{late:?}");
    for (what, delays, promised) in [
        ("deaths", &figures.deaths, promised.death),
        ("lost scopes", &figures.scopes, promised.right),
        ("lost runs", &figures.runs, promised.run),
    ] {
        assert!(delays.len() > 2, "{} {what}", delays.len());
        assert!(delays.max() <= promised + late, "{what}: {:?} of {promised:?}", delays.max());
    }
    assert_eq!((figures.false_deaths, figures.unseen), (0, 0));
    assert!(figures.most_in_a_minute <= 30);
    let asked = figures.per_token_and_day(TOKENS, |_| true);
    assert!(asked < 317.6 * 1.1, "{asked} requests a token and day");
}

#[test]
fn whoever_confirms_in_a_hurry_or_not_at_all_calls_the_living_dead() {
    let months = troubled();
    let cadence = Cadence { confirm_after: Duration::from_secs(10), ..Cadence::default() };
    assert!(figures(&months, Way { cadence, ..Way::default() }).false_deaths > 0);
    let peer = Peer::probe(&months, Cadence::default().interval, Signal::Refused);
    assert!(peer.false_pages > 0);
    assert!(peer.deaths.median() > plan::delay(&Cadence::default(), 1.0).death);
}

#[test]
fn a_budget_that_does_not_suffice_is_kept_and_deaths_are_told_as_the_stretched_plan_promises() {
    let way = Way { requests_per_minute: 4, ..Way::default() };
    let month = Month::quiet(1);
    let demand = watch(&Arc::new(month), way).planned_a_day / 1_440.0;
    let promised = plan::delay(&way.cadence, plan::stretch(demand, way.requests_per_minute)).death;
    let figures = figures(&troubled()[..1], way);
    assert!(figures.most_in_a_minute <= 4);
    assert_eq!(figures.false_deaths, 0);
    // The first look still waits in the queue; the confirmations do not.
    assert!(figures.deaths.p99() <= promised + Duration::from_mins(1), "{:?}", figures.deaths.p99());
}
