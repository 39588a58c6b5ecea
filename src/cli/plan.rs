//! `plan`: what the configuration costs Hex, against the budget, how soon it tells what happens, and what
//! would fit.

use std::{process::ExitCode, time::Duration};

use humantime::format_duration;

use super::{args::ConfigArgs, count, print::tell, table::table, warn_of};
use crate::{
    clock::SystemClock,
    config::{Environment, gather, load},
    domain::{Cadence, Workspace},
    schedule::plan::{Demand, delay, demand, stretch},
};

pub(super) fn run(args: &ConfigArgs, environment: &Environment) -> anyhow::Result<ExitCode> {
    let loaded = load(&args.source(), environment)?;
    let config = loaded.config;
    let gathered = gather(&config, &SystemClock::start());
    warn_of(loaded.warnings.iter().chain(&gathered.warnings));
    let tokens = gathered.tokens;
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
    verdicts.insert(0, table(&header, rows).to_string());
    tell(&verdicts);
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
        lines.push(format!("  has room   for {} like these", count(room, "more token")));
    }
    lines.push(format!("  a pair     {}", share(total.per_minute(), budget, 2, "")));
    // Each of them has a third of the tokens.
    let shared = ", where the tokens share a limit of Hex";
    lines.push(format!("  3 shards   {}", share(total.per_minute() / 3.0, budget, 3, shared)));
    lines
}

/// What each of several processes may spend, and what that does to what it asks for.
fn share(per_minute: f64, budget: u32, processes: u32, when: &str) -> String {
    let each = (budget / processes).max(1);
    let mut but = Vec::new();
    if each * processes > budget {
        but.push(format!("{} in all, since none can have less than 1", each * processes));
    }
    let factor = stretch(per_minute, each);
    if factor > 1.0 {
        but.push(format!("stretched {factor:.2} times"));
    }
    let colon = if but.is_empty() { "" } else { ": " };
    format!("requests_per_minute: {each} in each{when}{colon}{}", but.join(", "))
}

/// Each alone is enough.
fn remedies(cadence: &Cadence, total: Demand, tokens: usize, budget: u32) -> Vec<String> {
    let (interval, scope_interval) = total.fitting(cadence, budget);
    let mut remedies = Vec::new();
    remedies.extend(interval.map(|it| format!("probe.interval: {}", time(it))));
    remedies.extend(scope_interval.map(|it| format!("probe.scope_interval: {}", time(it))));
    remedies.push(format!("requests_per_minute: {:.0}", total.per_minute().ceil()));
    let fitting = fitting_tokens(total, tokens, budget);
    if fitting > 0 {
        remedies.push(format!("{fitting} of the {tokens} tokens"));
    }
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
