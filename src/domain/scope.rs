//! The catalogue: every request that this program can send, and what it answers.
//!
//! It is the whole of what Hex ever receives from us. All of it is `GET`, but for the dry run.

use std::{fmt, sync::Arc};

use super::Name;

/// A right that a workspace token may hold and that a check without side effects can show.
///
/// Hex gives scopes no machine names; these are ours. Rights to write have no safe check and are none
/// of these: see [`Scope::UNVERIFIABLE`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// "Projects: Read".
    ProjectsRead,
    /// "Projects: Run".
    ProjectsRun,
    /// "Read queried tables", Enterprise only.
    QueriedTablesRead,
    /// "Cells: Read".
    CellsRead,
    /// "Users: Read".
    UsersRead,
    /// "Groups: Read".
    GroupsRead,
    /// "Collections: Read".
    CollectionsRead,
    /// "Data connections: Read".
    DataConnectionsRead,
    /// "Guides: Read".
    GuidesRead,
}

impl Scope {
    /// All scopes, in the order in which they are shown.
    pub const ALL: [Self; 9] = [
        Self::ProjectsRead,
        Self::ProjectsRun,
        Self::QueriedTablesRead,
        Self::CellsRead,
        Self::UsersRead,
        Self::GroupsRead,
        Self::CollectionsRead,
        Self::DataConnectionsRead,
        Self::GuidesRead,
    ];

    /// Names that people may ask for and that no safe request can check.
    pub const UNVERIFIABLE: [&'static str; 9] = [
        "projects_write",
        "users_write",
        "groups_write",
        "collections_write",
        "data_connections_write",
        "cells_write",
        "guides_write",
        "semantic_sync",
        "embedding",
    ];

    /// The value of the label `scope`, and the name in the configuration.
    pub fn as_label(self) -> &'static str {
        self.check().as_label()
    }

    /// The scope of that name.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scope| scope.as_label() == text)
    }

    /// The words of Hex's dialog for a new workspace token.
    pub fn hex_wording(self) -> &'static str {
        match self {
            Self::ProjectsRead => "Projects: Read",
            Self::ProjectsRun => "Projects: Run",
            Self::QueriedTablesRead => "Projects: Read queried tables",
            Self::CellsRead => "Cells: Read",
            Self::UsersRead => "Users: Read",
            Self::GroupsRead => "Groups: Read",
            Self::CollectionsRead => "Collections: Read",
            Self::DataConnectionsRead => "Data connections: Read",
            Self::GuidesRead => "Guides: Read",
        }
    }

    /// The check that answers whether a token holds this scope.
    pub fn check(self) -> Check {
        match self {
            Self::ProjectsRead => Check::ProjectsRead,
            Self::ProjectsRun => Check::ProjectsRun,
            Self::QueriedTablesRead => Check::QueriedTablesRead,
            Self::CellsRead => Check::CellsRead,
            Self::UsersRead => Check::UsersRead,
            Self::GroupsRead => Check::GroupsRead,
            Self::CollectionsRead => Check::CollectionsRead,
            Self::DataConnectionsRead => Check::DataConnectionsRead,
            Self::GuidesRead => Check::GuidesRead,
        }
    }

    /// Whether its check needs a project to ask about.
    pub fn is_project_bound(self) -> bool {
        matches!(self, Self::ProjectsRun | Self::QueriedTablesRead | Self::CellsRead)
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_label())
    }
}

/// One kind of question about a token, answered by one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Check {
    /// Is the token alive, when does it expire, which organisation is it of?
    Identity,
    /// Does it hold the scope "Projects: Read"; does it see any project?
    ProjectsRead,
    /// Can it see this project, and is that published, archived or trashed?
    ProjectVisible,
    /// Does Hex accept a run of this project from it? Answered by a dry run.
    ProjectsRun,
    /// Did a dry run start a real run?
    DryRunGuard,
    /// Does it hold the scope "Read queried tables"?
    QueriedTablesRead,
    /// Does it hold the scope "Cells: Read"?
    CellsRead,
    /// Does it hold the scope "Users: Read"?
    UsersRead,
    /// Does it hold the scope "Groups: Read"?
    GroupsRead,
    /// Does it hold the scope "Collections: Read"?
    CollectionsRead,
    /// Does it hold the scope "Data connections: Read"?
    DataConnectionsRead,
    /// Does it hold the scope "Guides: Read"?
    GuidesRead,
}

/// The methods that are ever sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// Reads.
    Get,
    /// The dry run.
    Post,
}

impl Check {
    /// All checks, in the order of the catalogue.
    pub const ALL: [Self; 12] = [
        Self::Identity,
        Self::ProjectsRead,
        Self::ProjectVisible,
        Self::ProjectsRun,
        Self::DryRunGuard,
        Self::QueriedTablesRead,
        Self::CellsRead,
        Self::UsersRead,
        Self::GroupsRead,
        Self::CollectionsRead,
        Self::DataConnectionsRead,
        Self::GuidesRead,
    ];

    /// The value of the label `check`.
    pub fn as_label(self) -> &'static str {
        match self {
            Self::Identity => "identity",
            Self::ProjectsRead => "projects_read",
            Self::ProjectVisible => "project_visible",
            Self::ProjectsRun => "projects_run",
            Self::DryRunGuard => "dry_run_guard",
            Self::QueriedTablesRead => "queried_tables_read",
            Self::CellsRead => "cells_read",
            Self::UsersRead => "users_read",
            Self::GroupsRead => "groups_read",
            Self::CollectionsRead => "collections_read",
            Self::DataConnectionsRead => "data_connections_read",
            Self::GuidesRead => "guides_read",
        }
    }

    /// Below the origin. `{project}`, `{run}` and `{limit}` stand for what the question holds.
    pub fn path(self) -> &'static str {
        match self {
            Self::Identity => "/api/v1/users/me",
            Self::ProjectsRead => "/api/v1/projects?limit={limit}",
            Self::ProjectVisible => "/api/v1/projects/{project}",
            Self::ProjectsRun => "/api/v1/projects/{project}/runs",
            Self::DryRunGuard => "/api/v1/projects/{project}/runs/{run}",
            Self::QueriedTablesRead => "/api/v1/projects/{project}/queriedTables?limit=1",
            Self::CellsRead => "/api/v1/cells?projectId={project}&limit=1",
            Self::UsersRead => "/api/v1/users?limit=1",
            Self::GroupsRead => "/api/v1/groups?limit=1",
            Self::CollectionsRead => "/api/v1/collections?limit=1",
            Self::DataConnectionsRead => "/api/v1/data-connections?limit=1",
            Self::GuidesRead => "/api/v1/guides/draft/list?limit=1",
        }
    }

    /// How it is asked.
    pub fn method(self) -> Method {
        match self {
            Self::ProjectsRun => Method::Post,
            _ => Method::Get,
        }
    }

    /// The JSON that is sent: the dry run's, which must never be without `dryRun`.
    pub fn body(self) -> Option<&'static str> {
        match self {
            Self::ProjectsRun => Some(r#"{"dryRun": true}"#),
            _ => None,
        }
    }

    /// Keys of which one must stand in the answer. `users` for `values` is what a sample in Hex's
    /// documentation reads, against its own specification.
    pub fn expected_keys(self) -> &'static [&'static str] {
        match self {
            Self::Identity => &["org"],
            Self::ProjectVisible => &["id"],
            Self::ProjectsRun | Self::DryRunGuard => &["runId"],
            Self::UsersRead => &["values", "users"],
            _ => &["values"],
        }
    }

    /// Whether its answer is about the project asked about, and not about a scope as such.
    pub fn is_about_project(self) -> bool {
        matches!(self, Self::ProjectVisible | Self::ProjectsRun | Self::DryRunGuard)
    }

    /// The scope that it answers for.
    pub fn scope(self) -> Option<Scope> {
        Scope::ALL.into_iter().find(|scope| scope.check() == self)
    }
}

/// One check, with all that its request needs: what a probe asks.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Question {
    /// What is asked.
    pub check: Check,
    /// The project asked about, under its configured name; for project-bound checks.
    pub project: Option<(Name, Uuid)>,
    /// The run asked about; for the guard.
    pub run: Option<Uuid>,
    /// Page size of `projects_read`: 1, or 100 where the projects are counted.
    pub limit: u8,
}

impl Question {
    /// A question about the token itself.
    pub fn of(check: Check) -> Self {
        Self { check, project: None, run: None, limit: 1 }
    }

    /// A question about one of its projects.
    pub fn about(check: Check, name: &Name, id: &Uuid) -> Self {
        Self { project: Some((name.clone(), id.clone())), ..Self::of(check) }
    }

    /// The path and query to ask for. `None` where the check needs a project or run that is missing.
    pub fn path(&self) -> Option<String> {
        let mut path = self.check.path().replace("{limit}", &self.limit.to_string());
        if path.contains("{project}") {
            path = path.replace("{project}", self.project.as_ref()?.1.as_str());
        }
        if path.contains("{run}") {
            path = path.replace("{run}", self.run.as_ref()?.as_str());
        }
        Some(path)
    }

    /// The configured name of the project asked about.
    pub fn project_name(&self) -> Option<&Name> {
        self.project.as_ref().map(|(name, _)| name)
    }
}

/// The id of a project or run, in canonical form, and so safe to stand in a path.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Uuid(Arc<str>);

impl Uuid {
    /// Takes the canonical form, 8-4-4-4-12 hexadecimal digits of either case, of any version.
    pub fn parse(text: &str) -> Option<Self> {
        let groups: Vec<&str> = text.split('-').collect();
        let lengths: Vec<usize> = groups.iter().map(|group| group.len()).collect();
        let digits = groups.iter().all(|group| group.bytes().all(|byte| byte.is_ascii_hexdigit()));
        (lengths == [8, 4, 4, 4, 12] && digits).then(|| Self(text.to_ascii_lowercase().into()))
    }

    /// The id as text, in lower case.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_dry_run_is_no_get_and_it_always_says_so() {
        for check in Check::ALL {
            let posts = check.method() == Method::Post;
            assert_eq!(posts, check == Check::ProjectsRun);
            assert_eq!(check.body(), posts.then_some(r#"{"dryRun": true}"#));
        }
    }

    #[test]
    fn every_path_stays_below_the_api_and_is_filled() {
        let id = Uuid::parse("5a8591dd-4039-49df-9202-96385ba3eff8").unwrap();
        let name = Name::parse("kpi").unwrap();
        for check in Check::ALL {
            let mut question = Question::about(check, &name, &id);
            question.run = Some(id.clone());
            let path = question.path().unwrap();
            assert!(path.starts_with("/api/v1/") && !path.contains('{'), "{path}");
            let bound = check.path().contains("{project}");
            assert_eq!(Question::of(check).path().is_none(), bound, "{path}");
        }
    }

    #[test]
    fn scopes_are_found_by_their_names() {
        for scope in Scope::ALL {
            assert_eq!(Scope::parse(scope.as_label()), Some(scope));
            assert_eq!(scope.check().scope(), Some(scope));
            assert_eq!(scope.is_project_bound(), scope.check().path().contains("{project}"));
        }
        assert!(Scope::UNVERIFIABLE.iter().all(|name| Scope::parse(name).is_none()));
    }

    #[test]
    fn only_canonical_ids_reach_a_path() {
        assert!(Uuid::parse("019F681A-1870-731d-8f00-0123456789ab").is_some());
        for bad in [
            "",
            "5a8591dd403949df920296385ba3eff8",
            "{5a8591dd-4039-49df-9202-96385ba3eff8}",
            "5a8591dd-4039-49df-9202-96385ba3eff",
            "5a8591dd-4039-49df-9202-96385ba3eff8/",
            "../../..-4039-49df-9202-96385ba3eff8",
            "5a8591dg-4039-49df-9202-96385ba3eff8",
        ] {
            assert_eq!(Uuid::parse(bad), None, "{bad}");
        }
    }
}
