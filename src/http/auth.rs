//! Basic authentication: who may ask at all.
//!
//! A check of a password is made slow on purpose, so it is made once: what was found is kept under a keyed
//! digest, in memory alone. Checks run on threads of their own, few at a time, and a user who does not exist
//! costs as much as one who does.

use std::{
    collections::{HashSet, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use axum::http::{HeaderMap, header};
use base64::{Engine, prelude::BASE64_STANDARD};
use tokio::sync::Semaphore;
use zeroize::Zeroizing;

use crate::{
    config::web::{PasswordHash, WebConfig},
    domain::{Digest, DigestKey, secret::NoRandomness},
};

/// Checks at the same time.
const CHECKS: usize = 2;

/// Checks that may wait for their turn.
const WAITING: usize = 30;

/// Results that are kept, of each kind.
const KEPT: usize = 128;

/// The cost of a check where nobody exists to be checked. Never used while users are configured.
const USUAL_COST: u32 = 10;

/// Who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Caller {
    /// Somebody who may.
    Known,
    /// Anybody else.
    Unknown,
    /// Too many passwords wait to be checked.
    InTheQueue,
}

/// Checks passwords, and remembers what it found.
#[derive(Debug)]
pub(super) struct Passwords {
    key: DigestKey,
    found: Arc<Mutex<Found>>,
    checks: Arc<Semaphore>,
    waiting: Arc<Semaphore>,
}

/// What was found. Wrong passwords are kept apart, so that those who try many push out no right one.
#[derive(Debug, Default)]
struct Found {
    right: Kept,
    wrong: Kept,
}

#[derive(Debug, Default)]
struct Kept {
    digests: HashSet<Digest>,
    order: VecDeque<Digest>,
}

impl Kept {
    fn keep(&mut self, digest: Digest) {
        if self.digests.insert(digest) {
            self.order.push_back(digest);
        }
        if self.order.len() > KEPT
            && let Some(oldest) = self.order.pop_front()
        {
            self.digests.remove(&oldest);
        }
    }
}

impl Found {
    fn verdict(&self, digest: &Digest) -> Option<bool> {
        let right = self.right.digests.contains(digest);
        (right || self.wrong.digests.contains(digest)).then_some(right)
    }
}

impl Passwords {
    pub(super) fn new() -> Result<Self, NoRandomness> {
        Ok(Self {
            key: DigestKey::random()?,
            found: Arc::default(),
            checks: Arc::new(Semaphore::new(CHECKS)),
            waiting: Arc::new(Semaphore::new(CHECKS + WAITING)),
        })
    }

    /// Tells whether a request comes from somebody who may ask.
    pub(super) async fn caller(&self, web: &WebConfig, headers: &HeaderMap) -> Caller {
        if web.users.is_empty() {
            return Caller::Known;
        }
        let Some((user, password)) = credentials(headers) else { return Caller::Unknown };
        let known = web.users.get(user.as_str());
        let hash = known.cloned().unwrap_or_else(|| {
            let costs = web.users.values().map(PasswordHash::cost);
            PasswordHash::decoy(costs.max().unwrap_or(USUAL_COST))
        });
        let digest = hash.digest(&self.key, &user, &password);
        let is_right = match self.verdict(&digest) {
            Some(verdict) => verdict,
            None => match self.check(hash, password, digest).await {
                Some(verdict) => verdict,
                None => return Caller::InTheQueue,
            },
        };
        if is_right && known.is_some() { Caller::Known } else { Caller::Unknown }
    }

    fn verdict(&self, digest: &Digest) -> Option<bool> {
        locked(&self.found).verdict(digest)
    }

    async fn check(&self, hash: PasswordHash, password: Zeroizing<String>, digest: Digest) -> Option<bool> {
        let waiting = self.waiting.clone().try_acquire_owned().ok()?;
        let turn = self.checks.clone().acquire_owned().await.ok()?;
        // Another request may have asked the same meanwhile.
        if let Some(verdict) = self.verdict(&digest) {
            return Some(verdict);
        }
        let found = self.found.clone();
        let check = tokio::task::spawn_blocking(move || {
            // Held until the end even where the client has left: leaving must not buy a further check.
            let _held = (waiting, turn);
            let is_right = hash.is_of(password.as_bytes());
            let mut found = locked(&found);
            if is_right {
                found.right.keep(digest);
            } else {
                found.wrong.keep(digest);
            }
            is_right
        });
        check.await.ok()
    }
}

fn locked(found: &Mutex<Found>) -> MutexGuard<'_, Found> {
    found.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The user and password that a request brings. Wiped when dropped.
fn credentials(headers: &HeaderMap) -> Option<(Zeroizing<String>, Zeroizing<String>)> {
    let mut all = headers.get_all(header::AUTHORIZATION).iter();
    let (Some(value), None) = (all.next(), all.next()) else { return None };
    let (scheme, encoded) = value.to_str().ok()?.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = Zeroizing::new(BASE64_STANDARD.decode(encoded.trim()).ok()?);
    let (user, password) = std::str::from_utf8(&decoded).ok()?.split_once(':')?;
    Some((Zeroizing::new(user.to_owned()), Zeroizing::new(password.to_owned())))
}
