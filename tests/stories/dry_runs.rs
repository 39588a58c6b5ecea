//! Dry runs, and the guard against a stack that ignores `dryRun`.

use std::{collections::BTreeSet, sync::Arc};

use hex_token_exporter::domain::{Check, Failure, Scope, TokenState as S, Workspace};

use crate::{
    cast::{Token, hours, mins, name, project_id, secs, token, workspace},
    hex::{Fault, Project},
    sim::Sim,
};

fn runner(called: &str) -> Token {
    token(called).requires(&[Scope::ProjectsRead, Scope::ProjectsRun]).project("kpis").project("churn")
}

fn many() -> Vec<Token> {
    let mut tokens: Vec<Token> = (0..12).map(|n| runner(&format!("t{n}"))).collect();
    for (n, token) in tokens.iter_mut().enumerate() {
        *token = token.clone().project(&format!("own-{n}")).project(&format!("shared-{}", n % 3));
    }
    tokens
}

#[tokio::test(start_paused = true)]
async fn a_stack_that_ignores_dry_run_is_caught_by_the_guard_and_gets_no_second_one() {
    for latency in [20, 900, 7_000] {
        let sim = Sim::with(many(), |sim| {
            let mut script = sim.hex.script();
            script.honours_dry_run = false;
            script.latency = std::time::Duration::from_millis(latency);
        });
        sim.until(hours(14)).await;
        assert_eq!(sim.hex.script().real_runs, 1);
        assert_eq!(sim.count(Check::ProjectsRun), 1);
        assert_eq!(sim.count(Check::DryRunGuard), 1);
        assert!(sim.workspace().dry_run_unsafe);
    }
}

#[tokio::test(start_paused = true)]
async fn the_guard_gives_a_run_time_to_appear() {
    let sim = Sim::start([runner("airflow")]);
    sim.until(mins(10)).await;
    let at = |check| sim.times("airflow", check)[0];
    assert_eq!(at(Check::DryRunGuard) - at(Check::ProjectsRun), 5);
    let hasty = Sim::with([runner("airflow")], |sim| sim.settings.cadence.confirm_after = secs(2));
    hasty.until(mins(10)).await;
    let at = |check| hasty.times("airflow", check)[0];
    assert_eq!(at(Check::DryRunGuard) - at(Check::ProjectsRun), 2);
}

#[tokio::test(start_paused = true)]
async fn one_dry_run_of_each_project_is_proven_and_all_others_go_out_unguarded() {
    let sim = Sim::start(many());
    sim.until(hours(13)).await;
    for token in 0..12 {
        assert_eq!(sim.states(&format!("t{token}")), [S::Unknown, S::Valid]);
    }
    let projects = 2 + 12 + 3;
    assert_eq!(sim.count(Check::DryRunGuard), projects);
    assert!(sim.count(Check::ProjectsRun) >= 12 * 4 * 2);
    assert!(!sim.workspace().dry_run_unsafe);
    // While one is being proven no other goes out.
    let calls = sim.calls();
    let mut proving = None;
    for call in calls.iter().filter(|it| matches!(it.check, Check::ProjectsRun | Check::DryRunGuard)).take(34)
    {
        match call.check {
            Check::DryRunGuard => assert_eq!(proving.take(), call.project),
            _ => proving = call.project.clone(),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_stack_that_ignores_dry_run_is_unsafe_until_a_reload_which_asks_for_new_proof() {
    let sim = Sim::with([runner("airflow")], |sim| sim.hex.script().honours_dry_run = false);
    sim.until(hours(8)).await;
    assert!(sim.workspace().dry_run_unsafe);
    sim.hex.script().honours_dry_run = true;
    sim.store.reset_dry_runs();
    sim.scheduler.reset_dry_runs();
    sim.until(hours(16)).await;
    assert!(!sim.workspace().dry_run_unsafe);
    assert_eq!(sim.count(Check::DryRunGuard), 1 + 2);
    assert_eq!(sim.state("airflow"), S::Valid);
}

#[tokio::test(start_paused = true)]
async fn the_guard_is_satisfied_by_404_422_403_and_400_in_hexs_form() {
    for status in [404, 422, 403, 400] {
        let sim = Sim::with([runner("airflow")], |sim| sim.hex.script().no_such_run = Fault::Status(status));
        sim.until(hours(7)).await;
        assert_eq!(sim.count(Check::DryRunGuard), 2, "{status}");
        assert_eq!(sim.states("airflow"), [S::Unknown, S::Valid], "{status}");
        let failures: u64 = sim.view("airflow").counts.failures().map(|(_, count)| count).sum();
        assert_eq!(failures, 0, "{status}: finding no run is what it is for");
    }
}

#[tokio::test(start_paused = true)]
async fn a_guard_that_meets_an_outage_is_repeated_and_no_dry_run_goes_out_meanwhile() {
    let sim = Sim::with([runner("airflow"), runner("dagster")], |sim| {
        sim.hex.script().no_such_run = Fault::Status(503);
    });
    sim.until(hours(2)).await;
    assert_eq!(sim.count(Check::ProjectsRun), 1);
    assert!((20..=26).contains(&sim.count(Check::DryRunGuard)), "{}", sim.count(Check::DryRunGuard));
    sim.hex.script().no_such_run = Fault::Status(404);
    sim.until(hours(3)).await;
    assert_eq!((sim.state("airflow"), sim.state("dagster")), (S::Valid, S::Valid));
}

#[tokio::test(start_paused = true)]
async fn a_proof_is_given_up_when_its_token_dies_leaves_or_delists_the_project() {
    for way in ["dies", "leaves", "delists", "moves id"] {
        let mut sim = Sim::with([runner("airflow"), runner("dagster")], |sim| {
            sim.hex.script().no_such_run = Fault::Status(503);
        });
        sim.until(hours(1)).await;
        let prover = sim.calls().into_iter().find(|call| call.check == Check::ProjectsRun).unwrap();
        let project = name(prover.project.as_deref().unwrap());
        sim.hex.script().no_such_run = Fault::Status(404);
        match way {
            "dies" => sim.account(&prover.credential, |account| account.dead = true),
            "leaves" => sim.configure(|all| all.retain(|it| it.spec.name.as_str() != prover.credential)),
            "delists" => sim.change(&prover.credential, |token| {
                token.spec.projects.remove(&project);
            }),
            _ => sim.change(&prover.credential, |token| {
                token.spec.projects.insert(project.clone(), project_id("elsewhere"));
            }),
        }
        sim.until(hours(3)).await;
        let other = if prover.credential == "airflow" { "dagster" } else { "airflow" };
        assert_eq!(sim.state(other), S::Valid, "{way}");
    }
}

/// Each may be a real run, where the stack takes it for one and answers late or in another form.
#[tokio::test(start_paused = true)]
async fn of_dry_runs_of_which_nothing_is_known_there_is_one_at_a_time_and_everybody_has_a_turn() {
    for fault in [
        Fault::Lost(Failure::Timeout),
        Fault::Lost(Failure::Connect),
        Fault::Lost(Failure::Protocol),
        Fault::Status(500),
        Fault::Page(502),
        Fault::Page(200),
        Fault::OtherShape,
    ] {
        let sim = Sim::start(["a", "b", "c"].map(runner));
        for token in ["a", "b", "c"] {
            sim.account(token, |account| account.faults = [(Check::ProjectsRun, fault)].into());
        }
        sim.until(hours(3)).await;
        let calls = sim.calls();
        let runs: Vec<_> = calls.iter().filter(|call| call.check == Check::ProjectsRun).collect();
        let askers: BTreeSet<_> = runs.iter().map(|call| &call.credential).collect();
        assert_eq!(askers.len(), 3, "{fault:?}");
        let gaps = runs.windows(2).map(|pair| pair[1].start.saturating_sub(pair[0].end));
        assert!(gaps.clone().all(|gap| gap >= mins(25)), "{fault:?}: {:?}", gaps.collect::<Vec<_>>());
        assert!(runs.len() >= 6, "{fault:?}: {}", runs.len());

        // Once an answer can be looked into, nobody waits any longer.
        for token in ["a", "b", "c"] {
            sim.account(token, |account| account.faults.clear());
        }
        sim.until(hours(4)).await;
        for token in ["a", "b", "c"] {
            assert_eq!(sim.state(token), S::Valid, "{fault:?}, {token}");
        }
    }
}

/// The projects of a token take turns as well.
#[tokio::test(start_paused = true)]
async fn a_project_whose_dry_runs_are_never_answered_does_not_keep_others_from_theirs() {
    let sim = Sim::start([runner("airflow").project("a").project("b")]);
    for project in ["a", "b"] {
        sim.hex.script().unanswered.insert(project_id(project));
    }
    sim.until(hours(2)).await;
    let calls = sim.calls();
    let of = |project: &str| {
        let is_run = |call: &&crate::hex::Call| call.check == Check::ProjectsRun;
        calls.iter().filter(is_run).filter(|call| call.project.as_deref() == Some(project)).count()
    };
    assert!(of("a") >= 2 && of("b") >= 1, "{} and {}", of("a"), of("b"));
    assert_eq!((of("churn"), of("kpis")), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_dry_run_that_hex_calls_unprocessable_changes_nothing_and_is_tried_again_after_30_minutes() {
    let sim = Sim::start([runner("airflow")]);
    sim.until(mins(20)).await;
    sim.account("airflow", |account| {
        account.faults.insert(Check::ProjectsRun, Fault::Status(422));
    });
    sim.until(hours(24)).await;
    assert_eq!(sim.states("airflow"), [S::Unknown, S::Valid]);
    let tried =
        sim.calls().into_iter().filter(|it| it.status == 422 && it.project.as_deref() == Some("kpis"));
    let tried: Vec<u64> = tried.map(|it| it.start.as_secs()).collect();
    assert!(tried.len() > 10);
    assert!(tried.windows(2).all(|pair| pair[1] - pair[0] >= 1800 && pair[1] - pair[0] < 1830), "{tried:?}");
}

#[tokio::test(start_paused = true)]
async fn a_dry_run_answered_404_leaves_the_verdict_to_the_look_at_the_project() {
    let sim = Sim::start([runner("airflow")]);
    sim.until(mins(20)).await;
    sim.account("airflow", |account| {
        account.faults.insert(Check::ProjectsRun, Fault::Status(404));
    });
    sim.until(hours(24)).await;
    assert_eq!(sim.states("airflow"), [S::Unknown, S::Valid]);
}

#[tokio::test(start_paused = true)]
async fn a_dry_run_answered_404_from_the_start_leaves_it_too_once_another_project_may_be_run() {
    let sim = Sim::start([runner("airflow")]);
    sim.account("airflow", |account| {
        account.projects.insert(project_id("kpis"), Project::NotFoundToRun);
    });
    sim.until(hours(1)).await;
    assert_eq!(sim.states("airflow"), [S::Unknown, S::Valid]);
    sim.account("airflow", |account| {
        account.projects.remove(&project_id("kpis"));
    });
    sim.until(hours(4)).await;
    assert_eq!(sim.states("airflow"), [S::Unknown, S::Valid, S::ProjectUnavailable]);
}

#[tokio::test(start_paused = true)]
async fn a_401_to_a_dry_run_says_nothing_of_the_right_to_run_this_project() {
    let sim = Sim::start([runner("airflow")]);
    while sim.count(Check::ProjectsRun) == 0 {
        sim.until(sim.now() + secs(1)).await;
    }
    sim.account("airflow", |account| {
        account.faults.insert(Check::ProjectsRun, Fault::Status(401));
    });
    while sim.count(Check::ProjectsRun) == 1 {
        sim.until(sim.now() + secs(1)).await;
    }
    sim.until(sim.now() + mins(6)).await;
    assert_eq!(sim.states("airflow"), [S::Unknown], "one of two projects was never said to run");
    sim.account("airflow", |account| account.faults.clear());
    sim.until(hours(8)).await;
    assert_eq!(sim.states("airflow"), [S::Unknown, S::Valid]);
}

#[tokio::test(start_paused = true)]
async fn where_every_dry_run_is_answered_404_the_right_to_run_stays_unknown() {
    let sim = Sim::start([runner("airflow")]);
    sim.account("airflow", |account| {
        for project in account.projects.values_mut() {
            *project = Project::NotFoundToRun;
        }
    });
    sim.until(hours(8)).await;
    assert_eq!(sim.states("airflow"), [S::Unknown]);
}

#[tokio::test(start_paused = true)]
async fn a_missing_run_scope_is_under_scoped_after_a_repeat_30_minutes_later() {
    let sim = Sim::start([runner("airflow").known_to_hex(|account| {
        account.scopes.remove(&Scope::ProjectsRun);
    })]);
    sim.until(mins(29)).await;
    assert_eq!(sim.states("airflow"), [S::Unknown]);
    sim.until(hours(1)).await;
    assert_eq!(sim.states("airflow"), [S::Unknown, S::UnderScoped]);
    assert_eq!(sim.count(Check::DryRunGuard), 0, "what was refused needs no proof");
}

#[tokio::test(start_paused = true)]
async fn one_project_that_may_not_be_run_is_unavailable_and_the_scope_is_granted() {
    let sim = Sim::start([runner("airflow")]);
    sim.account("airflow", |account| {
        account.projects.insert(project_id("kpis"), Project::NotRunnable);
    });
    sim.until(hours(2)).await;
    assert_eq!(sim.states("airflow"), [S::Unknown, S::ProjectUnavailable]);
    let view = sim.view("airflow");
    assert_eq!(view.record.granted(&view.spec, Scope::ProjectsRun), Some(true));
}

#[tokio::test(start_paused = true)]
async fn what_dry_runs_told_is_forgotten_with_the_scope_that_asked_for_them() {
    let mut sim = Sim::start([token("airflow").requires(&[Scope::ProjectsRun]).project("kpis")]);
    let stands = |sim: &Sim, as_what: Project| {
        sim.account("airflow", |account| {
            account.projects.insert(project_id("kpis"), as_what);
        });
    };
    stands(&sim, Project::NotRunnable);
    sim.until(hours(2)).await;
    assert_eq!(sim.state("airflow"), S::UnderScoped);
    sim.change("airflow", |token| token.spec.required_scopes.clear());
    stands(&sim, Project::Published);
    sim.until(hours(100)).await;
    sim.change("airflow", |token| token.spec.required_scopes = [Scope::ProjectsRun].into());
    sim.until(hours(100) + mins(1)).await;
    let states = sim.states("airflow");
    assert_eq!(states.last(), Some(&S::Valid), "{states:?}");
    assert_eq!(
        states.iter().filter(|state| **state == S::UnderScoped).count(),
        1,
        "no old answer is told again"
    );
}

#[tokio::test(start_paused = true)]
async fn a_portal_or_a_cache_in_place_of_the_guards_answer_proves_nothing() {
    for fault in [Fault::Page(200), Fault::Cached, Fault::OtherShape] {
        let sim = Sim::with([runner("airflow"), runner("dagster")], |sim| {
            sim.hex.script().no_such_run = fault;
        });
        sim.until(hours(2)).await;
        assert!(!sim.workspace().dry_run_unsafe, "{fault:?}");
        assert_eq!(sim.count(Check::ProjectsRun), 1, "{fault:?}");
        sim.hex.script().no_such_run = Fault::Status(404);
        sim.until(hours(3)).await;
        assert_eq!((sim.state("airflow"), sim.state("dagster")), (S::Valid, S::Valid), "{fault:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn no_dry_run_goes_out_that_was_taken_off_while_it_waited() {
    let slow = Arc::new(Workspace { requests_per_minute: 1, ..workspace("production") });
    let crowd = |n| runner(&format!("t{n}")).configured(|spec| spec.workspace = slow.clone());
    for minute in [15, 25, 35, 45, 55] {
        let mut sim = Sim::start((0..6).map(crowd));
        sim.until(mins(minute)).await;
        sim.configure(|tokens| {
            for token in tokens {
                token.spec.required_scopes.remove(&Scope::ProjectsRun);
            }
        });
        let begun = sim.now();
        sim.until(begun + mins(20)).await;
        let calls = sim.calls();
        let late = calls.iter().filter(|call| call.check == Check::ProjectsRun && call.start > begun);
        assert_eq!(late.count(), 0, "taken off after {minute} min");
    }
}
