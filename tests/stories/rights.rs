//! Stories of scopes, projects and dry runs.

use hex_token_exporter::domain::{Check, Scope, TokenState};

use crate::stage::{Reply, Stage, minutes, seconds};

#[tokio::test(start_paused = true)]
async fn a_denied_scope_counts_once_a_repeat_agrees_and_a_grant_at_once() {
    let stage = Stage::new(60, |_, question, at| match question.check {
        Check::UsersRead if at < minutes(30) => Reply::Forbidden,
        _ => Reply::Fine,
    });
    let stage = stage.token("a", &[Scope::UsersRead], &[]).begin();
    stage.until(minutes(4)).await;
    assert_eq!(stage.state("a"), TokenState::Unknown, "one denial is no verdict");
    stage.until(minutes(6)).await;
    assert_eq!(stage.state("a"), TokenState::UnderScoped);
    stage.until(minutes(36)).await;
    assert_eq!(stage.state("a"), TokenState::Valid);
    stage.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_plan_downgrade_makes_under_scoped() {
    let stage = Stage::new(60, |_, question, at| match question.check {
        Check::GroupsRead if at >= minutes(90) => Reply::Plan,
        _ => Reply::Fine,
    });
    let stage = stage.token("a", &[Scope::GroupsRead], &[]).begin();
    stage.until(minutes(80)).await;
    assert_eq!(stage.state("a"), TokenState::Valid);
    stage.until(minutes(200)).await;
    assert_eq!(stage.state("a"), TokenState::UnderScoped);
    stage.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_project_unpublished_deleted_or_unshared_is_unavailable() {
    for reply in [Reply::Unpublished, Reply::NotFound, Reply::Forbidden] {
        let stage = Stage::new(60, move |_, question, at| match question.check {
            Check::ProjectVisible if at >= minutes(90) => reply.clone(),
            _ => Reply::Fine,
        });
        let stage = stage.token("a", &[Scope::ProjectsRead], &["kpi"]).begin();
        stage.until(minutes(80)).await;
        assert_eq!(stage.state("a"), TokenState::Valid);
        stage.until(minutes(200)).await;
        assert_eq!(stage.state("a"), TokenState::ProjectUnavailable);
        stage.end().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_dry_run_is_guarded_once_and_then_made_every_six_hours() {
    let stage = Stage::new(60, |_, question, _| match question.check {
        Check::DryRunGuard => Reply::NotFound,
        _ => Reply::Fine,
    });
    let stage = stage.token("a", &[Scope::ProjectsRun], &["kpi"]).begin();
    stage.until(minutes(1)).await;
    assert_eq!(stage.state("a"), TokenState::Valid);
    stage.until(minutes(60 * 24)).await;
    assert_eq!(stage.times("a", Check::DryRunGuard).len(), 1);
    let runs = stage.times("a", Check::ProjectsRun);
    assert!((4..=6).contains(&runs.len()), "{runs:?}");
    stage.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_stack_that_ignores_dry_run_sees_no_second_one() {
    let stage = Stage::new(60, |_, _, _| Reply::Fine);
    let projects = ["kpi", "churn"];
    let stage = stage
        .token("a", &[Scope::ProjectsRun], &projects)
        .token("b", &[Scope::ProjectsRun], &projects)
        .token("c", &[Scope::ProjectsRun], &projects)
        .begin();
    stage.until(minutes(60 * 24)).await;
    let runs = stage.asked().iter().filter(|asked| asked.check == Check::ProjectsRun).count();
    assert_eq!((runs, stage.dry_run_unsafe()), (1, true));
    stage.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_refused_dry_run_makes_under_scoped_after_its_repeat() {
    let stage = Stage::new(60, |_, question, _| match question.check {
        Check::ProjectsRun => Reply::Forbidden,
        _ => Reply::Fine,
    });
    let stage = stage.token("a", &[Scope::ProjectsRun], &["kpi"]).begin();
    stage.until(minutes(29)).await;
    assert_eq!(stage.state("a"), TokenState::Unknown);
    stage.until(minutes(32)).await;
    assert_eq!(stage.state("a"), TokenState::UnderScoped);
    assert_eq!(stage.times("a", Check::DryRunGuard), Vec::<u64>::new());
    stage.end().await;
}

#[tokio::test(start_paused = true)]
async fn on_demand_probes_ask_what_is_due_and_never_a_dry_run() {
    let stage = Stage::new(60, |_, question, _| match question.check {
        Check::DryRunGuard => Reply::NotFound,
        _ => Reply::Fine,
    });
    let stage = stage.token("a", &[Scope::ProjectsRun], &["kpi"]).begin();
    stage.until(minutes(1)).await;
    let before = stage.asked().len();
    stage.probe_now("a").await;
    stage.probe_now("a").await;
    let new: Vec<Check> = stage.asked()[before..].iter().map(|asked| asked.check).collect();
    assert_eq!(new, [Check::Identity]);
    stage.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_401_on_a_scope_asks_for_the_identity_at_once() {
    let stage = Stage::new(60, |_, question, at| match question.check {
        Check::UsersRead if at > seconds(30) => Reply::Unauthorized,
        _ => Reply::Fine,
    });
    let stage = stage.token("a", &[Scope::UsersRead], &[]).begin();
    stage.until(minutes(100)).await;
    let scope = stage.times("a", Check::UsersRead)[1];
    assert!(stage.times("a", Check::Identity).iter().any(|at| (scope..=scope + 1).contains(at)));
    assert_eq!(stage.state("a"), TokenState::Valid);
    stage.end().await;
}
