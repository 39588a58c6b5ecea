//! What a fake stack is made of, as scenario files write it: `docs/FAKE-HEX.md` explains every key.
//!
//! The types are the file's shape and nothing else; the rules between keys are in `validation`,
//! and what becomes of them while time passes is in `state`.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    time::Duration,
};

use serde::Deserialize;

use super::{
    behaviour::{Behaviour, Limits},
    credential::{TokenKind, uuid},
    durations::{self, Lifetime},
    faults::Fault,
    route::Scope,
    validation::ScenarioError,
};

/// One or several fake stacks.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// In the order of the file; each is served at an address of its own.
    pub stacks: Vec<Stack>,
}

/// One Hex stack: what a single base URL answers for.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stack {
    /// For people; Hex itself does not show it.
    pub name: String,
    /// What this stack does where Hex's description leaves a choice.
    #[serde(default)]
    pub behaviour: Behaviour,
    /// Request and kernel limits.
    #[serde(default)]
    pub limits: Limits,
    /// By name. Left out: one called `acme`.
    #[serde(default = "lone_workspace")]
    pub workspaces: BTreeMap<String, Workspace>,
    /// Those worth describing; a token without a `user` gets one of its own.
    #[serde(default)]
    pub users: BTreeMap<String, User>,
    /// By name.
    #[serde(default)]
    pub projects: BTreeMap<String, Project>,
    /// By name.
    #[serde(default)]
    pub tokens: BTreeMap<String, Token>,
    /// Troubles, each with its window.
    #[serde(default)]
    pub faults: Vec<Fault>,
}

/// A workspace: an organisation on a stack.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Workspace {
    /// `org.id` of `/users/me`. Left out: derived from the workspace's name.
    pub org_id: Option<String>,
    /// What the workspace pays for.
    pub plan: Plan,
    /// Off: every token of the workspace is refused.
    pub api_access: bool,
    /// On: a dry run starts a real run.
    pub ignores_dry_run: bool,
}

impl Default for Workspace {
    fn default() -> Self {
        Self { org_id: None, plan: Plan::Enterprise, api_access: true, ignores_dry_run: false }
    }
}

fn lone_workspace() -> BTreeMap<String, Workspace> {
    BTreeMap::from([("acme".to_owned(), Workspace::default())])
}

/// The plans that have an API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Plan {
    /// Without queried tables.
    Team,
    /// Everything.
    Enterprise,
}

/// A person that tokens act as.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct User {
    /// The workspace role.
    pub role: Role,
    /// Refuses every token of this user.
    pub deactivated: bool,
    /// Instead of the stack's `user_per_minute`.
    pub requests_per_minute: Option<u32>,
}

impl Default for User {
    fn default() -> Self {
        Self { role: Role::Editor, deactivated: false, requests_per_minute: None }
    }
}

/// The roles of a workspace that people can have, most powerful first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[expect(missing_docs, reason = "the names are Hex's own and say all there is")]
pub enum Role {
    Admin,
    Manager,
    Editor,
    Explorer,
    Member,
    Guest,
}

/// A project.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Project {
    /// A UUID. Left out: derived from the project's name.
    pub id: Option<String>,
    /// Left out: the project's name.
    pub title: Option<String>,
    /// May be left out where the stack has one.
    pub workspace: Option<String>,
    /// Only a published project can be run.
    pub published: bool,
    /// Not listed unless asked for, and not runnable.
    pub archived: bool,
    /// Not listed unless asked for, and not runnable.
    pub trashed: bool,
    /// Users, and tokens without a user, that cannot see it.
    pub hidden_from: BTreeSet<String>,
    /// How long a run takes, its start included.
    #[serde(deserialize_with = "durations::plain")]
    pub run_takes: Duration,
    /// How a run ends.
    pub run_ends: RunEnd,
}

impl Default for Project {
    fn default() -> Self {
        Self {
            id: None,
            title: None,
            workspace: None,
            published: true,
            archived: false,
            trashed: false,
            hidden_from: BTreeSet::new(),
            run_takes: Duration::from_secs(10),
            run_ends: RunEnd::Completed,
        }
    }
}

/// How a run ends that nobody cancels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunEnd {
    /// `COMPLETED`
    Completed,
    /// `ERRORED`
    Errored,
    /// `UNABLE_TO_ALLOCATE_KERNEL`
    UnableToAllocateKernel,
}

/// An API token.
#[derive(Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Token {
    /// Personal or workspace.
    pub kind: TokenKind,
    /// Its first value. Left out: [`credential`](super::credential()) of its name.
    #[serde(default)]
    pub value: Option<String>,
    /// May be left out where the stack has one.
    #[serde(default)]
    pub workspace: Option<String>,
    /// One of `users`. Left out: a user that only this token has, named like it.
    #[serde(default)]
    pub user: Option<String>,
    /// For workspace tokens only; a personal token may do what its user may.
    #[serde(default)]
    pub scopes: BTreeSet<Scope>,
    /// Left out: never for a workspace token, 90 days for a personal one.
    #[serde(default)]
    pub expires_in: Option<Lifetime>,
    /// How `/users/me` tells the expiry.
    #[serde(default)]
    pub exp: ExpForm,
    /// Refused from the start on.
    #[serde(default)]
    pub revoked: bool,
    /// Revoked that long after the start.
    #[serde(default, deserialize_with = "durations::optional")]
    pub dies_after: Option<Duration>,
    /// Regenerated that long after the start: the value dies and its successor starts to live.
    #[serde(default, deserialize_with = "durations::optional")]
    pub rotated_after: Option<Duration>,
}

impl fmt::Debug for Token {
    /// Everything but the value.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Token")
            .field("kind", &self.kind)
            .field("workspace", &self.workspace)
            .field("user", &self.user)
            .field("scopes", &self.scopes)
            .field("expires_in", &self.expires_in)
            .field("revoked", &self.revoked)
            .finish_non_exhaustive()
    }
}

/// How `/users/me` tells when a token expires. A token that never expires has `exp: null` in the
/// first two.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExpForm {
    /// Unix seconds.
    #[default]
    Seconds,
    /// Unix milliseconds.
    Milliseconds,
    /// `"exp": null`, whatever the expiry.
    ExpNull,
    /// `"token": null`
    TokenNull,
    /// No `token` at all.
    TokenAbsent,
}

impl Scenario {
    /// Reads and checks a scenario file.
    ///
    /// # Errors
    /// One that says what is wrong and where; it never quotes a token's value.
    pub fn parse(text: &str) -> Result<Self, ScenarioError> {
        super::validation::parse(text)
    }

    /// The scenario that needs no file, as it stands in [`Scenario::built_in_text`].
    ///
    /// # Panics
    /// Never: the text is part of the program.
    #[expect(clippy::expect_used, reason = "a test parses the text, which cannot change after")]
    pub fn built_in() -> Self {
        Self::parse(Self::built_in_text()).expect("the built-in scenario is valid")
    }

    /// The file behind [`Scenario::built_in`], with its comments.
    pub fn built_in_text() -> &'static str {
        include_str!("default_scenario.yaml")
    }

    /// The stack called `name`.
    pub fn stack(&self, name: &str) -> Option<&Stack> {
        self.stacks.iter().find(|stack| stack.name == name)
    }
}

impl Workspace {
    /// `org.id` of the workspace called `name`.
    pub fn org_id(&self, name: &str) -> String {
        self.org_id.clone().unwrap_or_else(|| uuid(&format!("workspace {name}")))
    }
}

impl Project {
    /// The id of the project called `name`.
    pub fn id(&self, name: &str) -> String {
        self.id.clone().unwrap_or_else(|| uuid(&format!("project {name}")))
    }
}
