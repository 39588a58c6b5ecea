//! Standard output. A reader that has read enough and left, as `head` does, is no trouble.

use std::io::{self, ErrorKind, Write};

use super::complain;

/// Prints what was asked for.
pub(super) fn print(text: impl AsRef<[u8]>) -> io::Result<()> {
    let mut out = anstream::stdout();
    match out.write_all(text.as_ref()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(io::Error::new(error.kind(), format!("standard output cannot be written: {error}")))
        }
        _ => Ok(()),
    }
}

/// Prints lines of which the exit code tells the essence: where they can't be printed, it still does.
pub(super) fn tell(lines: &[String]) {
    if let Err(error) = print(lines.join("\n") + "\n") {
        complain(&error.to_string());
    }
}
