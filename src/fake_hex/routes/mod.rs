//! The routes themselves: what a request that passed the gate gets.

mod listing;
mod lists;
mod me;
mod projects;
mod runs;

use std::collections::BTreeMap;

use axum::{
    Router,
    body::Body,
    extract::{FromRequestParts, Query},
    http::{StatusCode, request::Parts},
    middleware,
    response::Response,
    routing::{get, post},
};
use serde_json::Value;

use super::{
    Shared,
    auth::Caller,
    errors::{Refusal, in_family, json_response},
    gate,
    route::{Family, Route},
    state::World,
};

/// Everything the fake serves, behind its gate.
pub(super) fn router(shared: &Shared) -> Router {
    let api = Router::new()
        .route("/users/me", get(me::users_me))
        .route("/users", get(lists::users))
        .route("/groups", get(lists::groups))
        .route("/collections", get(lists::collections))
        .route("/data-connections", get(lists::data_connections))
        .route("/guides/draft/list", get(lists::draft_guides))
        .route("/cells", get(lists::cells))
        .route("/projects", get(projects::list))
        .route("/projects/{project}", get(projects::get))
        .route("/projects/{project}/queriedTables", get(lists::queried_tables))
        .route("/projects/{project}/runs", get(runs::list).post(runs::start))
        .route("/projects/{project}/runs/{run}", get(runs::status).delete(runs::cancel))
        // The paths of Hex's first API, which its own Airflow and Dagster packages still use.
        .route("/project/{project}/run", post(runs::start))
        .route("/project/{project}/run/{run}", get(runs::status).delete(runs::cancel))
        .route("/project/{project}/runs", get(runs::list))
        .fallback(unknown)
        .method_not_allowed_fallback(unknown);
    Router::new()
        .nest("/api/v1", api)
        // Hex shows its app there. The gate answers it; no request gets this far.
        .fallback(unknown)
        .layer(middleware::from_fn_with_state(shared.clone(), gate::gate))
        .with_state(shared.clone())
}

async fn unknown(call: Call) -> Response {
    let mut world = call.shared.world();
    in_family(Family::E, StatusCode::NOT_FOUND, "Not found", &mut world)
}

/// An authenticated request to a route.
struct Call {
    shared: Shared,
    caller: Caller,
    query: Parameters,
}

/// The query's parameters; of a repeated one, the last.
type Parameters = BTreeMap<String, String>;

/// What a route answers when it has nothing against the request.
enum Answer {
    Json(StatusCode, Value),
    NoContent,
}

impl Answer {
    fn ok(body: Value) -> Self {
        Self::Json(StatusCode::OK, body)
    }
}

impl FromRequestParts<Shared> for Call {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, shared: &Shared) -> Result<Self, Response> {
        let refuse = |refusal: Refusal| refusal.answer(Family::E, &mut shared.world());
        let caller = parts
            .extensions
            .get::<Caller>()
            .cloned()
            .ok_or_else(|| refuse(Refusal::Unauthorized { sent: false }))?;
        let Query(query) =
            Query::try_from_uri(&parts.uri).map_err(|_| refuse(Refusal::BadRequest("Invalid query")))?;
        Ok(Self { shared: shared.clone(), caller, query })
    }
}

impl Call {
    /// Makes the checks of `route`, then lets `act` answer, with the world at rest.
    fn answer(
        self,
        route: Route,
        act: impl FnOnce(&mut World, &Caller, &Parameters) -> Result<Answer, Refusal>,
    ) -> Response {
        let mut world = self.shared.world();
        let result =
            world.admit(&self.caller, route).and_then(|()| act(&mut world, &self.caller, &self.query));
        match result {
            Ok(Answer::Json(status, body)) => json_response(status, &body),
            Ok(Answer::NoContent) => {
                let mut response = Response::new(Body::empty());
                *response.status_mut() = StatusCode::NO_CONTENT;
                response
            }
            Err(refusal) => {
                let behaviour = &world.behaviour;
                let family = behaviour
                    .error_families
                    .get(&route)
                    .copied()
                    .or(behaviour.error_family)
                    .unwrap_or_else(|| route.family());
                refusal.answer(family, &mut world)
            }
        }
    }
}
