//! `validate`: proves the configuration, and asks Hex nothing.

use std::{io::Write, process::ExitCode};

use super::{args::ConfigArgs, count};
use crate::{
    clock::SystemClock,
    config::{Environment, gather, load},
};

pub(super) fn run(args: &ConfigArgs, environment: &Environment) -> anyhow::Result<ExitCode> {
    let mut out = anstream::stdout();
    let loaded = match load(&args.source(), environment) {
        Ok(loaded) => loaded,
        Err(errors) => {
            for error in errors.findings() {
                writeln!(out, "error: {error}")?;
            }
            writeln!(out, "the configuration has {}", count(errors.findings().len(), "problem"))?;
            return Ok(ExitCode::FAILURE);
        }
    };
    let gathered = gather(&loaded.config, &SystemClock::start());
    for warning in loaded.warnings.iter().chain(&gathered.warnings) {
        writeln!(out, "warning: {warning}")?;
    }
    writeln!(
        out,
        "the configuration holds: {} in {}",
        count(gathered.tokens.len(), "token"),
        count(loaded.config.workspaces.len(), "workspace")
    )?;
    Ok(ExitCode::SUCCESS)
}
