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
    table::table,
};
use crate::{
    clock::{Clock, SystemClock},
    config::{DesiredToken, Environment, gather, load},
    domain::DigestKey,
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
    let config = load(&args.config.source(), environment)?.config;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::start());
    let tokens = chosen(gather(&config, &*clock).tokens, &args.names)?;
    let workspaces: Vec<_> = config.workspaces.values().cloned().collect();
    let wall = clock.clone();
    let prober = HexProber::new(config.cadence.timeout, move || wall.now().at);
    prober.configure(config.cadence.timeout, &workspaces).map_err(|errors| {
        let errors: Vec<String> = errors.iter().map(ToString::to_string).collect();
        anyhow!(errors.join("\n"))
    })?;
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
    let tell = progress(total);
    let round = Round::new(prober, store.clone(), clock, &workspaces, &settings, args.dry_run, tell);
    let assignments = tokens
        .into_iter()
        .map(|token| Assignment { spec: token.spec, credential: token.credential })
        .collect();
    block_on(round.run(assignments, cadence))?;
    let snapshot = store.snapshot();
    let reports = Report::by_urgency(&snapshot);
    match args.output {
        Output::Json => {
            let mut out = io::stdout();
            serde_json::to_writer_pretty(&mut out, &serde_json::json!({ "tokens": reports }))?;
            writeln!(out)?;
        }
        Output::Table => show(&snapshot, &reports, args.dry_run)?,
    }
    Ok(verdict(&snapshot, &reports))
}

fn chosen(tokens: Vec<DesiredToken>, names: &[String]) -> anyhow::Result<Vec<DesiredToken>> {
    if let Some(unknown) = names.iter().find(|name| tokens.iter().all(|t| t.spec.name.as_str() != **name)) {
        return Err(anyhow!("no token named {unknown} is configured"));
    }
    let is_chosen =
        |token: &DesiredToken| names.is_empty() || names.iter().any(|n| n == token.spec.name.as_str());
    Ok(tokens.into_iter().filter(is_chosen).collect())
}

/// The worst of all tokens, in the order critical, unknown, warning. A verdict that the round could not
/// renew is unknown, whatever else is known.
fn verdict(snapshot: &Snapshot, reports: &[Report<'_>]) -> u8 {
    let code = |report: &Report<'_>| match report.urgency {
        Urgency::Dead
        | Urgency::WrongWorkspace
        | Urgency::UnderScoped
        | Urgency::ProjectUnavailable
        | Urgency::ExpiresCritical => exit::CRITICAL,
        Urgency::Unknown if dry_run_is_missing(snapshot, report) => exit::OK,
        Urgency::Unknown => exit::UNKNOWN,
        Urgency::ExpiresWarning => exit::WARNING,
        Urgency::Fine => exit::OK,
    };
    let codes: Vec<u8> = reports.iter().map(code).collect();
    [exit::CRITICAL, exit::UNKNOWN, exit::WARNING]
        .into_iter()
        .find(|code| codes.contains(code))
        .unwrap_or(exit::OK)
}

/// Whether nothing but a dry run that was not asked for keeps a token from being valid.
fn dry_run_is_missing(snapshot: &Snapshot, report: &Report<'_>) -> bool {
    snapshot.token(report.name.as_str()).is_some_and(|view| {
        view.probe_success() == Some(true)
            && report
                .scopes
                .iter()
                .all(|scope| scope.granted == Some(true) || !scope.required || scope.name == "projects_run")
            && report.projects.iter().all(|project| project.visible == Some(true))
    })
}

fn show(snapshot: &Snapshot, reports: &[Report<'_>], dry_run: bool) -> anyhow::Result<()> {
    let mut out = anstream::stdout();
    let rows = reports.iter().filter_map(|report| Some(row(snapshot.token(report.name.as_str())?, report)));
    let header = ["TOKEN", "WORKSPACE", "STATE", "DAYS LEFT", "MISSING", "PROJECTS", "ORG", "OWNER"];
    writeln!(out, "{}", table(&header, rows.collect()))?;
    for report in reports {
        if report.urgency == Urgency::Unknown && dry_run_is_missing(snapshot, report) && !dry_run {
            writeln!(
                out,
                "\n{}: alive; whether it may run its projects, only --dry-run can tell",
                report.name
            )?;
            continue;
        }
        let (Some(cause), Some(remedy)) = (&report.cause, &report.remedy) else { continue };
        writeln!(out, "\n{}: {cause}", report.name)?;
        writeln!(out, "  -> {remedy}")?;
        if let Some(url) = report.rotate_url {
            writeln!(out, "  -> {url}")?;
        }
    }
    Ok(())
}

fn row(view: &TokenView, report: &Report<'_>) -> Vec<Cell> {
    // Only a terminal is painted on.
    let state = Cell::new(report.state).fg(match report.urgency {
        Urgency::Fine => Color::Green,
        Urgency::ExpiresWarning | Urgency::Unknown => Color::Yellow,
        _ => Color::Red,
    });
    let missing: Vec<&str> =
        report.scopes.iter().filter(|s| s.required && s.granted == Some(false)).map(|s| s.name).collect();
    let projects = view
        .record
        .projects_seen()
        .map_or_else(|| "-".to_owned(), |(count, more)| format!("{count}{}", if more { "+" } else { "" }));
    let days = match (report.expiry.days, report.expiry.source) {
        (Some(days), _) => format!("{days:.1}"),
        (None, source) => source.to_owned(),
    };
    vec![
        Cell::new(report.name),
        Cell::new(report.workspace),
        state,
        Cell::new(days),
        Cell::new(if missing.is_empty() { "-".to_owned() } else { missing.join(", ") }),
        Cell::new(projects),
        Cell::new(view.record.org_id().unwrap_or("-")),
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
