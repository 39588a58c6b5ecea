//! Hex answers 401 to everyone, and means nobody: short, long, and with few to compare.

use std::time::Duration;

use hex_token_exporter::domain::{Check, TokenState as S};

use crate::{
    cast::{hours, mins, name, secs, token},
    hex::Fault,
    sim::Sim,
};

const FIVE: [&str; 5] = ["a", "b", "c", "d", "e"];

/// Lets Hex answer 401 to everyone for a while.
async fn reject_all(sim: &Sim, lasting: Duration) {
    sim.hex.script().outage = Some(Fault::Status(401));
    sim.until(sim.now() + lasting).await;
    sim.hex.script().outage = None;
}

#[tokio::test(start_paused = true)]
async fn a_20_second_blip_in_hexs_authentication_changes_nothing_whenever_it_comes() {
    let sim = Sim::start(FIVE.map(token));
    for when in 0..30 {
        sim.until(mins(10) + secs(41 * when)).await;
        reject_all(&sim, secs(20)).await;
    }
    sim.until(hours(1)).await;
    for token in FIVE {
        assert_eq!(sim.states(token), [S::Unknown, S::Valid]);
        assert!(sim.view(token).record.pending().is_none());
    }
}

#[tokio::test(start_paused = true)]
async fn a_single_token_outlives_a_blip_of_half_a_minute() {
    let sim = Sim::start([token("only")]);
    for when in 0..10 {
        sim.until(mins(10) + secs(67 * when)).await;
        reject_all(&sim, secs(29)).await;
    }
    sim.until(hours(1)).await;
    assert_eq!(sim.states("only"), [S::Unknown, S::Valid]);
}

#[tokio::test(start_paused = true)]
async fn hex_answering_401_to_everyone_for_9_minutes_changes_no_state() {
    for start in 0..10 {
        let sim = Sim::start(FIVE.map(token));
        sim.until(mins(20) + secs(31 * start)).await;
        reject_all(&sim, mins(9)).await;
        assert!(sim.workspace().rejects_all_tokens);
        sim.until(sim.now() + mins(15)).await;
        for token in FIVE {
            assert_eq!(sim.states(token), [S::Unknown, S::Valid], "{token}, {start}");
            assert!(sim.view(token).record.pending().is_none());
        }
        assert!(!sim.workspace().rejects_all_tokens);
    }
}

/// With few tokens the first one's three 401s are over before the others are asked in their own time: one
/// of them is asked as a witness.
#[tokio::test(start_paused = true)]
async fn hex_answering_401_to_two_tokens_of_any_rhythm_for_9_minutes_changes_no_state() {
    let names: Vec<String> = (0..12).map(|n| format!("token-{n}")).collect();
    for pair in names.windows(2) {
        let sim = Sim::start(pair.iter().map(|it| token(it)));
        sim.until(mins(20)).await;
        reject_all(&sim, mins(9)).await;
        sim.until(sim.now() + mins(15)).await;
        for token in pair {
            assert_eq!(sim.states(token), [S::Unknown, S::Valid], "{pair:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_token_that_died_shortly_before_hides_no_mass_rejection() {
    let sim = Sim::start(FIVE.map(token));
    sim.until(mins(20)).await;
    sim.account("a", |account| account.dead = true);
    while sim.state("a") != S::Invalid {
        sim.until(sim.now() + secs(1)).await;
    }
    sim.until(sim.now() + secs(30)).await;
    reject_all(&sim, mins(9)).await;
    sim.until(sim.now() + mins(15)).await;
    for token in &FIVE[1..] {
        assert_eq!(sim.states(token), [S::Unknown, S::Valid], "{token}");
    }
    assert_eq!(sim.states("a"), [S::Unknown, S::Valid, S::Invalid]);
}

#[tokio::test(start_paused = true)]
async fn a_token_in_doubt_since_before_another_was_accepted_hides_no_mass_rejection() {
    let sim = Sim::start(["a", "b", "c"].map(token));
    sim.until(mins(20)).await;
    sim.account("a", |account| account.dead = true);
    while sim.view("a").record.pending().is_none() {
        sim.until(sim.now() + secs(1)).await;
    }
    // Old enough to be asked about on demand.
    sim.until(sim.now() + secs(31)).await;
    sim.scheduler.probe_now(&name("b")).unwrap().await.unwrap();
    sim.hex.script().outage = Some(Fault::Status(401));
    sim.scheduler.probe_now(&name("c")).unwrap().await.unwrap();
    assert!(sim.view("b").record.pending().is_none() && sim.view("c").record.pending().is_some());
    sim.until(sim.now() + mins(9)).await;
    sim.hex.script().outage = None;
    sim.until(sim.now() + mins(15)).await;
    assert_eq!(sim.states("a"), [S::Unknown, S::Valid, S::Invalid]);
    for token in ["b", "c"] {
        assert_eq!(sim.states(token), [S::Unknown, S::Valid], "{token}");
    }
}

/// What rejects everybody may begin with a few, while others are still accepted.
#[tokio::test(start_paused = true)]
async fn a_401_from_before_the_last_acceptance_is_part_of_a_mass_rejection_once_all_are_rejected() {
    let sim = Sim::start(FIVE.map(token));
    sim.until(mins(20)).await;
    sim.account("a", |account| account.fault = Some(Fault::Status(401)));
    while sim.view("a").record.pending().is_none() {
        sim.until(sim.now() + secs(1)).await;
    }
    let rejected = sim.now();
    sim.until(rejected + secs(25)).await;
    sim.scheduler.probe_now(&name("b")).unwrap().await.unwrap();
    assert!(sim.times("b", Check::Identity).iter().any(|at| secs(*at) > rejected));
    sim.hex.script().outage = Some(Fault::Status(401));
    sim.scheduler.probe_now(&name("c")).unwrap().await.unwrap();
    sim.until(sim.now() + mins(9)).await;
    sim.hex.script().outage = None;
    sim.account("a", |account| account.fault = None);
    sim.until(sim.now() + mins(15)).await;
    for token in FIVE {
        assert_eq!(sim.states(token), [S::Unknown, S::Valid], "{token}");
    }
}

/// Who was accepted after one that is in doubt asks somebody else.
#[tokio::test(start_paused = true)]
async fn a_mass_rejection_after_an_acceptance_of_its_own_is_seen_by_a_witness() {
    for start in 0..10 {
        let sim = Sim::start(["a", "b", "c"].map(token));
        sim.until(mins(20) + secs(31 * start)).await;
        sim.account("b", |account| account.fault = Some(Fault::Status(401)));
        sim.scheduler.probe_now(&name("b")).unwrap().await.unwrap();
        sim.until(sim.now() + secs(1)).await;
        sim.scheduler.probe_now(&name("a")).unwrap().await.unwrap();
        sim.hex.script().outage = Some(Fault::Status(401));
        sim.until(sim.now() + secs(31)).await;
        sim.scheduler.probe_now(&name("a")).unwrap().await.unwrap();
        sim.until(sim.now() + mins(9)).await;
        sim.hex.script().outage = None;
        sim.account("b", |account| account.fault = None);
        sim.until(sim.now() + mins(15)).await;
        for token in ["a", "b", "c"] {
            assert_eq!(sim.states(token), [S::Unknown, S::Valid], "{token}, {start}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_slow_answer_from_before_a_mass_rejection_does_not_end_it() {
    let sim = Sim::start(["a", "b", "c"].map(token));
    sim.until(mins(20)).await;
    let (slow, quick) = (secs(20), sim.hex.script().latency);
    sim.hex.script().latency = slow;
    let asked = sim.scheduler.probe_now(&name("b")).unwrap();
    sim.until(sim.now() + secs(1)).await;
    assert_eq!(sim.hex.script().under_way(), 1);
    sim.hex.script().latency = quick;
    for early in ["a", "c"] {
        sim.account(early, |account| account.fault = Some(Fault::Status(401)));
        sim.scheduler.probe_now(&name(early)).unwrap().await.unwrap();
        assert!(sim.view(early).record.pending().is_some());
    }
    asked.await.unwrap();
    sim.account("b", |account| account.fault = Some(Fault::Status(401)));
    sim.until(sim.now() + mins(9)).await;
    for token in ["a", "b", "c"] {
        sim.account(token, |account| account.fault = None);
    }
    sim.until(sim.now() + mins(15)).await;
    for token in ["a", "b", "c"] {
        assert_eq!(sim.states(token), [S::Unknown, S::Valid], "{token}");
    }
}

#[tokio::test(start_paused = true)]
async fn hex_answering_401_to_everyone_for_30_minutes_changes_all_at_the_end_of_the_hold_and_back_at_once() {
    let sim = Sim::start(FIVE.map(token));
    sim.until(mins(20)).await;
    let before = sim.now();
    reject_all(&sim, mins(30)).await;
    let first = sim.calls().iter().find(|call| call.status == 401).unwrap().end;
    for token in FIVE {
        assert_eq!(sim.states(token), [S::Unknown, S::Valid, S::Invalid]);
        let changed = sim.changes(token).last().unwrap().at;
        assert!(changed >= first + mins(10), "{token}: {changed:?}, {first:?}");
        assert!(changed <= first + mins(10) + secs(15), "{token}: {changed:?}, {first:?}");
        let held: Vec<u64> = sim
            .times(token, Check::Identity)
            .into_iter()
            .filter(|at| secs(*at) > before && secs(*at) <= changed)
            .collect();
        assert!(held.windows(2).all(|pair| pair[1] - pair[0] <= 121), "{token}: {held:?}");
    }
    // Whoever is asked first brings hope to all.
    let end = sim.now();
    sim.until(end + mins(31)).await;
    let back: Vec<_> = FIVE.iter().map(|token| sim.changes(token).last().unwrap().clone()).collect();
    assert!(back.iter().all(|change| change.state == S::Valid));
    let (first, last) =
        (back.iter().map(|it| it.at).min().unwrap(), back.iter().map(|it| it.at).max().unwrap());
    assert!(last <= first + secs(10), "{back:?}");
}

#[tokio::test(start_paused = true)]
async fn the_first_acceptance_ends_a_mass_hold_at_once_for_all() {
    let sim = Sim::start(FIVE.map(token));
    sim.until(mins(20)).await;
    sim.hex.script().outage = Some(Fault::Status(401));
    sim.until(mins(29)).await;
    // All but two come back.
    sim.account("a", |account| account.dead = true);
    sim.account("b", |account| account.dead = true);
    sim.hex.script().outage = None;
    let mut accepted = None;
    while accepted.is_none() {
        sim.until(sim.now() + secs(1)).await;
        accepted =
            sim.calls().iter().find(|call| call.end > mins(29) && call.status == 200).map(|call| call.end);
    }
    let accepted = accepted.unwrap();
    sim.until(accepted + secs(15)).await;
    for token in FIVE {
        assert!(sim.times(token, Check::Identity).iter().any(|at| secs(*at + 1) >= accepted), "{token}");
        let pending = sim.view(token).record.pending();
        assert_eq!(pending.is_some(), ["a", "b"].contains(&token), "{token}");
        assert!(pending.is_none_or(|pending| pending.held_until.is_none()), "{token}");
    }
    sim.until(accepted + secs(120)).await;
    for token in ["a", "b"] {
        assert_eq!(sim.states(token), [S::Unknown, S::Valid, S::Invalid]);
    }
}

#[tokio::test(start_paused = true)]
async fn outages_of_every_kind_change_no_state_and_show_on_the_workspace() {
    use hex_token_exporter::domain::Failure;
    for fault in [
        Fault::Status(500),
        Fault::Status(503),
        Fault::Page(401),
        Fault::Page(403),
        Fault::Page(200),
        Fault::Page(302),
        Fault::Page(404),
        Fault::Cached,
        Fault::OtherShape,
        Fault::Lost(Failure::Timeout),
        Fault::Lost(Failure::Dns),
        Fault::Lost(Failure::Connect),
        Fault::Lost(Failure::Tls),
        Fault::Lost(Failure::Protocol),
    ] {
        let sim = Sim::start(FIVE.map(token));
        sim.until(mins(20)).await;
        assert_eq!(sim.workspace().api_up, Some(true));
        sim.hex.script().outage = Some(fault);
        sim.until(mins(80)).await;
        assert_eq!(sim.workspace().api_up, Some(false), "{fault:?}");
        assert!(FIVE.iter().all(|token| sim.view(token).probe_success() == Some(false)), "{fault:?}");
        sim.hex.script().outage = None;
        sim.until(mins(90)).await;
        assert_eq!(sim.workspace().api_up, Some(true), "{fault:?}");
        for token in FIVE {
            assert_eq!(sim.states(token), [S::Unknown, S::Valid], "{fault:?}");
            assert_eq!(sim.view(token).probe_success(), Some(true), "{fault:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_outage_within_a_rejection_counts_for_neither_side() {
    let sim = Sim::start([token("only")]);
    sim.until(mins(20)).await;
    sim.account("only", |account| account.dead = true);
    while sim.view("only").record.pending().is_none() {
        sim.until(sim.now() + secs(1)).await;
    }
    sim.hex.script().outage = Some(Fault::Status(502));
    sim.until(sim.now() + mins(10)).await;
    assert_eq!(sim.state("only"), S::Valid);
    assert_eq!(sim.view("only").record.pending().unwrap().rejections, 1);
    sim.hex.script().outage = None;
    sim.until(sim.now() + secs(95)).await;
    assert_eq!(sim.state("only"), S::Invalid);
}
