//! The settings of tokens: as written under a token, a directory or `defaults`, and as they come out.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::RangeInclusive,
    sync::Arc,
    time::Duration,
};

use jiff::{
    Timestamp,
    civil::{Date, Time},
    tz::TimeZone,
};

use super::{
    address,
    finding::{Path, Report},
    keys,
    section::{self, Entry, Section},
    workspace::Workspaces,
};
use crate::domain::{DeclaredExpiry, Name, Scope, TokenSpec, Uuid, Workspace};

const THRESHOLDS: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_hours(3650 * 24);

/// Dates outside these years are mistakes.
const YEARS: RangeInclusive<i16> = 2015..=2200;

/// Long enough for a name, and short enough for a label.
const MAX_OWNER: usize = 128;

/// Settings as written: every key may be absent.
pub(super) struct Written {
    path: Path,
    workspace: Choice,
    required_scopes: Option<BTreeSet<Scope>>,
    projects: Option<BTreeMap<Name, Uuid>>,
    least_privilege: Option<bool>,
    expires_at: Option<DeclaredExpiry>,
    token_owner: Option<String>,
    rotate_url: Option<String>,
    expiry_warning: Option<Duration>,
    expiry_critical: Option<Duration>,
}

/// The choice of a workspace.
#[derive(Clone)]
enum Choice {
    Absent,
    /// It does not exist or is wrong itself, which has been reported.
    Unusable,
    Workspace(Arc<Workspace>),
}

impl Written {
    /// Reads the per-token keys of a section.
    pub(super) fn read(section: &Section<'_>, workspaces: &Workspaces) -> Self {
        Self {
            path: section.path.clone(),
            workspace: workspace(section, workspaces),
            required_scopes: section.list("required_scopes").map(|list| scopes(section.report, &list)),
            projects: projects(section),
            least_privilege: section.flag("least_privilege"),
            expires_at: expires_at(section),
            token_owner: owner(section),
            rotate_url: address::page(section, "rotate_url").map(str::to_owned),
            expiry_warning: section.duration("expiry_warning", THRESHOLDS),
            expiry_critical: section.duration("expiry_critical", THRESHOLDS),
        }
    }

    /// These settings over `defaults`, with what they need of each other checked. A key that is set
    /// replaces the default whole. `None` where the workspace is not usable, which has been reported.
    pub(super) fn over(self, defaults: &Self, workspaces: &Workspaces, report: &Report) -> Option<Settings> {
        let choice = match self.workspace {
            Choice::Absent => defaults.workspace.clone(),
            own => own,
        };
        let workspace = match choice {
            Choice::Absent => only_one(&self.path, workspaces, report),
            Choice::Unusable => None,
            Choice::Workspace(workspace) => Some(workspace),
        };
        let required_scopes =
            self.required_scopes.or_else(|| defaults.required_scopes.clone()).unwrap_or_default();
        let projects = self.projects.or_else(|| defaults.projects.clone()).unwrap_or_default();
        if projects.is_empty()
            && !report.concerns(&self.path.key("projects"))
            && !report.concerns(&defaults.path.key("projects"))
            && let Some(scope) = required_scopes.iter().find(|scope| scope.is_project_bound())
        {
            report.error(
                &self.path.key("projects"),
                format!("missing; `{scope}` is required, and only a project can show it: list one here"),
            );
        }
        let warning = self.expiry_warning.or(defaults.expiry_warning).unwrap_or(TokenSpec::EXPIRY_WARNING);
        let critical =
            self.expiry_critical.or(defaults.expiry_critical).unwrap_or(TokenSpec::EXPIRY_CRITICAL);
        let own = self.expiry_warning.is_some() || self.expiry_critical.is_some();
        let path = if own { &self.path } else { &defaults.path };
        if critical > warning && !report.concerns(&path.key("expiry_warning")) {
            report.error(
                &path.key("expiry_critical"),
                "is longer than `expiry_warning`, and so no warning would come first; shorten it (it is \
                 3d where none is set) or lengthen `expiry_warning` (14d)",
            );
        }
        Some(Settings {
            workspace: workspace?,
            required_scopes,
            projects,
            least_privilege: self.least_privilege.or(defaults.least_privilege).unwrap_or(false),
            expires_at: self.expires_at.or(defaults.expires_at),
            token_owner: self.token_owner.or_else(|| defaults.token_owner.clone()),
            rotate_url: self.rotate_url.or_else(|| defaults.rotate_url.clone()),
            expiry_warning: warning,
            expiry_critical: critical,
        })
    }
}

/// Everything about a token but its name and credential.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Settings {
    workspace: Arc<Workspace>,
    required_scopes: BTreeSet<Scope>,
    projects: BTreeMap<Name, Uuid>,
    least_privilege: bool,
    expires_at: Option<DeclaredExpiry>,
    token_owner: Option<String>,
    rotate_url: Option<String>,
    expiry_warning: Duration,
    expiry_critical: Duration,
}

impl Settings {
    /// The token of that name with these settings.
    pub(super) fn named(self, name: Name) -> Arc<TokenSpec> {
        Arc::new(TokenSpec {
            name,
            workspace: self.workspace,
            required_scopes: self.required_scopes,
            projects: self.projects,
            least_privilege: self.least_privilege,
            expires_at: self.expires_at,
            token_owner: self.token_owner,
            rotate_url: self.rotate_url,
            expiry_warning: self.expiry_warning,
            expiry_critical: self.expiry_critical,
        })
    }
}

fn workspace(section: &Section<'_>, workspaces: &Workspaces) -> Choice {
    if section.entry("workspace").is_none() {
        return Choice::Absent;
    }
    let Some(named) = section.text("workspace") else { return Choice::Unusable };
    match workspaces.get(named) {
        Some(Some(workspace)) => Choice::Workspace(Arc::clone(workspace)),
        Some(None) => Choice::Unusable,
        None if workspaces.is_empty() => Choice::Unusable,
        None => {
            let advice = format!("no such workspace; the configured ones are {}", listed(workspaces));
            section.report.error(&section.at("workspace"), advice);
            Choice::Unusable
        }
    }
}

fn only_one(path: &Path, workspaces: &Workspaces, report: &Report) -> Option<Arc<Workspace>> {
    let mut all = workspaces.values();
    match (all.next(), all.next()) {
        (Some(only), None) => only.clone(),
        (None, _) => None,
        _ => {
            let names = listed(workspaces);
            report.error(
                &path.key("workspace"),
                format!("missing, and there are several; name one of {names}, here or in `defaults`"),
            );
            None
        }
    }
}

/// The names to choose from, or as many as one would read.
fn listed(workspaces: &Workspaces) -> String {
    const SHOWN: usize = 10;
    let names = workspaces.keys().take(SHOWN).map(Name::as_str).collect::<Vec<_>>().join(", ");
    match workspaces.len().saturating_sub(SHOWN) {
        0 => names,
        more => format!("{names} and {more} more"),
    }
}

fn scopes(report: &Report, entries: &[Entry<'_>]) -> BTreeSet<Scope> {
    entries.iter().filter_map(|entry| scope(report, entry)).collect()
}

fn scope(report: &Report, entry: &Entry<'_>) -> Option<Scope> {
    let text = section::text(report, entry)?;
    let scope = Scope::parse(text);
    if scope.is_none() {
        let known = Scope::ALL.map(Scope::as_label);
        let checkable = known.join(", ");
        let unverifiable = Scope::UNVERIFIABLE.into_iter().find(|name| *name == text);
        let problem = match (unverifiable, keys::nearest(text, &known)) {
            (Some(name), _) => format!(
                "`{name}` cannot be checked: trying a right to change something would change it; leave \
                 it out. Checked can be {checkable}"
            ),
            (None, Some(near)) => format!("unknown scope; did you mean `{near}`?"),
            (None, None) => format!("unknown scope; the scopes are {checkable}"),
        };
        report.error(&entry.path, problem);
    }
    scope
}

fn projects(section: &Section<'_>) -> Option<BTreeMap<Name, Uuid>> {
    let entries = section.named("projects")?;
    let project = |(name, entry): (Name, Entry<'_>)| {
        let id = Uuid::parse(section::text(section.report, &entry)?);
        if id.is_none() {
            section.report.error(
                &entry.path,
                "is not the id of a project; write the UUID (8-4-4-4-12 hexadecimal digits), not the short \
                 id in the address of its app",
            );
        }
        Some((name, id?))
    };
    Some(entries.into_iter().filter_map(project).collect())
}

fn expires_at(section: &Section<'_>) -> Option<DeclaredExpiry> {
    let text = section.text("expires_at")?;
    if text == "never" {
        return Some(DeclaredExpiry::Never);
    }
    let at = match text.parse::<Date>() {
        Ok(date) if text.len() == "2027-03-01".len() => {
            TimeZone::UTC.to_timestamp(date.to_datetime(Time::midnight())).ok()
        }
        _ => text.parse::<Timestamp>().ok(),
    };
    let at = at.filter(|at| YEARS.contains(&TimeZone::UTC.to_datetime(*at).year()));
    if at.is_none() {
        section.report.error(
            &section.at("expires_at"),
            "is not a date from 2015 to 2200; write it as in 2027-03-01, 2027-03-01T12:00:00Z or never",
        );
    }
    at.map(DeclaredExpiry::At)
}

fn owner(section: &Section<'_>) -> Option<String> {
    let owner = section.text("token_owner")?;
    if owner.chars().count() > MAX_OWNER {
        let problem = format!("is longer than {MAX_OWNER} characters; shorten it");
        section.report.error(&section.at("token_owner"), problem);
        return None;
    }
    Some(owner.to_owned())
}
