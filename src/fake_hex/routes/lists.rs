//! The other lists a monitor may ask for: one request each, to see whether a scope is granted.
//!
//! What is in them is of no matter to a monitor, so a few made-up entries do.

use std::{collections::BTreeSet, time::Duration};

use axum::{extract::Path, response::Response};
use serde_json::{Value, json};

use super::{
    Answer, Call, listing,
    me::{email, person},
    projects::find,
};
use crate::fake_hex::{credential::uuid, errors::Refusal, route::Route, scenario::Plan, state::World};

pub(super) async fn users(call: Call) -> Response {
    call.answer(Route::ListUsers, |world, caller, query| {
        let names: BTreeSet<&String> = world
            .keyring
            .iter()
            .filter(|(_, token)| world.resolve_workspace(token.workspace.as_ref()) == caller.workspace)
            .map(|(name, token)| token.user.as_ref().unwrap_or(name))
            .collect();
        let people: Vec<Value> = names.iter().map(|name| person(world, name)).collect();
        Ok(Answer::ok(listing::page(&people, query, 500)?))
    })
}

pub(super) async fn groups(call: Call) -> Response {
    call.answer(Route::ListGroups, |world, _, query| {
        let created = founding_day(world);
        let groups = ["Analysts", "Engineers"]
            .map(|name| json!({ "id": uuid(&format!("group {name}")), "name": name, "createdAt": created }));
        Ok(Answer::ok(listing::page(&groups, query, 500)?))
    })
}

pub(super) async fn collections(call: Call) -> Response {
    call.answer(Route::ListCollections, |_, caller, query| {
        let collections = [json!({
            "id": uuid("collection finance"),
            "name": "Finance",
            "description": null,
            "creator": {
                "email": email(&caller.user),
                "id": uuid(&format!("user {}", caller.user)),
            },
            "sharing": { "users": [], "groups": [], "workspace": { "members": "MEMBER" } },
        })];
        Ok(Answer::ok(listing::page(&collections, query, 100)?))
    })
}

pub(super) async fn data_connections(call: Call) -> Response {
    call.answer(Route::ListDataConnections, |_, _, query| {
        let connections = [json!({
            "id": uuid("connection warehouse"),
            "name": "Warehouse",
            "type": "postgres",
            "description": null,
        })];
        Ok(Answer::ok(listing::page(&connections, query, 100)?))
    })
}

pub(super) async fn draft_guides(call: Call) -> Response {
    call.answer(Route::ListDraftGuides, |_, _, query| {
        let guides = [json!({ "id": uuid("guide metrics"), "filePath": "guides/metrics.md" })];
        Ok(Answer::ok(listing::page(&guides, query, 100)?))
    })
}

pub(super) async fn cells(call: Call) -> Response {
    call.answer(Route::ListCells, |world, caller, query| {
        let id = query.get("projectId").ok_or(Refusal::BadRequest("Invalid input data"))?;
        let (name, project) = find(world, caller, id)?;
        let cells = ["load", "plot"].map(|label| {
            json!({
                "id": uuid(&format!("cell {name} {label}")),
                "staticId": uuid(&format!("static cell {name} {label}")),
                "cellType": "CODE",
                "label": label,
                "dataConnectionId": null,
                "contents": {
                    "codeCell": { "source": "1 + 1" }, "sqlCell": null, "markdownCell": null,
                },
                "projectId": project.id(&name),
            })
        });
        Ok(Answer::ok(listing::page(&cells, query, 100)?))
    })
}

pub(super) async fn queried_tables(call: Call, Path(id): Path<String>) -> Response {
    call.answer(Route::GetQueriedTables, |world, caller, query| {
        let plan = world.workspaces.get(&caller.workspace).map(|workspace| workspace.plan);
        if plan != Some(Plan::Enterprise) {
            return Err(Refusal::Plan);
        }
        let (_, project) = find(world, caller, &id)?;
        if !project.published {
            return Err(Refusal::Unprocessable("Project is not published"));
        }
        let tables = [json!({
            "dataConnectionId": uuid("connection warehouse"),
            "dataConnectionName": "Warehouse",
            "tableName": "public.orders",
        })];
        let mut body = listing::page(&tables, query, 100)?;
        body["traceId"] = json!(world.next_trace_id());
        Ok(Answer::ok(body))
    })
}

fn founding_day(world: &World) -> String {
    world.date_of(Duration::ZERO).to_string()
}
