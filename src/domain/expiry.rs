//! When a token expires, and who says so.

use jiff::{SignedDuration, Timestamp};

use super::{DeclaredExpiry, Exp, Kind};

/// How far past its expiry a token may still be accepted, or a clock be off, before that means something.
pub const GRACE: SignedDuration = SignedDuration::from_mins(5);

/// When a token expires, as far as is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Expiry {
    /// At a date that the API told.
    Api(Timestamp),
    /// At a date that the configuration declares.
    Config(Timestamp),
    /// Never.
    Never,
    /// Nobody says.
    #[default]
    Unknown,
}

impl Expiry {
    /// All values of the label `expiry`.
    pub const LABELS: [&'static str; 4] = ["api", "config", "never", "unknown"];

    /// The value of the label `expiry`: where the date comes from.
    pub fn as_label(self) -> &'static str {
        match self {
            Self::Api(_) => "api",
            Self::Config(_) => "config",
            Self::Never => "never",
            Self::Unknown => "unknown",
        }
    }

    /// The date, where there is one.
    pub fn date(self) -> Option<Timestamp> {
        match self {
            Self::Api(date) | Self::Config(date) => Some(date),
            Self::Never | Self::Unknown => None,
        }
    }

    /// Days from `now` to the date, negative once past.
    pub fn days_left(self, now: Timestamp) -> Option<f64> {
        self.date().map(|date| date.duration_since(now).as_secs_f64() / 86_400.0)
    }
}

/// What the API last told of a credential's expiry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Told {
    /// A date.
    At(Timestamp),
    /// `exp: null`.
    Null,
    /// Nothing, or nothing readable.
    #[default]
    Nothing,
}

impl Told {
    /// Reads `token.exp`: seconds, or from 1e11 on milliseconds since 1970; a year outside 2015-2200 is
    /// no date. An answer without the field leaves what was told before.
    #[must_use]
    pub fn after(self, exp: Exp) -> Self {
        match exp {
            Exp::Absent => self,
            Exp::Null => Self::Null,
            Exp::Nonsense => Self::Nothing,
            Exp::Number(number) => date(number).map_or(Self::Nothing, Self::At),
        }
    }
}

fn date(number: f64) -> Option<Timestamp> {
    // 2015-01-01 and 2201-01-01, in seconds since 1970.
    let plausible = 1_420_070_400.0..7_289_654_400.0;
    let seconds = if number >= 1e11 { number / 1_000.0 } else { number };
    if !plausible.contains(&seconds) {
        return None;
    }
    let since_1970 = SignedDuration::try_from_secs_f64(seconds).ok()?;
    Timestamp::from_duration(since_1970).ok()
}

/// The expiry of a credential.
///
/// The API wins over the configuration. `exp: null` means "never" for workspace tokens alone, since
/// personal ones must expire (Hex's API overview); so a declared "never" is not believed of these either.
/// `prefix` is the kind that the credential's prefix tells.
/// A date that Hex has accepted the token more than [`GRACE`] after is disproved.
pub fn expiry(
    told: Told,
    declared: Option<DeclaredExpiry>,
    prefix: Kind,
    accepted_at: Option<Timestamp>,
) -> Expiry {
    let personal = prefix == Kind::Personal;
    let claimed = match (told, declared) {
        (Told::At(date), _) => Expiry::Api(date),
        (Told::Null | Told::Nothing, Some(DeclaredExpiry::At(date))) => Expiry::Config(date),
        (Told::Null | Told::Nothing, Some(DeclaredExpiry::Never)) if !personal => Expiry::Never,
        (Told::Null, None) if prefix == Kind::Workspace => Expiry::Never,
        (Told::Null | Told::Nothing, _) => Expiry::Unknown,
    };
    match (claimed.date(), accepted_at) {
        (Some(date), Some(accepted)) if is_past(date, accepted) => Expiry::Unknown,
        _ => claimed,
    }
}

/// Whether `date` lies more than [`GRACE`] before `now`.
pub fn is_past(date: Timestamp, now: Timestamp) -> bool {
    now.duration_since(date) > GRACE
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).unwrap()
    }

    #[test]
    fn exp_is_read_under_either_unit_and_never_guessed() {
        let told = |exp| Told::Nothing.after(exp);
        assert_eq!(told(Exp::Number(1_900_000_000.0)), Told::At(at(1_900_000_000)));
        assert_eq!(told(Exp::Number(1_900_000_000_000.0)), Told::At(at(1_900_000_000)));
        assert_eq!(told(Exp::Null), Told::Null);
        for absurd in [0.0, -1.0, 1_000_000_000.0, 9e9, 9e10, 1e11, 1e13, 1e300, f64::INFINITY, f64::NAN] {
            assert_eq!(told(Exp::Number(absurd)), Told::Nothing, "{absurd}");
        }
        assert_eq!(Told::At(at(1_900_000_000)).after(Exp::Nonsense), Told::Nothing);
        assert_eq!(Told::At(at(1_900_000_000)).after(Exp::Absent), Told::At(at(1_900_000_000)));
    }

    #[test]
    fn the_api_wins_and_null_means_never_for_workspace_tokens_alone() {
        use {DeclaredExpiry as D, Expiry as E, Kind as K, Told as T};
        let (api, config) = (at(1_900_000_000), at(1_800_000_000));
        for (told, declared, kind, expected) in [
            (T::At(api), Some(D::At(config)), K::Workspace, E::Api(api)),
            (T::At(api), Some(D::Never), K::Workspace, E::Api(api)),
            (T::Null, None, K::Workspace, E::Never),
            (T::Null, Some(D::At(config)), K::Workspace, E::Config(config)),
            (T::Null, None, K::Personal, E::Unknown),
            (T::Null, Some(D::At(config)), K::Personal, E::Config(config)),
            (T::Null, Some(D::Never), K::Personal, E::Unknown),
            (T::Null, None, K::Unknown, E::Unknown),
            (T::Nothing, None, K::Workspace, E::Unknown),
            (T::Nothing, Some(D::Never), K::Workspace, E::Never),
            (T::Nothing, Some(D::At(config)), K::Personal, E::Config(config)),
        ] {
            assert_eq!(expiry(told, declared, kind, None), expected, "{told:?} {declared:?} {kind:?}");
        }
    }

    #[test]
    fn a_date_is_disproved_by_acceptance_more_than_five_minutes_later() {
        let date = at(1_900_000_000);
        let known = |accepted| expiry(Told::At(date), None, Kind::Workspace, Some(at(accepted)));
        assert_eq!(known(1_900_000_300), Expiry::Api(date));
        assert_eq!(known(1_900_000_301), Expiry::Unknown);
    }

    #[test]
    fn days_are_fractional_and_go_negative() {
        let expiry = Expiry::Api(at(86_400 * 3 / 2));
        assert_eq!(expiry.days_left(at(0)), Some(1.5));
        assert_eq!(expiry.days_left(at(86_400 * 2)), Some(-0.5));
        assert_eq!(Expiry::Never.days_left(at(0)), None);
    }
}
