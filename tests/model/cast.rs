//! Who is watched and how: the configuration of a history, in plain values that the program and the
//! reference model are both made of.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use hex_token_exporter::domain::{Cadence, Check, DeclaredExpiry, Name, Scope, TokenSpec, Uuid, Workspace};
use jiff::Timestamp;

/// When histories start: 2026-09-21T14:13:20Z, in seconds since 1970.
pub(crate) const START: i64 = 1_790_000_000;

/// How many workspaces there are.
pub(crate) const STACKS: usize = 2;

/// How many projects may be listed.
pub(crate) const PROJECTS: usize = 2;

/// The organisation of a stack, unless a token is of another.
pub(crate) const ORG: &str = "0195fa0d-a0b5-7001-b18f-ec09baa16d1a";

/// The scopes that histories play with: one of the token alone, one of runs, one bound to a project, and
/// one that no project depends on.
pub(crate) const SCOPES: [Scope; 4] =
    [Scope::ProjectsRead, Scope::ProjectsRun, Scope::QueriedTablesRead, Scope::UsersRead];

/// A question: a check, and the project where it is about one.
pub(crate) type Question = (Check, Option<usize>);

/// An expiry, as somebody tells it: in seconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Date {
    #[default]
    Untold,
    Never,
    At(i64),
}

impl Date {
    /// The date, where there is one.
    pub(crate) fn second(self) -> Option<i64> {
        if let Self::At(second) = self { Some(second) } else { None }
    }
}

/// All that is configured.
#[derive(Debug, Clone)]
pub(crate) struct Config {
    pub(crate) cadence: Cadence,
    pub(crate) budgets: [u32; STACKS],
    /// By slot: a slot is one token for the whole of a history, under whatever name.
    pub(crate) tokens: Vec<Cast>,
}

/// One token, as configured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cast {
    pub(crate) name: String,
    /// Whether the configuration lists it.
    pub(crate) listed: bool,
    pub(crate) stack: usize,
    pub(crate) credential: String,
    pub(crate) readable: bool,
    pub(crate) required: BTreeSet<Scope>,
    pub(crate) projects: BTreeSet<usize>,
    pub(crate) least_privilege: bool,
    /// The expiry that the configuration declares.
    pub(crate) declared: Date,
    pub(crate) owner: Option<String>,
}

impl Cast {
    /// Whether its credential is a personal one.
    pub(crate) fn is_personal(&self) -> bool {
        self.credential.starts_with("hxtp_")
    }

    /// Whether this scope is asked about at all.
    pub(crate) fn looks_for(&self, scope: Scope) -> bool {
        let can_be_asked = !scope.is_project_bound() || !self.projects.is_empty();
        let is_excess = self.least_privilege && scope != Scope::ProjectsRun && can_be_asked;
        self.required.contains(&scope) || is_excess
    }
}

/// The name of a project in the configuration.
pub(crate) fn project_name(project: usize) -> Name {
    Name::parse(&format!("p{project}")).unwrap()
}

/// Its id.
pub(crate) fn project_id(project: usize) -> Uuid {
    Uuid::parse(&format!("5a8591dd-4039-49df-9202-{project:012x}")).unwrap()
}

/// The project of that name.
pub(crate) fn project_of(name: &Name) -> usize {
    name.as_str()[1..].parse().unwrap()
}

/// The workspace of that number.
pub(crate) fn workspace(stack: usize, requests_per_minute: u32) -> Arc<Workspace> {
    let name = Name::parse(&format!("w{stack}")).unwrap();
    let workspace = Workspace::new(name, format!("https://w{stack}.hex.example"));
    Arc::new(Workspace { org_id: Some(ORG.to_owned()), requests_per_minute, ..workspace })
}

/// A token as the program is told of it.
pub(crate) fn spec(cast: &Cast, workspace: &Arc<Workspace>) -> TokenSpec {
    let projects: BTreeMap<_, _> =
        cast.projects.iter().map(|it| (project_name(*it), project_id(*it))).collect();
    let declared = match cast.declared {
        Date::Untold => None,
        Date::Never => Some(DeclaredExpiry::Never),
        Date::At(second) => Some(DeclaredExpiry::At(Timestamp::from_second(second).unwrap())),
    };
    TokenSpec {
        required_scopes: cast.required.clone(),
        projects,
        least_privilege: cast.least_privilege,
        expires_at: declared,
        token_owner: cast.owner.clone(),
        ..TokenSpec::new(Name::parse(&cast.name).unwrap(), workspace.clone())
    }
}
