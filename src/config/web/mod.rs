//! The web configuration file: TLS, client certificates, users, headers and a rate limit for our own port.
//!
//! The format is that of the Prometheus exporters, so a file written for `node_exporter` works here too. What
//! rustls cannot do as Go does is named, with what to do about it. All that is wrong is told at once and
//! without a value, as for the configuration itself. `docs/WEB-CONFIG.md` is the reference.

use std::{collections::BTreeMap, fmt, ops::RangeInclusive, path::Path, time::Duration};

use figment::value::Value;

mod algorithms;
mod client;
mod material;
mod password;
mod tls;
pub mod watch;

pub use password::PasswordHash;
pub use tls::Terms;

use super::{
    ConfigErrors, Finding,
    credentials::is_exposed,
    finding::{self, Origins, Report},
    inputs::Inputs,
    section::{self, Entry, Section},
    yaml,
};

const TOP: &[&str] = &["tls_server_config", "http_server_config", "basic_auth_users", "rate_limit"];
const HTTP: &[&str] = &["http2", "headers"];
const RATE_LIMIT: &[&str] = &["interval", "burst"];

/// The headers that may be set, and the values of those that have few.
const HEADERS: &[(&str, &[&str])] = &[
    ("Content-Security-Policy", &[]),
    ("Strict-Transport-Security", &[]),
    ("X-Content-Type-Options", &["nosniff"]),
    ("X-Frame-Options", &["deny", "sameorigin"]),
    ("X-XSS-Protection", &[]),
];

/// Larger is no configuration.
const MAX_BYTES: u64 = 1024 * 1024;

/// Between two requests, in the long run.
const INTERVALS: RangeInclusive<Duration> = Duration::from_millis(1)..=Duration::from_hours(24);
const BURSTS: RangeInclusive<u32> = 1..=1_000_000;

/// From this cost on, a check of a password takes seconds.
const SLOW_COST: u32 = 15;

/// How our own port is served. The default: plain HTTP, for everybody.
#[derive(Clone, Default)]
pub struct WebConfig {
    /// The terms of TLS. `None`: plain HTTP.
    pub tls: Option<Terms>,
    /// Set on every answer.
    pub headers: Vec<(&'static str, String)>,
    /// Who may ask. Empty: everybody.
    pub users: BTreeMap<String, PasswordHash>,
    /// How often may be asked, by all callers together.
    pub rate_limit: Option<RateLimit>,
}

impl WebConfig {
    /// What protects the port now and would not under `next`.
    fn loses(&self, next: &Self) -> Option<&'static str> {
        match (&self.tls, &next.tls) {
            (Some(_), None) => Some("TLS"),
            (Some(now), Some(then)) if now.demands.exceed(then.demands) => {
                Some("what the certificates of clients must be")
            }
            _ => (!self.users.is_empty() && next.users.is_empty()).then_some("all users"),
        }
    }
}

impl fmt::Debug for WebConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebConfig")
            .field("tls", &self.tls.is_some())
            .field("users", &self.users.len())
            .field("rate_limit", &self.rate_limit)
            .finish_non_exhaustive()
    }
}

/// A bucket of tokens: `burst` requests at once, and one more after each `interval`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLimit {
    /// Between two requests, in the long run.
    pub interval: Duration,
    /// At once.
    pub burst: u32,
}

/// A web configuration with what deserves a look about it.
#[derive(Debug)]
pub struct LoadedWeb {
    /// The web configuration.
    pub config: WebConfig,
    /// What is allowed and perhaps not meant.
    pub warnings: Vec<Finding>,
}

/// Reads and proves a web configuration and the certificates that it names. Relative paths start from the
/// file's own directory.
pub fn load(path: &Path) -> Result<LoadedWeb, ConfigErrors> {
    load_recorded(path).1
}

/// As [`load()`], with the files that were read, whatever came of them.
fn load_recorded(path: &Path) -> (Inputs, Result<LoadedWeb, ConfigErrors>) {
    let inputs = Inputs::below(path.parent().unwrap_or(Path::new("")));
    let loaded = read(path, &inputs);
    (inputs, loaded)
}

fn read(path: &Path, inputs: &Inputs) -> Result<LoadedWeb, ConfigErrors> {
    let file = path.file_name().map_or(path, Path::new);
    let (bytes, exposed) = inputs
        .read_checked(file, MAX_BYTES, |content| is_exposed(path, content))
        .map_err(|reason| Finding::general(format!("the web configuration file: {reason}")))?;
    let text = std::str::from_utf8(&bytes)
        .map_err(|_| Finding::general("the web configuration file is not UTF-8; save it as UTF-8"))?;
    let tree = yaml::parse(text)?;
    let report = Report::new(Origins::of_text(bytes));
    let root = Entry { path: finding::Path::default(), value: &tree };
    section::refuse_tokens(&report, &root);
    let top = Section::open(&report, &root, TOP);
    let http = sub(&top, "http_server_config", HTTP);
    let http2 = http.as_ref().and_then(|http| http.flag("http2")).unwrap_or(true);
    let tls = tls::read(&top, inputs, http2);
    let headers = http.as_ref().map(headers).unwrap_or_default();
    let users = users(&top);
    let rate_limit = sub(&top, "rate_limit", RATE_LIMIT).and_then(|section| rate_limit(&section));
    if !users.is_empty() && tls.is_none() {
        let text =
            "passwords are sent in the clear: without `tls_server_config`, everybody on the way reads them";
        report.warn(&top.at("basic_auth_users"), text);
    }
    if exposed && (!users.is_empty() || material::holds_a_key(&tree)) {
        report.warn(
            &root.path,
            "the web configuration file is readable by every user of this machine; chmod o-r",
        );
    }
    let warnings = report.finish()?;
    Ok(LoadedWeb { config: WebConfig { tls, headers, users, rate_limit }, warnings })
}

/// The section at `key`, where it is written.
fn sub<'a>(top: &Section<'a>, key: &str, known: &[&str]) -> Option<Section<'a>> {
    Some(Section::open(top.report, &top.entry(key)?, known))
}

fn headers(http: &Section<'_>) -> Vec<(&'static str, String)> {
    let names: Vec<&str> = HEADERS.iter().map(|(name, _)| *name).collect();
    let Some(section) = sub(http, "headers", &names) else { return Vec::new() };
    let mut set = Vec::new();
    for (name, allowed) in HEADERS {
        let blank = section.entry(name).is_some_and(|entry| entry.value.as_str() == Some(""));
        let Some(value) = (!blank).then(|| section.text(name)).flatten() else { continue };
        if !allowed.is_empty() && !allowed.contains(&value) {
            section.report.error(&section.at(name), format!("must be {}", allowed.join(" or ")));
        } else if !value.bytes().all(|byte| (0x20..0x7f).contains(&byte)) {
            section.report.error(&section.at(name), "holds characters that cannot be sent in an HTTP header");
        } else {
            set.push((*name, value.to_owned()));
        }
    }
    set
}

fn users(top: &Section<'_>) -> BTreeMap<String, PasswordHash> {
    let Some(entry) = top.entry("basic_auth_users") else { return BTreeMap::new() };
    let mut users = BTreeMap::new();
    let Some(written) = entry.value.as_dict() else {
        top.report.error(&entry.path, "must be a map of user names and bcrypt hashes");
        return users;
    };
    for (user, value) in written {
        let entry = Entry { path: entry.path.key(user), value };
        if user.is_empty() || user.contains(':') || user.chars().any(char::is_control) {
            let text = "no client can send this user name; leave out colons and control characters";
            top.report.error(&entry.path, text);
            continue;
        }
        let Some(text) = section::text(top.report, &entry) else { continue };
        match PasswordHash::parse(text) {
            Ok(hash) => {
                if hash.cost() >= SLOW_COST {
                    top.report.warn(
                        &entry.path,
                        "its bcrypt cost makes the first check take seconds; 10 to 12 is usual",
                    );
                }
                users.insert(user.to_owned(), hash);
            }
            Err(problem) => top.report.error(&entry.path, problem.to_string()),
        }
    }
    let mut costs = users.values().map(PasswordHash::cost);
    let first = costs.next();
    if costs.any(|cost| Some(cost) != first) {
        top.report.warn(
            &entry.path,
            "the bcrypt costs differ, and so does the time of a refusal: strangers can tell who is a user; use \
             one cost for all",
        );
    }
    users
}

fn rate_limit(section: &Section<'_>) -> Option<RateLimit> {
    let off = section.entry("interval").is_none_or(|entry| match entry.value {
        Value::Num(..) => entry.value.to_u128() == Some(0),
        value => matches!(value.as_str(), Some("0" | "0s")),
    });
    if off {
        return None;
    }
    let interval = section.duration("interval", INTERVALS);
    if section.entry("burst").is_none() {
        section.report.error(&section.at("burst"), "is missing; say how many requests may come at once");
    }
    let burst = section.number("burst", BURSTS);
    Some(RateLimit { interval: interval?, burst: burst? })
}
