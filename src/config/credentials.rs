//! Reads credentials, and remembers since when each has held what it holds.

use std::{collections::HashMap, num::NonZero, panic::resume_unwind, path::Path, thread};

use jiff::Timestamp;

use super::{
    Config, CredentialSource, Environment,
    file::{self, Content, Unreadable},
};
use crate::domain::{Credential, CredentialProblem, Secret};

/// A token has about a hundred bytes; anything near this size is another file.
const MAX_BYTES: u64 = 64 * 1024;

/// Fewer files are read sooner than a thread is started for them.
const LEAST_SHARE: usize = 256;

/// Where secrets are mounted, readable to all in the container and to nobody else.
const MOUNTED: [&str; 2] = ["/run/secrets", "/var/run/secrets"];

/// A credential as it was found.
pub(super) struct Reading {
    pub(super) credential: Credential,
    /// Whether it is in use though the mode of its file lets every user of the machine read it.
    pub(super) exposed: bool,
}

/// What the credentials held when they were last readable.
///
/// `loaded_at` moves when the content changes, and neither on a touch nor after a time unreadable. Sources are
/// found by hash: paths compare part by part, which took as long as reading the files.
#[derive(Debug, Default)]
pub(super) struct Memory {
    known: HashMap<CredentialSource, Known>,
    round: u64,
}

#[derive(Debug)]
struct Known {
    secret: Secret,
    loaded_at: Timestamp,
    /// The last round in which the source was in use.
    round: u64,
}

impl Memory {
    /// Reads credentials of a configuration, in the order of their sources. `now` stands for the age of one where
    /// no file tells it.
    pub(super) fn read(
        &mut self,
        sources: &[&CredentialSource],
        config: &Config,
        now: Timestamp,
    ) -> Vec<Reading> {
        let found = find_all(sources, &config.environment);
        let recall = |(source, (secret, exposed)): (&&CredentialSource, Found)| {
            let credential = match secret {
                Ok(_) if exposed && config.refuse_exposed_credentials => {
                    self.keep(source);
                    Credential::Unreadable(CredentialProblem::Exposed)
                }
                Ok((secret, modified)) => self.remember(source, secret, modified.unwrap_or(now)),
                Err(problem) => {
                    self.keep(source);
                    Credential::Unreadable(problem)
                }
            };
            let exposed = exposed && matches!(credential, Credential::Loaded { .. });
            Reading { credential, exposed }
        };
        sources.iter().zip(found).map(recall).collect()
    }

    fn remember(&mut self, source: &CredentialSource, secret: Secret, since: Timestamp) -> Credential {
        let round = self.round;
        match self.known.get_mut(source) {
            Some(known) if known.secret == secret => {
                known.round = round;
                // The copy that is in use already: no credential lies in memory twice.
                Credential::Loaded { secret: known.secret.clone(), loaded_at: known.loaded_at }
            }
            _ => {
                let known = Known { secret: secret.clone(), loaded_at: since, round };
                self.known.insert(source.clone(), known);
                Credential::Loaded { secret, loaded_at: since }
            }
        }
    }

    /// Remembers a source that is in use and was not looked into.
    pub(super) fn keep(&mut self, source: &CredentialSource) {
        if let Some(known) = self.known.get_mut(source) {
            known.round = self.round;
        }
    }

    /// Forgets the sources that were not in use in this round, and begins the next.
    pub(super) fn end_round(&mut self) {
        let round = self.round;
        self.known.retain(|_, known| known.round == round);
        self.round += 1;
    }
}

/// A secret, with when its file was written, and whether that is open to every user.
type Found = (Result<(Secret, Option<Timestamp>), CredentialProblem>, bool);

/// Looks into many sources on several threads: each file costs some calls to the system, which may be a
/// network away.
fn find_all(sources: &[&CredentialSource], environment: &Environment) -> Vec<Found> {
    let readers = thread::available_parallelism().map_or(1, NonZero::get);
    let share = sources.len().div_ceil(readers).max(LEAST_SHARE);
    let find_share = |share: &[&CredentialSource]| -> Vec<Found> {
        share.iter().map(|source| find(source, environment)).collect()
    };
    thread::scope(|scope| {
        let mut shares = sources.chunks(share);
        let own = shares.next().unwrap_or_default();
        let spawn = |share| (share, thread::Builder::new().spawn_scoped(scope, move || find_share(share)));
        let others: Vec<_> = shares.map(spawn).collect();
        let mut found = find_share(own);
        for (share, reader) in others {
            found.extend(match reader {
                Ok(reader) => reader.join().unwrap_or_else(|panic| resume_unwind(panic)),
                Err(_no_thread) => find_share(share),
            });
        }
        found
    })
}

fn find(source: &CredentialSource, environment: &Environment) -> Found {
    match source {
        CredentialSource::File(path) => match file::read(path, MAX_BYTES) {
            Ok(content) => {
                let secret = std::str::from_utf8(&content.bytes)
                    .map_err(|_| CredentialProblem::IllegalHeaderValue)
                    .and_then(Secret::credential);
                (secret.map(|secret| (secret, content.modified)), is_exposed(path, &content))
            }
            Err(reason) => (Err(problem(reason)), false),
        },
        CredentialSource::Env(name) => {
            let text = environment.get(name).ok_or(CredentialProblem::NotSet);
            (text.and_then(Secret::credential).map(|secret| (secret, None)), false)
        }
    }
}

fn problem(reason: Unreadable) -> CredentialProblem {
    match reason {
        Unreadable::Missing => CredentialProblem::Missing,
        Unreadable::PermissionDenied => CredentialProblem::PermissionDenied,
        Unreadable::NotAFile => CredentialProblem::NotAFile,
        Unreadable::TooLarge => CredentialProblem::TooLarge,
        Unreadable::LinkLoop => CredentialProblem::LinkLoop,
        Unreadable::Failed => CredentialProblem::Unreadable,
    }
}

/// Whether the mode of a file that should be a secret lets every user of the machine read it. The directories above
/// may keep them out.
pub(super) fn is_exposed(path: &Path, content: &Content) -> bool {
    const WORLD_READABLE: u32 = 0o004;
    let is_mounted = || MOUNTED.iter().any(|directory| path.starts_with(directory));
    content.mode & WORLD_READABLE != 0 && !is_mounted() && !content.is_in_memory()
}
