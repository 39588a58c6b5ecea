//! Projects: listing them, showing one, and finding the one a path names.

use std::time::Duration;

use axum::{extract::Path, response::Response};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::{Answer, Call, Parameters, listing};
use crate::fake_hex::{
    auth::Caller, errors::Refusal, route::Route, scenario::Project, state::World, validation::is_uuid,
};

pub(super) async fn list(call: Call) -> Response {
    call.answer(Route::ListProjects, |world, caller, query| {
        let projects: Vec<Value> = world
            .projects
            .iter()
            .filter(|(_, project)| is_visible(world, caller, project))
            .filter(|(_, project)| !project.archived || listing::flag(query, "includeArchived"))
            .filter(|(_, project)| !project.trashed || listing::flag(query, "includeTrashed"))
            .map(|(name, project)| show(world, query, name, project))
            .collect();
        Ok(Answer::ok(listing::page(&projects, query, 100)?))
    })
}

pub(super) async fn get(call: Call, Path(id): Path<String>) -> Response {
    call.answer(Route::GetProject, |world, caller, query| {
        let (name, project) = find(world, caller, &id)?;
        Ok(Answer::ok(show(world, query, &name, &project)))
    })
}

/// The project with that id, if the caller may see it.
pub(super) fn find(world: &World, caller: &Caller, id: &str) -> Result<(String, Project), Refusal> {
    const MISSING: &str = "Project not found";
    if !is_uuid(id) {
        return Err(Refusal::BadRequest("Invalid project id"));
    }
    let (name, project) = world
        .projects
        .iter()
        .find(|(name, project)| project.id(name).eq_ignore_ascii_case(id))
        .ok_or(Refusal::NotFound(MISSING))?;
    if is_visible(world, caller, project) {
        Ok((name.clone(), project.clone()))
    } else {
        Err(world.behaviour.invisible_project.of(MISSING))
    }
}

fn is_visible(world: &World, caller: &Caller, project: &Project) -> bool {
    world.resolve_workspace(project.workspace.as_ref()) == caller.workspace
        && !project.hidden_from.contains(&caller.user)
        && !project.hidden_from.contains(&caller.token)
}

fn show(world: &World, query: &Parameters, name: &str, project: &Project) -> Value {
    let start = world.date_of(Duration::ZERO);
    let days_ago = |days: i64| -> Timestamp {
        start.saturating_sub(SignedDuration::from_hours(24 * days)).unwrap_or(start)
    };
    let since = |so: bool, days: i64| so.then(|| days_ago(days).to_string());
    let owner = json!({ "email": "owner@example.com" });
    let mut shown = json!({
        "id": project.id(name),
        "title": project.title.as_deref().unwrap_or(name),
        "description": null,
        "type": "PROJECT",
        "creator": owner,
        "owner": owner,
        "status": null,
        "categories": [],
        "reviews": { "required": false },
        "analytics": {
            "publishedResultsUpdatedAt": null,
            "lastViewedAt": null,
            "appViews": {
                "lastThirtyDays": 9, "lastFourteenDays": 4, "lastSevenDays": 2, "allTime": 120,
            },
        },
        "createdAt": days_ago(200).to_string(),
        "lastEditedAt": days_ago(40).to_string(),
        "lastPublishedAt": since(project.published, 30),
        "archivedAt": since(project.archived, 10),
        "trashedAt": since(project.trashed, 5),
        "schedules": [],
    });
    if listing::flag(query, "includeSharing") {
        shown["sharing"] = json!({
            "users": [], "collections": [], "groups": [],
            "workspace": { "access": "CAN_VIEW" },
            "publicWeb": { "access": "NONE" },
            "support": { "access": "NONE" },
        });
    }
    shown
}
