//! `plan`: what the configuration costs Hex, against the budget, how soon it tells what happens, and what
//! would fit.

use std::{io::Write, process::ExitCode, time::Duration};

use humantime::format_duration;

use super::{args::ConfigArgs, table::table};
use crate::{
    clock::SystemClock,
    config::{Environment, gather, load},
    domain::{Cadence, Workspace},
    schedule::plan::{Demand, delay, demand, stretch},
};

pub(super) fn run(args: &ConfigArgs, environment: &Environment) -> anyhow::Result<ExitCode> {
    let config = load(&args.source(), environment)?.config;
    let tokens = gather(&config, &SystemClock::start()).tokens;
    let mut rows = Vec::new();
    let mut verdicts = Vec::new();
    let mut over = false;
    for workspace in config.workspaces.values() {
        let mut demands = Vec::new();
        for token in tokens.iter().filter(|token| token.spec.workspace.name == workspace.name) {
            let demand = demand(&token.spec, &config.cadence);
            demands.push(demand);
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
        let total: Demand = demands.iter().copied().sum();
        over |= stretch(total.per_minute(), workspace.requests_per_minute) > 1.0;
        verdicts.push(verdict(workspace, total));
        if !demands.is_empty() {
            verdicts.extend(explanation(workspace, &config.cadence, total, demands.len()));
        }
    }
    let header =
        ["WORKSPACE", "TOKEN", "PER MINUTE", "IDENTITY/H", "SCOPES/H", "DRY RUNS/H", "EXCESS/H", "PER HOUR"];
    let mut out = anstream::stdout();
    writeln!(out, "{}", table(&header, rows))?;
    for verdict in verdicts {
        writeln!(out, "{verdict}")?;
    }
    Ok(if over { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn verdict(workspace: &Workspace, total: Demand) -> String {
    let budget = workspace.requests_per_minute;
    let factor = stretch(total.per_minute(), budget);
    let verdict = if factor > 1.0 {
        format!(
            "over budget: every interval is stretched {factor:.2} times; lengthen the intervals or raise requests_per_minute"
        )
    } else {
        "within budget".to_owned()
    };
    format!(
        "{}: {:.2} requests a minute ({:.0} an hour) of {budget} a minute: {verdict}",
        workspace.name,
        total.per_minute(),
        total.per_minute() * 60.0
    )
}

/// What follows from it, a line each.
fn explanation(workspace: &Workspace, cadence: &Cadence, total: Demand, tokens: usize) -> Vec<String> {
    let budget = workspace.requests_per_minute;
    let factor = stretch(total.per_minute(), budget);
    let delay = delay(cadence, factor);
    // What is stretched is asked that much less often.
    let mut lines = vec![format!("  costs      {:.0} requests a day", total.per_minute() / factor * 1_440.0)];
    let mut told = vec![format!("a death within {}", time(delay.death))];
    if tokens > 1 {
        told.push(format!("of all tokens at once {}", time(delay.mass_death)));
    }
    told.push(format!("an outage {}", time(delay.outage)));
    if total.rights > 0.0 {
        told.push(format!("a lost scope or project {}", time(delay.right)));
    }
    if total.runs > 0.0 {
        told.push(format!("a lost right to run {}", time(delay.run)));
    }
    let waits = if factor > 1.0 { "; and the wait for the budget" } else { "" };
    lines.push(format!("  tells      {}{waits}", told.join(", ")));
    if factor > 1.0 {
        lines.push(format!("  would fit  {}", remedies(cadence, total, tokens, budget).join(", or ")));
    } else {
        let room = fitting_tokens(total, tokens, budget).saturating_sub(tokens);
        lines.push(format!("  has room   for {room} more tokens like these"));
    }
    let half = (budget / 2).max(1);
    let paired = stretch(total.per_minute(), half);
    let but = if paired > 1.0 { format!(": stretched {paired:.2} times") } else { String::new() };
    lines.push(format!("  a pair     requests_per_minute: {half} in each{but}"));
    let third = (budget / 3).max(1);
    lines.push(format!(
        "  3 shards   requests_per_minute: {third} in each, where the tokens share a limit of Hex"
    ));
    lines
}

/// Each alone is enough.
fn remedies(cadence: &Cadence, total: Demand, tokens: usize, budget: u32) -> Vec<String> {
    let (interval, scope_interval) = total.fitting(cadence, budget);
    let mut remedies = Vec::new();
    remedies.extend(interval.map(|it| format!("probe.interval: {}", time(it))));
    remedies.extend(scope_interval.map(|it| format!("probe.scope_interval: {}", time(it))));
    remedies.push(format!("requests_per_minute: {:.0}", total.per_minute().ceil()));
    remedies.push(format!("{} of the {tokens} tokens", fitting_tokens(total, tokens, budget)));
    remedies
}

/// How many tokens of this kind the budget allows.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a count"
)]
fn fitting_tokens(total: Demand, tokens: usize, budget: u32) -> usize {
    (f64::from(budget) * tokens as f64 / total.per_minute()) as usize
}

/// In whole seconds, rounded up: it is a limit.
fn time(duration: Duration) -> String {
    let whole = Duration::from_secs(duration.as_secs());
    let up = if duration > whole { whole + Duration::from_secs(1) } else { whole };
    format_duration(up).to_string()
}
