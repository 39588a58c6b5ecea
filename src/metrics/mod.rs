//! What Prometheus reads: a page built anew at each scrape, so that nothing on it can be stale.
//!
//! Two sources make it up. What is known of tokens and workspaces comes from a [`Snapshot`] of the store,
//! through this project's own writer; what the exporter counts of itself comes from [`OwnMetrics`], the
//! only place that names the `prometheus` crate. Every metric of either stands in the [`catalogue`].

pub mod catalogue;
pub mod exposition;
mod lag;
pub mod own;
pub mod tokens;

pub use exposition::CONTENT_TYPE;
use exposition::Exposition;
pub use own::OwnMetrics;

use crate::store::Snapshot;

/// The whole page.
pub fn page(snapshot: &Snapshot, own: &OwnMetrics) -> String {
    let mut page = Exposition::default();
    tokens::write_tokens(&mut page, snapshot, &snapshot.tokens);
    tokens::write_workspaces(&mut page, snapshot);
    tokens::write_exporter(&mut page, snapshot);
    let mut text = page.into_text();
    own.write(&mut text);
    text
}

/// The series of one token alone. `None` where there is no token of that name.
pub fn token_page(snapshot: &Snapshot, name: &str) -> Option<String> {
    let token = snapshot.token(name)?;
    let mut page = Exposition::default();
    tokens::write_tokens(&mut page, snapshot, std::slice::from_ref(token));
    Some(page.into_text())
}
