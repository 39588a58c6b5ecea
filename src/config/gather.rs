//! All tokens that are wanted, with their credentials as they are now.

use std::{
    collections::{BTreeMap, HashMap, hash_map::Entry},
    sync::Arc,
};

use super::{
    Config, CredentialSource, Finding,
    credentials::{Memory, Reading},
    directories::Directories,
    finding::Path,
};
use crate::{
    clock::Clock,
    domain::{Credential, CredentialProblem, DeclaredExpiry, Kind, Moment, Name, Secret, TokenSpec, advice},
};

/// A token that is to be watched, with its credential.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DesiredToken {
    /// The token.
    pub spec: Arc<TokenSpec>,
    /// What its credential source holds.
    pub credential: Credential,
}

/// What the credential sources and token directories of a configuration hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gathered {
    /// The tokens by name.
    pub tokens: Vec<DesiredToken>,
    /// What deserves a look, an unreadable credential included.
    pub warnings: Vec<Finding>,
    /// Whether every token directory could be read and is not suddenly empty.
    pub directories_readable: bool,
}

/// Reads all credentials once.
pub fn gather(config: &Config, clock: &dyn Clock) -> Gathered {
    Gatherer::default().gather(config, clock.now())
}

/// Reads all credentials again and again.
#[derive(Debug, Default)]
pub(super) struct Gatherer {
    memory: Memory,
    directories: Directories,
}

impl Gatherer {
    pub(super) fn gather(&mut self, config: &Config, now: Moment) -> Gathered {
        self.directories.retain(|path| config.token_directories.iter().any(|known| known.path == path));
        let mut round = Round::default();
        let sources: Vec<_> = config.tokens.iter().map(|token| &token.source).collect();
        let readings = self.memory.read(&sources, config, now.at);
        for (token, reading) in config.tokens.iter().zip(readings) {
            round.add(&token.spec, reading, || configured_at(&token.spec.name, &token.source));
        }
        for (i, directory) in config.token_directories.iter().enumerate() {
            let path = Path::default().key("token_directories").index(i);
            let listing = self.directories.look(&directory.path, now);
            round.note_directory(&path, listing.trouble.as_deref(), listing.misnamed, listing.tokens.len());
            let (names, taken): (Vec<_>, Vec<_>) =
                listing.tokens.into_iter().partition(|name| !round.tokens.contains_key(name));
            for name in taken {
                round.warn(&path, format!("its file `{name}` is ignored: another token has that name"));
            }
            let source = |name: &Name| CredentialSource::File(directory.path.join(name.as_str()).into());
            let sources: Vec<_> = names.iter().map(source).collect();
            let specs = names.into_iter().map(|name| directory.token(name));
            if listing.trouble.is_some() {
                for (spec, source) in specs.zip(&sources) {
                    self.memory.keep(source);
                    // No more need be said than of its directory.
                    round.insert(&spec, Credential::Unreadable(CredentialProblem::Missing));
                }
            } else {
                let sources: Vec<_> = sources.iter().collect();
                let readings = self.memory.read(&sources, config, now.at);
                for (spec, reading) in specs.zip(readings) {
                    round.add(&spec, reading, || path.key(spec.name.as_str()));
                }
            }
        }
        self.memory.end_round();
        round.finish()
    }
}

fn configured_at(token: &Name, source: &CredentialSource) -> Path {
    let key = match source {
        CredentialSource::File(_) => "credentials_file",
        CredentialSource::Env(_) => "credentials_env",
    };
    Path::default().key("tokens").key(token.as_str()).key(key)
}

#[derive(Default)]
struct Round {
    tokens: BTreeMap<Name, DesiredToken>,
    warnings: Vec<Finding>,
    trouble: bool,
}

impl Round {
    fn warn(&mut self, path: &Path, text: impl Into<String>) {
        self.warnings.push(Finding::about(path, text));
    }

    fn add(&mut self, spec: &Arc<TokenSpec>, reading: Reading, path: impl Fn() -> Path) {
        let Reading { credential, exposed } = reading;
        if exposed {
            self.warn(
                &path(),
                "the file's mode lets every user of this machine read it; take that right away",
            );
        }
        match &credential {
            Credential::Unreadable(problem) => {
                let (cause, _) = advice::of_credential(*problem);
                let text = format!("no usable credential: {cause}; it is probed once there is one");
                self.warn(&path(), text);
            }
            Credential::Loaded { secret, .. } if secret.kind() == Kind::Personal => {
                self.note_personal(spec, &path());
            }
            Credential::Loaded { secret, .. } if secret.is_wrapped() => self.warn(
                &path(),
                "holds something around the token; leave the token alone there, without a name, quotes or braces",
            ),
            Credential::Loaded { .. } => {}
        }
        self.insert(spec, credential);
    }

    fn insert(&mut self, spec: &Arc<TokenSpec>, credential: Credential) {
        self.tokens.insert(spec.name.clone(), DesiredToken { spec: Arc::clone(spec), credential });
    }

    /// What does not go with a personal token, which mirrors its user and must expire.
    fn note_personal(&mut self, spec: &TokenSpec, path: &Path) {
        if spec.least_privilege {
            let text = "a personal token has no scopes, so `least_privilege` tells nothing; leave it out";
            self.warn(path, text);
        }
        if spec.expires_at == Some(DeclaredExpiry::Never) {
            let text = "a personal token always expires, though `expires_at` says never; give its date";
            self.warn(path, text);
        }
    }

    fn note_directory(&mut self, path: &Path, trouble: Option<&str>, misnamed: usize, tokens: usize) {
        if let Some(trouble) = trouble {
            self.trouble = true;
            self.warn(path, format!("{trouble}; its tokens stay without a credential until it is back"));
        } else if tokens == 0 {
            self.warn(path, "the directory holds no token yet; put one token into each file");
        }
        if misnamed > 0 {
            self.warn(
                path,
                format!(
                    "holds {misnamed} file(s) whose names no token can have, which are ignored; {}",
                    crate::domain::name::NotAName
                ),
            );
        }
    }

    fn finish(mut self) -> Gathered {
        let sharing = self.sharing();
        self.warnings.extend(sharing);
        Gathered {
            tokens: self.tokens.into_values().collect(),
            warnings: self.warnings,
            directories_readable: !self.trouble,
        }
    }

    /// A warning for each group of tokens that hold the same secret.
    #[expect(
        clippy::mutable_key_type,
        reason = "a secret is hashed and compared by its text, which never changes"
    )]
    fn sharing(&self) -> Vec<Finding> {
        // Most secrets have one holder.
        let mut holders: HashMap<&Secret, (&Name, Vec<&Name>)> = HashMap::with_capacity(self.tokens.len());
        for (name, token) in &self.tokens {
            if let Credential::Loaded { secret, .. } = &token.credential {
                match holders.entry(secret) {
                    Entry::Vacant(none) => drop(none.insert((name, Vec::new()))),
                    Entry::Occupied(mut others) => others.get_mut().1.push(name),
                }
            }
        }
        let shared = holders.into_values().filter(|(_, others)| !others.is_empty());
        let mut shared: Vec<Vec<&Name>> =
            shared.map(|(first, others)| std::iter::once(first).chain(others).collect()).collect();
        shared.sort();
        let warning = |names: Vec<&Name>| {
            let names = names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(" and ");
            Finding::general(format!("{names} hold the same credential, and are one token to Hex; keep one"))
        };
        shared.into_iter().map(warning).collect()
    }
}
