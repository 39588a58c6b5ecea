//! How a stack behaves where Hex's description leaves a choice, or where real stacks differ.
//!
//! The defaults are the most likely reading of today's documentation; each key plays another one.

use std::collections::{BTreeMap, BTreeSet};

use jiff::SignedDuration;
use serde::Deserialize;

use super::{
    durations,
    route::{Family, Route},
};

/// What a stack does where Hex's description leaves a choice, or where stacks differ.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Behaviour {
    /// How far this stack's clock is ahead of the real one; negative is behind.
    #[serde(deserialize_with = "durations::signed")]
    pub clock_offset: SignedDuration,
    /// The form of a 401.
    pub unauthorized: Unauthorized,
    /// One family for every route, instead of the family each has today.
    pub error_family: Option<Family>,
    /// The family of single routes; wins over `error_family`.
    pub error_families: BTreeMap<Route, Family>,
    /// Whether a workspace token needs the scope `users_read` for `/users/me`.
    pub users_me_needs_users_read: bool,
    /// The answer for a project that exists but that the token may not see.
    pub invisible_project: Denial,
    /// The answer for a run that is not there, a dry run's among them.
    pub unknown_run: Denial,
    /// The type of `projectVersion` in runs.
    pub project_version: VersionForm,
    /// Routes this stack does not have; it answers 404 for them, in JSON.
    pub missing_routes: BTreeSet<Route>,
}

impl Default for Behaviour {
    fn default() -> Self {
        Self {
            clock_offset: SignedDuration::ZERO,
            unauthorized: Unauthorized::Text,
            error_family: None,
            error_families: BTreeMap::new(),
            users_me_needs_users_read: false,
            invisible_project: Denial::NotFound,
            unknown_run: Denial::NotFound,
            project_version: VersionForm::String,
            missing_routes: BTreeSet::new(),
        }
    }
}

/// The two forms of a 401 that Hex is known to send.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unauthorized {
    /// `Unauthorized` as plain text, from the edge.
    Text,
    /// A JSON error of the newer family.
    Json,
}

/// How a stack says no to an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Denial {
    /// 404
    NotFound,
    /// 403
    Forbidden,
    /// 422
    Unprocessable,
}

/// The type of `projectVersion` in run objects, which changed between two versions of the API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VersionForm {
    /// `"3"`: today.
    String,
    /// `3`: until the middle of 2026.
    Integer,
}

/// Request and kernel limits of a stack.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Of each user, over all routes.
    pub user_per_minute: u32,
    /// Of each user, in each group of routes.
    pub group_per_minute: u32,
    /// Of each user, starts of runs (dry ones count).
    pub runs_per_minute: u32,
    /// Of each user, starts of runs (dry ones count).
    pub runs_per_hour: u32,
    /// Of each user, runs at the same time.
    pub running_kernels: usize,
    /// Whether API answers carry `X-RateLimit-Limit`, `-Remaining` and `-Reset`.
    pub headers: bool,
    /// How a 429 says when to come back.
    pub retry_after: RetryAfter,
    /// The family of a 429's body.
    pub body: Family,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            user_per_minute: 60,
            group_per_minute: 30,
            runs_per_minute: 20,
            runs_per_hour: 60,
            running_kernels: 25,
            headers: true,
            retry_after: RetryAfter::Seconds,
            body: Family::E,
        }
    }
}

/// The form of the header `Retry-After`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RetryAfter {
    /// `37`
    Seconds,
    /// An HTTP date.
    Date,
    /// No such header.
    Absent,
}
