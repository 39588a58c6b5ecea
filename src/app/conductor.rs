//! Brings every change of the configuration and the credentials to all parts.

use std::sync::Arc;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::{
    config::{
        Config, DesiredToken,
        watch::{Desired, Reload},
    },
    domain::{Shard, Workspace},
    lifecycle::off_this_thread,
    metrics::OwnMetrics,
    probe::HexProber,
    schedule::{Assignment, Scheduler, Settings, plan},
    store::{ReloadStatus, Store, persist::StateFile},
};

/// The parts that a configuration is brought to. The prober has it already: what can't be connected to is
/// refused before it is wanted.
pub(super) struct Conductor {
    pub(super) shard: Shard,
    pub(super) memory: Option<Arc<StateFile>>,
    pub(super) scheduler: Arc<Scheduler<Arc<HexProber>>>,
    pub(super) store: Arc<Store>,
    pub(super) own: Arc<OwnMetrics>,
}

impl Conductor {
    /// Follows what is wanted until `stop`, from the first configuration on, which all parts conform to; tells in
    /// `in_force` how far it has come.
    pub(super) async fn follow(
        self: Arc<Self>,
        mut config: Arc<Config>,
        mut desired: watch::Receiver<Arc<Desired>>,
        in_force: watch::Sender<u64>,
        stop: CancellationToken,
    ) {
        while let Some(Ok(())) = stop.run_until_cancelled(desired.changed()).await {
            let next = desired.borrow_and_update().clone();
            let (conductor, wanted) = (Arc::clone(&self), Arc::clone(&next));
            // Thousands of tokens take longer than a probe should wait for its thread.
            off_this_thread(move || conductor.conform(&wanted)).await;
            if !Arc::ptr_eq(&config, &next.config) {
                if config.state_file != next.config.state_file {
                    warn!("state_file has changed: the new one is used from the next start on");
                }
                config = Arc::clone(&next.config);
                // Not before: a dry run of what the new configuration leaves out would be a real run.
                self.store.reset_dry_runs();
                self.scheduler.reset_dry_runs();
            }
            in_force.send_replace(next.generation);
        }
    }

    /// Makes all parts do what is wanted now.
    pub(super) fn conform(&self, desired: &Desired) {
        let config = &desired.config;
        let workspaces: Vec<Arc<Workspace>> = config.workspaces.values().cloned().collect();
        let tokens: Vec<&DesiredToken> =
            desired.tokens.iter().filter(|token| self.shard.watches(&token.spec.name)).collect();
        let planned = plan::demand_by_workspace(tokens.iter().map(|token| &*token.spec), &config.cadence);
        for workspace in &workspaces {
            let (demand, budget) =
                (planned.get(&workspace.name).copied().unwrap_or_default(), workspace.requests_per_minute);
            if demand > f64::from(budget) {
                warn!(workspace = %workspace.name,
                    "workspace {} asks for {demand:.1} requests a minute and may make {budget}: all its intervals are stretched; see the plan command",
                    workspace.name);
            }
        }
        self.store.conform(
            config.cadence,
            workspaces.iter().map(|workspace| {
                (workspace.clone(), planned.get(&workspace.name).copied().unwrap_or_default())
            }),
            tokens.iter().map(|token| (token.spec.clone(), token.credential.clone())),
            |spec, digest| self.memory.as_ref().and_then(|memory| memory.remembered(spec, digest)),
        );
        let Reload { successful, last_success } = desired.reload;
        self.store.note_reload(ReloadStatus { successful, last_success });
        self.own.retain_workspaces(config.workspaces.keys().cloned());
        let settings = Settings { cadence: config.cadence, max_concurrency: config.max_concurrency };
        let assignments = tokens
            .iter()
            .map(|token| Assignment { spec: token.spec.clone(), credential: token.credential.clone() })
            .collect();
        self.scheduler.reconcile(settings, &workspaces, assignments);
    }
}
