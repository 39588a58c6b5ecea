//! From the merged tree to a [`Config`] that holds: the top of it, `probe`, tokens and directories.

use std::{collections::BTreeSet, ops::RangeInclusive, path::PathBuf, sync::Arc, time::Duration};

use figment::value::{Empty, Tag, Value};

use super::{
    Config, ConfigErrors, ConfiguredToken, CredentialSource, Finding, TokenDirectory,
    environment::OVERRIDE_PREFIX,
    finding::{Path, Report},
    inputs::Inputs,
    keys,
    layers::Merged,
    section::{self, Entry, Section},
    settings::Written,
    workspace::{self, Workspaces},
};
use crate::domain::{Cadence, Name};

/// What may be set for the cadences.
const INTERVALS: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_hours(30 * 24);
const TIMEOUTS: RangeInclusive<Duration> = Duration::from_millis(100)..=Duration::from_mins(5);

const DEFAULT_CONCURRENCY: u32 = 16;
const MAX_CONCURRENCY: u32 = 1024;

/// The longest a path to a file may be (Linux's `PATH_MAX`).
const MAX_PATH: usize = 4096;

/// Understands the tree, or tells all that is wrong with it.
pub(super) fn validate(merged: Merged, inputs: &Inputs) -> Result<(Config, Vec<Finding>), ConfigErrors> {
    let Merged { tree, origins, environment, problems } = merged;
    let report = Report::new(origins).begun_with(problems);
    let root = Entry { path: Path::default(), value: &tree };
    section::refuse_tokens(&report, &root);
    let top = Section::open(&report, &root, keys::TOP);

    let (cadence, max_concurrency) = probe(&top);
    let workspaces = workspace::read(&top, inputs);
    let defaults = section_at(&top, "defaults", keys::PER_TOKEN);
    let defaults = Written::read(&defaults, &workspaces);
    let context = Context { workspaces: &workspaces, defaults: &defaults, inputs, report: &report };
    let tokens = context.tokens(&top);
    let token_directories = context.directories(&top);
    if top.is_empty("tokens") && top.is_empty("token_directories") {
        let problem = "there is no token to watch; name one here, or a directory in `token_directories`";
        report.error(&top.at("tokens"), problem);
    }
    let state_file = top.text("state_file").and_then(|text| file(&top, "state_file", text, inputs));

    let config = Config {
        cadence,
        max_concurrency,
        state_file,
        refuse_exposed_credentials: top.flag("refuse_exposed_credentials").unwrap_or(false),
        workspaces: workspaces.into_iter().filter_map(|(name, found)| Some((name, found?))).collect(),
        tokens,
        token_directories,
        environment,
    };
    report.finish().map(|warnings| (config, warnings))
}

/// The section at `key`, which is empty where it is not written.
fn section_at<'a>(top: &Section<'a>, key: &str, known: &[&str]) -> Section<'a> {
    static NOTHING: Value = Value::Empty(Tag::Default, Empty::Unit);
    let entry = top.entry(key).unwrap_or(Entry { path: top.at(key), value: &NOTHING });
    Section::open(top.report, &entry, known)
}

fn probe(top: &Section<'_>) -> (Cadence, usize) {
    let probe = section_at(top, "probe", keys::PROBE);
    let interval = |key, default| probe.duration(key, INTERVALS).unwrap_or(default);
    let default = Cadence::default();
    let cadence = Cadence {
        interval: interval("interval", default.interval),
        scope_interval: interval("scope_interval", default.scope_interval),
        run_interval: interval("run_interval", default.run_interval),
        timeout: probe.duration("timeout", TIMEOUTS).unwrap_or(default.timeout),
        confirm_after: interval("confirm_after", default.confirm_after),
        mass_rejection_hold: interval("mass_rejection_hold", default.mass_rejection_hold),
        rejected_interval: interval("rejected_interval", default.rejected_interval),
    };
    if cadence.timeout >= cadence.interval && !probe.report.concerns(&probe.at("interval")) {
        probe.report.error(
            &probe.at("timeout"),
            "must be shorter than `probe.interval`; shorten it (it is 10s where none is set) or lengthen \
             the interval",
        );
    }
    let concurrency = probe.number("max_concurrency", 1..=MAX_CONCURRENCY).unwrap_or(DEFAULT_CONCURRENCY);
    (cadence, usize::try_from(concurrency).unwrap_or(usize::MAX))
}

struct Context<'a> {
    workspaces: &'a Workspaces,
    defaults: &'a Written,
    inputs: &'a Inputs,
    report: &'a Report,
}

impl Context<'_> {
    fn tokens(&self, top: &Section<'_>) -> Vec<ConfiguredToken> {
        let entries = top.named("tokens").unwrap_or_default();
        entries.into_iter().filter_map(|(name, entry)| self.token(name, &entry)).collect()
    }

    fn token(&self, name: Name, entry: &Entry<'_>) -> Option<ConfiguredToken> {
        let known = [keys::PER_TOKEN, keys::CREDENTIAL].concat();
        let section = Section::open(self.report, entry, &known);
        if section.is_broken() {
            return None;
        }
        let source = self.source(&section);
        let written = Written::read(&section, self.workspaces);
        let settings = written.over(self.defaults, self.workspaces, self.report)?;
        Some(ConfiguredToken { spec: settings.named(name), source: source? })
    }

    fn source(&self, token: &Section<'_>) -> Option<CredentialSource> {
        let (path, env) = (token.entry("credentials_file"), token.entry("credentials_env"));
        match (path.is_some(), env.is_some()) {
            (false, false) => {
                self.report.error(
                    &token.path,
                    "has no credential; name the file that holds it in `credentials_file`, or the \
                     variable in `credentials_env`",
                );
                None
            }
            (true, true) => {
                let problem = "has both `credentials_file` and `credentials_env`; keep one of them";
                self.report.error(&token.path, problem);
                None
            }
            (true, false) => {
                let text = token.text("credentials_file")?;
                file(token, "credentials_file", text, self.inputs)
                    .map(|path| CredentialSource::File(path.into()))
            }
            (false, true) => variable(token).map(|name| CredentialSource::Env(name.into())),
        }
    }

    fn directories(&self, top: &Section<'_>) -> Vec<TokenDirectory> {
        let mut seen = BTreeSet::new();
        let entries = top.list("token_directories").unwrap_or_default();
        let directory = |entry: Entry<'_>| {
            let known = [keys::DIRECTORY, keys::PER_TOKEN].concat();
            let section = Section::open(self.report, &entry, &known);
            if section.is_broken() {
                return None;
            }
            if section.entry("path").is_none() {
                self.report.error(&section.at("path"), "missing; name the directory of the token files");
            }
            let path = section.text("path").and_then(|text| file(&section, "path", text, self.inputs));
            if let Some(path) = &path
                && !seen.insert(path.clone())
            {
                self.report.error(&section.at("path"), "this directory is listed twice; keep one entry");
            }
            let written = Written::read(&section, self.workspaces);
            let settings = written.over(self.defaults, self.workspaces, self.report)?;
            Some(TokenDirectory { path: path?, settings: Arc::new(settings) })
        };
        entries.into_iter().filter_map(directory).collect()
    }
}

/// A path to something on disk, from the directory of the configuration file where it is relative.
fn file(section: &Section<'_>, key: &str, text: &str, inputs: &Inputs) -> Option<PathBuf> {
    if text.len() > MAX_PATH {
        section.report.error(&section.at(key), "is too long for a path; name a file");
        return None;
    }
    Some(inputs.resolve(text))
}

fn variable<'a>(token: &Section<'a>) -> Option<&'a str> {
    let name = token.text("credentials_env")?;
    let starts_well = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    if !starts_well || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
        token.report.error(
            &token.at("credentials_env"),
            "is not the name of an environment variable; letters, digits and underscores make one, and the \
             token itself goes into the variable",
        );
        return None;
    }
    if name.starts_with(OVERRIDE_PREFIX) {
        token.report.error(
            &token.at("credentials_env"),
            "begins like a variable that overrides the configuration; choose another name",
        );
        return None;
    }
    Some(name)
}
