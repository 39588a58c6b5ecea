//! What is known of one right: granted, denied, or in doubt until a repeat agrees.

use std::time::Duration;

use super::Reason;

/// The last settled answer about one scope or project.
///
/// A grant counts at once. A denial changes a required right only when a repeat, some time later, agrees:
/// one odd answer must not page anybody. All times are by uptime.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Finding {
    settled: Option<bool>,
    doubted_since: Option<Duration>,
    concluded: Option<Duration>,
    by_plan: bool,
}

impl Finding {
    /// The right is there.
    pub fn grant(&mut self, now: Duration) {
        *self = Self { settled: Some(true), concluded: Some(now), ..Self::default() };
    }

    /// The right is not there; `by_plan` where the workspace's plan is what lacks. Counts once a denial at
    /// least `repeat_after` older has said so too.
    pub fn deny(&mut self, now: Duration, repeat_after: Duration, by_plan: bool) {
        let first = *self.doubted_since.get_or_insert(now);
        if repeat_after.is_zero() || now.saturating_sub(first) >= repeat_after {
            self.settled = Some(false);
        }
        self.concluded = Some(now);
        self.by_plan = by_plan;
    }

    /// Takes in an answer that is about the right alone.
    pub fn hear(&mut self, reason: Reason, now: Duration, repeat_after: Duration) {
        match reason {
            Reason::Ok => self.grant(now),
            Reason::Forbidden => self.deny(now, repeat_after, false),
            Reason::Plan => self.deny(now, repeat_after, true),
            _ => {}
        }
    }

    /// A denial that counted alone needs a repeat from now on.
    pub fn reopen(&mut self) {
        if self.settled == Some(false) {
            self.settled = None;
        }
    }

    /// Forgets denials, which were of something else.
    pub fn dismiss_denials(&mut self) {
        *self = Self {
            settled: self.settled.filter(|granted| *granted),
            concluded: self.concluded,
            ..Self::default()
        };
    }

    /// The answer that counts. `None` where none has settled.
    pub fn settled(self) -> Option<bool> {
        self.settled
    }

    /// The latest conclusive answer, settled or not.
    pub fn latest(self) -> Option<bool> {
        if self.doubted_since.is_some() { Some(false) } else { self.settled }
    }

    /// Since when every answer was a denial.
    pub fn denied_since(self) -> Option<Duration> {
        self.doubted_since
    }

    /// When the latest conclusive answer came.
    pub fn concluded(self) -> Option<Duration> {
        self.concluded
    }

    /// Whether what lacks is the workspace's plan.
    pub fn is_denied_by_plan(self) -> bool {
        self.by_plan
    }
}

/// What is known of one listed project.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ProjectFinding {
    /// Whether the token sees it.
    pub visible: Finding,
    /// Whether it is published and neither archived nor trashed.
    pub published: Option<bool>,
    /// Whether Hex accepts a dry run of it.
    pub runnable: Finding,
    /// Whether the latest answer to a dry run was that there is no such project.
    pub not_found_to_run: bool,
}

impl ProjectFinding {
    /// Takes in a conclusive answer to a dry run. A 401 is about the token, and tells nothing of the project.
    pub fn hear_run(&mut self, reason: Reason, now: Duration, repeat_after: Duration) {
        self.runnable.hear(reason, now, repeat_after);
        if reason != Reason::Unauthorized {
            self.not_found_to_run = reason == Reason::NotFound;
        }
    }

    /// Forgets what dry runs have told.
    pub fn forget_runs(&mut self) {
        *self = Self { visible: self.visible, published: self.published, ..Self::default() };
    }

    /// Whether a check that is bound to a project may ask about this one.
    pub fn is_usable(self) -> bool {
        self.visible.latest() == Some(true) && self.published == Some(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    const MINUTE: Duration = Duration::from_mins(1);

    #[test]
    fn a_denial_needs_a_later_repeat() {
        let mut finding = Finding::default();
        finding.deny(at(0), MINUTE, false);
        assert_eq!((finding.settled(), finding.latest()), (None, Some(false)));
        finding.deny(at(59), MINUTE, false);
        assert_eq!(finding.settled(), None);
        finding.deny(at(60), MINUTE, false);
        assert_eq!(finding.settled(), Some(false));
    }

    #[test]
    fn a_grant_counts_at_once_and_ends_the_doubt() {
        let mut finding = Finding::default();
        finding.grant(at(0));
        finding.deny(at(10), MINUTE, true);
        assert_eq!(finding.settled(), Some(true));
        assert!(finding.is_denied_by_plan());
        finding.grant(at(20));
        assert_eq!((finding.settled(), finding.latest()), (Some(true), Some(true)));
        finding.deny(at(80), MINUTE, false);
        assert_eq!(finding.settled(), Some(true), "the first doubt was dispelled");
    }

    #[test]
    fn denials_that_are_dismissed_never_were() {
        let mut finding = Finding::default();
        finding.grant(at(0));
        finding.deny(at(10), MINUTE, false);
        finding.dismiss_denials();
        assert_eq!((finding.settled(), finding.denied_since()), (Some(true), None));
        finding.deny(at(80), MINUTE, false);
        assert_eq!(finding.settled(), Some(true));
        finding.deny(at(140), MINUTE, false);
        finding.dismiss_denials();
        assert_eq!((finding.settled(), finding.latest()), (None, None));
    }
}
