//! Tells the program which revision it is and which compiler made it, for the metric `build_info`.
//!
//! Neither is needed to build: without git, as in a source archive, the revision is that of the variable
//! `BUILD_REVISION`, or "unknown".

use std::{env, path::Path, process::Command};

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    // Each commit and checkout is noted there. Named only where it exists: cargo takes a missing file for
    // a changed one.
    if let Some(log) = output("git", &["rev-parse", "--git-path", "logs/HEAD"])
        && Path::new(&log).exists()
    {
        println!("cargo:rerun-if-changed={log}");
    }
    println!("cargo:rerun-if-env-changed=BUILD_REVISION");
    let revision = variable("BUILD_REVISION").or_else(|| output("git", &["rev-parse", "HEAD"]));
    println!("cargo:rustc-env=BUILD_REVISION={}", revision.as_deref().unwrap_or("unknown"));
    let rustc = variable("RUSTC").and_then(|rustc| output(&rustc, &["--version"]));
    let version = rustc.as_deref().and_then(|text| text.split(' ').nth(1)).unwrap_or("unknown");
    println!("cargo:rustc-env=BUILD_RUSTC_VERSION={version}");
}

#[expect(clippy::disallowed_methods, reason = "a build script is told by variables alone")]
fn variable(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}

/// The one line that a command prints, where it succeeds.
fn output(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).output().ok()?;
    let line = String::from_utf8(output.stdout).ok()?.trim().to_owned();
    (output.status.success() && !line.is_empty()).then_some(line)
}
