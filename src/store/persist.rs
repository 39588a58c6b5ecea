//! The state file: what outlives the process, so that a restart during an outage still knows the dead.
//!
//! It holds no credential, only keyed digests of them, and it never says that a token is valid: that, a
//! new process must see for itself. Trouble with it is a warning and never stops the exporter.

use std::{
    collections::HashSet,
    fs::{self, OpenOptions},
    io::{self, ErrorKind, Read, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

use jiff::Timestamp;
use rustix::fs::OFlags;
use serde::{Deserialize, Serialize};
use tempfile::NamedTempFile;

use super::{Snapshot, TokenView, lock};
use crate::domain::{
    Digest, DigestKey, Expiry, TokenSpec, TokenState, expiry::Told, heard::Remembered, life::Life,
    secret::NoRandomness, state::has_run_out,
};

const VERSION: u32 = 1;

/// The largest file that is read.
const LARGEST: u64 = 64 * 1024 * 1024;

/// How many links in a row are followed, as by the system.
const MOST_LINKS: usize = 40;

/// An open state file.
#[derive(Debug)]
pub struct StateFile {
    path: PathBuf,
    key: [u8; 32],
    /// Sorted by credential. Asked for while the store is locked, so never held while anything else is waited
    /// for: not for the store, and not for the disk.
    tokens: Mutex<Vec<Entry>>,
    /// What was written last; held while writing.
    written: Mutex<Option<String>>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Contents {
    version: u32,
    #[serde(with = "hex::serde")]
    key: [u8; 32],
    tokens: Vec<Entry>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    name: String,
    workspace_url: String,
    #[serde(with = "hex::serde")]
    credential: [u8; 32],
    expiry: Option<Timestamp>,
    expiry_source: String,
    state: Option<String>,
    state_since: Option<Timestamp>,
    last_success: Option<Timestamp>,
}

/// What is wrong with a state file.
#[derive(Debug, thiserror::Error)]
pub enum StateFileError {
    /// It can't be read or written.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// What is in its place is a directory, a device or the like.
    #[error("it is not a regular file")]
    NotAFile,
    /// What it holds is no state file of this version.
    #[error("it is damaged or of another version")]
    Damaged,
}

/// Why there can be no state file.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// There is one that may hold what must not be lost, and it can't be read.
    #[error("{0}")]
    Unreadable(StateFileError),
    /// A new one needs a key.
    #[error(transparent)]
    NoRandomness(#[from] NoRandomness),
}

impl StateFile {
    /// Opens a state file. Where it is missing or damaged, an empty one takes its place, and the error
    /// says why; a damaged one is kept beside it. One that can't be read is left as it is.
    pub fn open(path: &Path) -> Result<(Self, Option<StateFileError>), OpenError> {
        let (contents, error) = match read(path) {
            Ok(contents) => (contents, None),
            Err(error) => {
                let error = make_way(path, error)?;
                let key = *DigestKey::random()?.as_bytes();
                (Contents { version: VERSION, key, tokens: Vec::new() }, Some(error))
            }
        };
        let Contents { key, mut tokens, .. } = contents;
        tokens.sort_by_key(|entry| entry.credential);
        let file = Self { path: path.to_owned(), key, tokens: Mutex::new(tokens), written: Mutex::default() };
        Ok((file, error))
    }

    /// The key of its digests.
    pub fn digest_key(&self) -> DigestKey {
        DigestKey::from_bytes(self.key)
    }

    /// What an earlier process knew of this very credential in this very workspace.
    pub fn remembered(&self, spec: &TokenSpec, digest: &Digest) -> Option<Remembered> {
        let tokens = lock(&self.tokens);
        let first = tokens.partition_point(|entry| entry.credential < *digest.as_bytes());
        let its_own = tokens[first..].iter().take_while(|entry| entry.credential == *digest.as_bytes());
        let entry = its_own.into_iter().find(|entry| entry.workspace_url == spec.workspace.origin)?;
        let told = match (entry.expiry_source.as_str(), entry.expiry) {
            ("api", Some(date)) => Told::At(date),
            ("never", _) => Told::Null,
            _ => Told::Nothing,
        };
        let state = entry.state.as_deref().and_then(TokenState::parse).filter(|state| state.is_dead());
        Some(Remembered { told, death: state.zip(entry.state_since), last_success: entry.last_success })
    }

    /// Writes what is known now, atomically, where it has changed or is no longer there. `snapshot` is asked once
    /// nobody else writes, so that nothing older can follow it.
    pub fn save(&self, snapshot: impl FnOnce() -> Snapshot) -> Result<(), StateFileError> {
        let mut written = lock(&self.written);
        let text =
            serde_json::to_string_pretty(&self.bring_up_to_date(&snapshot())).map_err(io::Error::from)?;
        if is_there(&self.path)? && written.as_ref() == Some(&text) {
            return Ok(());
        }
        let target = target(&self.path);
        let folder = target.parent().filter(|folder| !folder.as_os_str().is_empty());
        // Made with mode 0600, and renamed over the old file once it is whole.
        let mut file = NamedTempFile::new_in(folder.unwrap_or(Path::new(".")))?;
        file.write_all(text.as_bytes())?;
        file.as_file().sync_all()?;
        file.persist(&target).map_err(|error| error.error)?;
        *written = Some(text);
        Ok(())
    }

    /// What is to be in the file now, by name.
    fn bring_up_to_date(&self, snapshot: &Snapshot) -> Contents {
        let entry = |view: &Arc<TokenView>| entry(view, snapshot.hex_now(&view.spec.workspace.name));
        let mut tokens: Vec<Entry> = snapshot.tokens.iter().filter_map(entry).collect();
        let of_now: HashSet<[u8; 32]> = tokens.iter().map(|entry| entry.credential).collect();
        let mut known = lock(&self.tokens);
        // A token whose credential can't be read now may come back, and so may one that is not there while a
        // token directory can't be read: what is known of them stays. Of a credential that a token has now, what
        // is known now is all.
        known.retain(|entry| match snapshot.token(&entry.name) {
            _ if of_now.contains(&entry.credential) => false,
            Some(view) => view.credential.digest.is_none(),
            None => !snapshot.reload.successful,
        });
        tokens.append(&mut known);
        tokens.sort_by(|a, b| a.name.cmp(&b.name));
        known.clone_from(&tokens);
        known.sort_by_key(|entry| entry.credential);
        Contents { version: VERSION, key: self.key, tokens }
    }
}

fn read(path: &Path) -> Result<Contents, StateFileError> {
    // Nobody may ever write to what is no regular file.
    let without_waiting = OFlags::NONBLOCK.bits().cast_signed();
    let file = OpenOptions::new().read(true).custom_flags(without_waiting).open(path)?;
    if !file.metadata()?.is_file() {
        return Err(StateFileError::NotAFile);
    }
    let mut text = Vec::new();
    file.take(LARGEST + 1).read_to_end(&mut text)?;
    if text.len() as u64 > LARGEST {
        return Err(StateFileError::Damaged);
    }
    let contents: Contents = serde_json::from_slice(&text).map_err(|_| StateFileError::Damaged)?;
    if contents.version == VERSION { Ok(contents) } else { Err(StateFileError::Damaged) }
}

/// Makes way for a new file where that loses nothing. Returns what made it necessary.
fn make_way(path: &Path, trouble: StateFileError) -> Result<StateFileError, OpenError> {
    match &trouble {
        StateFileError::Io(error) if error.kind() == ErrorKind::NotFound => Ok(trouble),
        StateFileError::Damaged => {
            let damaged = target(path);
            let mut aside = damaged.clone().into_os_string();
            aside.push(".damaged");
            fs::rename(damaged, aside).map_err(|error| {
                let told = format!("it is damaged, and cannot be put aside: {error}");
                OpenError::Unreadable(io::Error::new(error.kind(), told).into())
            })?;
            Ok(trouble)
        }
        _ => Err(OpenError::Unreadable(trouble)),
    }
}

/// Whether there is a file to be replaced.
fn is_there(path: &Path) -> Result<bool, StateFileError> {
    match fs::metadata(path) {
        Ok(found) if found.is_file() => Ok(true),
        Ok(_) => Err(StateFileError::NotAFile),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// What a path stands for: where it is a link, that stays, and what it leads to is written.
fn target(path: &Path) -> PathBuf {
    let mut target = path.to_owned();
    for _ in 0..MOST_LINKS {
        let Ok(next) = fs::read_link(&target) else { break };
        // From where the link is, unless it is absolute.
        target.set_file_name(next);
    }
    target
}

fn entry(view: &TokenView, hex_now: Timestamp) -> Option<Entry> {
    let (record, spec) = (&view.record, &view.spec);
    // A death that is held though the credential is another one is not this one's.
    let is_its_own = matches!(record.life(), Life::Rejected(_)) || has_run_out(record, spec, hex_now);
    let is_dead = is_its_own && record.state().is_dead();
    let (expiry, source) = match (record.told(), record.expiry(spec)) {
        (Told::At(_), Expiry::Api(date)) => (Some(date), "api"),
        (Told::Null, _) => (None, "never"),
        (Told::Nothing, Expiry::Config(date)) => (Some(date), "config"),
        _ => (None, "unknown"),
    };
    Some(Entry {
        name: spec.name.to_string(),
        workspace_url: spec.workspace.origin.clone(),
        credential: *view.credential.digest?.as_bytes(),
        expiry,
        expiry_source: source.to_owned(),
        state: is_dead.then(|| record.state().as_label().to_owned()),
        state_since: record.state_since().filter(|_| is_dead),
        last_success: record.last_success(),
    })
}
