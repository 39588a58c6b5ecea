//! Configuration: the only place that reads the file, the environment and the credentials.
//!
//! ```text
//! file or HEX_API_TOKEN --yaml--> tree --+ environment --layers--> merged tree --validate--> Config
//! credential files, variables, token directories --gather--> tokens with their credentials
//! both, again and again --watch--> Desired, whenever one of them changes
//! ```
//!
//! All that is wrong is told at once, with its path, and no message ever holds a value: it may be a
//! secret in the wrong place. `docs/CONFIGURATION.md` is the reference of the keys.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
};

use crate::domain::{Cadence, Name, TokenSpec, Workspace};

mod address;
mod credentials;
mod directories;
mod dotenv;
mod duration;
mod environment;
mod file;
mod finding;
mod gather;
mod inputs;
pub mod keys;
mod layers;
pub mod reload;
mod section;
mod settings;
mod validate;
pub mod watch;
pub mod web;
mod workspace;
mod yaml;

pub use environment::{Environment, OVERRIDE_PREFIX};
pub use finding::{ConfigErrors, Finding};
pub use gather::{DesiredToken, Gathered, gather};
pub use layers::{TOKEN_VARIABLE, WORKSPACE_VARIABLE};

/// Larger than a configuration of thousands of tokens.
const MAX_CONFIG_BYTES: usize = 4 * 1024 * 1024;

/// Where a configuration comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A YAML file. `HEX_API_TOKEN` then means nothing by itself.
    File(PathBuf),
    /// No file: `HEX_API_TOKEN`, `HEX_WORKSPACE_URL` and a `.env` in this directory make one token.
    ZeroConfig {
        /// The working directory.
        directory: PathBuf,
    },
}

/// A configuration that holds.
#[derive(Debug, Clone)]
pub struct Config {
    /// How often what is asked.
    pub cadence: Cadence,
    /// The most requests under way at once.
    pub max_concurrency: usize,
    /// Where verdicts and expiries are kept over a restart.
    pub state_file: Option<PathBuf>,
    /// Whether a credential is of no use while the mode of its file lets every user of the machine read it.
    pub refuse_exposed_credentials: bool,
    /// The configured workspaces.
    pub workspaces: BTreeMap<Name, Arc<Workspace>>,
    /// The tokens configured one by one, by name.
    pub tokens: Vec<ConfiguredToken>,
    /// Directories of which every file is a token.
    pub token_directories: Vec<TokenDirectory>,
    /// Holds the variables that credentials are read from, those of `.env` included.
    environment: Environment,
}

impl Config {
    /// Takes over what is the same as before, which the store and the schedule hold already: so it is in memory
    /// once, and is seen to be the same without being compared.
    fn share(&mut self, before: &Self) {
        for (name, workspace) in &mut self.workspaces {
            if let Some(old) = before.workspaces.get(name).filter(|old| *old == workspace) {
                workspace.clone_from(old);
            }
        }
        // Both are sorted.
        let mut olds = before.tokens.iter().peekable();
        for token in &mut self.tokens {
            while olds.next_if(|old| old.spec.name < token.spec.name).is_some() {}
            if let Some(old) = olds.next_if(|old| *old == token) {
                token.clone_from(old);
            }
        }
    }
}

/// A token and where its credential is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfiguredToken {
    /// The token.
    pub spec: Arc<TokenSpec>,
    /// Where its credential is.
    pub source: CredentialSource,
}

/// Where a credential is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum CredentialSource {
    /// In a file.
    File(Arc<Path>),
    /// In an environment variable.
    Env(Arc<str>),
}

/// A directory of which every file is a token, named after the file.
#[derive(Debug, Clone)]
pub struct TokenDirectory {
    /// Where it is.
    pub path: PathBuf,
    /// What its tokens have in common.
    settings: Arc<settings::Settings>,
}

impl TokenDirectory {
    /// The token of the file of that name.
    pub fn token(&self, file: Name) -> Arc<TokenSpec> {
        settings::Settings::clone(&self.settings).named(file)
    }
}

/// A configuration with what deserves a look about it.
#[derive(Debug)]
pub struct Loaded {
    /// The configuration.
    pub config: Config,
    /// What is allowed and perhaps not meant.
    pub warnings: Vec<Finding>,
}

/// Reads, merges and proves a configuration. Credentials are read by [`gather()`].
pub fn load(source: &Source, environment: &Environment) -> Result<Loaded, ConfigErrors> {
    load_recorded(source, environment).1
}

/// As [`load()`], with the files that were read, whatever came of them.
fn load_recorded(
    source: &Source,
    environment: &Environment,
) -> (inputs::Inputs, Result<Loaded, ConfigErrors>) {
    let base = match source {
        Source::File(path) => path.parent().unwrap_or(Path::new("")),
        Source::ZeroConfig { directory } => directory,
    };
    let inputs = inputs::Inputs::below(base);
    let loaded = layers::merge(source, environment, &inputs)
        .and_then(|merged| validate::validate(merged, &inputs))
        .map(|(config, warnings)| Loaded { config, warnings });
    (inputs, loaded)
}
