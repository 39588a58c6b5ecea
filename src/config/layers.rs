//! Lays the sources over each other: the file (or what stands in for one), then the environment.
//!
//! Defaults are not a layer: they belong to the readers of the values, so that a section whose keys are
//! all commented out keeps them.

use std::{collections::HashMap, path::Path as FilePath};

use figment::value::{Dict, Value};

use super::{
    ConfigErrors, Environment, MAX_CONFIG_BYTES, Source, address, dotenv,
    environment::NoPath,
    finding::{Finding, Origins, Path, Place},
    inputs::Inputs,
    yaml,
};
use crate::domain::Scope;

/// The variable whose token is watched where no configuration file is given.
pub const TOKEN_VARIABLE: &str = "HEX_API_TOKEN";

/// The variable that holds the address for it.
pub const WORKSPACE_VARIABLE: &str = "HEX_WORKSPACE_URL";

/// The merged configuration, not yet understood.
pub(super) struct Merged {
    pub(super) tree: Value,
    pub(super) origins: Origins,
    pub(super) environment: Environment,
    /// Of variables that set nothing in it.
    pub(super) problems: Vec<Finding>,
}

/// Reads and merges all layers.
pub(super) fn merge(
    source: &Source,
    environment: &Environment,
    inputs: &Inputs,
) -> Result<Merged, ConfigErrors> {
    let (tree, mut origins, environment) = match source {
        Source::File(path) => {
            let (tree, origins) = from_file(path, inputs)?;
            (tree, origins, environment.clone())
        }
        Source::ZeroConfig { .. } => {
            let environment = environment.over(dotenv::read(inputs)?);
            let (tree, origins) = from_token_variable(&environment)?;
            (tree, origins, environment)
        }
    };
    let mut merged = match tree {
        Value::Dict(_, file) => file,
        // A file in which everything is commented out.
        Value::Empty(..) => Dict::new(),
        _ => return Err(Finding::general("the configuration must be a map of keys and values").into()),
    };
    let mut problems = Vec::new();
    let mut set = HashMap::new();
    for variable in environment.overrides() {
        match variable.resolve(&merged) {
            Ok(setting) => {
                let path = setting.path();
                origins.note_variable(&path, variable.variable);
                setting.put_into(&mut merged);
                if let Some(other) = set.insert(path, variable.variable) {
                    let problem =
                        format!("sets the same key as {}; keep one of them", Place::variable(other));
                    problems.push(Finding::variable(variable.variable, problem));
                }
            }
            Err(NoPath(problem)) => problems.push(Finding::variable(variable.variable, problem)),
        }
    }
    Ok(Merged { tree: Value::from(merged), origins, environment, problems })
}

fn from_file(path: &FilePath, inputs: &Inputs) -> Result<(Value, Origins), ConfigErrors> {
    let read = path.file_name().ok_or(super::file::Unreadable::NotAFile);
    let content = read
        .and_then(|name| inputs.read(name.as_ref(), MAX_CONFIG_BYTES as u64))
        .map_err(|reason| Finding::general(format!("the configuration file cannot be used: {reason}")))?;
    let text = std::str::from_utf8(&content)
        .map_err(|_| Finding::general("the configuration file is not UTF-8 text; save it as such"))?;
    let tree = yaml::parse(text)?;
    Ok((tree, Origins::of_text(content)))
}

fn from_token_variable(environment: &Environment) -> Result<(Value, Origins), ConfigErrors> {
    if environment.get(TOKEN_VARIABLE).is_none_or(|token| token.trim().is_empty()) {
        return Err(Finding::general(
            "there is no token to watch; set `HEX_API_TOKEN` (in the environment, or in a file `.env`), \
             or give a configuration with `--config.file FILE`, or try `hex-token-exporter demo`, which \
             needs nothing",
        )
        .into());
    }
    let mut origins = Origins::default();
    let url = environment.get(WORKSPACE_VARIABLE).inspect(|_| {
        let path = Path::default().key("workspaces").key("default").key("url");
        origins.note_variable(&path, WORKSPACE_VARIABLE);
    });
    let mut workspaces = Dict::new();
    // Written out, so that an override of another key of the workspace leaves it. Another workspace takes its place.
    if url.is_some() || !environment.overrides().iter().any(|it| it.is_of_workspace_beside("default")) {
        let url = url.unwrap_or(address::DEFAULT_ORIGIN);
        workspaces.insert("default".into(), Dict::from([("url".into(), url.into())]).into());
    }
    let token = Dict::from([
        ("credentials_env".into(), TOKEN_VARIABLE.into()),
        ("required_scopes".into(), vec![Value::from(Scope::ProjectsRead.as_label())].into()),
    ]);
    let tokens = Dict::from([("default".into(), token.into())]);
    let tree = Dict::from([("workspaces".into(), workspaces.into()), ("tokens".into(), tokens.into())]);
    Ok((tree.into(), origins))
}
