//! One question becomes one observation. (placeholder until the probe branch lands)

use std::sync::Arc;

use crate::domain::{Observation, Question, Secret, Workspace};

/// Asks Hex.
pub trait Prober: Send + Sync + 'static {
    /// Asks one question about the token whose credential is `secret`, over one request.
    fn ask(
        &self,
        workspace: &Arc<Workspace>,
        secret: &Secret,
        question: Question,
    ) -> impl Future<Output = Observation> + Send;
}
