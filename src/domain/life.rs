//! Alive or rejected: how a 401 becomes a verdict.
//!
//! One 401 is no death. It is *pending* until two repeats agree; and while other tokens of the workspace
//! are rejected too and none is accepted, it is likelier that Hex has lost its way than that all tokens
//! died at once, so all of them wait.

use std::time::Duration;

use super::Cadence;

/// How many 401s in a row make a verdict.
pub const REJECTIONS_IN_A_ROW: u32 = 3;

/// How long a confirmed rejection still speaks for a mass rejection.
const RECENT: Duration = Duration::from_mins(5);

/// The longest pause between two repeats during a mass rejection.
const HELD_REPEAT: Duration = Duration::from_mins(2);

/// What the last conclusive answer said about a credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Life {
    /// Nothing yet.
    #[default]
    Unseen,
    /// Hex accepts it.
    Alive,
    /// Hex rejects it, confirmed.
    Rejected(Rejection),
}

/// A confirmed rejection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rejection {
    /// Whether its expiry had come.
    pub expired: bool,
    /// How often it was probed since.
    pub probes: u32,
    /// Its first 401, and when it was confirmed, by uptime. `None` where it was remembered from an earlier
    /// process.
    pub seen: Option<(Duration, Duration)>,
}

/// A rejection that awaits confirmation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pending {
    /// The first 401, by uptime.
    pub first: Duration,
    /// 401s in a row, and since the end of a mass rejection.
    pub rejections: u32,
    /// When a mass rejection ends, by uptime.
    pub held_until: Option<Duration>,
    /// Whether one that held it has ended already.
    pub released: bool,
}

impl Pending {
    /// A first 401.
    pub fn start(now: Duration) -> Self {
        Self { first: now, rejections: 0, held_until: None, released: false }
    }

    /// Counts one more 401. `true`: it is confirmed.
    pub fn confirm(&mut self, now: Duration, peers: Peers, cadence: &Cadence) -> bool {
        self.rejections += 1;
        if self.rejections < REJECTIONS_IN_A_ROW {
            return false;
        }
        let mass = peers.mass_rejection(self.first, !self.released);
        self.held_until = mass.map(|start| start + cadence.mass_rejection_hold);
        self.held_until.is_none_or(|end| now >= end)
    }

    /// Whether one more 401 would be its death. Before it, another token is asked as a witness: where that
    /// one is rejected too, it is a mass rejection.
    pub fn is_on_the_brink(self) -> bool {
        self.rejections == REJECTIONS_IN_A_ROW - 1
    }

    /// Another token was accepted, so Hex's answers count again. The ones from before do not: this token
    /// may have been rejected by the same mistake, and is asked afresh. `false` where nothing was held.
    pub fn release(&mut self) -> bool {
        let held = self.held_until.take().is_some();
        if held {
            self.rejections = 0;
            self.released = true;
        }
        held
    }

    /// When to ask again, by uptime, where `last` is when it was last asked.
    pub fn next_repeat(self, last: Duration, cadence: &Cadence) -> Duration {
        match (self.held_until, self.rejections) {
            (Some(end), _) if last < end => end.min(last + HELD_REPEAT),
            (_, 0 | 1) => last + cadence.confirm_after,
            _ => last + cadence.confirm_after * 2,
        }
    }
}

/// What the other tokens of a workspace say about a rejection: those with another credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Peers {
    /// The earliest first 401 of those that are pending, or were rejected within the last minutes, and
    /// later than the last acceptance of any.
    pub first_rejection: Option<Duration>,
    /// When any token was last accepted, the one in question included.
    pub accepted: Option<Duration>,
}

impl Peers {
    /// What these others say now to one that was last accepted at `own`. Whoever was rejected before Hex last
    /// accepted any has died for itself, and speaks for nobody else.
    pub fn of(peers: &[Peer], own: Option<Duration>, now: Duration) -> Self {
        let accepted = peers.iter().filter_map(|peer| peer.accepted).max().max(own);
        let since = |first: &Duration| accepted.is_none_or(|accepted| accepted < *first);
        let first_rejection = peers.iter().filter_map(|peer| peer.recent_rejection(now)).filter(since).min();
        Self { first_rejection, accepted }
    }

    /// The first 401 of a mass rejection that a token is part of: others are rejected too, and none has been
    /// accepted since. Where it `may_be_older`, its own first 401 may have come while others were still accepted:
    /// what rejects everybody may begin with a few. Not twice, or those that die one by one would hold each other.
    fn mass_rejection(self, own_first: Duration, may_be_older: bool) -> Option<Duration> {
        let others = self.first_rejection?;
        if self.accepted < Some(own_first) {
            Some(others.min(own_first))
        } else {
            may_be_older.then_some(others)
        }
    }
}

/// One other token of the workspace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peer {
    /// Its last verdict.
    pub life: Life,
    /// Its pending rejection.
    pub pending: Option<Pending>,
    /// When it was last accepted.
    pub accepted: Option<Duration>,
}

impl Peer {
    /// The first 401 of one that is pending or was confirmed within the last minutes.
    fn recent_rejection(&self, now: Duration) -> Option<Duration> {
        match (self.pending, self.life) {
            (Some(pending), _) => Some(pending.first),
            (None, Life::Rejected(Rejection { seen: Some((first, confirmed)), .. })) => {
                (now.saturating_sub(confirmed) <= RECENT).then_some(first)
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn pending(first: u64) -> Peer {
        Peer { life: Life::Alive, pending: Some(Pending::start(at(first))), accepted: None }
    }

    fn rejected(first: u64, confirmed: u64) -> Peer {
        let seen = Some((at(first), at(confirmed)));
        Peer {
            life: Life::Rejected(Rejection { expired: false, probes: 0, seen }),
            pending: None,
            accepted: None,
        }
    }

    fn accepted(seconds: u64) -> Peer {
        Peer { life: Life::Alive, pending: None, accepted: Some(at(seconds)) }
    }

    #[test]
    fn who_is_rejected_with_a_token_since_nobody_was_accepted() {
        let mut remembered = rejected(0, 0);
        if let Life::Rejected(rejection) = &mut remembered.life {
            rejection.seen = None;
        }
        // The others, and since when there is a mass rejection for a token first rejected at 1000, at 1090.
        for (peers, start) in [
            (vec![], None),
            (vec![pending(1_040)], Some(1_000)),
            (vec![pending(970)], Some(970)),
            (vec![pending(970), pending(950)], Some(950)),
            (vec![rejected(700, 790)], Some(700)),
            (vec![rejected(600, 789)], None),
            (vec![remembered], None),
            (vec![accepted(900)], None),
            (vec![pending(1_040), accepted(900)], Some(1_000)),
            (vec![pending(1_040), accepted(1_001)], Some(1_040)),
            (vec![pending(1_040), accepted(1_041)], None),
            (vec![pending(970), accepted(1_020)], None),
            (vec![rejected(700, 790), accepted(900)], None),
            (vec![rejected(700, 790), pending(1_040), accepted(900)], Some(1_000)),
        ] {
            let found = Peers::of(&peers, None, at(1_090)).mass_rejection(at(1_000), true);
            assert_eq!(found, start.map(at), "{peers:?}");
        }
        // One that was accepted itself after the other's first 401.
        assert_eq!(
            Peers::of(&[pending(970)], Some(at(980)), at(1_090)).mass_rejection(at(1_000), true),
            None
        );
        // One that was held before.
        let others = [pending(1_040), accepted(1_001)];
        assert_eq!(Peers::of(&others, None, at(1_090)).mass_rejection(at(1_000), false), None);
    }

    #[test]
    fn three_in_a_row_confirm_alone_and_the_end_of_the_hold_in_a_mass_rejection() {
        let cadence = Cadence::default();
        let mut alone = Pending::start(at(0));
        let results = [0, 30, 90].map(|time| alone.confirm(at(time), Peers::default(), &cadence));
        assert_eq!(results, [false, false, true]);

        let mut held = Pending::start(at(0));
        let peers = Peers::of(&[pending(10)], None, at(10));
        for time in [0, 30, 90, 210, 330, 450, 570] {
            assert!(!held.confirm(at(time), peers, &cadence));
        }
        assert_eq!(held.next_repeat(Duration::from_secs(570), &cadence), Duration::from_mins(10));
        assert!(held.confirm(at(600), peers, &cadence));
    }

    #[test]
    fn a_released_rejection_is_asked_afresh() {
        let cadence = Cadence::default();
        let mut held = Pending::start(at(0));
        let peers = Peers::of(&[pending(10)], None, at(10));
        assert!(!held.release(), "nothing is held yet");
        let _ = [0, 30, 90].map(|time| held.confirm(at(time), peers, &cadence));
        assert!(held.release());
        let peers = Peers::of(&[accepted(100)], None, at(100));
        let results = [101, 131, 191].map(|time| held.confirm(at(time), peers, &cadence));
        assert_eq!(results, [false, false, true]);
    }

    #[test]
    fn repeats_come_after_confirm_after_and_twice_that_and_every_two_minutes_while_held() {
        let cadence = Cadence::default();
        let next = |rejections, held: Option<u64>| {
            let held_until = held.map(Duration::from_secs);
            let pending = Pending { first: at(0), rejections, held_until, released: false };
            pending.next_repeat(Duration::from_secs(100), &cadence).as_secs() - 100
        };
        assert_eq!([next(0, None), next(1, None), next(2, None), next(3, None)], [30, 30, 60, 60]);
        assert_eq!([next(3, Some(600)), next(5, Some(150)), next(5, Some(90))], [120, 50, 60]);
    }
}
