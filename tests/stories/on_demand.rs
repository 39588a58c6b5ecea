//! Probes that somebody asks for.

use std::sync::Arc;

use hex_token_exporter::domain::{Check, Scope, TokenSpec, TokenState as S, Workspace};

use crate::{
    cast::{hours, mins, name, secs, token},
    hex::Fault,
    sim::Sim,
};

fn runner() -> crate::cast::Token {
    token("airflow").requires(&[Scope::ProjectsRead, Scope::ProjectsRun]).project("kpis")
}

async fn ask(sim: &Sim) {
    sim.scheduler.probe_now(&name("airflow")).unwrap().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn nothing_is_sent_that_is_not_due_and_the_identity_is_due_once_30_seconds_old() {
    let sim = Sim::start([runner()]);
    sim.until(mins(10)).await;
    ask(&sim).await;
    sim.until(sim.now() + secs(1)).await;
    let calls = sim.calls().len();
    for _ in 0..28 {
        ask(&sim).await;
        sim.until(sim.now() + secs(1)).await;
    }
    assert_eq!(sim.calls().len(), calls, "still fresh");
    sim.until(sim.now() + secs(2)).await;
    ask(&sim).await;
    assert_eq!(sim.calls().len(), calls + 1);
    assert_eq!(sim.calls().last().unwrap().check, Check::Identity);
}

#[tokio::test(start_paused = true)]
async fn an_identity_asked_for_on_demand_does_not_come_twice_in_a_row() {
    let sim = Sim::start([runner()]);
    sim.until(mins(14)).await;
    for minute in 15..120 {
        sim.until(mins(minute)).await;
        ask(&sim).await;
    }
    let times = sim.times("airflow", Check::Identity);
    assert!(times.windows(2).all(|pair| pair[1] - pair[0] >= 30), "{times:?}");
}

#[tokio::test(start_paused = true)]
async fn a_dry_run_is_never_made_on_demand() {
    let sim = Sim::start([runner()]);
    sim.until(secs(1)).await;
    sim.until(hours(5)).await;
    let mut sim = sim;
    // A new credential makes everything due.
    sim.hex.script().latency = secs(2);
    sim.swap_credential("airflow", "two", sim.tokens[0].account.clone());
    sim.hex.script().accounts.get_mut("two").unwrap().faults.insert(Check::ProjectsRun, Fault::Status(503));
    let before = sim.calls().len();
    ask(&sim).await;
    let asked: Vec<Check> = sim.calls()[before..].iter().map(|call| call.check).collect();
    assert_eq!(asked, [Check::Identity, Check::ProjectsRead, Check::ProjectVisible]);
}

#[tokio::test(start_paused = true)]
async fn one_who_asks_has_the_identity_asked_once_however_slow_the_budget() {
    let slow = |spec: &mut TokenSpec| {
        spec.workspace = Arc::new(Workspace { requests_per_minute: 2, ..(*spec.workspace).clone() });
    };
    let sim =
        Sim::start([token("airflow").requires(&[Scope::ProjectsRead, Scope::UsersRead]).configured(slow)]);
    tokio::time::timeout(mins(5), ask(&sim)).await.expect("an answer");
    let asked: Vec<Check> = sim.calls().iter().map(|call| call.check).collect();
    assert_eq!(asked, [Check::Identity, Check::ProjectsRead, Check::UsersRead]);
}

#[tokio::test(start_paused = true)]
async fn many_who_ask_at_once_share_one_flight() {
    let sim = Sim::start([runner()]);
    sim.until(mins(10)).await;
    sim.hex.script().latency = secs(3);
    sim.until(secs(sim.times("airflow", Check::Identity).last().unwrap() + 60)).await;
    let calls = sim.calls().len();
    let asked: Vec<_> = (0..200).map(|_| sim.scheduler.probe_now(&name("airflow")).unwrap()).collect();
    for answer in asked {
        // Those beyond the queue are answered at once, without a result of their own.
        let _ = answer.await;
    }
    assert_eq!(sim.calls().len(), calls + 1);
}

#[tokio::test(start_paused = true)]
async fn a_pending_rejection_keeps_its_pace() {
    let sim = Sim::start([token("airflow").known_to_hex(|account| account.dead = true)]);
    for second in 1..90 {
        sim.until(secs(second)).await;
        ask(&sim).await;
    }
    assert_eq!(sim.times("airflow", Check::Identity), [0, 30]);
    sim.until(secs(95)).await;
    assert_eq!(sim.times("airflow", Check::Identity), [0, 30, 90]);
    assert_eq!(sim.states("airflow"), [S::Unknown, S::Invalid]);
}

#[tokio::test(start_paused = true)]
async fn a_pause_that_hex_asked_for_holds_on_demand_too() {
    let sim = Sim::start([token("airflow")]);
    sim.until(mins(10)).await;
    sim.account("airflow", |account| account.fault = Some(Fault::RateLimited(Some(mins(4)))));
    while sim.calls().last().unwrap().status != 429 {
        sim.until(sim.now() + secs(1)).await;
    }
    let calls = sim.calls().len();
    for _ in 0..230 {
        ask(&sim).await;
        sim.until(sim.now() + secs(1)).await;
    }
    assert_eq!(sim.calls().len(), calls);
    assert_eq!(sim.states("airflow"), [S::Unknown, S::Valid]);
}

#[tokio::test(start_paused = true)]
async fn an_unknown_token_has_nobody_to_ask() {
    let sim = Sim::start([token("airflow")]);
    assert!(sim.scheduler.probe_now(&name("dagster")).is_none());
}

#[tokio::test(start_paused = true)]
async fn whoever_asks_at_the_end_of_the_process_is_not_left_waiting() {
    let sim = Sim::start([token("airflow")]);
    sim.until(mins(1)).await;
    sim.hex.script().latency = secs(5);
    let answers: Vec<_> = (0..5).map(|_| sim.scheduler.probe_now(&name("airflow")).unwrap()).collect();
    sim.tasks.stop();
    for answer in answers {
        let _ = tokio::time::timeout(secs(30), answer).await.expect("resolved");
    }
}
