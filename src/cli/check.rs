//! `check`: one round of every token, now, with the exit codes of monitoring plugins.

use std::{
    io::{self, IsTerminal, Write},
    process::ExitCode,
    sync::Arc,
};

use anyhow::anyhow;
use comfy_table::{Cell, Color};

use super::{
    args::{CheckArgs, Output},
    block_on, complain, exit,
    print::tell,
    table::table,
    warn_of,
};
use crate::{
    app::connect,
    clock::{Clock, SystemClock},
    config::{ConfigErrors, DesiredToken, Environment, gather, load},
    domain::{DigestKey, Uuid},
    probe::HexProber,
    schedule::{
        Assignment, Settings,
        round::{Progress, Round},
    },
    store::{
        Snapshot, Store, TokenView,
        report::{Report, Urgency},
    },
};

pub(super) fn run(args: &CheckArgs, environment: &Environment) -> ExitCode {
    match check(args, environment) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            complain(&format!("{error:#}"));
            ExitCode::from(exit::UNKNOWN)
        }
    }
}

fn check(args: &CheckArgs, environment: &Environment) -> anyhow::Result<u8> {
    let loaded = load(&args.config.source(), environment)?;
    let config = loaded.config;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::start());
    let gathered = gather(&config, &*clock);
    warn_of(loaded.warnings.iter().chain(&gathered.warnings));
    // Who names tokens asks about these alone.
    let may_miss_tokens = args.names.is_empty() && !gathered.directories_readable;
    let tokens = chosen(gathered.tokens, &args.names)?;
    if tokens.is_empty() {
        return Err(anyhow!("there is no token to ask about; put one into a token directory"));
    }
    let workspaces: Vec<_> = config.workspaces.values().cloned().collect();
    let wall = clock.clone();
    let prober = HexProber::new(config.cadence.timeout, move || wall.now().at);
    let refused = connect(&prober, &config);
    if !refused.is_empty() {
        return Err(ConfigErrors::from(refused).into());
    }
    let store = Arc::new(Store::new(clock.clone(), DigestKey::random()?));
    let cadence = Round::<HexProber>::cadence(config.cadence);
    store.conform(
        cadence,
        workspaces.iter().map(|workspace| (workspace.clone(), 0.0)),
        tokens.iter().map(|token| (token.spec.clone(), token.credential.clone())),
        |_, _| None,
    );
    let settings = Settings { cadence, max_concurrency: config.max_concurrency };
    let total = tokens.len();
    let show = progress(total);
    let round = Round::new(prober, store.clone(), clock, &workspaces, &settings, args.dry_run, show);
    let assignments = tokens
        .into_iter()
        .map(|token| Assignment { spec: token.spec, credential: token.credential })
        .collect();
    block_on(round.run(assignments, cadence))?;
    let snapshot = store.snapshot();
    let mut reports = Report::by_urgency(&snapshot);
    let urgencies = reports.iter_mut().map(|report| report.conclude(&snapshot, args.dry_run));
    let mut codes: Vec<u8> = urgencies.map(exit_code).collect();
    match args.output {
        Output::Json => tell(&[serde_json::to_string_pretty(&serde_json::json!({ "tokens": reports }))?]),
        Output::Table => tell(&shown(&snapshot, &reports)),
    }
    for workspace in snapshot.workspaces.iter().filter(|workspace| workspace.dry_run_unsafe) {
        complain(&format!(
            "workspace {}: a dry run started a real run, which this stack should never do: look for it in Hex and cancel it; dry runs of this workspace were stopped",
            workspace.spec.name
        ));
        codes.push(exit::CRITICAL);
    }
    if may_miss_tokens {
        complain("a token directory cannot be read, so there may be tokens that nothing is known of");
        codes.push(exit::UNKNOWN);
    }
    Ok(worst(&codes))
}

fn chosen(tokens: Vec<DesiredToken>, names: &[String]) -> anyhow::Result<Vec<DesiredToken>> {
    if let Some(unknown) = names.iter().find(|name| tokens.iter().all(|t| t.spec.name.as_str() != **name)) {
        return Err(anyhow!("no token named {unknown} is configured"));
    }
    let is_chosen =
        |token: &DesiredToken| names.is_empty() || names.iter().any(|n| n == token.spec.name.as_str());
    Ok(tokens.into_iter().filter(is_chosen).collect())
}

/// The worst code, in the order critical, unknown, warning.
fn worst(codes: &[u8]) -> u8 {
    let order = [exit::CRITICAL, exit::UNKNOWN, exit::WARNING];
    order.into_iter().find(|code| codes.contains(code)).unwrap_or(exit::OK)
}

fn exit_code(urgency: Urgency) -> u8 {
    match urgency {
        Urgency::Dead
        | Urgency::WrongWorkspace
        | Urgency::UnderScoped
        | Urgency::ProjectUnavailable
        | Urgency::ExpiresCritical => exit::CRITICAL,
        Urgency::Unknown => exit::UNKNOWN,
        Urgency::ExpiresWarning => exit::WARNING,
        Urgency::Fine => exit::OK,
    }
}

fn shown(snapshot: &Snapshot, reports: &[Report<'_>]) -> Vec<String> {
    let rows = reports.iter().filter_map(|report| Some(row(snapshot.token(report.name.as_str())?, report)));
    let header = ["TOKEN", "WORKSPACE", "STATE", "DAYS LEFT", "MISSING", "PROJECTS", "ORG", "OWNER"];
    let mut lines = vec![table(&header, rows.collect()).to_string()];
    for report in reports {
        let (Some(cause), Some(remedy)) = (&report.cause, &report.remedy) else { continue };
        lines.push(format!("\n{}: {cause}", report.name));
        lines.push(format!("  -> {remedy}"));
        lines.extend(report.rotate_url.map(|url| format!("  -> {url}")));
    }
    lines
}

fn row(view: &TokenView, report: &Report<'_>) -> Vec<Cell> {
    // Only a terminal is painted on.
    let state = Cell::new(report.state.as_label()).fg(match report.urgency {
        Urgency::Fine => Color::Green,
        Urgency::ExpiresWarning | Urgency::Unknown => Color::Yellow,
        _ => Color::Red,
    });
    let missing: Vec<&str> = report
        .scopes
        .iter()
        .filter(|s| s.required && s.granted == Some(false))
        .map(|s| s.name.as_label())
        .collect();
    let projects = view
        .record
        .projects_seen()
        .map_or_else(|| "-".to_owned(), |(count, more)| format!("{count}{}", if more { "+" } else { "" }));
    let days = match (report.expiry.days, report.expiry.source) {
        (Some(days), _) => format!("{days:.1}"),
        (None, source) => source.as_label().to_owned(),
    };
    vec![
        Cell::new(report.name),
        Cell::new(report.workspace),
        state,
        Cell::new(days),
        Cell::new(if missing.is_empty() { "-".to_owned() } else { missing.join(", ") }),
        Cell::new(projects),
        // Hex's are UUIDs. In any other form it could be a credential that an upstream sends back.
        Cell::new(view.record.org_id().filter(|id| Uuid::parse(id).is_some()).unwrap_or("-")),
        Cell::new(report.token_owner.unwrap_or("-")),
    ]
}

/// Says on a terminal what is being waited for, on one line that is written over.
fn progress(total: usize) -> impl Fn(Progress<'_>) + Send + Sync + 'static {
    let shown = io::stderr().is_terminal();
    let done = std::sync::atomic::AtomicUsize::new(0);
    move |progress| {
        let finished = match progress {
            Progress::Done(_) => done.fetch_add(1, std::sync::atomic::Ordering::Relaxed) + 1,
            _ => done.load(std::sync::atomic::Ordering::Relaxed),
        };
        if shown {
            let text = match progress {
                Progress::Asking(name, check) => format!("{finished}/{total} {name}: {}", check.as_label()),
                Progress::Repeating(name) => format!("{finished}/{total} {name}: a 401, asking again"),
                Progress::Done(_) if finished == total => String::new(),
                Progress::Done(name) => format!("{finished}/{total} {name}: done"),
            };
            // Progress is no result: where it can't be shown, nothing is lost.
            let _ = write!(io::stderr(), "\r\x1b[2K{text}");
        }
    }
}
