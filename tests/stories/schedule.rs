//! When what is asked, by exact lists of times.

use hex_token_exporter::domain::{Check, Scope, TokenState as S};

use crate::{
    cast::{Token, hours, mins, secs, token},
    hex::Fault,
    sim::Sim,
};

fn all_kinds() -> Token {
    token("airflow")
        .requires(&[Scope::ProjectsRead, Scope::ProjectsRun, Scope::GroupsRead])
        .project("kpis")
        .project("churn")
}

fn gaps(times: &[u64]) -> Vec<u64> {
    times.windows(2).map(|pair| pair[1] - pair[0]).collect()
}

#[tokio::test(start_paused = true)]
async fn the_first_round_asks_life_first_and_what_depends_on_it_next_within_the_budget() {
    let sim = Sim::start([all_kinds()]);
    sim.until(mins(1)).await;
    let asked: Vec<(u64, Check)> =
        sim.calls().iter().map(|call| (call.start.as_secs(), call.check)).collect();
    // Three at once, then one every two seconds; the guard gives a run five seconds to appear.
    assert_eq!(
        asked,
        [
            (0, Check::Identity),
            (0, Check::ProjectsRead),
            (0, Check::ProjectVisible),
            (2, Check::ProjectVisible),
            (4, Check::GroupsRead),
            (6, Check::ProjectsRun),
            (11, Check::DryRunGuard),
            (11, Check::ProjectsRun),
            (16, Check::DryRunGuard),
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn every_check_keeps_its_own_cadence_on_its_own_grid() {
    let sim = Sim::start([all_kinds()]);
    sim.until(hours(26)).await;
    for (check, every, first) in
        [(Check::Identity, 300, 0), (Check::ProjectsRead, 3_600, 0), (Check::GroupsRead, 3_600, 4)]
    {
        let times = sim.times("airflow", check);
        assert_eq!(times[0], first);
        let second = times[1] - first;
        assert!(second * 2 >= every && second * 2 <= every * 3, "{check:?}: {second}");
        // The way from the start to the grid may take two.
        assert!(gaps(&times[2..]).iter().all(|gap| *gap == every), "{check:?}: {times:?}");
    }
    for check in [Check::ProjectVisible, Check::ProjectsRun] {
        let every = if check == Check::ProjectsRun { 6 * 3_600 } else { 3_600 };
        for project in ["kpis", "churn"] {
            let of =
                |call: &&crate::hex::Call| call.check == check && call.project.as_deref() == Some(project);
            let times: Vec<u64> = sim.calls().iter().filter(of).map(|call| call.start.as_secs()).collect();
            assert!(times.len() as u64 >= 26 * 3_600 / every, "{check:?}: {times:?}");
            assert!(gaps(&times[1..]).iter().all(|gap| *gap == every), "{check:?}: {times:?}");
        }
    }
    assert_eq!(sim.states("airflow"), [S::Unknown, S::Valid]);
}

#[tokio::test(start_paused = true)]
async fn the_phase_is_the_names_alone_and_tokens_do_not_bunch() {
    let phases = async |others: usize| {
        let others = (0..others).map(|n| token(&format!("t{n}")));
        let sim = Sim::start(others.chain([token("airflow"), token("dagster")]));
        sim.until(mins(30)).await;
        ["airflow", "dagster"].map(|it| sim.times(it, Check::Identity)[3] % 300)
    };
    let [airflow, dagster] = phases(0).await;
    assert_eq!(phases(20).await, [airflow, dagster]);
    assert_ne!(airflow, dagster);
}

#[tokio::test(start_paused = true)]
async fn a_crowds_rhythms_are_spread_over_the_interval() {
    let sim = Sim::start((0..100).map(|n| token(&format!("t{n}"))));
    sim.until(mins(40)).await;
    let late = sim.calls().into_iter().filter(|call| call.start >= mins(30) && call.start < mins(35));
    let mut per_half_minute = [0; 10];
    for call in late {
        per_half_minute[usize::try_from((call.start.as_secs() - 1800) / 30).unwrap()] += 1;
    }
    assert_eq!(per_half_minute.iter().sum::<i32>(), 100);
    assert!(per_half_minute.iter().all(|count| (1..=20).contains(count)), "{per_half_minute:?}");
}

#[tokio::test(start_paused = true)]
async fn a_check_that_is_not_ok_is_repeated_after_the_interval_and_then_returns_to_its_grid() {
    let sim = Sim::start([all_kinds()]);
    sim.hex.script().latency = secs(0);
    sim.until(mins(20)).await;
    sim.account("airflow", |account| {
        account.faults.insert(Check::GroupsRead, Fault::Status(500));
    });
    sim.until(hours(3)).await;
    let times = sim.times("airflow", Check::GroupsRead);
    let failed = times[1];
    let repeats: Vec<u64> = times[1..6].iter().map(|at| at - failed).collect();
    assert_eq!(repeats, [0, 300, 600, 900, 1200]);
    sim.account("airflow", |account| account.faults.clear());
    sim.until(hours(9)).await;
    let times = sim.times("airflow", Check::GroupsRead);
    let (last, before) = (times[times.len() - 1], times[times.len() - 2]);
    assert_eq!(last - before, 3600);
    assert_eq!(last % 3600, failed % 3600, "the grid of before");
}

#[tokio::test(start_paused = true)]
async fn identities_keep_their_grid_through_outages_and_repeats_keep_theirs() {
    let sim = Sim::start([token("airflow")]);
    sim.until(mins(20)).await;
    sim.hex.script().outage = Some(Fault::Status(503));
    sim.until(hours(2)).await;
    sim.hex.script().outage = None;
    sim.until(hours(4)).await;
    let times = sim.times("airflow", Check::Identity);
    assert!(times[1] <= 300 && gaps(&times[2..]).iter().all(|gap| *gap == 300), "{times:?}");
    assert!(times.last() > Some(&(4 * 3_600 - 300)), "{times:?}");
}

#[tokio::test(start_paused = true)]
async fn a_mass_hold_is_repeated_every_two_minutes_and_once_at_its_end() {
    let sim = Sim::start([token("a"), token("b")]);
    sim.hex.script().outage = Some(Fault::Status(401));
    sim.until(mins(11) + secs(5)).await;
    assert_eq!(sim.times("a", Check::Identity), [0, 30, 90, 210, 330, 450, 570, 600, 660]);
    assert_eq!(sim.changed_at("a"), 600);
    assert_eq!(sim.changed_at("b"), 600);
}

#[tokio::test(start_paused = true)]
async fn the_intervals_in_force_follow_stretching_back_off_and_repeats_and_none_vanishes() {
    let sim = Sim::start([all_kinds()]);
    sim.until(mins(5)).await;
    let asked = || sim.view("airflow").intervals.iter().map(|(check, _)| *check).collect::<Vec<_>>();
    let all = asked();
    assert_eq!(
        all,
        [Check::Identity, Check::ProjectsRead, Check::ProjectVisible, Check::ProjectsRun, Check::GroupsRead]
    );
    let interval = |check| sim.view("airflow").interval(check).unwrap();
    assert_eq!((interval(Check::Identity), interval(Check::GroupsRead)), (mins(5), hours(1)));
    assert_eq!(interval(Check::ProjectsRun), hours(6));
    sim.account("airflow", |account| {
        account.faults.insert(Check::GroupsRead, Fault::Status(500));
    });
    sim.until(hours(2)).await;
    assert_eq!(interval(Check::GroupsRead), mins(5));
    sim.account("airflow", |account| account.dead = true);
    while sim.view("airflow").record.pending().is_none() {
        sim.until(sim.now() + secs(1)).await;
    }
    sim.until(sim.now() + secs(1)).await;
    assert_eq!(interval(Check::Identity), secs(30));
    assert_eq!(asked(), all);
    sim.until(hours(5)).await;
    assert_eq!(interval(Check::Identity), mins(30));
    assert_eq!(asked(), all);
}
