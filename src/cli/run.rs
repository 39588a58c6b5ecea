//! `run`: watches and serves until told to stop.

use std::process::ExitCode;

use anyhow::Context;

use super::{args::RunArgs, block_on, listen::bind};
use crate::{
    app::{App, Options},
    config::Environment,
    domain::Shard,
    lifecycle::Signals,
    telemetry,
};

pub(super) fn run(args: &RunArgs, environment: Environment) -> anyhow::Result<ExitCode> {
    // Read here and not by clap, which would repeat what it refuses.
    let external_url = args.external_url.as_deref().map(str::parse).transpose();
    let external_url = external_url.context("--web.external-url")?;
    telemetry::start(args.log.level, args.log.format);
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
