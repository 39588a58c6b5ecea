//! Who is asking, and may they: the checks every request to the API passes before its route looks
//! at anything, in Hex's order.
//!
//! 1. the credential (401), for every path below `/api/v1`, even one that does not exist;
//! 2. the user's request limit (429);
//! 3. the route: does this stack have it (404), its own limit (429), its scope (403).

use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

use axum::http::{HeaderMap, header};

use super::{
    credential::{TokenKind, credential},
    errors::Refusal,
    limits::{Allowance, Bucket},
    route::{Group, Route, Scope},
    scenario::{Role, Token},
    state::World,
};

/// The tokens of a stack and every value each of them ever has.
#[derive(Default)]
pub(super) struct Keyring {
    held: BTreeMap<String, Held>,
    by_value: HashMap<String, (String, u32)>,
}

struct Held {
    token: Token,
    /// By hand; a `rotated_after` counts on top.
    regenerated: u32,
}

impl Keyring {
    pub(super) fn add(&mut self, name: &str, token: Token) {
        let held = Held { token, regenerated: 0 };
        self.held.insert(name.to_owned(), held);
        self.learn_values(name);
    }

    pub(super) fn get(&self, name: &str) -> Option<&Token> {
        self.held.get(name).map(|held| &held.token)
    }

    pub(super) fn get_mut(&mut self, name: &str) -> Option<&mut Token> {
        self.held.get_mut(name).map(|held| &mut held.token)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&String, &Token)> {
        self.held.iter().map(|(name, held)| (name, &held.token))
    }

    /// The value that is good now, and may be refused for other reasons.
    pub(super) fn value(&self, name: &str, elapsed: Duration) -> Option<String> {
        let held = self.held.get(name)?;
        Some(held.value(name, held.generation(elapsed)))
    }

    /// Replaces the value by its successor.
    pub(super) fn regenerate(&mut self, name: &str) {
        if let Some(held) = self.held.get_mut(name) {
            held.regenerated += 1;
            self.learn_values(name);
        }
    }

    /// Learns the values up to the one a `rotated_after` leads to, and forgets none: the log names
    /// the token even where its value is dead.
    fn learn_values(&mut self, name: &str) {
        let Some(held) = self.held.get(name) else {
            return;
        };
        for generation in 0..=held.regenerated + 1 {
            let value = held.value(name, generation);
            self.by_value.insert(value, (name.to_owned(), generation));
        }
    }

    /// Whose value this is or was, or will be.
    fn identify(&self, value: &str) -> Option<(&str, u32)> {
        let (name, generation) = self.by_value.get(value)?;
        Some((name, *generation))
    }
}

impl Held {
    fn generation(&self, elapsed: Duration) -> u32 {
        let rotated = self.token.rotated_after.is_some_and(|at| at <= elapsed);
        self.regenerated + u32::from(rotated)
    }

    fn value(&self, name: &str, generation: u32) -> String {
        match &self.token.value {
            Some(value) if generation == 0 => value.clone(),
            _ => credential(self.token.kind, name, generation),
        }
    }
}

/// A request that passed the first two checks.
#[derive(Debug, Clone)]
pub(super) struct Caller {
    pub(super) token: String,
    pub(super) user: String,
    pub(super) workspace: String,
    pub(super) kind: TokenKind,
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, credential) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(credential.trim())
}

impl World {
    /// The name and workspace of the token a request carries, alive or not.
    pub(super) fn recognise(&self, headers: &HeaderMap) -> Option<(String, String)> {
        let (name, _) = self.keyring.identify(bearer(headers)?)?;
        let token = self.keyring.get(name)?;
        Some((name.to_owned(), self.resolve_workspace(token.workspace.as_ref())))
    }

    pub(super) fn authenticate(&self, headers: &HeaderMap) -> Result<Caller, Refusal> {
        let value = bearer(headers).ok_or(Refusal::Unauthorized { sent: false })?;
        let dead = Refusal::Unauthorized { sent: true };
        let Some((name, generation)) = self.keyring.identify(value) else {
            return Err(dead);
        };
        let Some(held) = self.keyring.held.get(name) else {
            return Err(dead);
        };
        let token = &held.token;
        let elapsed = self.elapsed();
        let caller = Caller {
            token: name.to_owned(),
            user: token.user.clone().unwrap_or_else(|| name.to_owned()),
            workspace: self.resolve_workspace(token.workspace.as_ref()),
            kind: token.kind,
        };
        let alive = generation == held.generation(elapsed)
            && !token.revoked
            && token.dies_after.is_none_or(|at| elapsed < at)
            && self.expiry_of(token).is_none_or(|expiry| self.now() < expiry)
            && !self.users.get(&caller.user).is_some_and(|user| user.deactivated)
            && self.workspaces.get(&caller.workspace).is_some_and(|workspace| workspace.api_access);
        if alive { Ok(caller) } else { Err(dead) }
    }

    /// Takes the request out of its user's allowance.
    pub(super) fn charge_user(&mut self, caller: &Caller) -> Result<Allowance, Refusal> {
        let limit = self
            .users
            .get(&caller.user)
            .and_then(|user| user.requests_per_minute)
            .unwrap_or(self.limits.user_per_minute);
        self.charge(caller, Bucket::User, limit)
    }

    /// The third check.
    pub(super) fn admit(&mut self, caller: &Caller, route: Route) -> Result<(), Refusal> {
        if self.behaviour.missing_routes.contains(&route) {
            return Err(Refusal::NotFound("Not found"));
        }
        match route.group() {
            Some(group @ Group::HexRunKernel) => {
                self.charge(caller, Bucket::Group(group), self.limits.runs_per_minute)?;
                self.charge(caller, Bucket::RunsPerHour, self.limits.runs_per_hour)?;
            }
            Some(group) => {
                self.charge(caller, Bucket::Group(group), self.limits.group_per_minute)?;
            }
            None => {}
        }
        if self.permits(caller, route) { Ok(()) } else { Err(Refusal::Forbidden(route.operation())) }
    }

    fn charge(&mut self, caller: &Caller, bucket: Bucket, limit: u32) -> Result<Allowance, Refusal> {
        let now = self.elapsed();
        self.limiter
            .take(&caller.user, bucket, limit, now)
            .map_err(|exhausted| Refusal::RateLimited(exhausted.0))
    }

    fn permits(&self, caller: &Caller, route: Route) -> bool {
        let needed = match route {
            Route::UsersMe if self.behaviour.users_me_needs_users_read => Some(Scope::UsersRead),
            route => route.scope(),
        };
        let Some(needed) = needed else {
            return true;
        };
        match caller.kind {
            TokenKind::Workspace => {
                self.keyring.get(&caller.token).is_some_and(|token| token.scopes.contains(&needed))
            }
            // What each role may do is not documented in full: an editor and better may do all
            // that a monitor asks for, the others may look at projects.
            TokenKind::Personal => {
                route == Route::UsersMe
                    || needed == Scope::ProjectsRead
                    || self.role(&caller.user) <= Role::Editor
            }
        }
    }
}
