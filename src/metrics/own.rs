//! What the exporter counts of its own work, in a registry of its own.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use prometheus::{
    CounterVec, Encoder, Gauge, GaugeVec, HistogramOpts, HistogramVec, IntCounterVec, Opts, Registry,
    TextEncoder,
    core::{Collector, MetricVec, MetricVecBuilder},
    process_collector::ProcessCollector,
};
use tokio::time::Instant;

use super::{
    catalogue::{self as the, Metric},
    lag::WorstLag,
};
use crate::domain::{Name, Observer, Phases, Reason, RequestEnded};

/// Upper bounds of the histograms, in seconds.
const BUCKETS: [f64; 9] = [0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];

/// The metrics that are counted in place, `process_*` included.
#[derive(Debug)]
pub struct OwnMetrics {
    registry: Registry,
    requests: IntCounterVec,
    request_duration: HistogramVec,
    request_phase: HistogramVec,
    budget_wait: CounterVec,
    schedule_lag: Gauge,
    worst_lag: Mutex<WorstLag>,
    workspaces: Mutex<BTreeSet<Name>>,
}

impl OwnMetrics {
    /// Registers all metrics, of a process that serves this shard of so many. Knows no workspace yet: see
    /// [`Self::retain_workspaces`]. Fails on a mistake in the catalogue alone.
    pub fn new(shard: u32, total_shards: u32) -> prometheus::Result<Self> {
        let own = Self {
            registry: Registry::new(),
            requests: IntCounterVec::new(opts(&the::API_REQUESTS), &labels(&the::API_REQUESTS))?,
            request_duration: histogram(&the::API_REQUEST_DURATION)?,
            request_phase: histogram(&the::API_REQUEST_PHASE)?,
            budget_wait: CounterVec::new(opts(&the::API_BUDGET_WAIT), &labels(&the::API_BUDGET_WAIT))?,
            schedule_lag: Gauge::with_opts(opts(&the::SCHEDULE_LAG))?,
            worst_lag: Mutex::default(),
            workspaces: Mutex::default(),
        };
        let build_info = GaugeVec::new(opts(&the::BUILD_INFO), &labels(&the::BUILD_INFO))?;
        let build = [env!("CARGO_PKG_VERSION"), env!("BUILD_REVISION"), env!("BUILD_RUSTC_VERSION")];
        build_info.get_metric_with_label_values(&build)?.set(1.0);
        let collectors: [Box<dyn Collector>; 9] = [
            Box::new(own.requests.clone()),
            Box::new(own.request_duration.clone()),
            Box::new(own.request_phase.clone()),
            Box::new(own.budget_wait.clone()),
            Box::new(own.schedule_lag.clone()),
            Box::new(build_info),
            Box::new(fixed(&the::SHARD, shard)?),
            Box::new(fixed(&the::TOTAL_SHARDS, total_shards)?),
            Box::new(ProcessCollector::for_self()),
        ];
        for collector in collectors {
            own.registry.register(collector)?;
        }
        Ok(own)
    }

    /// Makes these the workspaces that are counted: the series of others go and do not come back with a
    /// request that is still under way, and the counters of new ones start at 0.
    pub fn retain_workspaces(&self, names: impl IntoIterator<Item = Name>) {
        let mut workspaces = self.workspaces();
        *workspaces = names.into_iter().collect();
        remove_others(&self.requests, &workspaces);
        remove_others(&self.request_duration, &workspaces);
        remove_others(&self.request_phase, &workspaces);
        remove_others(&self.budget_wait, &workspaces);
        for name in workspaces.iter() {
            self.budget_wait.with_label_values(&[name.as_str()]);
        }
    }

    /// Appends all series to a page.
    pub fn write(&self, page: &mut String) {
        let worst = lock(&self.worst_lag).worst(Instant::now());
        self.schedule_lag.set(worst.as_secs_f64());
        let mut text = Vec::new();
        match TextEncoder::new().encode(&self.registry.gather(), &mut text) {
            Ok(()) => page.push_str(&String::from_utf8_lossy(&text)),
            Err(error) => tracing::error!(%error, "the exporter's own metrics could not be written"),
        }
    }

    fn workspaces(&self) -> MutexGuard<'_, BTreeSet<Name>> {
        lock(&self.workspaces)
    }
}

impl Observer for OwnMetrics {
    fn request_ended(&self, request: &RequestEnded<'_>) {
        // Held to the end, so that no series is made of a workspace that is just being removed.
        let workspaces = self.workspaces();
        if !workspaces.contains(request.workspace) || request.reason == Reason::CredentialUnreadable {
            return;
        }
        let (workspace, check) = (request.workspace.as_str(), request.check.as_label());
        let status = request.status.to_string();
        let code = if request.status == 0 { request.reason.as_label() } else { &status };
        self.requests.with_label_values(&[workspace, check, code]).inc();
        self.request_duration.with_label_values(&[workspace, check]).observe(request.duration.as_secs_f64());
        let Phases { resolve, connect, processing, transfer } = request.phases;
        for (phase, took) in
            [("resolve", resolve), ("connect", connect), ("processing", processing), ("transfer", transfer)]
        {
            if let Some(took) = took {
                self.request_phase.with_label_values(&[workspace, phase]).observe(took.as_secs_f64());
            }
        }
    }

    fn budget_waited(&self, workspace: &Name, waited: Duration) {
        let workspaces = self.workspaces();
        if workspaces.contains(workspace) {
            self.budget_wait.with_label_values(&[workspace.as_str()]).inc_by(waited.as_secs_f64());
        }
    }

    fn woke_late(&self, lag: Duration) {
        lock(&self.worst_lag).note(lag, Instant::now());
    }
}

fn opts(metric: &Metric) -> Opts {
    Opts::new(metric.name, metric.help)
}

fn labels(metric: &Metric) -> Vec<&'static str> {
    metric.subject.labels().iter().chain(metric.labels).copied().collect()
}

fn fixed(metric: &Metric, value: u32) -> prometheus::Result<Gauge> {
    let gauge = Gauge::with_opts(opts(metric))?;
    gauge.set(value.into());
    Ok(gauge)
}

fn histogram(metric: &Metric) -> prometheus::Result<HistogramVec> {
    let opts = HistogramOpts::from(opts(metric)).buckets(BUCKETS.to_vec());
    HistogramVec::new(opts, &labels(metric))
}

/// Removes the series of workspaces other than these.
fn remove_others<T: MetricVecBuilder>(series: &MetricVec<T>, workspaces: &BTreeSet<Name>) {
    for family in series.collect() {
        for metric in family.get_metric() {
            let labels: HashMap<&str, &str> =
                metric.get_label().iter().map(|pair| (pair.name(), pair.value())).collect();
            if labels.get("workspace").is_some_and(|name| !workspaces.contains(*name)) {
                // It can only be gone already, which is what is wanted.
                let _ = series.remove(&labels);
            }
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What is counted stays usable after a panic elsewhere.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
