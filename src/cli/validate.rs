//! `validate`: proves the configuration, and asks Hex nothing.

use std::process::ExitCode;

use super::{args::ConfigArgs, count, print::tell};
use crate::{
    app::connect,
    clock::{Clock, SystemClock},
    config::{Config, Environment, Finding, gather, load},
    probe::HexProber,
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
    let clock = SystemClock::start();
    let gathered = gather(config, &clock);
    // No error: it may hold where it is run, which need not be here.
    let refused_here = connect(&HexProber::new(config.cadence.timeout, move || clock.now().at), config);
    let warnings = warnings.iter().chain(&gathered.warnings).chain(&refused_here);
    let mut lines: Vec<String> = warnings.map(|warning| format!("warning: {warning}")).collect();
    let (tokens, workspaces) = (gathered.tokens.len(), config.workspaces.len());
    lines.push(format!(
        "the configuration holds: {} in {}",
        count(tokens, "token"),
        count(workspaces, "workspace")
    ));
    lines
}
