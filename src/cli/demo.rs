//! `demo`: the exporter and the fake Hex API in one process, with a token in every state and every kind of
//! trouble. They go the way of any real token: files with credentials, a configuration file, HTTP on loopback.

use std::{fmt::Write as _, fs, path::Path, process::ExitCode, time::Duration};

use tokio::time::sleep;
use tracing::warn;

use super::{
    args::DemoArgs,
    block_on,
    fake_hex::{write_credential, write_credentials},
    listen::bind,
    print::tell,
};
use crate::{
    app::{App, Options},
    config::{Environment, Source},
    domain::Shard,
    fake_hex::{FakeHex, Scenario, Stack},
    lifecycle::Signals,
    telemetry,
};

/// The token whose credential file is replaced once its old value has died.
const ROTATED: &str = "nightly-rotated-soon";

/// How long its new value takes to arrive, as it would from a secret store.
const ROTATION_LAG: Duration = Duration::from_secs(15);

/// The token without a credential file: nobody has mounted it yet, so nothing is known about it.
const NOT_MOUNTED: &str = "hightouch-not-mounted";

/// What the demo's tokens need, besides their names: keys of the configuration.
const NEEDS: [(&str, &str); 16] = [
    (
        "airflow-healthy",
        "{required_scopes: [projects_read, projects_run], projects: {weekly_kpis: 5a8591dd-4039-49df-9202-96385ba3eff8}, token_owner: data-platform}",
    ),
    ("ada-personal", "{required_scopes: [projects_read], token_owner: ada}"),
    (
        "dbt-expires-in-10d",
        "{required_scopes: [projects_read], token_owner: analytics, rotate_url: 'https://wiki.example.com/rotate-hex'}",
    ),
    (
        "dagster-expires-in-2d",
        "{required_scopes: [projects_read], token_owner: data-platform, rotate_url: 'https://wiki.example.com/rotate-hex'}",
    ),
    ("looker-expired", "{required_scopes: [projects_read], expires_at: 2026-01-31, token_owner: bi}"),
    ("intern-revoked", "{required_scopes: [projects_read], token_owner: bi}"),
    (
        "kpis-missing-run-scope",
        "{required_scopes: [projects_read, projects_run], projects: {weekly_kpis: 5a8591dd-4039-49df-9202-96385ba3eff8}, token_owner: finance}",
    ),
    (
        "terraform-over-scoped",
        "{required_scopes: [projects_read], least_privilege: true, token_owner: platform}",
    ),
    (
        "board-unpublished-project",
        "{required_scopes: [projects_read, projects_run], projects: {board_report: 019f681a-1870-731d-9b66-1a5c8d2e3f40}, token_owner: finance}",
    ),
    ("merger-wrong-workspace", "{required_scopes: [projects_read], token_owner: mergers}"),
    ("notebook-rate-limited", "{token_owner: grace}"),
    ("metabase-dies-soon", "{required_scopes: [projects_read], token_owner: bi}"),
    (ROTATED, "{required_scopes: [projects_read], token_owner: data-platform}"),
    (NOT_MOUNTED, "{required_scopes: [projects_read], token_owner: growth}"),
    ("eu-behind-flaky-upstream", "{required_scopes: [projects_read], token_owner: eu-team}"),
    ("eu-behind-slow-upstream", "{required_scopes: [projects_read], token_owner: eu-team}"),
];

/// What to expect, for people who watch.
const EXPECT: &str = "
What to expect:
  valid                airflow-healthy, ada-personal, and both eu tokens whenever their stack lets them
  expiring             dagster-expires-in-2d (critical), dbt-expires-in-10d (warning)
  expired              looker-expired
  invalid              intern-revoked, after three 401s in a row
  under_scoped         kpis-missing-run-scope, after a second refused dry run
  project_unavailable  board-unpublished-project
  wrong_workspace      merger-wrong-workspace
  unknown              hightouch-not-mounted: there is no credential to ask with
  too many rights      terraform-over-scoped: hex_token_excess_read_scopes
  rate limited         notebook-rate-limited: held, never called dead
  outage               eu-behind-*: hex_api_up 0 for 20 seconds of every minute, and no state changes
  dies while you watch metabase-dies-soon, 75 seconds after the start
  is rotated           nightly-rotated-soon: its old value dies after 60 seconds, the new one arrives 15 later
Stop it with Ctrl-C.
";

pub(super) fn run(args: &DemoArgs) -> anyhow::Result<ExitCode> {
    telemetry::start(args.log.level, args.log.format);
    block_on(async {
        let signals = Signals::listen()?;
        let listener = bind(&args.listen).await?;
        let external_url = format!("http://{}", listener.local_addr()?).parse()?;
        let home = tempfile::tempdir()?;
        let mut scenario = Scenario::built_in();
        for stack in &mut scenario.stacks {
            // The demo is in a hurry: it makes in a minute the dry runs of hours.
            stack.limits.runs_per_hour = 3_600;
        }
        for stack in &scenario.stacks {
            write_credentials(home.path(), stack)?;
        }
        let rotated_after = rotation(&scenario.stacks);
        let stacks = FakeHex::start_all(args.fake_hex, scenario).await?;
        let config = home.path().join("demo.yaml");
        fs::write(&config, configuration(home.path(), &stacks))?;
        let app = App::start(Options {
            source: Source::File(config),
            environment: Environment::from_iter([]),
            listeners: vec![listener],
            web_config: None,
            health_listener: None,
            enable_lifecycle: false,
            shard: Shard::default(),
            external_url: Some(external_url),
        })?;
        for address in app.addresses() {
            welcome(&format!("http://{address}"), &stacks);
        }
        let rotate = async {
            sleep(rotated_after + ROTATION_LAG).await;
            if let Err(error) = rotate(home.path(), &stacks) {
                warn!("the demo cannot replace the credential of {ROTATED}: {error}");
            }
            std::future::pending().await
        };
        let ended_well = tokio::select! {
            ended_well = app.run(signals, Duration::from_secs(10)) => ended_well,
            never = rotate => never,
        };
        for stack in stacks {
            stack.shutdown().await;
        }
        Ok(if ended_well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    })?
}

fn rotation(stacks: &[Stack]) -> Duration {
    stacks.iter().find_map(|stack| stack.tokens.get(ROTATED)?.rotated_after).unwrap_or_default()
}

fn rotate(home: &Path, stacks: &[FakeHex]) -> anyhow::Result<()> {
    for stack in stacks {
        if let Ok(credential) = stack.update(|world| world.credential(ROTATED)) {
            write_credential(home, ROTATED, &credential)?;
        }
    }
    Ok(())
}

/// The configuration of the demo: the real one in all but its hurry.
fn configuration(home: &Path, stacks: &[FakeHex]) -> String {
    let mut yaml = String::from(
        "probe: {interval: 10s, scope_interval: 30s, run_interval: 15s, timeout: 5s, confirm_after: 2s, mass_rejection_hold: 20s, rejected_interval: 30s}\nworkspaces:\n",
    );
    for stack in stacks {
        let org = if stack.name() == "main" { ", org_id: 0195fa0d-a0b5-7001-b18f-ec09baa16d1a" } else { "" };
        // Writing to a string can't fail.
        let _ =
            writeln!(yaml, "  {}: {{url: '{}', requests_per_minute: 600{org}}}", stack.name(), stack.url());
    }
    yaml.push_str("tokens:\n");
    for (name, needs) in NEEDS {
        let workspace = if name.starts_with("eu-") { "flaky" } else { "main" };
        let file = home.join(name);
        let needs = needs.trim_start_matches('{');
        let _ = writeln!(
            yaml,
            "  {name}: {{workspace: {workspace}, credentials_file: '{}', {needs}",
            file.display()
        );
    }
    yaml
}

/// Says where to look. Nobody needs to read it: the demo goes on.
fn welcome(url: &str, stacks: &[FakeHex]) {
    let mut lines = vec![
        format!("hex-token-exporter demo: {} tokens, watched by a real exporter\n", NEEDS.len()),
        format!("  Status page   {url}/"),
        format!("  Calendar      {url}/calendar.ics"),
        format!("  Metrics       {url}/metrics"),
        format!("  JSON          {url}/api/v1/tokens"),
    ];
    lines.extend(
        stacks.iter().map(|stack| format!("  Fake Hex      {} (stack {})", stack.url(), stack.name())),
    );
    lines.push(EXPECT.trim_end().to_owned());
    tell(&lines);
}
