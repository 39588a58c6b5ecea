//! Every metric there is, as data: what writes them takes its names from here, and `docs/METRICS.md` is
//! generated from it.
//!
//! The help of what a probe told ends in "as of the last probe": a scrape never causes one.

/// One metric.
#[derive(Debug, PartialEq, Eq)]
pub struct Metric {
    /// Its name.
    pub name: &'static str,
    /// Its type.
    pub kind: Kind,
    /// What its series are about, which gives them their first labels.
    pub subject: Subject,
    /// Further labels.
    pub labels: &'static [&'static str],
    /// What it means.
    pub help: &'static str,
}

/// The types of metrics that are used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A value that goes up and down.
    Gauge,
    /// A count that starts at 0 with the process.
    Counter,
    /// Observations, counted in buckets.
    Histogram,
}

impl Kind {
    /// The word of the text format.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Gauge => "gauge",
            Self::Counter => "counter",
            Self::Histogram => "histogram",
        }
    }
}

/// What a series is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject {
    /// A token.
    Token,
    /// A workspace.
    Workspace,
    /// The exporter itself.
    Exporter,
}

impl Subject {
    /// The labels that name it.
    pub fn labels(self) -> &'static [&'static str] {
        match self {
            Self::Token => &["token", "workspace"],
            Self::Workspace => &["workspace"],
            Self::Exporter => &[],
        }
    }
}

const fn token(name: &'static str, help: &'static str) -> Metric {
    Metric { name, kind: Kind::Gauge, subject: Subject::Token, labels: &[], help }
}

const fn workspace(name: &'static str, help: &'static str) -> Metric {
    Metric { name, kind: Kind::Gauge, subject: Subject::Workspace, labels: &[], help }
}

const fn exporter(name: &'static str, help: &'static str) -> Metric {
    Metric { name, kind: Kind::Gauge, subject: Subject::Exporter, labels: &[], help }
}

impl Metric {
    const fn counter(self) -> Self {
        Self { kind: Kind::Counter, ..self }
    }

    const fn histogram(self) -> Self {
        Self { kind: Kind::Histogram, ..self }
    }

    const fn by(self, labels: &'static [&'static str]) -> Self {
        Self { labels, ..self }
    }
}

/// Defines the metrics, and the list of all of them in this order.
macro_rules! metrics {
    ($($const:ident = $metric:expr;)*) => {
        $(pub static $const: Metric = $metric;)*

        /// All metrics, in the order of the documentation.
        pub static ALL: &[&Metric] = &[$(&$const),*];
    };
}

metrics! {
    PROBE_SUCCESS = token(
        "hex_token_probe_success",
        "Whether the latest outcome of the identity check, of every required check and of every listed \
         project is ok, as of the last probe",
    );
    PROBE_DURATION = token(
        "hex_token_probe_duration_seconds",
        "Time from the request to the end of the answer, without the wait for the budget, as of the last \
         probe",
    ).by(&["check"]);
    PROBE_STATUS = token(
        "hex_token_probe_http_status_code",
        "HTTP status of the answer, 0 where there was none, as of the last probe",
    ).by(&["check"]);
    PROBE_INTERVAL = token(
        "hex_token_probe_interval_seconds",
        "Interval in force between two probes, stretching and back-off included",
    ).by(&["check"]);
    DAYS_UNTIL_EXPIRY = token(
        "hex_token_days_until_expiry",
        "Days from now until the token expires, negative once it has; the date is as of the last probe",
    );
    EXPIRY_TIMESTAMP = token(
        "hex_token_expiry_timestamp_seconds",
        "When the token expires, as of the last probe",
    );
    EXPIRY = token(
        "hex_token_expiry",
        "Where the expiry is known from: api, config, never (it does not expire) or unknown; exactly one is \
         1, as of the last probe",
    ).by(&["expiry"]);
    EXPIRY_WARNING = token(
        "hex_token_expiry_warning_seconds",
        "Time before the expiry from which a warning is due, from the configuration",
    );
    EXPIRY_CRITICAL = token(
        "hex_token_expiry_critical_seconds",
        "Time before the expiry from which it is urgent, from the configuration",
    );
    STATE = token(
        "hex_token_state",
        "The last conclusive verdict, which no outage changes; exactly one is 1, as of the last probe",
    ).by(&["state"]);
    STATE_SINCE = token(
        "hex_token_state_since_timestamp_seconds",
        "When the state last changed, as of the last probe",
    );
    REJECTION_PENDING = token(
        "hex_token_rejection_pending",
        "Whether Hex rejected the token and the repeats that confirm it are still to come, as of the last \
         probe",
    );
    SCOPE_GRANTED = token(
        "hex_token_scope_granted",
        "Whether the token holds the scope: the last conclusive answer, as of the last probe",
    ).by(&["scope"]);
    SCOPE_REQUIRED = token(
        "hex_token_scope_required",
        "Whether the configuration requires the scope, for every scope that is checked",
    ).by(&["scope"]);
    EXCESS_READ_SCOPES = token(
        "hex_token_excess_read_scopes",
        "Read scopes that the token holds and the configuration does not require, where least_privilege is \
         on, as of the last probe",
    );
    PROJECT_VISIBLE = token(
        "hex_token_project_visible",
        "Whether the token sees the listed project: the last conclusive answer, as of the last probe",
    ).by(&["project"]);
    PROJECT_RUNNABLE = token(
        "hex_token_project_runnable",
        "Whether Hex accepts a dry run of the listed project (it does not document which rights that needs); \
         only where projects_run is required, as of the last probe",
    ).by(&["project"]);
    LAST_PROBE = token(
        "hex_token_last_probe_timestamp_seconds",
        "When the token was probed, whatever the outcome, as of the last probe",
    );
    LAST_CONCLUSIVE = token(
        "hex_token_last_conclusive_timestamp_seconds",
        "When the check was last answered conclusively, for project checks that of the oldest project, as \
         of the last probe",
    ).by(&["check"]);
    LAST_SUCCESS = token(
        "hex_token_last_success_timestamp_seconds",
        "When Hex last accepted the token, as of the last probe",
    );
    CREDENTIAL_LOADED = token(
        "hex_token_credential_loaded_timestamp_seconds",
        "When the present content of the credential appeared: the time of its file, or the start of the \
         process",
    );
    PROBES = token(
        "hex_token_probes_total",
        "Probes made",
    ).counter();
    PROBE_FAILURES = token(
        "hex_token_probe_failures_total",
        "Probes that failed, by reason; a scope that is denied and not required is no failure",
    ).by(&["reason"]).counter();
    INFO = token(
        "hex_token_info",
        "The kind of the token, whom to turn to and where to make a new one, to be joined in rules",
    ).by(&["kind", "token_owner", "rotate_url"]);
    API_UP = workspace(
        "hex_api_up",
        "Whether Hex itself answered in the last minute or, where nothing was asked in it, the newest \
         request, as of the last probe",
    );
    API_REJECTS_ALL = workspace(
        "hex_api_rejects_all_tokens",
        "Whether every token with a recent verdict was rejected, and these are at least two, as of the last \
         probe",
    );
    API_DRY_RUN_UNSAFE = workspace(
        "hex_api_dry_run_unsafe",
        "Whether a dry run was seen to start a real run, so that no more are made, as of the last probe",
    );
    API_REQUESTS = workspace(
        "hex_api_requests_total",
        "Requests that ended, by check and by HTTP status, or the reason where there was no answer",
    ).by(&["check", "code"]).counter();
    API_REQUEST_DURATION = workspace(
        "hex_api_request_duration_seconds",
        "Time from a request to the end of its answer, without the wait for the budget",
    ).by(&["check"]).histogram();
    API_REQUEST_PHASE = workspace(
        "hex_api_request_phase_duration_seconds",
        "Where that time went: resolve, connect (TLS included), processing, transfer",
    ).by(&["phase"]).histogram();
    API_BUDGET = workspace(
        "hex_api_budget_requests_per_minute",
        "The most requests made in any minute, from the configuration",
    );
    API_PLANNED = workspace(
        "hex_api_planned_requests_per_minute",
        "The requests a minute that the configured checks ask for",
    );
    API_BUDGET_WAIT = workspace(
        "hex_api_budget_wait_seconds_total",
        "Time that requests spent waiting for the budget",
    ).counter();
    API_CLOCK_SKEW = workspace(
        "hex_api_clock_skew_seconds",
        "Hex's clock minus the local clock, as of the last probe",
    );
    BUILD_INFO = exporter(
        "hex_token_exporter_build_info",
        "The version that runs",
    ).by(&["version", "revision", "rustc_version"]);
    RELOAD_SUCCESSFUL = exporter(
        "hex_token_exporter_config_last_reload_successful",
        "Whether the last load of the configuration and its token directories succeeded",
    );
    RELOAD_TIMESTAMP = exporter(
        "hex_token_exporter_config_last_reload_success_timestamp_seconds",
        "When a load of the configuration last succeeded",
    );
    TOKENS = workspace(
        "hex_token_exporter_tokens",
        "Configured tokens",
    );
    SCHEDULE_LAG = exporter(
        "hex_token_exporter_schedule_lag_seconds",
        "The most that a check woke up late in the last minute",
    );
    SHARD = exporter(
        "hex_token_exporter_shard",
        "The shard that this process serves, counted from 0",
    );
    TOTAL_SHARDS = exporter(
        "hex_token_exporter_total_shards",
        "The shards that the tokens are spread over",
    );
}
