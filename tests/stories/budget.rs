//! A budget that many share.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use hex_token_exporter::domain::{Check, Scope, TokenState as S, Workspace};

use crate::{
    cast::{Token, hours, mins, name, secs, token},
    hex::{Call, Fault},
    sim::Sim,
};

fn crowd(count: usize) -> Vec<Token> {
    let one = |n| token(&format!("t{n:03}")).requires(&Scope::ALL).project("kpis").project("churn");
    (0..count).map(one).collect()
}

fn allow(tokens: &mut [Token], requests_per_minute: u32) {
    for token in tokens {
        let mut workspace = (*token.spec.workspace).clone();
        workspace.requests_per_minute = requests_per_minute;
        token.spec.workspace = Arc::new(workspace);
    }
}

/// The most requests within any such window.
fn most(window: Duration, times: impl Iterator<Item = Duration>) -> usize {
    let mut times: Vec<Duration> = times.collect();
    times.sort();
    let count = |first: usize| times[first..].iter().take_while(|at| **at < times[first] + window).count();
    (0..times.len()).map(count).max().unwrap_or(0)
}

/// The pauses between requests of a check, by token.
fn gaps(calls: &[Call], check: Check) -> BTreeMap<String, Vec<u64>> {
    let mut times: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    for call in calls.iter().filter(|call| call.check == check) {
        times.entry(call.credential.clone()).or_default().push(call.start.as_secs());
    }
    times.into_iter().map(|(it, at)| (it, at.windows(2).map(|pair| pair[1] - pair[0]).collect())).collect()
}

fn longest(gaps: &BTreeMap<String, Vec<u64>>) -> u64 {
    gaps.values().flatten().copied().max().unwrap()
}

#[tokio::test(start_paused = true)]
async fn two_hundred_tokens_with_all_checks_keep_to_30_a_minute_and_nobody_starves() {
    for latency in [20, 4_000] {
        let latency = Duration::from_millis(latency);
        let sim = Sim::with(crowd(200), |sim| sim.hex.script().latency = latency);
        sim.until(hours(5)).await;
        let calls = sim.calls();
        assert!(most(mins(1), calls.iter().map(|call| call.start)) <= 30);
        assert!(most(mins(1), calls.iter().map(|call| call.end)) <= 30);
        assert!(most(secs(1), calls.iter().map(|call| call.start)) <= 3, "no burst above a tenth");
        // What is allowed is used, but for the minute that is counted from a request's end.
        let used = u32::try_from(calls.len()).unwrap();
        assert!(f64::from(used) > 0.95 * 5.0 * 60.0 * 30.0 * 60.0 / (60.0 + latency.as_secs_f64()), "{used}");
        assert!(calls[..200].iter().all(|call| call.check == Check::Identity), "identity first");
        // The demand is 2.5 times the budget: 5 minutes become 12.4, evenly, give or take half of it and
        // the patience that a waiting right has had.
        let stretched = sim.view("t000").interval(Check::Identity).unwrap().as_secs();
        assert_eq!(stretched, 744);
        let identities = gaps(&calls, Check::Identity);
        let counts: Vec<usize> = identities.values().map(Vec::len).collect();
        assert_eq!(counts.len(), 200);
        assert!(longest(&identities) <= stretched * 3 / 2 + 400, "{}", longest(&identities));
        let (fewest, most) = (counts.iter().min().unwrap(), counts.iter().max().unwrap());
        assert!(most - fewest <= 4, "{fewest} to {most}");
        // Rights and runs have their turn too.
        let stretched = sim.view("t000").interval(Check::GroupsRead).unwrap().as_secs();
        for check in [Check::ProjectsRead, Check::GroupsRead, Check::CellsRead] {
            let rights = gaps(&calls, check);
            assert_eq!(rights.len(), 200, "{check:?}");
            assert!(longest(&rights) <= stretched * 2, "{check:?}: {}", longest(&rights));
        }
        assert_eq!(gaps(&calls, Check::ProjectsRun).len(), 200);
        assert!(sim.tokens.iter().all(|it| sim.state(it.spec.name.as_str()) == S::Valid));
        assert!(sim.budget_waited() > hours(1));
    }
}

#[tokio::test(start_paused = true)]
async fn life_and_death_do_not_wait_for_the_tokens_own_rights() {
    // A workspace whose first round of rights takes an hour: a death in it is seen in time.
    let sim = Sim::start(crowd(150));
    sim.until(mins(20)).await;
    sim.account("t077", |account| account.dead = true);
    sim.until(mins(20) + secs(744 * 3 / 2 + 400 + 90 + 60)).await;
    assert_eq!(sim.states("t077").last(), Some(&S::Invalid));
}

#[tokio::test(start_paused = true)]
async fn a_401_is_confirmed_at_its_pace_however_long_the_queue() {
    let mut tokens = crowd(20);
    allow(&mut tokens, 4);
    let sim = Sim::start(tokens);
    sim.until(hours(2)).await;
    for token in ["t003", "t011", "t017"] {
        let begin = sim.now();
        sim.account(token, |account| account.dead = true);
        sim.until(begin + mins(50)).await;
        assert_eq!(sim.state(token), S::Invalid);
        let refused: Vec<u64> = sim.times(token, Check::Identity).into_iter().rev().collect();
        let confirmed = sim.changed_at(token);
        let last = refused.iter().position(|at| *at == confirmed).unwrap();
        // A request of another may be under way, and one of its own rights.
        let late = [refused[last] - refused[last + 1] - 60, refused[last + 1] - refused[last + 2] - 30];
        assert!(late.iter().all(|late| *late <= 31), "{token}: {late:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_401_is_confirmed_before_the_dead_are_asked_whether_they_live_again() {
    let mut tokens = crowd(20);
    allow(&mut tokens, 4);
    let sim = Sim::start(tokens);
    sim.until(hours(2)).await;
    // One by one, or it would look as if Hex had lost its way.
    for dead in 0..10 {
        sim.account(&format!("t{dead:03}"), |account| account.dead = true);
        sim.until(sim.now() + hours(1)).await;
    }
    // Another dies; and meanwhile one comes back, which makes the other dead worth a look.
    sim.account("t015", |account| account.dead = true);
    while sim.view("t015").record.pending().is_none() {
        sim.until(sim.now() + secs(1)).await;
    }
    sim.account("t000", |account| account.dead = false);
    drop(sim.scheduler.probe_now(&name("t000")));
    let begin = sim.now();
    while sim.view("t015").record.pending().is_some() {
        sim.until(sim.now() + secs(1)).await;
    }
    assert_eq!(sim.state("t015"), S::Invalid);
    let took = sim.now().saturating_sub(begin).as_secs();
    assert!(took <= 90 + 2 * 31, "{took} s");
}

#[tokio::test(start_paused = true)]
async fn a_swapped_credential_is_asked_about_at_once_however_long_the_queue() {
    let mut sim = Sim::start(crowd(150));
    sim.until(mins(30)).await;
    let account = sim.tokens[7].account.clone();
    sim.swap_credential("t007", "new", account);
    sim.until(mins(30) + secs(400)).await;
    assert!(!sim.times("new", Check::Identity).is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_small_budget_is_spread_evenly_and_still_serves_all() {
    let mut tokens = crowd(6);
    allow(&mut tokens, 5);
    let sim = Sim::start(tokens);
    sim.until(hours(3)).await;
    let calls = sim.calls();
    assert!(most(mins(1), calls.iter().map(|call| call.start)) <= 5);
    assert!(most(secs(12), calls.iter().map(|call| call.start)) <= 1, "one at a time");
    assert_eq!(gaps(&calls, Check::Identity).len(), 6);
}

#[tokio::test(start_paused = true)]
async fn a_reload_that_changes_the_budget_counts_what_was_spent_and_stretches_anew() {
    let mut sim = Sim::start(crowd(60));
    sim.until(hours(2)).await;
    assert_eq!(sim.view("t000").interval(Check::Identity).unwrap(), mins(5));
    sim.configure(|tokens| allow(tokens, 6));
    let lowered = sim.now();
    sim.until(lowered + mins(90)).await;
    let calls = sim.calls();
    let after = || calls.iter().map(|call| call.start).filter(|at| *at >= lowered);
    assert!(most(mins(1), after()) <= 6);
    assert!(sim.view("t000").interval(Check::Identity).unwrap() > mins(15));
    assert!(after().count() > 200);
    sim.configure(|tokens| allow(tokens, 60));
    let raised = sim.now();
    sim.until(raised + mins(30)).await;
    let calls = sim.calls();
    let after: Vec<Duration> = calls.iter().map(|call| call.start).filter(|at| *at >= raised).collect();
    assert!(most(mins(1), after.iter().copied()) <= 60);
    assert_eq!(sim.view("t000").interval(Check::Identity).unwrap(), mins(5));
    // The manners that every story is held to ask about the budget of the end.
    assert!(after.len() > 300, "{}", after.len());
}

#[tokio::test(start_paused = true)]
async fn a_429_pauses_its_token_for_retry_after_and_changes_nothing_else() {
    for (asked, paused) in [(Some(secs(400)), 400), (None, 60), (Some(hours(5)), 900)] {
        let sim = Sim::start([token("airflow"), token("other")]);
        sim.until(mins(20)).await;
        sim.account("airflow", |account| account.fault = Some(Fault::RateLimited(asked)));
        while sim.calls().last().unwrap().status != 429 {
            sim.until(sim.now() + secs(1)).await;
        }
        let refused = sim.calls().last().unwrap().start.as_secs();
        sim.account("airflow", |account| account.fault = None);
        assert_eq!(sim.workspace().api_up, Some(true), "a 429 is Hex's own");
        sim.until(hours(1)).await;
        let next = *sim.times("airflow", Check::Identity).iter().find(|at| **at > refused).unwrap();
        assert!(next >= refused + paused, "{next} {refused}");
        assert!(next <= refused + paused.max(450) + 1, "{next} {refused}");
        assert_eq!(sim.states("airflow"), [S::Unknown, S::Valid]);
        let others = sim.times("other", Check::Identity);
        assert!(others[2..].windows(2).all(|pair| (299..=301).contains(&(pair[1] - pair[0]))));
    }
}

#[tokio::test(start_paused = true)]
async fn two_tokens_of_one_user_that_meet_429_within_a_minute_pause_the_workspace() {
    let sim = Sim::start(["a", "b", "c", "d"].map(token));
    sim.until(mins(20)).await;
    // The limit that the two share is spent by their jobs, until so long.
    let limited = Some(Fault::RateLimited(Some(mins(8))));
    sim.account("a", |account| account.fault = limited);
    sim.account("b", |account| account.fault = limited);
    sim.scheduler.probe_now(&name("a")).unwrap().await.unwrap();
    sim.until(sim.now() + secs(20)).await;
    sim.scheduler.probe_now(&name("b")).unwrap().await.unwrap();
    let refused = sim.calls().last().unwrap().clone();
    assert_eq!(refused.status, 429);
    sim.until(refused.end + secs(8 * 60 - 1)).await;
    assert_eq!(sim.calls().iter().filter(|call| call.start > refused.end).count(), 0);
    sim.account("a", |account| account.fault = None);
    sim.account("b", |account| account.fault = None);
    sim.until(refused.end + mins(20)).await;
    for token in ["a", "b", "c", "d"] {
        assert_eq!(sim.states(token), [S::Unknown, S::Valid]);
        assert!(sim.times(token, Check::Identity).last().unwrap() > &refused.end.as_secs());
    }
}

#[tokio::test(start_paused = true)]
async fn at_the_end_a_request_under_way_is_finished_and_waiting_ones_are_not_sent() {
    let sim = Sim::with(crowd(50), |sim| sim.hex.script().latency = secs(6));
    sim.until(secs(10)).await;
    let begun = sim.hex.script().under_way();
    assert!(begun > 0);
    let ended = sim.calls().len();
    assert!(sim.tasks.finish(secs(30)).await);
    assert_eq!(sim.calls().len(), ended + begun);
    sim.until(mins(30)).await;
    assert_eq!(sim.calls().len(), ended + begun);
    assert!(sim.scheduler.is_moving(), "a loop that has ended has not stalled");
}

#[tokio::test(start_paused = true)]
async fn the_end_does_not_wait_for_those_who_have_nothing_to_do() {
    let sim = Sim::start(crowd(50));
    sim.until(mins(16)).await;
    let asked = sim.now();
    assert!(sim.tasks.finish(mins(1)).await);
    assert_eq!(sim.now(), asked);
}

#[tokio::test(start_paused = true)]
async fn a_header_that_says_that_nothing_is_left_pauses_its_token_for_at_most_a_minute() {
    for (reset, paused) in [(None, 60), (Some(secs(20)), 20), (Some(hours(1)), 60)] {
        let sim = Sim::start([token("airflow").requires(&[Scope::GroupsRead])]);
        sim.account("airflow", |account| {
            account.faults.insert(Check::Identity, Fault::Spent(reset));
        });
        sim.until(mins(2)).await;
        assert_eq!(sim.times("airflow", Check::GroupsRead), [paused], "{reset:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn requests_that_waited_for_a_slot_do_not_leave_in_a_burst() {
    let slow = |n| {
        token(&format!("slow{n}"))
            .configured(|spec| spec.workspace = Arc::new(crate::cast::workspace("slow")))
    };
    let tokens: Vec<Token> = crowd(30).into_iter().chain((0..30).map(slow)).collect();
    let sim = Sim::with(tokens, |sim| {
        sim.settings.max_concurrency = 4;
        sim.hex.script().slow = Some(("https://slow.hex.example", secs(30)));
    });
    sim.until(mins(40)).await;
    for origin in ["https://production.hex.example", "https://slow.hex.example"] {
        let calls = sim.calls();
        let starts: Vec<Duration> =
            calls.iter().filter(|call| call.origin == origin).map(|call| call.start).collect();
        assert!(starts.len() > 100, "{origin}: {}", starts.len());
        assert!(most(mins(1), starts.iter().copied()) <= 30, "{origin}");
        assert!(most(secs(1), starts.iter().copied()) <= 3, "{origin}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_workspace_under_another_name_has_no_new_budget() {
    let mut tokens = crowd(12);
    allow(&mut tokens, 6);
    let mut sim = Sim::start(tokens);
    for (number, at) in [31, 43, 48].into_iter().enumerate() {
        sim.until(secs(at)).await;
        sim.configure(|tokens| {
            let renamed =
                Workspace { name: name(&format!("name-{number}")), ..(*tokens[0].spec.workspace).clone() };
            let renamed = Arc::new(renamed);
            for token in tokens {
                token.spec.workspace = renamed.clone();
            }
        });
    }
    sim.until(mins(5)).await;
    assert!(sim.calls().len() > 20);
    assert!(most(mins(1), sim.calls().iter().map(|call| call.start)) <= 6);
}
