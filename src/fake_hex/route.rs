//! The routes the fake serves, as data: which scope each needs, which error family it answers in,
//! and which rate limit group it belongs to.

use serde::Deserialize;

/// A right that a workspace token may hold. Hex has no machine names for these; the names are ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// Projects: read access.
    ProjectsRead,
    /// Projects: run.
    ProjectsRun,
    /// Projects: read queried tables.
    QueriedTablesRead,
    /// Cells: read access.
    CellsRead,
    /// Users: read access.
    UsersRead,
    /// Groups: read access.
    GroupsRead,
    /// Collections: read access.
    CollectionsRead,
    /// Data connections: read access.
    DataConnectionsRead,
    /// Guides: read access.
    GuidesRead,
}

/// One of the two shapes of a JSON error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Family {
    /// `{"reason", "traceId"}`: the older framework.
    T,
    /// `{"code", "message", "issues"}`: the newer one.
    E,
}

/// The operations of the API that the fake knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Route {
    /// `GET /users/me`
    UsersMe,
    /// `GET /users`
    ListUsers,
    /// `GET /projects`
    ListProjects,
    /// `GET /projects/{id}`
    GetProject,
    /// `POST /projects/{id}/runs`, also `POST /project/{id}/run`
    RunProject,
    /// `GET /projects/{id}/runs`, also `GET /project/{id}/runs`
    GetProjectRuns,
    /// `GET /projects/{id}/runs/{runId}`, also `GET /project/{id}/run/{runId}`
    GetRunStatus,
    /// `DELETE /projects/{id}/runs/{runId}`, also `DELETE /project/{id}/run/{runId}`
    CancelRun,
    /// `GET /projects/{id}/queriedTables`
    GetQueriedTables,
    /// `GET /cells?projectId={id}`
    ListCells,
    /// `GET /groups`
    ListGroups,
    /// `GET /collections`
    ListCollections,
    /// `GET /data-connections`
    ListDataConnections,
    /// `GET /guides/draft/list`
    ListDraftGuides,
}

/// Routes that share a request allowance, named as in Hex's API description.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Group {
    HexApi,
    HexApi30Rpm,
    HexRunKernel,
}

impl Route {
    /// The family this route answers in today, after the moves made so far to the newer framework.
    pub(super) fn family(self) -> Family {
        match self {
            Self::ListProjects
            | Self::CancelRun
            | Self::GetQueriedTables
            | Self::ListGroups
            | Self::ListCollections => Family::T,
            Self::UsersMe
            | Self::ListUsers
            | Self::GetProject
            | Self::RunProject
            | Self::GetProjectRuns
            | Self::GetRunStatus
            | Self::ListCells
            | Self::ListDataConnections
            | Self::ListDraftGuides => Family::E,
        }
    }

    /// The scope a workspace token needs; `None` where being alive is enough.
    pub(super) fn scope(self) -> Option<Scope> {
        match self {
            Self::UsersMe => None,
            Self::ListUsers => Some(Scope::UsersRead),
            Self::ListProjects | Self::GetProject | Self::GetProjectRuns | Self::GetRunStatus => {
                Some(Scope::ProjectsRead)
            }
            Self::RunProject | Self::CancelRun => Some(Scope::ProjectsRun),
            Self::GetQueriedTables => Some(Scope::QueriedTablesRead),
            Self::ListCells => Some(Scope::CellsRead),
            Self::ListGroups => Some(Scope::GroupsRead),
            Self::ListCollections => Some(Scope::CollectionsRead),
            Self::ListDataConnections => Some(Scope::DataConnectionsRead),
            Self::ListDraftGuides => Some(Scope::GuidesRead),
        }
    }

    /// The rate limit group beyond the user's own limit.
    pub(super) fn group(self) -> Option<Group> {
        match self {
            Self::UsersMe | Self::ListUsers | Self::ListCells | Self::ListDraftGuides => {
                Some(Group::HexApi30Rpm)
            }
            Self::GetProject | Self::GetProjectRuns | Self::GetRunStatus | Self::ListDataConnections => {
                Some(Group::HexApi)
            }
            Self::RunProject => Some(Group::HexRunKernel),
            Self::ListProjects
            | Self::CancelRun
            | Self::GetQueriedTables
            | Self::ListGroups
            | Self::ListCollections => None,
        }
    }

    /// What a refusal names as the missing permission. Only `Mutation:createHex` was ever seen of
    /// the real ones; these are made up after it.
    pub(super) fn operation(self) -> &'static str {
        match self {
            Self::UsersMe => "Query:me",
            Self::ListUsers => "Query:users",
            Self::ListProjects => "Query:hexes",
            Self::GetProject => "Query:hex",
            Self::RunProject => "Mutation:runHex",
            Self::GetProjectRuns => "Query:hexRuns",
            Self::GetRunStatus => "Query:hexRun",
            Self::CancelRun => "Mutation:cancelHexRun",
            Self::GetQueriedTables => "Query:queriedTables",
            Self::ListCells => "Query:cells",
            Self::ListGroups => "Query:groups",
            Self::ListCollections => "Query:collections",
            Self::ListDataConnections => "Query:dataConnections",
            Self::ListDraftGuides => "Query:draftGuides",
        }
    }
}
