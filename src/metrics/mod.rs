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

use std::sync::Arc;

pub use exposition::CONTENT_TYPE;
use jiff::Timestamp;
pub use own::OwnMetrics;
use tokens::TokenSeries;

use crate::store::{Snapshot, TokenView};

/// How long a piece of a page is, about: short enough to be made between two other things, and to stay in a
/// processor's cache until it is sent.
const PIECE: usize = 128 * 1024;

/// Longer than what a piece may go on for after it is long enough.
const SLACK: usize = 8 * 1024;

/// The whole page.
pub fn page(snapshot: &Snapshot, own: &Arc<OwnMetrics>) -> String {
    Page::of(snapshot.clone(), own.clone()).collect()
}

/// The series of one token alone, where `hex_now` is the time on the clock of its workspace's Hex.
pub fn token_page(token: Arc<TokenView>, hex_now: Timestamp) -> String {
    let mut page = String::new();
    let tokens = [token];
    TokenSeries::of(&tokens, |_| hex_now).write(&tokens, &mut page, usize::MAX);
    page
}

/// A page, piece by piece: that of many tokens is long, and its reader may be slow.
#[derive(Debug)]
pub struct Page {
    snapshot: Snapshot,
    own: Arc<OwnMetrics>,
    tokens: Option<TokenSeries>,
}

impl Page {
    /// A page about a moment, of which nothing is written yet.
    pub fn of(snapshot: Snapshot, own: Arc<OwnMetrics>) -> Self {
        let tokens = TokenSeries::of(&snapshot.tokens, |view| snapshot.hex_now(&view.spec.workspace.name));
        Self { tokens: Some(tokens), snapshot, own }
    }

    /// Whether all of it has been written.
    pub fn is_whole(&self) -> bool {
        self.tokens.is_none()
    }
}

impl Iterator for Page {
    type Item = String;

    fn next(&mut self) -> Option<String> {
        let tokens = self.tokens.as_mut()?;
        let mut piece = String::with_capacity(PIECE + SLACK);
        if !tokens.write(&self.snapshot.tokens, &mut piece, PIECE) {
            self.tokens = None;
            tokens::write_workspaces(&mut piece, &self.snapshot);
            tokens::write_exporter(&mut piece, &self.snapshot);
            self.own.write(&mut piece);
        }
        Some(piece)
    }
}
