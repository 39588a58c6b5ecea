//! How often what is asked: the `probe` section of the configuration.

use std::time::Duration;

/// The cadences of a process, shared by all its tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cadence {
    /// Between two `identity` checks of a token.
    pub interval: Duration,
    /// Between two runs of a required scope or project check.
    pub scope_interval: Duration,
    /// Between two dry runs of a project.
    pub run_interval: Duration,
    /// The longest that one request may take.
    pub timeout: Duration,
    /// From a first 401 to its repeat; the second repeat comes after twice that.
    pub confirm_after: Duration,
    /// How long rejections that hit several tokens of a workspace at once stay pending.
    pub mass_rejection_hold: Duration,
    /// Between two probes of a token known to be rejected, once its back-off has run out.
    pub rejected_interval: Duration,
}

impl Default for Cadence {
    fn default() -> Self {
        Self {
            interval: Duration::from_mins(5),
            scope_interval: Duration::from_hours(1),
            run_interval: Duration::from_hours(6),
            timeout: Duration::from_secs(10),
            confirm_after: Duration::from_secs(30),
            mass_rejection_hold: Duration::from_mins(10),
            rejected_interval: Duration::from_mins(30),
        }
    }
}
