//! `GET /users/me`: the only place where Hex says anything about a token itself.

use std::time::Duration;

use axum::response::Response;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::{Answer, Call};
use crate::fake_hex::{
    auth::Caller,
    credential::{TokenKind, uuid},
    route::Route,
    scenario::{ExpForm, Role},
    state::World,
};

pub(super) async fn users_me(call: Call) -> Response {
    call.answer(Route::UsersMe, |world, caller, _| {
        let mut body = match caller.kind {
            TokenKind::Personal => person(world, &caller.user),
            // A workspace token's answer leaves the person out.
            TokenKind::Workspace => json!({}),
        };
        body["org"] = json!({ "id": org_id(world, &caller.workspace) });
        add_token(&mut body, world, caller);
        Ok(Answer::ok(body))
    })
}

fn org_id(world: &World, workspace: &str) -> String {
    world.workspaces.get(workspace).cloned().unwrap_or_default().org_id(workspace)
}

/// A user as all routes show one.
pub(super) fn person(world: &World, user: &str) -> Value {
    json!({
        "id": uuid(&format!("user {user}")),
        "name": user,
        "email": email(user),
        "role": role_name(world.role(user)),
        "lastLoginDate": world.date_of(Duration::ZERO).to_string(),
    })
}

pub(super) fn email(user: &str) -> String {
    format!("{user}@example.com")
}

fn role_name(role: Role) -> &'static str {
    match role {
        Role::Admin => "ADMIN",
        Role::Manager => "MANAGER",
        Role::Editor => "EDITOR",
        Role::Explorer => "EXPLORER",
        Role::Member => "MEMBER",
        Role::Guest => "GUEST",
    }
}

fn add_token(body: &mut Value, world: &World, caller: &Caller) {
    let Some(token) = world.keyring.get(&caller.token) else {
        return;
    };
    let expiry = world.expiry_of(token);
    body["token"] = match token.exp {
        ExpForm::Seconds => json!({ "exp": expiry.map(Timestamp::as_second) }),
        ExpForm::Milliseconds => json!({ "exp": expiry.map(Timestamp::as_millisecond) }),
        ExpForm::ExpNull => json!({ "exp": null }),
        ExpForm::TokenNull => Value::Null,
        ExpForm::TokenAbsent => return,
    };
}
