//! Who plays: tokens as they are configured, and as Hex knows them.

use std::{sync::Arc, time::Duration};

use hex_token_exporter::{
    domain::{
        CredentialProblem, Exp, Name, Scope, Secret, TokenSpec, TokenState, Uuid, Workspace,
        heard::Remembered,
    },
    schedule::phase::seed,
};
use jiff::{SignedDuration, Timestamp};

use crate::hex::{Account, Project};

/// When all stories start: 2026-09-21T14:13:20Z.
pub(crate) const START: i64 = 1_790_000_000;

pub(crate) const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

pub(crate) fn mins(minutes: u64) -> Duration {
    Duration::from_mins(minutes)
}

pub(crate) fn hours(hours: u64) -> Duration {
    Duration::from_hours(hours)
}

pub(crate) fn date(after_start: Duration) -> Timestamp {
    Timestamp::from_second(START).unwrap().checked_add(after_start).unwrap()
}

/// `token.exp` in seconds, so long after the start.
pub(crate) fn exp(after_start: Duration) -> Exp {
    #[expect(clippy::cast_precision_loss, reason = "dates of this century are exact")]
    Exp::Number(date(after_start).as_second() as f64)
}

pub(crate) fn name(text: &str) -> Name {
    Name::parse(text).unwrap()
}

pub(crate) fn workspace(called: &str) -> Workspace {
    Workspace::new(name(called), format!("https://{called}.hex.example"))
}

/// A project's id, from its configured name.
pub(crate) fn project_id(called: &str) -> Uuid {
    let digits = format!("{:016x}", seed(&[called]));
    Uuid::parse(&format!("5a8591dd-4039-49df-{}-{}", &digits[..4], &digits[4..])).unwrap()
}

/// One token of a story: as configured, and as Hex knows it.
#[derive(Debug, Clone)]
pub(crate) struct Token {
    pub(crate) spec: TokenSpec,
    /// The text by which the story knows the credential; the credential itself is made of it.
    pub(crate) credential: Result<String, CredentialProblem>,
    pub(crate) prefix: &'static str,
    pub(crate) account: Account,
}

/// A workspace token that requires nothing.
pub(crate) fn token(called: &str) -> Token {
    Token {
        spec: TokenSpec::new(name(called), Arc::new(workspace("production"))),
        credential: Ok(called.to_owned()),
        prefix: "hxtw",
        account: Account::default(),
    }
}

impl Token {
    pub(crate) fn requires(mut self, scopes: &[Scope]) -> Self {
        self.spec.required_scopes.extend(scopes);
        self
    }

    /// Lists a project, which is there and published.
    pub(crate) fn project(mut self, called: &str) -> Self {
        self.spec.projects.insert(name(called), project_id(called));
        self.account.projects.insert(project_id(called), Project::Published);
        self
    }

    pub(crate) fn expires(mut self, after_start: Duration) -> Self {
        self.account.exp = exp(after_start);
        self
    }

    pub(crate) fn known_to_hex(mut self, edit: impl FnOnce(&mut Account)) -> Self {
        edit(&mut self.account);
        self
    }

    pub(crate) fn configured(mut self, edit: impl FnOnce(&mut TokenSpec)) -> Self {
        edit(&mut self.spec);
        self
    }

    pub(crate) fn prefixed(mut self, prefix: &'static str) -> Self {
        self.prefix = prefix;
        self
    }

    pub(crate) fn secret(&self) -> Result<Secret, CredentialProblem> {
        let text = self.credential.clone()?;
        Secret::credential(&format!("{}_{text}", self.prefix))
    }
}

/// A credential that an earlier process saw rejected.
pub(crate) fn remembered_death(state: TokenState) -> Remembered {
    let since = Timestamp::from_second(START).unwrap() - SignedDuration::from_hours(5);
    Remembered { death: Some((state, since)), ..Remembered::default() }
}
