//! `run`: watches and serves until told to stop.

use std::process::ExitCode;

use super::{args::RunArgs, block_on, listen::bind};
use crate::{
    app::{App, Options},
    config::Environment,
    domain::Shard,
    lifecycle::Signals,
    telemetry,
};

pub(super) fn run(args: &RunArgs, environment: Environment) -> anyhow::Result<ExitCode> {
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
            health_listener,
            enable_lifecycle: args.enable_lifecycle,
            shard: Shard::new(args.shard, args.total_shards)?,
        })?;
        let ended_well = app.run(signals, args.grace).await;
        Ok(if ended_well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    })?
}
