//! The `.env` file of the working directory, which zero-config mode reads.
//!
//! It is refused where someone else could have written it: it decides which token is used, and where
//! that is sent.

use std::{collections::BTreeMap, path::Path};

use super::{file::Unreadable, finding::Finding, inputs::Inputs};

/// The name of the file.
const NAME: &str = ".env";

/// Larger than any such file.
const MAX_BYTES: u64 = 64 * 1024;

/// Some editors begin a file with it.
const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

/// The variables of the file; none where there is no file.
pub(super) fn read(inputs: &Inputs) -> Result<BTreeMap<String, String>, Finding> {
    let inspect = |content: &super::file::Content| refusal(content.mode, content.owner);
    let content = match inputs.read_checked(Path::new(NAME), MAX_BYTES, inspect) {
        Err(Unreadable::Missing) => return Ok(BTreeMap::new()),
        Err(reason) => return Err(refused(&reason.to_string())),
        Ok((_, Some(reason))) => return Err(refused(reason)),
        Ok((content, None)) => content,
    };
    let content = content.strip_prefix(BYTE_ORDER_MARK).unwrap_or(&content);
    // The parser's error quotes the line that it does not understand, so it is not looked at.
    dotenvy::from_read_iter(content)
        .collect::<Result<_, _>>()
        .map_err(|_| refused("a line of it is not of the form NAME=value"))
}

fn refusal(mode: u32, owner: u32) -> Option<&'static str> {
    const WORLD_WRITABLE: u32 = 0o002;
    if owner != rustix::process::geteuid().as_raw() {
        Some("it belongs to another user")
    } else if mode & WORLD_WRITABLE != 0 {
        Some("everyone may write to it")
    } else {
        None
    }
}

fn refused(reason: &str) -> Finding {
    Finding::general(format!(
        "the file `.env` in the working directory is refused: {reason}; mend it, remove it, or start \
         with `--config.file`, which reads no `.env`"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_file_that_nobody_else_could_write_is_taken() {
        let us = rustix::process::geteuid().as_raw();
        assert_eq!(refusal(0o600, us), None);
        assert_eq!(refusal(0o664, us), None);
        assert_eq!(refusal(0o602, us), Some("everyone may write to it"));
        assert_eq!(refusal(0o600, us + 1), Some("it belongs to another user"));
    }
}
