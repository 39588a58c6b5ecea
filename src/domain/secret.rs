//! A credential in memory: never shown, wiped when dropped, compared only here.

use std::{
    fmt,
    hash::{Hash, Hasher},
    sync::{Arc, OnceLock},
};

use aws_lc_rs::{constant_time, hmac};
use jiff::Timestamp;
use rustix::rand::GetRandomFlags;
use secrecy::{ExposeSecret, SecretString};

use super::token::Kind;

/// A secret text: a Hex token, or a proxy address that may hold a password.
///
/// It has no `Display` and no `Serialize`, its `Debug` shows nothing, and its memory is wiped when the last
/// clone is dropped: clones share one copy.
/// [`ExposeSecret`] is banned by lint outside this file, `probe/auth.rs` and `config/web/password.rs`.
#[derive(Clone)]
pub struct Secret(Arc<Shared>);

/// What the clones of a secret share.
struct Shared {
    text: SecretString,
    /// The first digest that was asked for, with its key: each answer about a token asks for the same again.
    digest: OnceLock<(Arc<[u8; 32]>, Digest)>,
}

impl Secret {
    /// Takes the text of a credential source. Leading and trailing white space is dropped, since files
    /// end in a newline; what remains must be sendable in an HTTP header.
    pub fn credential(text: &str) -> Result<Self, CredentialProblem> {
        let text = text.trim();
        if text.is_empty() {
            return Err(CredentialProblem::Empty);
        }
        if !text.bytes().all(|byte| (0x21..=0x7e).contains(&byte)) {
            return Err(CredentialProblem::IllegalHeaderValue);
        }
        Ok(Self::opaque(text))
    }

    /// Takes any secret text as it is.
    pub fn opaque(text: &str) -> Self {
        Self(Arc::new(Shared { text: SecretString::from(text), digest: OnceLock::new() }))
    }

    /// The kind that Hex's prefix tells.
    pub fn kind(&self) -> Kind {
        Kind::of_credential(self.text())
    }

    /// Whether it looks like a token with something around it: a name before it, quotes, JSON.
    pub fn is_wrapped(&self) -> bool {
        let text = self.text();
        let holds_one = || ["hxtp_", "hxtw_"].iter().any(|prefix| text.contains(prefix));
        // At the end it fills up base64.
        let is_named = || text.trim_end_matches('=').contains('=');
        self.kind() == Kind::Unknown && (text.starts_with(['"', '\'', '{']) || is_named() || holds_one())
    }

    /// Identifies this secret among others under one key, and tells nothing about it.
    pub fn digest(&self, key: &DigestKey) -> Digest {
        let first = self.0.digest.get_or_init(|| (Arc::clone(&key.bytes), self.made_with(key)));
        if first.0 == key.bytes { first.1 } else { self.made_with(key) }
    }

    fn made_with(&self, key: &DigestKey) -> Digest {
        let tag = hmac::sign(&key.prepared, self.text().as_bytes());
        let mut digest = [0; 32];
        digest.copy_from_slice(tag.as_ref());
        Digest(digest)
    }

    #[expect(clippy::disallowed_methods, reason = "one of a credential's two doors: compares, never shows")]
    fn text(&self) -> &str {
        self.0.text.expose_secret()
    }
}

impl ExposeSecret<str> for Secret {
    fn expose_secret(&self) -> &str {
        self.text()
    }
}

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
            || constant_time::verify_slices_are_equal(self.text().as_bytes(), other.text().as_bytes()).is_ok()
    }
}

impl Eq for Secret {}

impl Hash for Secret {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.text().hash(state);
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(***)")
    }
}

/// The key under which digests are made: random, per process or per state file.
#[derive(Clone)]
pub struct DigestKey {
    bytes: Arc<[u8; 32]>,
    /// The same: half of a digest's work is to prepare its key.
    prepared: hmac::Key,
}

impl DigestKey {
    /// A new random key. From the system itself: a generator of our own would first gather its seed, which
    /// takes longer than the rest of a start.
    pub fn random() -> Result<Self, NoRandomness> {
        let mut key = [0; 32];
        match rustix::rand::getrandom(&mut key, GetRandomFlags::empty()) {
            Ok(filled) if filled == key.len() => Ok(Self::from_bytes(key)),
            _ => Err(NoRandomness),
        }
    }

    /// A key kept in a state file.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self { bytes: Arc::new(bytes), prepared: hmac::Key::new(hmac::HMAC_SHA256, &bytes) }
    }

    /// The key, to be kept in a state file.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.bytes
    }
}

impl fmt::Debug for DigestKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DigestKey(***)")
    }
}

/// The system gave no random bytes.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("the system's random number generator failed")]
pub struct NoRandomness;

/// A keyed digest of a secret. Written to the state file alone; never a label, never logged.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Digest([u8; 32]);

impl Digest {
    /// A digest read from a state file.
    pub fn from_bytes(digest: [u8; 32]) -> Self {
        Self(digest)
    }

    /// The digest, to be kept in a state file.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Digest(***)")
    }
}

/// What a token's credential source holds now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Credential {
    /// A usable credential.
    Loaded {
        /// The credential itself.
        secret: Secret,
        /// The file's modification time, or the start of the process for an environment variable.
        loaded_at: Timestamp,
    },
    /// None that could be sent.
    Unreadable(CredentialProblem),
}

/// Why a credential can't be used; its words are [`of_credential`](super::advice::of_credential)'s.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CredentialProblem {
    /// No such file.
    Missing,
    /// No such variable.
    NotSet,
    /// The file exists and can't be read.
    PermissionDenied,
    /// A directory, a pipe, or something else that is no regular file.
    NotAFile,
    /// Larger than a token can be.
    TooLarge,
    /// The links on the way to the file lead in a circle.
    LinkLoop,
    /// The file can't be read for another reason.
    Unreadable,
    /// Nothing but white space.
    Empty,
    /// The file's mode lets every user of the machine read it, and the configuration refuses that.
    Exposed,
    /// Holds characters that no HTTP header value may hold.
    IllegalHeaderValue,
}

/// Finds a text that looks like a Hex token (`hxtp_` or `hxtw_` and at least 8 lower-case hexadecimal
/// digits) anywhere in `text`. Returns how it may be shown.
pub fn token_like(text: &str) -> Option<&'static str> {
    // Nearly every text is none, which a glance tells.
    if !text.contains("hxt") {
        return None;
    }
    [("hxtp_", "hxtp_..."), ("hxtw_", "hxtw_...")].into_iter().find_map(|(prefix, shown)| {
        text.match_indices(prefix)
            .any(|(start, _)| hex_digits(&text[start + prefix.len()..]) >= 8)
            .then_some(shown)
    })
}

/// `text` with everything that looks like a Hex token replaced by `hxtw_...` or `hxtp_...`.
pub fn redact(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find("hxt") {
        let (before, found) = rest.split_at(start);
        shown.push_str(before);
        let digits = if found.starts_with("hxtp_") || found.starts_with("hxtw_") {
            hex_digits(&found[5..])
        } else {
            0
        };
        if digits >= 8 {
            shown.push_str(&found[..5]);
            shown.push_str("...");
            rest = &found[5 + digits..];
        } else {
            shown.push_str(&found[..3]);
            rest = &found[3..];
        }
    }
    shown.push_str(rest);
    shown
}

fn hex_digits(text: &str) -> usize {
    text.bytes().take_while(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token() -> String {
        format!("hxtw_{}", "0123456789abcdef".repeat(6))
    }

    #[test]
    fn nothing_shows_a_secret() {
        let secret = Secret::credential(&token()).unwrap();
        let key = DigestKey::random().unwrap();
        let credential = Credential::Loaded { secret: secret.clone(), loaded_at: Timestamp::UNIX_EPOCH };
        for shown in [
            format!("{secret:?}"),
            format!("{credential:?}"),
            format!("{key:?}"),
            format!("{:?}", secret.digest(&key)),
        ] {
            assert!(!shown.contains("0123456") && !shown.contains("hxtw"), "{shown}");
        }
    }

    #[test]
    fn a_credential_is_trimmed_and_must_be_sendable() {
        let plain = Secret::credential("abc").unwrap();
        assert_eq!(Secret::credential("  abc\r\n"), Ok(plain));
        assert_eq!(Secret::credential(" \n"), Err(CredentialProblem::Empty));
        for bad in ["a b", "a\nb", "ä", "a\0b", "a\tb"] {
            assert_eq!(Secret::credential(bad), Err(CredentialProblem::IllegalHeaderValue));
        }
    }

    #[test]
    fn digests_depend_on_key_and_secret() {
        let (a, b) = (DigestKey::from_bytes([1; 32]), DigestKey::from_bytes([2; 32]));
        let (x, y) = (Secret::opaque("x"), Secret::opaque("y"));
        assert_eq!(x.digest(&a), x.clone().digest(&a));
        assert_ne!(x.digest(&a), x.digest(&b));
        assert_ne!(x.digest(&a), y.digest(&a));
    }

    #[test]
    fn what_looks_like_a_token_is_found_and_hidden() {
        let text = format!("--url=x{}!", token());
        assert_eq!(token_like(&text), Some("hxtw_..."));
        assert_eq!(redact(&text), "--url=xhxtw_...!");
        for plain in ["", "hxtp_", "hxtw_0123456", "hxtx_0123456789", "hxtphxt"] {
            assert_eq!(token_like(plain), None, "{plain}");
            assert_eq!(redact(plain), plain);
        }
        assert_eq!(redact("hxtp_hxtp_00000000"), "hxtp_hxtp_...");
    }
}
