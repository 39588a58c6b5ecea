//! Runs: starting one or pretending to, watching it, cancelling it.
//!
//! The two path families, `/projects/{id}/runs/...` and `/project/{id}/run/...`, lead here alike.

use std::time::Duration;

use axum::{body::Bytes, extract::Path, http::StatusCode, response::Response};
use serde_json::{Value, json};

use super::{Answer, Call, Parameters, listing, projects::find};
use crate::fake_hex::{
    auth::Caller,
    behaviour::VersionForm,
    errors::Refusal,
    kernel::{Run, RunStatus},
    route::Route,
    scenario::Project,
    state::World,
};

/// Every project has been published that often.
const VERSION: u32 = 3;

pub(super) async fn start(call: Call, Path(id): Path<String>, body: Bytes) -> Response {
    call.answer(Route::RunProject, |world, caller, _| {
        let wish: Value = if body.is_empty() {
            json!({})
        } else {
            serde_json::from_slice(&body).map_err(|_| Refusal::BadRequest("Invalid input data"))?
        };
        let dry = is_dry(&wish)?;
        let (name, project) = find(world, caller, &id)?;
        if !project.published || project.archived || project.trashed {
            return Err(Refusal::Unprocessable("Project is not published"));
        }
        let ignores_dry_run =
            world.workspaces.get(&caller.workspace).is_some_and(|workspace| workspace.ignores_dry_run);
        let run = if dry && !ignores_dry_run {
            world.next_uuid()
        } else {
            occupy_kernel(world, caller, &name, &project)?
        };
        let project_id = project.id(&name);
        Ok(Answer::Json(
            StatusCode::CREATED,
            json!({
                "projectId": project_id,
                "runId": run,
                "runUrl": run_url(world, caller, &project_id, &run),
                "runStatusUrl":
                    format!("{}/api/v1/projects/{project_id}/runs/{run}", world.base_url),
                "traceId": world.next_trace_id(),
                "projectVersion": VERSION,
                "notifications": [],
            }),
        ))
    })
}

/// Hex's own examples send the flag as text, so both are understood.
fn is_dry(wish: &Value) -> Result<bool, Refusal> {
    let wish = wish.as_object().ok_or(Refusal::BadRequest("Invalid input data"))?;
    match wish.get("dryRun") {
        None => Ok(false),
        Some(Value::Bool(dry)) => Ok(*dry),
        Some(Value::String(text)) if text == "true" || text == "false" => Ok(text == "true"),
        Some(_) => Err(Refusal::Unprocessable("Validation Failed")),
    }
}

fn occupy_kernel(
    world: &mut World,
    caller: &Caller,
    name: &str,
    project: &Project,
) -> Result<String, Refusal> {
    let now = world.elapsed();
    let occupied =
        world.runs.iter().filter(|run| run.user == caller.user && run.ended(now).is_none()).count();
    if occupied >= world.limits.running_kernels {
        return Err(Refusal::KernelLimit);
    }
    let id = world.next_uuid();
    world.runs.push(Run {
        id: id.clone(),
        project: name.to_owned(),
        user: caller.user.clone(),
        started: now,
        takes: project.run_takes,
        end: project.run_ends,
        cancelled: None,
    });
    Ok(id)
}

pub(super) async fn status(call: Call, Path((id, run)): Path<(String, String)>) -> Response {
    call.answer(Route::GetRunStatus, |world, caller, _| {
        let (name, project) = find(world, caller, &id)?;
        let index = position(world, &name, &run)?;
        let run = world.runs[index].clone();
        Ok(Answer::ok(show(world, caller, &project.id(&name), &run)))
    })
}

pub(super) async fn cancel(call: Call, Path((id, run)): Path<(String, String)>) -> Response {
    call.answer(Route::CancelRun, |world, caller, _| {
        let (name, _) = find(world, caller, &id)?;
        let index = position(world, &name, &run)?;
        let now = world.elapsed();
        let run = &mut world.runs[index];
        if run.ended(now).is_some() {
            return Err(Refusal::Unprocessable("Run cannot be cancelled"));
        }
        run.cancelled = Some(now);
        Ok(Answer::NoContent)
    })
}

pub(super) async fn list(call: Call, Path(id): Path<String>) -> Response {
    call.answer(Route::GetProjectRuns, |world, caller, query| {
        let (name, project) = find(world, caller, &id)?;
        let now = world.elapsed();
        let wanted = |run: &&Run| {
            run.project == name
                && query.get("statusFilter").is_none_or(|status| status == run.status(now).as_str())
                && query.get("runTriggerFilter").is_none_or(|trigger| trigger == "API" || trigger == "ALL")
        };
        let runs: Vec<Run> = world.runs.iter().rev().filter(wanted).cloned().collect();
        let limit = listing::limit(query, 100)?;
        let offset = offset(query)?;
        let shown: Vec<Value> = runs
            .iter()
            .skip(offset)
            .take(limit)
            .map(|run| show(world, caller, &project.id(&name), run))
            .collect();
        let link = |offset: usize| {
            let base = &world.base_url;
            format!("{base}/api/v1/projects/{id}/runs?limit={limit}&offset={offset}")
        };
        Ok(Answer::ok(json!({
            "runs": shown,
            "nextPage": (offset + limit < runs.len()).then(|| link(offset + limit)),
            "previousPage": (offset > 0).then(|| link(offset.saturating_sub(limit))),
            "traceId": world.next_trace_id(),
        })))
    })
}

fn offset(query: &Parameters) -> Result<usize, Refusal> {
    match query.get("offset").map(|offset| offset.parse()) {
        None => Ok(0),
        Some(Ok(offset)) => Ok(offset),
        Some(Err(_)) => Err(Refusal::BadRequest("Invalid offset")),
    }
}

/// Where the run is in the list of all; a dry run's id is in none.
fn position(world: &World, project: &str, id: &str) -> Result<usize, Refusal> {
    world
        .runs
        .iter()
        .position(|run| run.project == project && run.id.eq_ignore_ascii_case(id))
        .ok_or_else(|| world.behaviour.unknown_run.of("Run not found"))
}

fn show(world: &mut World, caller: &Caller, project_id: &str, run: &Run) -> Value {
    let now = world.elapsed();
    let status = run.status(now);
    let ended = run.ended(now);
    let running = ended.unwrap_or(now).saturating_sub(run.started);
    let pending = status == RunStatus::Pending;
    json!({
        "projectId": project_id,
        "projectVersion": match world.behaviour.project_version {
            VersionForm::String => json!(VERSION.to_string()),
            VersionForm::Integer => json!(VERSION),
        },
        "runId": run.id,
        "runUrl": run_url(world, caller, project_id, &run.id),
        "status": status.as_str(),
        "runTrigger": "API",
        "startTime": (!pending).then(|| date(world, run.started)),
        "endTime": ended.map(|at| date(world, at)),
        "elapsedTime": (!pending).then_some(running.as_millis()),
        "traceId": world.next_trace_id(),
        "notifications": [],
    })
}

fn date(world: &World, since_start: Duration) -> String {
    world.date_of(since_start).to_string()
}

fn run_url(world: &World, caller: &Caller, project: &str, run: &str) -> String {
    let (base, workspace) = (&world.base_url, &caller.workspace);
    format!("{base}/{workspace}/app/{project}/run/{run}")
}
