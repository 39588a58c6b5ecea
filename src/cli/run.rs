//! `run`: watches and serves until told to stop.

use std::process::ExitCode;

use anyhow::Context;

use super::{args::RunArgs, block_on, listen::bind};
use crate::{
    app::{App, Options},
    config::Environment,
    domain::Shard,
    lifecycle::{self, Signals},
    telemetry,
};

/// Room for all connections to our port, and for as many probes as may be under way at once.
const ENOUGH_FILES: u64 = 1024;

pub(super) fn run(args: &RunArgs, environment: Environment) -> anyhow::Result<ExitCode> {
    // Read here and not by clap, which would repeat what it refuses.
    let external_url = args.external_url.as_deref().map(str::parse).transpose();
    let external_url = external_url.context("--web.external-url")?;
    telemetry::start(args.log.level, args.log.format);
    if let Some(files) = lifecycle::raise_file_limit().filter(|files| *files < ENOUGH_FILES) {
        tracing::warn!(
            "only {files} files may be open at once, so connections to our port can keep probes from being made; \
             allow {ENOUGH_FILES} (ulimit -n, LimitNOFILE)"
        );
    }
    block_on(async {
        let signals = Signals::listen()?;
        let mut listeners = Vec::new();
        for address in &args.listen {
            listeners.push(bind(address).await?);
        }
        let health_listener = match &args.health {
            Some(address) => Some(bind(address).await?),
            None => None,
        };
        let app = App::start(Options {
            source: args.config.source(),
            environment,
            listeners,
            web_config: args.web_config.clone(),
            health_listener,
            enable_lifecycle: args.enable_lifecycle,
            shard: Shard::new(args.shard, args.total_shards)?,
            external_url,
        })?;
        let ended_well = app.run(signals, args.grace).await;
        Ok(if ended_well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    })?
}
