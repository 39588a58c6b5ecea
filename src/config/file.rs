//! Reads files whole, bounded and without ever waiting for one: only regular files are opened for good.

use std::{
    fs::{File, OpenOptions},
    io::{self, Read},
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::Path,
};

use jiff::Timestamp;
use rustix::{fs::OFlags, io::Errno};
use zeroize::Zeroizing;

/// A file's content, wiped when dropped, and what the system tells about it.
pub(super) struct Content {
    pub(super) bytes: Zeroizing<Vec<u8>>,
    pub(super) modified: Option<Timestamp>,
    pub(super) mode: u32,
    pub(super) owner: u32,
    file: File,
}

impl Content {
    /// Whether the file lies on a file system that never reaches a disk.
    pub(super) fn is_in_memory(&self) -> bool {
        const TMPFS: u64 = 0x0102_1994;
        const RAMFS: u64 = 0x8584_58f6;
        rustix::fs::fstatfs(&self.file).is_ok_and(|fs| {
            let kind = u64::try_from(fs.f_type).unwrap_or(0) & 0xffff_ffff;
            kind == TMPFS || kind == RAMFS
        })
    }
}

/// Why a file can't be read. Holds no path and no content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unreadable {
    #[error("it does not exist")]
    Missing,
    #[error("it cannot be read: permission denied")]
    PermissionDenied,
    #[error("it is not a regular file")]
    NotAFile,
    #[error("it is too large")]
    TooLarge,
    #[error("its links lead in a circle")]
    LinkLoop,
    #[error("it cannot be read")]
    Failed,
}

impl From<io::Error> for Unreadable {
    fn from(error: io::Error) -> Self {
        if Errno::from_io_error(&error) == Some(Errno::LOOP) {
            return Self::LinkLoop;
        }
        match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => Self::Missing,
            io::ErrorKind::PermissionDenied => Self::PermissionDenied,
            _ => Self::Failed,
        }
    }
}

/// Reads a regular file of at most `limit` bytes.
pub(super) fn read(path: &Path, limit: u64) -> Result<Content, Unreadable> {
    let without_waiting = OFlags::NONBLOCK.bits().cast_signed();
    let file = OpenOptions::new().read(true).custom_flags(without_waiting).open(path)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(Unreadable::NotAFile);
    }
    // One byte more than fits, so that the buffer never grows: growing would leave copies of a secret.
    let mut bytes = Zeroizing::new(Vec::new());
    bytes.reserve_exact(usize::try_from(metadata.len().min(limit)).unwrap_or(0) + 1);
    (&file).take(limit + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit {
        return Err(Unreadable::TooLarge);
    }
    Ok(Content {
        bytes,
        modified: metadata.modified().ok().and_then(|at| Timestamp::try_from(at).ok()),
        mode: metadata.mode(),
        owner: metadata.uid(),
        file,
    })
}
