//! `plan`: what the configuration costs Hex, against the budget.

use std::{io::Write, process::ExitCode};

use super::{args::ConfigArgs, table::table};
use crate::{
    clock::SystemClock,
    config::{Environment, gather, load},
    schedule::plan::{demand, stretch},
};

pub(super) fn run(args: &ConfigArgs, environment: &Environment) -> anyhow::Result<ExitCode> {
    let config = load(&args.source(), environment)?.config;
    let tokens = gather(&config, &SystemClock::start()).tokens;
    let mut rows = Vec::new();
    let mut out = anstream::stdout();
    let mut verdicts = Vec::new();
    let mut over = false;
    for workspace in config.workspaces.values() {
        let mut total = 0.0;
        for token in tokens.iter().filter(|token| token.spec.workspace.name == workspace.name) {
            let demand = demand(&token.spec, &config.cadence);
            total += demand.per_minute();
            rows.push(vec![
                workspace.name.to_string(),
                token.spec.name.to_string(),
                format!("{:.2}", demand.per_minute()),
                format!("{:.0}", demand.identity * 60.0),
                format!("{:.1}", demand.rights * 60.0),
                format!("{:.1}", demand.runs * 60.0),
                format!("{:.1}", demand.excess * 60.0),
                format!("{:.0}", demand.per_minute() * 60.0),
            ]);
        }
        let budget = workspace.requests_per_minute;
        let factor = stretch(total, budget);
        over |= factor > 1.0;
        let verdict = if factor > 1.0 {
            format!(
                "over budget: every interval is stretched {factor:.2} times; lengthen the intervals or raise requests_per_minute"
            )
        } else {
            "within budget".to_owned()
        };
        verdicts.push(format!(
            "{}: {total:.2} requests a minute ({:.0} an hour) of {budget} a minute: {verdict}",
            workspace.name,
            total * 60.0
        ));
    }
    let header =
        ["WORKSPACE", "TOKEN", "PER MINUTE", "IDENTITY/H", "SCOPES/H", "DRY RUNS/H", "EXCESS/H", "PER HOUR"];
    writeln!(out, "{}", table(&header, rows))?;
    for verdict in verdicts {
        writeln!(out, "{verdict}")?;
    }
    Ok(if over { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}
