//! What Prometheus reads, judged from outside: by a parser of its own.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(clippy::float_cmp, reason = "what is written must be read back exactly")]

mod catalogue;
mod exposed;
mod own;
mod plain;
#[path = "../scripted/mod.rs"]
mod scripted;
mod tokens;

use std::sync::Arc;

use exposed::Page;
use hex_token_exporter::metrics::{self, OwnMetrics};
use scripted::{Script, name};

pub(crate) fn scrape(script: &Script) -> Page {
    Page::parse(&metrics::page(&script.store.snapshot(), &own(&["production"])))
}

pub(crate) fn own(workspaces: &[&str]) -> Arc<OwnMetrics> {
    let own = Arc::new(OwnMetrics::new(2, 5).unwrap());
    own.retain_workspaces(workspaces.iter().map(|it| name(it)));
    own
}
