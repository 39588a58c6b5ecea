//! Scopes, plans and projects.

use hex_token_exporter::{
    domain::{Check, Reason, Scope, TokenState as S},
    store::report::Report,
};

use crate::{
    cast::{Token, hours, mins, project_id, secs, token},
    hex::{Fault, Project},
    sim::Sim,
};

const READER: [Scope; 2] = [Scope::ProjectsRead, Scope::GroupsRead];
const RUNNER: [Scope; 2] = [Scope::ProjectsRead, Scope::ProjectsRun];

fn runner() -> Token {
    token("airflow").requires(&RUNNER).project("kpis").project("churn")
}

fn visible(sim: &Sim, project: &str) -> Option<bool> {
    sim.view("airflow").project_rights().find(|it| it.name.as_str() == project).unwrap().visible
}

#[tokio::test(start_paused = true)]
async fn a_denial_needs_a_repeat_and_a_grant_none() {
    let sim = Sim::start([token("airflow").requires(&READER)]);
    sim.until(mins(20)).await;
    sim.account("airflow", |account| account.scopes.clear());
    let first = |sim: &Sim| sim.calls().iter().find(|call| call.status == 403).map(|call| call.end.as_secs());
    sim.until(hours(2)).await;
    let denied = first(&sim).unwrap();
    assert_eq!(sim.states("airflow"), [S::Unknown, S::Valid, S::UnderScoped]);
    assert_eq!(sim.changed_at("airflow"), denied + 300, "after one probe.interval");
    sim.account("airflow", |account| account.scopes = READER.into());
    sim.until(hours(2) + mins(6)).await;
    assert_eq!(sim.states("airflow"), [S::Unknown, S::Valid, S::UnderScoped, S::Valid]);
}

#[tokio::test(start_paused = true)]
async fn one_odd_denial_changes_nothing() {
    let sim = Sim::start([token("airflow").requires(&READER)]);
    sim.until(mins(20)).await;
    sim.account("airflow", |account| account.scopes.clear());
    while sim.calls().last().unwrap().status != 403 {
        sim.until(sim.now() + secs(1)).await;
    }
    sim.account("airflow", |account| account.scopes = READER.into());
    sim.until(hours(4)).await;
    assert_eq!(sim.states("airflow"), [S::Unknown, S::Valid]);
}

#[tokio::test(start_paused = true)]
async fn a_first_denial_at_the_start_is_unknown_until_its_repeat() {
    let sim = Sim::start([token("airflow").requires(&READER).known_to_hex(|account| account.scopes.clear())]);
    sim.until(mins(4)).await;
    assert_eq!(sim.states("airflow"), [S::Unknown]);
    sim.until(mins(6)).await;
    assert_eq!(sim.states("airflow"), [S::Unknown, S::UnderScoped]);
}

#[tokio::test(start_paused = true)]
async fn a_plan_downgrade_makes_what_is_required_under_scoped_with_the_plan_as_its_cause() {
    let scopes = [Scope::ProjectsRead, Scope::QueriedTablesRead];
    let sim = Sim::start([token("airflow").requires(&scopes).project("kpis")]);
    sim.until(mins(20)).await;
    assert_eq!(sim.state("airflow"), S::Valid);
    sim.account("airflow", |account| account.beyond_plan = [Scope::QueriedTablesRead].into());
    sim.until(hours(2)).await;
    assert_eq!(sim.states("airflow"), [S::Unknown, S::Valid, S::UnderScoped]);
    let view = sim.view("airflow");
    let report = Report::of(&view, view.record.state_since().unwrap());
    assert_eq!(report.reason, Reason::Plan);
}

#[tokio::test(start_paused = true)]
async fn a_plan_downgrade_that_ends_the_whole_api_is_no_death() {
    let sim = Sim::start([token("airflow").requires(&READER)]);
    sim.until(mins(20)).await;
    sim.account("airflow", |account| {
        account.beyond_plan = Scope::ALL.into();
        account.faults.insert(Check::Identity, Fault::Status(403));
    });
    sim.until(hours(3)).await;
    assert_eq!(sim.states("airflow"), [S::Unknown, S::Valid, S::UnderScoped]);
}

#[tokio::test(start_paused = true)]
async fn an_empty_list_of_projects_grants_the_scope() {
    let sim = Sim::start([token("airflow").requires(&[Scope::ProjectsRead])]);
    sim.until(mins(1)).await;
    assert_eq!(sim.states("airflow"), [S::Unknown, S::Valid]);
    assert_eq!(sim.view("airflow").record.projects_seen(), Some((0, false)));
}

#[tokio::test(start_paused = true)]
async fn an_empty_list_answered_by_plan_is_never_valid() {
    let sim = Sim::start([token("airflow").requires(&[Scope::ProjectsRead]).known_to_hex(|account| {
        account.beyond_plan = [Scope::ProjectsRead].into();
    })]);
    sim.until(hours(1)).await;
    assert_eq!(sim.states("airflow"), [S::Unknown, S::UnderScoped]);
}

#[tokio::test(start_paused = true)]
async fn a_list_route_that_is_not_found_leaves_its_scope_as_it_was() {
    let sim = Sim::start([token("airflow").requires(&READER)]);
    sim.until(mins(20)).await;
    sim.account("airflow", |account| {
        account.faults.insert(Check::GroupsRead, Fault::Status(404));
    });
    sim.until(hours(4)).await;
    assert_eq!(sim.states("airflow"), [S::Unknown, S::Valid]);
    assert_eq!(sim.view("airflow").probe_success(), Some(false));
}

#[tokio::test(start_paused = true)]
async fn a_project_that_is_deleted_or_unshared_is_unavailable_after_a_repeat() {
    // Hex's documentation says 404, its specification allows 403.
    for status in [404, 403] {
        let sim = Sim::start([runner()]);
        sim.until(mins(20)).await;
        assert_eq!(sim.states("airflow"), [S::Unknown, S::Valid]);
        sim.account("airflow", |account| {
            account.projects.remove(&project_id("kpis"));
            if status == 403 {
                account.faults.insert(Check::ProjectVisible, Fault::Status(403));
            }
        });
        sim.until(mins(20) + hours(2)).await;
        assert_eq!(sim.states("airflow"), [S::Unknown, S::Valid, S::ProjectUnavailable]);
        assert_eq!(visible(&sim, "kpis"), Some(false));
    }
}

#[tokio::test(start_paused = true)]
async fn an_unpublished_project_is_unavailable_at_once_and_costs_no_dry_run() {
    let sim = Sim::start([runner()]);
    sim.until(mins(20)).await;
    sim.account("airflow", |account| {
        account.projects.insert(project_id("kpis"), Project::Unpublished);
    });
    sim.until(mins(20) + hours(2)).await;
    assert_eq!(sim.states("airflow"), [S::Unknown, S::Valid, S::ProjectUnavailable]);
    assert_eq!(visible(&sim, "kpis"), Some(true), "it can be seen, and the state says the rest");
    let unpublished = sim.changes("airflow").last().unwrap().at;
    sim.until(hours(20)).await;
    let late = |call: &&crate::hex::Call| {
        call.check == Check::ProjectsRun
            && call.start > unpublished
            && call.project.as_deref() == Some("kpis")
    };
    assert_eq!(sim.calls().iter().filter(late).count(), 0);
    sim.account("airflow", |account| {
        account.projects.insert(project_id("kpis"), Project::Published);
    });
    sim.until(hours(20) + mins(6)).await;
    assert_eq!(sim.state("airflow"), S::Valid);
}

#[tokio::test(start_paused = true)]
async fn a_scope_bound_to_projects_is_not_asked_about_while_none_is_usable() {
    let token = token("airflow").requires(&[Scope::CellsRead]).project("kpis").known_to_hex(|account| {
        account.projects.insert(project_id("kpis"), Project::Unpublished);
    });
    let sim = Sim::start([token]);
    sim.until(hours(2)).await;
    assert_eq!(sim.count(Check::CellsRead), 0);
    assert_eq!(sim.states("airflow"), [S::Unknown, S::ProjectUnavailable]);
}

#[tokio::test(start_paused = true)]
async fn while_projects_read_is_denied_no_project_is_asked_about_or_shown() {
    let sim = Sim::start([runner()]);
    sim.until(mins(20)).await;
    sim.account("airflow", |account| account.scopes.clear());
    sim.until(hours(3)).await;
    assert_eq!(sim.state("airflow"), S::UnderScoped);
    assert_eq!(visible(&sim, "kpis"), None);
    let denied = sim.changes("airflow").last().unwrap().at;
    sim.until(hours(8)).await;
    let late =
        sim.calls().into_iter().filter(|call| call.start > denied && call.check == Check::ProjectVisible);
    assert_eq!(late.count(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_project_that_cannot_be_seen_is_unavailable_though_nobody_requires_the_scope() {
    let sim = Sim::start([token("airflow").project("kpis").configured(|spec| spec.least_privilege = true)]);
    sim.until(hours(1)).await;
    sim.account("airflow", |account| {
        account.scopes.remove(&Scope::ProjectsRead);
        account.projects.clear();
    });
    sim.until(hours(60)).await;
    assert_eq!(sim.states("airflow"), [S::Unknown, S::Valid, S::ProjectUnavailable]);
    assert_eq!(visible(&sim, "kpis"), None, "no series while the scope is denied");
    let sim = Sim::start([token("airflow")
        .project("kpis")
        .configured(|spec| spec.least_privilege = true)
        .known_to_hex(|account| {
            account.scopes.remove(&Scope::ProjectsRead);
            account.projects.clear();
        })]);
    sim.until(hours(1)).await;
    assert_eq!(sim.states("airflow"), [S::Unknown, S::ProjectUnavailable]);
}

#[tokio::test(start_paused = true)]
async fn another_organisation_is_the_wrong_workspace() {
    let ours = || {
        token("airflow").requires(&READER).configured(|spec| {
            let mut workspace = (*spec.workspace).clone();
            workspace.org_id = Some(crate::hex::ORG.to_uppercase());
            spec.workspace = std::sync::Arc::new(workspace);
        })
    };
    let sim = Sim::start([ours()]);
    sim.until(mins(5)).await;
    assert_eq!(sim.states("airflow"), [S::Unknown, S::Valid]);
    sim.account("airflow", |account| account.org = None);
    sim.until(mins(20)).await;
    assert_eq!(sim.state("airflow"), S::Valid, "what an answer does not tell is held");
    drop(sim);
    let sim = Sim::start([ours().known_to_hex(|account| {
        account.org = Some("another".to_owned());
        account.scopes.clear();
    })]);
    sim.until(mins(20)).await;
    assert_eq!(sim.states("airflow"), [S::Unknown, S::WrongWorkspace]);
    sim.account("airflow", |account| account.org = None);
    sim.until(mins(40)).await;
    assert_eq!(sim.state("airflow"), S::WrongWorkspace, "what an answer does not tell is held");
}

#[tokio::test(start_paused = true)]
async fn least_privilege_looks_once_a_day_and_a_denial_there_is_no_failure() {
    let sim = Sim::start([token("airflow")
        .requires(&[Scope::ProjectsRead])
        .configured(|spec| spec.least_privilege = true)
        .known_to_hex(|account| account.scopes = [Scope::ProjectsRead, Scope::UsersRead].into())]);
    sim.until(hours(24 * 5)).await;
    assert_eq!(sim.states("airflow"), [S::Unknown, S::Valid]);
    let view = sim.view("airflow");
    assert_eq!(view.excess_read_scopes(), Some(1));
    assert_eq!(view.probe_success(), Some(true));
    assert_eq!(view.counts.failures().map(|(_, count)| count).sum::<u64>(), 0);
    for check in [Check::UsersRead, Check::GroupsRead] {
        let times = sim.times("airflow", check);
        assert!((5..=6).contains(&times.len()), "{check:?} {times:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_project_under_the_same_name_with_another_id_is_another_project() {
    let mut sim = Sim::start([token("airflow").project("kpis")]);
    sim.until(mins(20)).await;
    assert_eq!(visible(&sim, "kpis"), Some(true));
    sim.change("airflow", |token| {
        token.spec.projects.insert(crate::cast::name("kpis"), project_id("other"));
    });
    assert_eq!(visible(&sim, "kpis"), None);
    assert_eq!(sim.state("airflow"), S::Valid, "held until it has been asked");
    sim.until(mins(30)).await;
    assert_eq!(sim.states("airflow"), [S::Unknown, S::Valid, S::ProjectUnavailable]);
}

#[tokio::test(start_paused = true)]
async fn a_project_that_was_delisted_while_its_answer_was_under_way_leaves_nothing_behind() {
    let mut sim = Sim::start([token("airflow").project("kpis").project("churn")]);
    sim.hex.script().latency = secs(3);
    sim.until(mins(20)).await;
    sim.account("airflow", |account| {
        account.projects.remove(&project_id("kpis"));
    });
    let asked = sim.times("airflow", Check::ProjectVisible).len();
    sim.hex.script().latency = secs(9);
    while sim.view("airflow").record.project(&crate::cast::name("kpis")).unwrap().visible.latest()
        == Some(true)
    {
        sim.until(sim.now() + secs(1)).await;
    }
    assert!(sim.times("airflow", Check::ProjectVisible).len() > asked);
    let again = sim.calls().last().unwrap().end + mins(5) + secs(3);
    sim.until(again).await;
    sim.change("airflow", |token| {
        token.spec.projects.remove(&crate::cast::name("kpis"));
    });
    sim.until(again + mins(2)).await;
    assert_eq!(sim.view("airflow").record.project(&crate::cast::name("kpis")), None);
    assert_eq!(sim.view("airflow").probe_success(), Some(true));
    assert_eq!(sim.states("airflow"), [S::Unknown, S::Valid]);
}

#[tokio::test(start_paused = true)]
async fn probe_success_is_absent_before_the_first_probe_and_follows_the_latest_outcomes() {
    let sim = Sim::start([token("airflow").requires(&READER)]);
    assert_eq!(sim.view("airflow").probe_success(), None);
    sim.until(mins(2)).await;
    assert_eq!(sim.view("airflow").probe_success(), Some(true));
    sim.account("airflow", |account| {
        account.faults.insert(Check::GroupsRead, Fault::Status(500));
    });
    sim.until(hours(2)).await;
    assert_eq!(sim.view("airflow").probe_success(), Some(false));
    let refused = sim.calls().into_iter().filter(|call| call.status == 500).map(|call| call.start.as_secs());
    let refused: Vec<u64> = refused.collect();
    assert!(
        refused.windows(2).all(|pair| (300..=301).contains(&(pair[1] - pair[0]))),
        "asked again after probe.interval"
    );
    assert_eq!(sim.states("airflow"), [S::Unknown, S::Valid]);
}
