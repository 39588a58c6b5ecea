//! The reference: when a credential expires, and whether that has happened. Dates are seconds since 1970
//! on Hex's clock.

use std::time::Duration;

use hex_token_exporter::domain::Expiry;
use jiff::Timestamp;

use crate::{
    cast::{Cast, Date},
    model::Stack,
};

/// How far past a date everything may be that still means nothing.
const GRACE: f64 = 300.0;

/// What is known of an expiry.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) struct Calendar {
    /// What the API told last: a date, or null.
    pub(crate) told: Date,
    /// When Hex last accepted the credential, on its own clock.
    accepted: Option<f64>,
    /// The same on ours, which outlives a process and a rotation.
    pub(crate) last_success: Option<f64>,
    /// Whether the credential, once read, was a personal one: those must expire.
    pub(crate) is_personal: bool,
}

#[expect(clippy::cast_precision_loss, reason = "dates of this century are exact")]
fn seconds(date: i64) -> f64 {
    date as f64
}

impl Calendar {
    /// Hex has accepted the credential, and told this of its expiry, or nothing.
    pub(crate) fn accept(&mut self, told: Date, hex_now: f64, local: f64) {
        if told != Date::Untold {
            self.told = told;
        }
        (self.accepted, self.last_success) = (Some(hex_now), Some(local));
    }

    /// What is known of another credential of the same token.
    pub(crate) fn of_next(&self) -> Self {
        Self { last_success: self.last_success, ..Self::default() }
    }

    /// What the next process is told: no date that is disproved.
    pub(crate) fn remembered(&self) -> Self {
        let is_disproved = matches!(self.told, Date::At(date) if self.disproves(date));
        Self { told: if is_disproved { Date::Untold } else { self.told }, ..self.of_next() }
    }

    fn latest_acceptance(&self) -> Option<f64> {
        self.accepted.or(self.last_success)
    }

    /// What is shown: the API's date before the configuration's; never, where the API says so of a
    /// workspace token; and nothing that an acceptance has disproved.
    pub(crate) fn shown(&self, cast: &Cast) -> Expiry {
        let at = |date| Timestamp::from_second(date).unwrap();
        let may_be_endless = !self.is_personal;
        match (self.told, cast.declared) {
            (Date::At(date), _) if self.disproves(date) => Expiry::Unknown,
            (Date::At(date), _) => Expiry::Api(at(date)),
            (_, Date::At(date)) if self.disproves(date) => Expiry::Unknown,
            (_, Date::At(date)) => Expiry::Config(at(date)),
            (_, Date::Never) | (Date::Never, Date::Untold) if may_be_endless => Expiry::Never,
            _ => Expiry::Unknown,
        }
    }

    fn disproves(&self, date: i64) -> bool {
        self.latest_acceptance().is_some_and(|accepted| accepted > seconds(date) + GRACE)
    }

    /// The date that is shown, if any.
    pub(crate) fn date(&self, cast: &Cast) -> Option<f64> {
        self.shown(cast).date().map(|date| seconds(date.as_second()))
    }

    /// Whether a rejection now is that of an expired credential.
    pub(crate) fn explains_rejection(&self, cast: &Cast, hex_now: f64) -> bool {
        self.date(cast).is_some_and(|date| date <= hex_now + GRACE)
    }

    /// Whether it has run out without an answer: a date that the API told is past, and no acceptance has
    /// come since.
    pub(crate) fn has_run_out(&self, cast: &Cast, hex_now: f64) -> bool {
        match self.shown(cast) {
            Expiry::Api(date) => {
                let date = seconds(date.as_second());
                hex_now > date + GRACE && self.latest_acceptance().is_none_or(|accepted| accepted <= date)
            }
            _ => false,
        }
    }
}

impl Stack {
    /// An answer has told the date. Two that are a minute apart must agree before the clock is set by more than
    /// means something.
    pub(crate) fn hear_date(&mut self, date: i64, now: Duration) {
        let date = seconds(date);
        let is_near =
            |(then, at): (f64, Duration)| (date - then - now.saturating_sub(at).as_secs_f64()).abs() <= GRACE;
        let agrees = self.doubted.filter(|clock| is_near(*clock));
        let is_later = agrees.is_some_and(|(_, at)| now >= at + Duration::from_mins(1));
        if self.told.is_none_or(is_near) || is_later {
            (self.told, self.doubted) = (Some((date, now)), None);
        } else {
            self.doubted = agrees.or(Some((date, now)));
        }
    }
}
