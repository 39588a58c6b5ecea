//! `/api/v1`: what is known, for programs.

use axum::{
    Json,
    extract::{Path, State},
    response::{IntoResponse, Response},
};
use serde::Serialize;

use super::{Parts, answer};
use crate::store::report::{Detail, Report};

#[derive(Serialize)]
struct Tokens<'a> {
    tokens: Vec<Report<'a>>,
}

/// All tokens, by name.
pub(super) async fn tokens(State(parts): State<Parts>) -> Response {
    answer::written(move || {
        let snapshot = parts.store.snapshot();
        Json(Tokens { tokens: Report::all(&snapshot) }).into_response()
    })
    .await
}

/// One token with its latest probes.
pub(super) async fn token(State(parts): State<Parts>, Path(name): Path<String>) -> Response {
    match parts.store.sight(&name) {
        Some(seen) => Json(Detail::of(&seen.token, seen.hex_now)).into_response(),
        None => answer::no_such_token(),
    }
}
