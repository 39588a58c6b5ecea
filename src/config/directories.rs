//! Token directories: which files of them are tokens, over time.
//!
//! A directory that is gone or suddenly empty looks like a failed mount, and its tokens must not leave
//! the graphs unseen: they stay, without a credential. One file that goes while others stay was removed.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use super::file::Unreadable;
use crate::domain::{Moment, Name};

/// How long a removed file may be missing before its token leaves.
const LEAVES_AFTER: Duration = Duration::from_mins(2);

/// The files that were seen, by directory.
#[derive(Debug, Default)]
pub(super) struct Directories(BTreeMap<PathBuf, Members>);

/// Each token with the time since when its file has been missing.
type Members = BTreeMap<Name, Option<Moment>>;

/// The tokens of a directory now.
pub(super) struct Listing {
    pub(super) tokens: Vec<Name>,
    /// Why nothing in the directory can be read.
    pub(super) trouble: Option<String>,
    /// How many files have names that no token can have.
    pub(super) misnamed: usize,
}

impl Directories {
    /// Looks into a directory.
    pub(super) fn look(&mut self, path: &Path, now: Moment) -> Listing {
        let members = self.0.entry(path.to_owned()).or_default();
        let (trouble, misnamed) = match files(path) {
            Err(reason) => (Some(format!("the directory cannot be used: {reason}")), 0),
            Ok(files) if files.names.is_empty() && !members.is_empty() => {
                (Some("the directory has lost all its files".to_owned()), files.misnamed)
            }
            Ok(files) => {
                update(members, &files.names, now);
                (None, files.misnamed)
            }
        };
        Listing { tokens: members.keys().cloned().collect(), trouble, misnamed }
    }

    /// Forgets the directories that are not in use.
    pub(super) fn retain(&mut self, in_use: impl Fn(&Path) -> bool) {
        self.0.retain(|path, _| in_use(path));
    }
}

fn update(members: &mut Members, present: &BTreeSet<Name>, now: Moment) {
    members.retain(|name, missing_since| {
        if present.contains(name) {
            *missing_since = None;
            return true;
        }
        let since = *missing_since.get_or_insert(now);
        now.since(since) < LEAVES_AFTER
    });
    for name in present {
        members.entry(name.clone()).or_insert(None);
    }
}

struct Files {
    names: BTreeSet<Name>,
    misnamed: usize,
}

/// The files that may be tokens: no dotfiles, where Kubernetes keeps its own, and no directories.
fn files(path: &Path) -> Result<Files, Unreadable> {
    let mut files = Files { names: BTreeSet::new(), misnamed: 0 };
    let entries = std::fs::read_dir(path)?.collect::<io::Result<Vec<_>>>()?;
    for entry in entries {
        let file_name = entry.file_name();
        // A link whose target is just gone is a file that can't be read, so it counts.
        let is_directory = std::fs::metadata(entry.path()).is_ok_and(|metadata| metadata.is_dir());
        if is_directory || file_name.as_encoded_bytes().starts_with(b".") {
            continue;
        }
        match file_name.to_str().map(Name::parse) {
            Some(Ok(name)) => {
                files.names.insert(name);
            }
            _ => files.misnamed += 1,
        }
    }
    Ok(files)
}
