//! What is configured: tokens and the workspaces they belong to.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use jiff::Timestamp;

use super::{Check, Name, Scope, Secret, Uuid};

/// One configured Hex API token, without its credential.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenSpec {
    /// How the token is known outside the process.
    pub name: Name,
    /// The Hex stack that it belongs to, and the only one that its credential is sent to.
    pub workspace: Arc<Workspace>,
    /// Scopes that the token's jobs need.
    pub required_scopes: BTreeSet<Scope>,
    /// Projects that the token's jobs need, by configured name.
    pub projects: BTreeMap<Name, Uuid>,
    /// Whether the read scopes that are not required are looked for too, once a day.
    pub least_privilege: bool,
    /// The expiry as configured, used where the API does not tell.
    pub expires_at: Option<DeclaredExpiry>,
    /// The people to turn to.
    pub token_owner: Option<String>,
    /// Where a new token is made.
    pub rotate_url: Option<String>,
    /// Days left from which a warning is due.
    pub expiry_warning: Duration,
    /// Days left from which it is urgent.
    pub expiry_critical: Duration,
}

impl TokenSpec {
    /// The days left from which a warning is due, where nothing else is configured.
    pub const EXPIRY_WARNING: Duration = Duration::from_hours(14 * 24);

    /// Those from which it is urgent.
    pub const EXPIRY_CRITICAL: Duration = Duration::from_hours(3 * 24);

    /// A token of which nothing is needed but its life, as where nothing else is configured.
    pub fn new(name: Name, workspace: Arc<Workspace>) -> Self {
        Self {
            name,
            workspace,
            required_scopes: BTreeSet::new(),
            projects: BTreeMap::new(),
            least_privilege: false,
            expires_at: None,
            token_owner: None,
            rotate_url: None,
            expiry_warning: Self::EXPIRY_WARNING,
            expiry_critical: Self::EXPIRY_CRITICAL,
        }
    }

    /// Whether a check is asked for, of a token of whatever kind.
    pub fn asks(&self, check: Check) -> bool {
        match (check, check.scope()) {
            (Check::Identity, _) => true,
            (Check::ProjectVisible, _) => !self.projects.is_empty(),
            (Check::DryRunGuard, _) => self.asks(Check::ProjectsRun),
            (_, Some(scope)) => self.checked_scopes(Kind::Unknown).any(|checked| checked == scope),
            (_, None) => false,
        }
    }

    /// The scopes that are looked for: those that are required, and where least privilege is wanted, others. A
    /// personal token has none beyond its user's rights, so there nothing but what is required is looked for.
    pub fn checked_scopes(&self, kind: Kind) -> impl Iterator<Item = Scope> {
        Scope::ALL.into_iter().filter(move |scope| {
            self.required_scopes.contains(scope) || (kind != Kind::Personal && self.is_excess(*scope))
        })
    }

    /// The read scopes that are not required and looked for all the same.
    pub fn excess_scopes(&self) -> impl Iterator<Item = Scope> {
        Scope::ALL.into_iter().filter(|scope| self.is_excess(*scope))
    }

    /// Those that are bound to a project need one.
    fn is_excess(&self, scope: Scope) -> bool {
        self.least_privilege
            && scope != Scope::ProjectsRun
            && !self.required_scopes.contains(&scope)
            && (!scope.is_project_bound() || !self.projects.is_empty())
    }
}

/// One configured Hex stack with its request budget.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Workspace {
    /// How the workspace is known outside the process.
    pub name: Name,
    /// Scheme, host and port, without a trailing slash: `https://app.hex.tech`.
    pub origin: String,
    /// The organisation that its tokens must belong to.
    pub org_id: Option<String>,
    /// The most requests in any sliding minute.
    pub requests_per_minute: u32,
    /// Certificates (PEM) trusted in place of the system's.
    pub ca_pem: Option<Vec<u8>>,
    /// A proxy for all requests; may hold a password.
    pub proxy: Option<Secret>,
}

impl Workspace {
    /// The most requests in any sliding minute, where nothing else is configured.
    pub const REQUESTS_PER_MINUTE: u32 = 30;

    /// A workspace at this origin, as where nothing else is configured.
    pub fn new(name: Name, origin: impl Into<String>) -> Self {
        Self {
            name,
            origin: origin.into(),
            org_id: None,
            requests_per_minute: Self::REQUESTS_PER_MINUTE,
            ca_pem: None,
            proxy: None,
        }
    }
}

/// An expiry as the configuration declares it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeclaredExpiry {
    /// It expires at this time.
    At(Timestamp),
    /// It never expires.
    Never,
}

/// Whose rights a token carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Kind {
    /// A personal access token: mirrors its user, has no scopes, must expire within 120 days.
    Personal,
    /// A workspace token: has scopes and may never expire.
    Workspace,
    /// Neither the prefix nor an answer has told yet.
    #[default]
    Unknown,
}

impl Kind {
    /// Reads Hex's prefixes, `hxtp_` and `hxtw_` (Hex's API overview, "API tokens").
    pub(super) fn of_credential(text: &str) -> Self {
        if text.starts_with("hxtp_") {
            Self::Personal
        } else if text.starts_with("hxtw_") {
            Self::Workspace
        } else {
            Self::Unknown
        }
    }

    /// The value of the label `kind`.
    pub fn as_label(self) -> &'static str {
        match self {
            Self::Personal => "personal",
            Self::Workspace => "workspace",
            Self::Unknown => "unknown",
        }
    }
}
