//! The reference: alive or rejected, from the answers about life alone.
//!
//! Three 401s in a row, unless others are rejected too and nobody is accepted: then all wait.

use std::time::Duration;

use hex_token_exporter::domain::Cadence;

const MINUTE: Duration = Duration::from_mins(1);

/// The last verdict on a credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Verdict {
    #[default]
    Unheard,
    Alive,
    Dead {
        expired: bool,
    },
}

/// A rejection that is being confirmed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Doubt {
    /// The first 401.
    pub(crate) first: Duration,
    /// 401s that count.
    pub(crate) rejections: u32,
    /// The end of a mass rejection.
    pub(crate) held_until: Option<Duration>,
    /// Whether it was held before.
    pub(crate) was_held: bool,
}

/// What is known of the life of one credential.
#[derive(Debug, Clone, Default)]
pub(crate) struct Life {
    pub(crate) verdict: Verdict,
    pub(crate) doubt: Option<Doubt>,
    /// The first 401 of its death and the last, where this process has seen it die.
    pub(crate) died: Option<(Duration, Duration)>,
    /// 401s since its death.
    pub(crate) rejected_since: u32,
    /// When it was asked for the answer that accepted it last.
    pub(crate) accepted: Option<Duration>,
    /// Whether it was accepted before that too, since its last death.
    pub(crate) accepted_again: bool,
    /// The last conclusive answer, whichever.
    pub(crate) answered: Option<Duration>,
}

impl Life {
    pub(crate) fn is_dead(&self) -> bool {
        matches!(self.verdict, Verdict::Dead { .. })
    }

    /// Alive, and nothing speaks against it.
    pub(crate) fn is_unquestioned(&self) -> bool {
        self.verdict == Verdict::Alive && self.doubt.is_none()
    }

    /// Hex accepts it, asked at `began`. `true`: it was thought dead.
    pub(crate) fn accept(&mut self, began: Duration, now: Duration) -> bool {
        let was_dead = self.is_dead();
        *self = Self {
            accepted_again: self.verdict == Verdict::Alive,
            verdict: Verdict::Alive,
            accepted: Some(began),
            answered: Some(now),
            ..Self::default()
        };
        was_dead
    }

    /// Hex does not. `true`: that was its death, and the caller says which.
    pub(crate) fn reject(&mut self, now: Duration, others: &[Self], cadence: &Cadence) -> bool {
        let heard_before = self.answered.replace(now).is_some();
        if self.is_dead() {
            // After a remembered death, the first answer only confirms it.
            self.rejected_since += u32::from(heard_before);
            return false;
        }
        let mut doubt =
            self.doubt.unwrap_or(Doubt { first: now, rejections: 0, held_until: None, was_held: false });
        doubt.rejections += 1;
        if doubt.rejections >= 3 {
            let mass = mass_rejection(doubt, self.accepted, others, now);
            doubt.held_until = mass.map(|began| began + cadence.mass_rejection_hold);
            if doubt.held_until.is_none_or(|end| now >= end) {
                self.doubt = None;
                self.died = Some((doubt.first, now));
                return true;
            }
        }
        self.doubt = Some(doubt);
        false
    }

    /// Another was accepted: what was held is asked afresh. `true`: it was.
    pub(crate) fn release(&mut self) -> bool {
        match &mut self.doubt {
            Some(doubt) if doubt.held_until.is_some() => {
                (doubt.held_until, doubt.rejections, doubt.was_held) = (None, 0, true);
                true
            }
            _ => false,
        }
    }

    /// When it is asked again, where it was last asked at `last`: exactly then. `None`: by the rhythm of
    /// the living.
    pub(crate) fn asked_again_at(&self, last: Duration, cadence: &Cadence) -> Option<Duration> {
        if let Some(doubt) = self.doubt {
            return Some(match (doubt.held_until, doubt.rejections) {
                (Some(end), _) if last < end => end.min(last + 2 * MINUTE),
                (_, 0 | 1) => last + cadence.confirm_after,
                _ => last + 2 * cadence.confirm_after,
            });
        }
        let minutes = match self.rejected_since {
            0 => 1,
            1 => 2,
            2 => 5,
            3 => 10,
            _ => u32::MAX,
        };
        self.is_dead().then(|| last + (MINUTE * minutes).min(cadence.rejected_interval))
    }
}

/// When a mass rejection began that a token in doubt is part of. Others are rejected now or were
/// a few minutes ago, and nobody was accepted since: neither they nor this one.
fn mass_rejection(
    doubt: Doubt,
    own_accepted: Option<Duration>,
    others: &[Life],
    now: Duration,
) -> Option<Duration> {
    let accepted = others.iter().filter_map(|it| it.accepted).chain(own_accepted).max();
    let is_later = |first: &Duration| accepted.is_none_or(|accepted| *first > accepted);
    let rejected = others.iter().filter_map(|it| match (it.doubt, it.died) {
        (Some(doubt), _) => Some(doubt.first),
        (None, Some((first, confirmed))) => (now <= confirmed + 5 * MINUTE).then_some(first),
        _ => None,
    });
    let began = rejected.filter(is_later).min()?;
    // A few may have been rejected before the last was accepted; but once held, it is on its own.
    match Some(doubt.first).filter(is_later) {
        Some(own) => Some(began.min(own)),
        None => (!doubt.was_held).then_some(began),
    }
}
