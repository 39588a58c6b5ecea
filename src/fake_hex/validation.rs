//! From the text of a scenario to a [`Scenario`] that keeps its own promises.
//!
//! A message names the key it is about and never the value: a value could be a real token that
//! someone tries the fake with.

use std::{collections::BTreeSet, fmt::Display};

use super::{
    credential::TokenKind,
    faults::{Action, Fault},
    scenario::{Project, Scenario, Stack, Token},
};

/// Why a text is no scenario.
#[derive(Debug, thiserror::Error)]
pub enum ScenarioError {
    /// The text is not YAML of the right shape. Holds the key, as in `stacks[0].tokens.airflow`,
    /// and what is wrong there, with line and column.
    #[error("scenario: {0}")]
    Shape(String),
    /// The keys do not go together. One line for each problem.
    #[error("scenario: {}", .0.join("\nscenario: "))]
    Rules(Vec<String>),
}

/// Reads and checks a scenario.
pub(super) fn parse(text: &str) -> Result<Scenario, ScenarioError> {
    let mut path = String::new();
    let scenario: Scenario = serde_saphyr::with_deserializer_from_str(text, |yaml| {
        serde_path_to_error::deserialize(yaml).map_err(|error| {
            if error.path().iter().next().is_some() {
                path = format!("{}: ", error.path());
            }
            error.into_inner()
        })
    })
    .map_err(|error| {
        let problem = error.without_snippet();
        ScenarioError::Shape(without_values(&format!("{path}{problem}")))
    })?;

    let mut problems = Problems::default();
    problems.check_scenario(&scenario);
    match problems.0 {
        none if none.is_empty() => Ok(scenario),
        some => Err(ScenarioError::Rules(some)),
    }
}

/// The message with everything shortened that begins like a token.
fn without_values(message: &str) -> String {
    ["hxtp_", "hxtw_"].iter().fold(message.to_owned(), |message, prefix| {
        let mut pieces = message.split(prefix);
        let head = pieces.next().unwrap_or_default().to_owned();
        pieces.fold(head, |head, piece| {
            let rest = piece.trim_start_matches(|c: char| c.is_ascii_alphanumeric());
            format!("{head}{prefix}...{rest}")
        })
    })
}

#[derive(Default)]
struct Problems(Vec<String>);

impl Problems {
    fn add(&mut self, path: &str, problem: impl Display) {
        self.0.push(without_values(&format!("{path}: {problem}")));
    }

    fn check_scenario(&mut self, scenario: &Scenario) {
        if scenario.stacks.is_empty() {
            self.add("stacks", "a scenario needs at least one");
        }
        let mut names = BTreeSet::new();
        for (index, stack) in scenario.stacks.iter().enumerate() {
            let path = format!("stacks[{index}]");
            self.check_name(&format!("{path}.name"), &stack.name);
            if !names.insert(&stack.name) {
                self.add(&format!("{path}.name"), "another stack has this name");
            }
            self.check_stack(&path, stack);
        }
    }

    fn check_stack(&mut self, path: &str, stack: &Stack) {
        if stack.workspaces.is_empty() {
            self.add(
                &format!("{path}.workspaces"),
                "a stack needs at least one; leave the key out to get `acme`",
            );
        }
        let named = [
            ("workspaces", stack.workspaces.keys().collect::<Vec<_>>()),
            ("users", stack.users.keys().collect()),
            ("projects", stack.projects.keys().collect()),
            ("tokens", stack.tokens.keys().collect()),
        ];
        for (section, names) in named {
            for name in names {
                self.check_name(&format!("{path}.{section}.{name}"), name);
            }
        }
        for (name, project) in &stack.projects {
            self.check_project(&format!("{path}.projects.{name}"), project, stack);
        }
        for (name, token) in &stack.tokens {
            self.check_token(&format!("{path}.tokens.{name}"), token, stack);
        }
        for (index, fault) in stack.faults.iter().enumerate() {
            self.check_fault(&format!("{path}.faults[{index}]"), fault, stack);
        }
        self.check_distinct(path, stack);
    }

    fn check_name(&mut self, path: &str, name: &str) {
        let allowed = |c: char| c.is_ascii_alphanumeric() || ".-_".contains(c);
        let begins_well = name.starts_with(|c: char| c.is_ascii_alphanumeric());
        if !(begins_well && name.len() <= 63 && name.chars().all(allowed)) {
            self.add(
                path,
                "a name is 1 to 63 letters, digits, `.`, `-` or `_` and begins with a letter or digit",
            );
        }
    }

    fn check_workspace(&mut self, path: &str, named: Option<&String>, stack: &Stack) {
        match named {
            Some(name) if !stack.workspaces.contains_key(name) => {
                self.add(&format!("{path}.workspace"), "there is no such workspace");
            }
            None if stack.workspaces.len() > 1 => {
                self.add(path, "`workspace` is needed where the stack has several");
            }
            _ => {}
        }
    }

    fn check_project(&mut self, path: &str, project: &Project, stack: &Stack) {
        self.check_workspace(path, project.workspace.as_ref(), stack);
        if project.id.as_deref().is_some_and(|id| !is_uuid(id)) {
            self.add(&format!("{path}.id"), "a project id is a UUID");
        }
        for user in &project.hidden_from {
            let known = stack.users.contains_key(user) || stack.tokens.contains_key(user);
            if !known {
                self.add(&format!("{path}.hidden_from"), "names a user or token that does not exist");
            }
        }
    }

    fn check_token(&mut self, path: &str, token: &Token, stack: &Stack) {
        self.check_workspace(path, token.workspace.as_ref(), stack);
        if token.kind == TokenKind::Personal && !token.scopes.is_empty() {
            self.add(&format!("{path}.scopes"), "a personal token has none: it may do what its user may");
        }
        if let Some(user) = &token.user
            && !stack.users.contains_key(user)
        {
            self.add(&format!("{path}.user"), "there is no such user");
        }
        let sendable = |value: &String| !value.is_empty() && value.chars().all(|c| c.is_ascii_graphic());
        if token.value.as_ref().is_some_and(|value| !sendable(value)) {
            self.add(&format!("{path}.value"), "a value is visible ASCII without spaces");
        }
    }

    fn check_fault(&mut self, path: &str, fault: &Fault, stack: &Stack) {
        if fault.tokens.iter().any(|name| !stack.tokens.contains_key(name)) {
            self.add(&format!("{path}.tokens"), "names a token that does not exist");
        }
        if fault.workspaces.iter().any(|name| !stack.workspaces.contains_key(name)) {
            self.add(&format!("{path}.workspaces"), "names a workspace that does not exist");
        }
        if fault.paths.iter().any(|folder| !folder.starts_with('/') || folder.starts_with("/api/")) {
            self.add(&format!("{path}.paths"), "a path begins with `/` and is one below `/api/v1`");
        }
        if fault.methods.iter().any(|method| !method.chars().all(|c| c.is_ascii_uppercase())) {
            self.add(&format!("{path}.methods"), "methods are written in capitals");
        }
        if fault.one_in == 0 {
            self.add(&format!("{path}.one_in"), "must be at least 1");
        }
        match (fault.lasts, fault.every) {
            (None, Some(_)) => self.add(&format!("{path}.every"), "needs a `for`"),
            (Some(lasts), Some(every)) if every <= lasts => {
                self.add(&format!("{path}.every"), "must be longer than `for`");
            }
            _ => {}
        }
        if let Action::Status(code) = fault.action {
            if !(200..=599).contains(&code) {
                self.add(&format!("{path}.do.status"), "must be from 200 to 599");
            }
        } else if fault.body.is_some() {
            self.add(&format!("{path}.body"), "only a `status` has one to choose");
        }
        if fault.headers.iter().any(|header| !is_header(header)) {
            self.add(&format!("{path}.headers"), "holds one that HTTP does not allow");
        }
        if let Action::Redirect(url) = &fault.action
            && axum::http::HeaderValue::from_str(url).is_err()
        {
            self.add(&format!("{path}.do.redirect"), "is not a URL");
        }
    }

    /// Two tokens with one value, or two projects with one id, could not be told apart.
    fn check_distinct(&mut self, path: &str, stack: &Stack) {
        let mut values = BTreeSet::new();
        for (name, token) in &stack.tokens {
            if token.value.as_ref().is_some_and(|value| !values.insert(value)) {
                self.add(&format!("{path}.tokens.{name}.value"), "another token has this value");
            }
        }
        let mut ids = BTreeSet::new();
        for (name, project) in &stack.projects {
            if !ids.insert(project.id(name)) {
                self.add(&format!("{path}.projects.{name}.id"), "another project has this id");
            }
        }
    }
}

fn is_header((name, value): (&String, &String)) -> bool {
    axum::http::HeaderName::try_from(name).is_ok() && axum::http::HeaderValue::try_from(value).is_ok()
}

/// Whether `text` is a UUID in its canonical form, of any version.
pub(super) fn is_uuid(text: &str) -> bool {
    let groups: Vec<&str> = text.split('-').collect();
    groups.iter().map(|group| group.len()).eq([8, 4, 4, 4, 12])
        && groups.iter().all(|group| group.chars().all(|c| c.is_ascii_hexdigit()))
}
