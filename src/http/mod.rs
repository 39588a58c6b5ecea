//! What is served over HTTP, and the only place that names axum (but for the fake Hex).
//!
//! Every page is told from the store; nothing here judges, and nothing but `/probe` can make a request to
//! Hex, by the name of a configured token alone. No answer and no log repeats a path or query back, but for
//! the status page, whose form keeps what was filtered by.

mod admin;
mod answer;
mod api;
mod auth;
mod calendar;
mod external_url;
mod gate;
mod guard;
pub mod gzip;
mod limits;
mod packed;
mod page;
mod probe;
mod scrape;
pub mod server;
mod static_files;
pub mod threads;

use std::{fmt, pin::Pin, sync::Arc};

use axum::{
    Router,
    extract::State,
    http::HeaderMap,
    middleware,
    routing::{get, post},
};
pub use external_url::ExternalUrl;
use tower_http::compression::{CompressionLayer, CompressionLevel};

use crate::{domain::Name, metrics::OwnMetrics, store::Store};

/// A future that owns all it needs.
pub type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// Probes a token because somebody asks.
pub trait OnDemand: Send + Sync + 'static {
    /// Starts the due checks of this token, or joins those under way. The future resolves when they are
    /// done; dropping it must not end them. `None` where there is no such token.
    fn probe(&self, name: &Name) -> Option<BoxFuture<()>>;
}

/// Loads the configuration anew because somebody asks.
pub trait Reload: Send + Sync + 'static {
    /// Resolves when the new configuration is in force, or to what is wrong with it, in words that hold no
    /// value of it. Dropping the future must not leave half a reload behind.
    fn reload(&self) -> BoxFuture<Result<(), String>>;
}

/// Tells how the process fares.
pub trait Health: Send + Sync + 'static {
    /// Whether the probe loop moves.
    fn is_alive(&self) -> bool;
    /// Whether every token has been asked once, or has had its time for it.
    fn is_ready(&self) -> bool;
}

/// The handles behind the routes.
#[derive(Clone)]
pub struct Parts {
    /// What is known.
    pub store: Arc<Store>,
    /// What is counted.
    pub own: Arc<OwnMetrics>,
    /// Behind `/probe`.
    pub on_demand: Arc<dyn OnDemand>,
    /// Behind `/-/reload`. `None` where that is not enabled.
    pub reload: Option<Arc<dyn Reload>>,
    /// Behind the health paths.
    pub health: Arc<dyn Health>,
    /// Where people reach this server. `None` where nobody has said.
    pub external_url: Option<ExternalUrl>,
}

impl fmt::Debug for Parts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Parts").field("reload", &self.reload.is_some()).finish_non_exhaustive()
    }
}

/// Everything that is served.
pub fn router(parts: Parts) -> Router {
    // `/probe` waits as long as its caller allows, so it bounds its own time.
    let unhurried = Router::new().route("/probe", get(probe::probe));
    let health = health_routes(parts.health.clone());
    let press = scrape::press(&parts);
    let metrics =
        move |State(parts): State<Parts>, headers: HeaderMap| scrape::metrics(parts, press, headers);
    let hurried = Router::new()
        .route("/", get(page::index))
        .route("/tokens/{name}", get(page::token))
        .route("/static/{file}", get(static_files::file))
        .route("/calendar.ics", get(calendar::calendar))
        .route("/metrics", get(metrics))
        .route("/api/v1/tokens", get(api::tokens))
        .route("/api/v1/tokens/{name}", get(api::token))
        .route("/-/reload", post(admin::reload))
        .layer(guard::time_limit());
    let routes = unhurried
        .merge(hurried)
        .with_state(parts)
        .merge(health)
        .layer(middleware::from_fn(guard::refuse_tokens))
        .layer(CompressionLayer::new().quality(CompressionLevel::Fastest));
    guarded(routes)
}

/// The health paths alone, for an address that asks for no credentials.
pub fn health_router(health: Arc<dyn Health>) -> Router {
    guarded(health_routes(health))
}

fn health_routes(health: Arc<dyn Health>) -> Router {
    Router::new()
        .route("/-/healthy", get(admin::healthy))
        .route("/-/ready", get(admin::ready))
        .with_state(health)
}

fn guarded(routes: Router) -> Router {
    routes
        .fallback(answer::not_found)
        .method_not_allowed_fallback(answer::method_not_allowed)
        .layer(guard::body_limit())
        .layer(guard::catch_panic())
        .layer(middleware::map_response(guard::secure_headers))
}
