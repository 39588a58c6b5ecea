//! Starting, watching and cancelling runs, by both path families.

use std::time::Duration;

use hex_token_exporter::fake_hex::{Denial, RunEnd, RunStatus, VersionForm};

use crate::stand::{Answer, KPIS, Stand, USUAL, until};

async fn start(stand: &Stand, body: &str) -> Answer {
    stand.post("all", &format!("/projects/{KPIS}/runs"), body).await
}

fn run_id(started: &Answer) -> String {
    started.json()["runId"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_dry_run_gets_an_id_that_leads_nowhere() {
    let stand = Stand::new(USUAL).await;
    for dry in [r#"{"dryRun": true}"#, r#"{"dryRun": "true"}"#] {
        let answer = start(&stand, dry).await;
        assert_eq!(answer.status, 201);
        assert_eq!(answer.json()["projectId"], KPIS);
        assert!(answer.json()["projectVersion"].is_i64());
        let path = format!("/projects/{KPIS}/runs/{}", run_id(&answer));
        assert_eq!(stand.get("all", &path).await.status, 404);
        stand.fake.update(|world| world.behaviour.unknown_run = Denial::Unprocessable);
        assert_eq!(stand.get("all", &path).await.status, 422);
        stand.fake.update(|world| world.behaviour.unknown_run = Denial::NotFound);
    }
    assert!(stand.fake.update(|world| world.runs()).is_empty());
}

#[tokio::test]
async fn a_stack_that_ignores_dry_run_starts_a_real_one() {
    let stand = Stand::usual_and("workspaces: {acme: {ignores_dry_run: true}}").await;
    let answer = start(&stand, r#"{"dryRun": true}"#).await;
    let path = format!("/projects/{KPIS}/runs/{}", run_id(&answer));
    assert_eq!(stand.get("all", &path).await.status, 200);
    assert_eq!(stand.fake.update(|world| world.runs()).len(), 1);
}

#[tokio::test]
async fn a_run_goes_through_its_states_by_time() {
    let stand = Stand::new(USUAL).await;
    let set = |takes: Duration, end: RunEnd| {
        stand.fake.update(|world| {
            let project = world.projects.get_mut("kpis").unwrap();
            (project.run_takes, project.run_ends) = (takes, end);
        });
    };
    let hour = Duration::from_hours(1);
    for (takes, end, status) in [
        (hour, RunEnd::Completed, "PENDING"),
        (Duration::ZERO, RunEnd::Completed, "COMPLETED"),
        (Duration::ZERO, RunEnd::Errored, "ERRORED"),
        (Duration::ZERO, RunEnd::UnableToAllocateKernel, "UNABLE_TO_ALLOCATE_KERNEL"),
    ] {
        set(takes, end);
        let started = start(&stand, "").await;
        let run = stand.get("all", &format!("/projects/{KPIS}/runs/{}", run_id(&started))).await.json();
        assert_eq!(run["status"], status);
        assert_eq!(run["endTime"].is_null(), status == "PENDING");
    }
}

#[tokio::test]
async fn a_run_passes_from_pending_over_running_to_completed() {
    let stand = Stand::usual_and("limits: {group_per_minute: 10000, user_per_minute: 10000}").await;
    stand.fake.update(|world| {
        world.projects.get_mut("kpis").unwrap().run_takes = Duration::from_secs(1);
    });
    let started = start(&stand, "").await;
    let path = format!("/projects/{KPIS}/runs/{}", run_id(&started));
    let mut seen = Vec::new();
    until(async || {
        let run = stand.get("all", &path).await.json();
        let status = run["status"].as_str().unwrap().to_owned();
        let is_over = status == "COMPLETED";
        if seen.last() != Some(&status) {
            seen.push(status);
        }
        is_over
    })
    .await;
    let order = ["PENDING", "RUNNING", "COMPLETED"];
    let places: Vec<_> =
        seen.iter().map(|status| order.iter().position(|known| known == status).unwrap()).collect();
    assert!(places.is_sorted(), "{seen:?}");
}

#[tokio::test]
async fn a_run_is_cancelled_once() {
    let stand = Stand::new(USUAL).await;
    for run in ["runs", "run"] {
        let started = start(&stand, "").await;
        let family = if run == "runs" { "projects" } else { "project" };
        let path = format!("/{family}/{KPIS}/{run}/{}", run_id(&started));
        let first = stand.delete("all", &path).await;
        assert_eq!((first.status, first.text.as_str()), (204, ""));
        assert_eq!(stand.delete("all", &path).await.status, 422);
        assert_eq!(stand.get("all", &path).await.json()["status"], "KILLED");
    }
    let statuses: Vec<_> =
        stand.fake.update(|world| world.runs()).into_iter().map(|(_, status)| status).collect();
    assert_eq!(statuses, [RunStatus::Killed, RunStatus::Killed]);
}

#[tokio::test]
async fn the_singular_paths_of_the_first_api_do_the_same() {
    let stand = Stand::new(USUAL).await;
    let started = stand.post("all", &format!("/project/{KPIS}/run"), "{}").await;
    assert_eq!(started.status, 201);
    let run = run_id(&started);
    for path in [format!("/project/{KPIS}/run/{run}"), format!("/projects/{KPIS}/runs/{run}")] {
        assert_eq!(stand.get("all", &path).await.json()["runId"], run.as_str());
    }
    for path in [format!("/project/{KPIS}/runs"), format!("/projects/{KPIS}/runs")] {
        assert_eq!(stand.get("all", &path).await.json()["runs"][0]["runId"], run.as_str());
    }
}

#[tokio::test]
async fn runs_are_listed_newest_first_by_offset() {
    let stand = Stand::new(USUAL).await;
    let mut started = Vec::new();
    for _ in 0..3 {
        started.insert(0, run_id(&start(&stand, "").await));
    }
    let page = stand.get("all", &format!("/projects/{KPIS}/runs?limit=2")).await.json();
    assert_eq!(page["runs"][0]["runId"], started[0].as_str());
    assert_eq!(page["runs"].as_array().unwrap().len(), 2);
    let next = page["nextPage"].as_str().unwrap();
    let next = next.strip_prefix(&stand.fake.url()).unwrap().strip_prefix("/api/v1").unwrap();
    let page = stand.get("all", next).await.json();
    assert_eq!(page["runs"][0]["runId"], started[2].as_str());
    assert!(page["nextPage"].is_null() && page["previousPage"].is_string());

    let path = format!("/projects/{KPIS}/runs?statusFilter=KILLED");
    assert!(stand.get("all", &path).await.json()["runs"].as_array().unwrap().is_empty());
}

#[tokio::test]
async fn the_version_of_a_run_is_text_or_number() {
    let stand = Stand::new(USUAL).await;
    let path = format!("/projects/{KPIS}/runs/{}", run_id(&start(&stand, "").await));
    assert_eq!(stand.get("all", &path).await.json()["projectVersion"], "3");
    stand.fake.update(|world| world.behaviour.project_version = VersionForm::Integer);
    assert_eq!(stand.get("all", &path).await.json()["projectVersion"], 3);
}

#[tokio::test]
async fn what_cannot_run_is_refused_even_dry() {
    let stand = Stand::new(
        "
projects: {draft: {published: false}, old: {archived: true}, gone: {trashed: true}}
tokens: {all: {kind: workspace, scopes: [projects_read, projects_run]}}
",
    )
    .await;
    let page = stand.get("all", "/projects?includeArchived=true&includeTrashed=true").await.json();
    for project in page["values"].as_array().unwrap() {
        let path = format!("/projects/{}/runs", project["id"].as_str().unwrap());
        assert_eq!(stand.post("all", &path, r#"{"dryRun": true}"#).await.status, 422);
    }
}

#[tokio::test]
async fn bad_bodies_are_refused() {
    let stand = Stand::new(USUAL).await;
    assert_eq!(start(&stand, "{").await.status, 400);
    assert_eq!(start(&stand, "[]").await.status, 400);
    assert_eq!(start(&stand, r#"{"dryRun": 1}"#).await.status, 422);
    assert!(stand.fake.update(|world| world.runs()).is_empty());
}

#[tokio::test]
async fn a_user_without_a_free_kernel_gets_503() {
    let stand = Stand::usual_and("limits: {running_kernels: 1}").await;
    assert_eq!(start(&stand, "").await.status, 201);
    let refused = start(&stand, "").await;
    assert_eq!(refused.status, 503);
    assert_eq!(refused.json()["code"], "SERVICE_UNAVAILABLE");
    assert_eq!(start(&stand, r#"{"dryRun": true}"#).await.status, 201, "occupies none");
    let other = stand.post("ada", &format!("/projects/{KPIS}/runs"), "").await;
    assert_eq!(other.status, 201, "another user's kernels are their own");
}
