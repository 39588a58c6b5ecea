//! Reads one credential, and remembers since when it has held what it holds.

use std::{collections::HashMap, path::Path};

use jiff::Timestamp;

use super::{
    CredentialSource, Environment,
    file::{self, Content, Unreadable},
};
use crate::domain::{Credential, CredentialProblem, Secret};

/// A token has about a hundred bytes; anything near this size is another file.
const MAX_BYTES: u64 = 64 * 1024;

/// Where secrets are mounted, readable to all in the container and to nobody else.
const MOUNTED: [&str; 2] = ["/run/secrets", "/var/run/secrets"];

/// A credential as it was found.
pub(super) struct Reading {
    pub(super) credential: Credential,
    /// Whether every user of the machine can read its file.
    pub(super) exposed: bool,
}

/// What the credentials held when they were last readable.
///
/// `loaded_at` moves when the content changes, and neither on a touch nor after a time unreadable. Sources are
/// found by hash: paths compare part by part, which took as long as reading the files.
#[derive(Debug, Default)]
pub(super) struct Memory(HashMap<CredentialSource, (Secret, Timestamp)>);

impl Memory {
    /// Reads a credential. `now` stands for its age where no file tells it.
    pub(super) fn read(
        &mut self,
        source: &CredentialSource,
        environment: &Environment,
        now: Timestamp,
    ) -> Reading {
        let (found, exposed) = match source {
            CredentialSource::File(path) => read_file(path),
            CredentialSource::Env(name) => (
                environment.get(name).map_or_else(
                    || Err(CredentialProblem::Missing),
                    |text| Ok((Secret::credential(text)?, None)),
                ),
                false,
            ),
        };
        let credential = match found {
            Ok((secret, modified)) => self.remember(source, secret, modified.unwrap_or(now)),
            Err(problem) => Credential::Unreadable(problem),
        };
        Reading { credential, exposed }
    }

    /// Forgets the sources that are not in use.
    pub(super) fn retain(&mut self, in_use: impl Fn(&CredentialSource) -> bool) {
        self.0.retain(|source, _| in_use(source));
    }

    fn remember(&mut self, source: &CredentialSource, secret: Secret, since: Timestamp) -> Credential {
        let loaded_at = match self.0.get(source) {
            Some((known, loaded_at)) if *known == secret => *loaded_at,
            _ => {
                self.0.insert(source.clone(), (secret.clone(), since));
                since
            }
        };
        Credential::Loaded { secret, loaded_at }
    }
}

type Found = Result<(Secret, Option<Timestamp>), CredentialProblem>;

fn read_file(path: &Path) -> (Found, bool) {
    match file::read(path, MAX_BYTES) {
        Ok(content) => {
            let exposed = is_exposed(path, &content);
            let secret = std::str::from_utf8(&content.bytes)
                .map_err(|_| CredentialProblem::IllegalHeaderValue)
                .and_then(Secret::credential);
            (secret.map(|secret| (secret, content.modified)), exposed)
        }
        Err(reason) => (Err(problem(reason)), false),
    }
}

fn problem(reason: Unreadable) -> CredentialProblem {
    match reason {
        Unreadable::Missing => CredentialProblem::Missing,
        Unreadable::PermissionDenied => CredentialProblem::PermissionDenied,
        Unreadable::NotAFile | Unreadable::TooLarge | Unreadable::Failed => CredentialProblem::Unreadable,
    }
}

/// Whether every user of the machine can read a file that should be a secret.
pub(super) fn is_exposed(path: &Path, content: &Content) -> bool {
    const WORLD_READABLE: u32 = 0o004;
    let mounted = MOUNTED.iter().any(|directory| path.starts_with(directory));
    content.mode & WORLD_READABLE != 0 && !mounted && !content.in_memory
}
