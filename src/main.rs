//! Arguments in, exit code out; all else is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    hex_token_exporter::cli::main(std::env::args_os())
}
