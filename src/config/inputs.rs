//! The files that a configuration was made of, so that a change is noticed. What they held is not kept, since it
//! may be long, and a password: a hash tells it apart, with a key that nobody knows.

use std::{
    cell::RefCell,
    hash::{BuildHasher, RandomState},
    path::{Path, PathBuf},
};

use zeroize::Zeroizing;

use super::file::{self, Content, Unreadable};

type Bytes = Zeroizing<Vec<u8>>;

/// Reads files for a configuration and remembers them.
pub(super) struct Inputs {
    base: PathBuf,
    hasher: RandomState,
    read: RefCell<Vec<Input>>,
}

struct Input {
    path: PathBuf,
    limit: u64,
    /// Whether who owns it and who may use it was looked at too.
    is_checked: bool,
    held: Result<u64, Unreadable>,
}

impl Inputs {
    /// Relative paths start from `base`; where it is empty, from the working directory.
    pub(super) fn below(base: &Path) -> Self {
        // Joined to nothing, `./a` would stay another path than `a`.
        let base = if base == Path::new("") { Path::new(".") } else { base };
        Self { base: base.to_owned(), hasher: RandomState::new(), read: RefCell::default() }
    }

    /// The path as the system takes it.
    pub(super) fn resolve(&self, path: impl AsRef<Path>) -> PathBuf {
        self.base.join(path)
    }

    /// The content of a file.
    pub(super) fn read(&self, path: &Path, limit: u64) -> Result<Bytes, Unreadable> {
        self.note(path, limit, false).map(|content| content.bytes)
    }

    /// The content of a file, and what `inspect` makes of the file itself. Another mode or owner is then a change
    /// too.
    pub(super) fn read_checked<T>(
        &self,
        path: &Path,
        limit: u64,
        inspect: impl FnOnce(&Content) -> T,
    ) -> Result<(Bytes, T), Unreadable> {
        self.note(path, limit, true).map(|content| {
            let inspected = inspect(&content);
            (content.bytes, inspected)
        })
    }

    fn note(&self, path: &Path, limit: u64, is_checked: bool) -> Result<Content, Unreadable> {
        let path = self.resolve(path);
        let content = file::read(&path, limit);
        let held = self.held(&content, is_checked);
        self.read.borrow_mut().push(Input { path, limit, is_checked, held });
        content
    }

    /// Whether one of the files holds something else now, or has another mode or owner where that counts.
    pub(super) fn have_changed(&self) -> bool {
        let has_changed =
            |input: &Input| self.held(&file::read(&input.path, input.limit), input.is_checked) != input.held;
        self.read.borrow().iter().any(has_changed)
    }

    fn held(&self, content: &Result<Content, Unreadable>, is_checked: bool) -> Result<u64, Unreadable> {
        let hash = |content: &Content| {
            let rights = is_checked.then_some((content.mode, content.owner));
            self.hasher.hash_one((content.bytes.as_slice(), rights))
        };
        content.as_ref().map(hash).map_err(|reason| *reason)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_spellings_of_a_path_are_one() {
        for base in ["", ".", "etc", "/etc"] {
            let inputs = Inputs::below(Path::new(base));
            assert_eq!(inputs.resolve("./td"), inputs.resolve("td"), "{base}");
            assert_eq!(inputs.resolve("././td/"), inputs.resolve("td"), "{base}");
        }
        let inputs = Inputs::below(Path::new(""));
        assert!(std::fs::read_dir(inputs.resolve(".")).is_ok());
    }
}
