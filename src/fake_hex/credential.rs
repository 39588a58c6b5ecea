//! Made-up credentials and ids, derived from names: the same in every process, and in no file.
//!
//! A scenario names its tokens; their values are computed here, so that nothing that looks like a
//! token is ever written down, and both sides of a test know the value without passing it on.

use serde::Deserialize;

/// Who a token belongs to; decides its prefix and what `/users/me` says about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TokenKind {
    /// `hxtp_`: acts as its user and has no scopes.
    Personal,
    /// `hxtw_`: acts for the workspace, narrowed by scopes.
    Workspace,
}

impl TokenKind {
    fn prefix(self) -> &'static str {
        match self {
            Self::Personal => "hxtp_",
            Self::Workspace => "hxtw_",
        }
    }
}

/// The value of the token called `name`: its prefix and 96 hex digits.
///
/// `generation` counts how often the token was regenerated; the first value is generation 0.
pub fn credential(kind: TokenKind, name: &str, generation: u32) -> String {
    let mut numbers = Numbers::of(&format!("{}{name}#{generation}", kind.prefix()));
    (0..6).fold(kind.prefix().to_owned(), |value, _| value + &format!("{:016x}", numbers.next()))
}

/// A UUID that belongs to `what` for ever.
pub(super) fn uuid(what: &str) -> String {
    let mut numbers = Numbers::of(what);
    let (high, low) = (numbers.next(), numbers.next());
    format!(
        "{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}",
        high >> 32,
        (high >> 16) & 0xffff,
        high & 0xfff,
        0x8000 | (low >> 48) & 0x3fff,
        low & 0xffff_ffff_ffff,
    )
}

/// A trace id that belongs to `what` for ever: 32 hex digits.
pub(super) fn trace_id(what: &str) -> String {
    let mut numbers = Numbers::of(what);
    format!("{:016x}{:016x}", numbers.next(), numbers.next())
}

/// A reproducible stream of numbers: an FNV-1a hash of the seed, stretched by `SplitMix64`.
struct Numbers(u64);

impl Numbers {
    fn of(seed: &str) -> Self {
        Self(seed.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        }))
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}
