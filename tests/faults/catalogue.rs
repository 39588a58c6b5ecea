//! The catalogue of faults: what comes between Hex's answer and whoever asked.
//!
//! Each fault either leaves the answer whole, however strangely it arrives, or makes it something that must
//! change nothing. There is no third kind, so that every run has one right outcome.

use crate::chance::Chance;

/// One way for a request to go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Fault {
    // The answer arrives whole.
    None,
    ByteByByte,
    OneByteChunks,
    Gzipped,
    UntilTheEnd,
    Interim,
    CloseAnnounced,
    ClosedUnannounced,
    SecondAnswer,
    OverTls,
    // It is cut, late, or no answer of HTTP.
    Cut,
    ResetWithin,
    NoAnswer,
    Silence,
    HalfThenSilence,
    Trickle,
    InterimFlood,
    HugeHeader,
    ManyHeaders,
    Garbage,
    TwoLengths,
    LengthTooLong,
    LengthTooShort,
    // Its body is none of Hex's.
    HugeBody,
    EndlessBody,
    GzipBomb,
    BadGzip,
    BadUtf8,
    BadJson,
    DepthBomb,
    WrongShape,
    WrongType,
    // Somebody else answers.
    Status,
    RateLimited,
    QuotaSpent,
    Firewall,
    Portal,
    Elsewhere,
    Cached,
    Echo,
    WrongDate,
    // There is nobody to ask.
    Refused,
    TlsExpired,
    TlsWrongHost,
    TlsUnknownCa,
    TlsNone,
    NoAddress,
    BlackHole,
}

impl Fault {
    /// Those that leave the answer whole.
    pub(crate) const HARMLESS: [Self; 10] = [
        Self::None,
        Self::ByteByByte,
        Self::OneByteChunks,
        Self::Gzipped,
        Self::UntilTheEnd,
        Self::Interim,
        Self::CloseAnnounced,
        Self::ClosedUnannounced,
        Self::SecondAnswer,
        Self::OverTls,
    ];

    /// Those that must change nothing.
    pub(crate) const HARMFUL: [Self; 38] = [
        Self::Cut,
        Self::ResetWithin,
        Self::NoAnswer,
        Self::Silence,
        Self::HalfThenSilence,
        Self::Trickle,
        Self::InterimFlood,
        Self::HugeHeader,
        Self::ManyHeaders,
        Self::Garbage,
        Self::TwoLengths,
        Self::LengthTooLong,
        Self::LengthTooShort,
        Self::HugeBody,
        Self::EndlessBody,
        Self::GzipBomb,
        Self::BadGzip,
        Self::BadUtf8,
        Self::BadJson,
        Self::DepthBomb,
        Self::WrongShape,
        Self::WrongType,
        Self::Status,
        Self::RateLimited,
        Self::QuotaSpent,
        Self::Firewall,
        Self::Portal,
        Self::Elsewhere,
        Self::Cached,
        Self::Echo,
        Self::WrongDate,
        Self::Refused,
        Self::TlsExpired,
        Self::TlsWrongHost,
        Self::TlsUnknownCa,
        Self::TlsNone,
        Self::NoAddress,
        Self::BlackHole,
    ];

    /// Whether the answer must count.
    pub(crate) fn is_harmless(self) -> bool {
        Self::HARMLESS.contains(&self)
    }

    /// Whether only the timeout ends it.
    pub(crate) fn lasts(self) -> bool {
        matches!(self, Self::Silence | Self::HalfThenSilence | Self::Trickle | Self::BlackHole)
    }
}

/// What the way to Hex is like for a while.
#[derive(Debug, Clone)]
pub(crate) struct Weather {
    /// How many of a hundred requests meet a fault.
    percent: usize,
    faults: Vec<Fault>,
}

impl Weather {
    /// Every request is answered, and well.
    pub(crate) fn fair() -> Self {
        Self { percent: 0, faults: Vec::new() }
    }

    /// Some faults at some rate.
    pub(crate) fn foul(chance: &mut Chance) -> Self {
        let kinds = 1 + chance.below(4);
        let faults = (0..kinds)
            .map(|_| {
                if chance.percent(85) { chance.pick(&Fault::HARMFUL) } else { chance.pick(&Fault::HARMLESS) }
            })
            .collect();
        Self { percent: chance.pick(&[20, 50, 90, 100]), faults }
    }

    /// The faults that it may bring.
    pub(crate) fn faults(&self) -> Vec<Fault> {
        self.faults.clone()
    }

    /// What one request meets.
    pub(crate) fn meets(&self, chance: &mut Chance) -> Fault {
        if chance.percent(self.percent) { chance.pick(&self.faults) } else { Fault::None }
    }
}
