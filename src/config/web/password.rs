//! Passwords, known by their bcrypt hashes alone.

use std::fmt;

use secrecy::ExposeSecret;

use crate::domain::{Digest, DigestKey, Secret};

/// The bcrypt hash of a user's password. Never shown: it can be searched for a weak password.
#[derive(Clone)]
pub struct PasswordHash {
    hash: Secret,
    cost: u32,
}

/// The text is no bcrypt hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "is no bcrypt hash; make one with `htpasswd -nBC 10 \"\" | tr -d ':\\n'`, and never write the password itself"
)]
pub struct NotAHash;

impl PasswordHash {
    /// Takes a hash such as `$2y$10$...`.
    pub fn parse(text: &str) -> Result<Self, NotAHash> {
        let parts: bcrypt::HashParts = text.parse().map_err(|_| NotAHash)?;
        let cost = parts.get_cost();
        if (4..=31).contains(&cost) { Ok(Self { hash: Secret::opaque(text), cost }) } else { Err(NotAHash) }
    }

    /// A hash of that cost that no password is known for, to spend the same time on a user who does not
    /// exist.
    pub fn decoy(cost: u32) -> Self {
        let hash = format!("$2b${cost:02}$x5hPMYqc9vE0sUZ3nKjHvuJr8W1DfLq2TbGmXoA4iRe6CyNk7SPVa");
        Self { hash: Secret::opaque(&hash), cost }
    }

    /// The binary logarithm of the rounds: each one more doubles the time of a check.
    pub fn cost(&self) -> u32 {
        self.cost
    }

    /// Whether this is the hash of the password. Takes as long as the cost says: not for an async thread.
    /// The comparison is in constant time.
    pub fn is_of(&self, password: &[u8]) -> bool {
        bcrypt::verify(password, self.text()).unwrap_or(false)
    }

    /// Identifies a user, this hash and a password among others under one key, and tells nothing of them.
    pub fn digest(&self, key: &DigestKey, user: &str, password: &str) -> Digest {
        let hash = self.text();
        let lengths = format!("{} {} ", user.len(), hash.len());
        let whole = zeroize::Zeroizing::new([&lengths, user, hash, password].concat());
        Secret::opaque(&whole).digest(key)
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "a door of its own: compares a password, never shows the hash"
    )]
    fn text(&self) -> &str {
        self.hash.expose_secret()
    }
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordHash(***)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_is_of_one_password() {
        let text = bcrypt::hash("correct", 4).unwrap();
        assert!(text.starts_with("$2b$04$"));
        for prefix in ["$2a", "$2b", "$2y"] {
            let hash = PasswordHash::parse(&text.replacen("$2b", prefix, 1)).unwrap();
            assert!(hash.is_of(b"correct") && !hash.is_of(b"wrong") && !hash.is_of(b""), "{prefix}");
            assert_eq!(format!("{hash:?}"), "PasswordHash(***)");
        }
    }

    #[test]
    fn what_is_no_hash_is_refused() {
        const COST_AND_SALT: &str = "$2b$04$abcdefghijklmnopqrstuu";
        for wrong in [
            "",
            "secret",
            "$2y$10$tooshort",
            COST_AND_SALT,
            "$2y$03$x5hPMYqc9vE0sUZ3nKjHvuJr8W1DfLq2TbGmXoA4iRe6CyNk7SPVa",
        ] {
            assert!(PasswordHash::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_decoy_takes_the_time_and_knows_no_password() {
        let decoy = PasswordHash::decoy(4);
        assert!(PasswordHash::parse(decoy.text()).is_ok(), "else a check of it would end at once");
        assert!(bcrypt::verify("x", decoy.text()).is_ok());
        assert!(!decoy.is_of(b""));
    }

    #[test]
    fn digests_do_not_run_together() {
        let (hash, key) = (PasswordHash::decoy(4), DigestKey::from_bytes([7; 32]));
        assert_ne!(hash.digest(&key, "ab", "c"), hash.digest(&key, "a", "bc"));
        assert_eq!(hash.digest(&key, "a", "b"), hash.digest(&key, "a", "b"));
    }
}
