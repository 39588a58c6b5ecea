//! Request allowances: a window opens with its first request and is forgotten when its time is up.

use std::{collections::BTreeMap, time::Duration};

use super::route::Group;

/// What an allowance is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Bucket {
    /// All requests of a user.
    User,
    /// The requests of a user to a group of routes, within a minute.
    Group(Group),
    /// The starts of runs of a user within an hour.
    RunsPerHour,
}

impl Bucket {
    fn length(self) -> Duration {
        match self {
            Self::User | Self::Group(_) => Duration::from_mins(1),
            Self::RunsPerHour => Duration::from_hours(1),
        }
    }
}

/// What is left of an allowance after a request.
#[derive(Debug, Clone, Copy)]
pub(super) struct Allowance {
    pub(super) limit: u32,
    pub(super) remaining: u32,
    pub(super) resets_in: Duration,
}

/// The request was one too many.
#[derive(Debug, Clone, Copy)]
pub(super) struct Exhausted(pub(super) Allowance);

#[derive(Debug)]
struct Window {
    opened: Duration,
    used: u32,
}

/// The open windows of every user.
#[derive(Debug, Default)]
pub(super) struct Limiter(BTreeMap<(String, Bucket), Window>);

impl Limiter {
    /// Takes one request out of a user's allowance. A refused request costs nothing.
    pub(super) fn take(
        &mut self,
        user: &str,
        bucket: Bucket,
        limit: u32,
        now: Duration,
    ) -> Result<Allowance, Exhausted> {
        let fresh = Window { opened: now, used: 0 };
        let window = self
            .0
            .entry((user.to_owned(), bucket))
            .and_modify(|window| {
                if now >= window.opened + bucket.length() {
                    (window.opened, window.used) = (now, 0);
                }
            })
            .or_insert(fresh);
        let resets_in = (window.opened + bucket.length()).saturating_sub(now);
        let left = limit.saturating_sub(window.used);
        let allowance = Allowance { limit, remaining: left.saturating_sub(1), resets_in };
        if left == 0 {
            return Err(Exhausted(allowance));
        }
        window.used += 1;
        Ok(allowance)
    }

    /// Forgets all windows, as if a minute of silence had passed.
    pub(super) fn reset(&mut self) {
        self.0.clear();
    }
}
