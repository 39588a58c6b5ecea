//! `validate`: proves the configuration, and asks Hex nothing.

use std::process::ExitCode;

use super::{args::ConfigArgs, count, print::tell};
use crate::{
    clock::SystemClock,
    config::{Config, Environment, Finding, gather, load},
};

pub(super) fn run(args: &ConfigArgs, environment: &Environment) -> ExitCode {
    match load(&args.source(), environment) {
        Ok(loaded) => {
            tell(&what_holds(&loaded.config, &loaded.warnings));
            ExitCode::SUCCESS
        }
        Err(errors) => {
            let errors = errors.findings();
            let mut lines: Vec<String> = errors.iter().map(|error| format!("error: {error}")).collect();
            lines.push(format!("the configuration has {}", count(errors.len(), "problem")));
            tell(&lines);
            ExitCode::FAILURE
        }
    }
}

fn what_holds(config: &Config, warnings: &[Finding]) -> Vec<String> {
    let gathered = gather(config, &SystemClock::start());
    let warnings = warnings.iter().chain(&gathered.warnings);
    let mut lines: Vec<String> = warnings.map(|warning| format!("warning: {warning}")).collect();
    let (tokens, workspaces) = (gathered.tokens.len(), config.workspaces.len());
    lines.push(format!(
        "the configuration holds: {} in {}",
        count(tokens, "token"),
        count(workspaces, "workspace")
    ));
    lines
}
