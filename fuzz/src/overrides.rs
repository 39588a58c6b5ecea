//! Environment variables, one a line as `NAME=value`: those that override a file, and those that stand in
//! for one.

use hex_token_exporter::config::{Environment, Source, load};

use super::{canary::CANARY, config, scratch};

/// What is overridden.
const FILE: &str = "
probe: {interval: 5m, timeout: 10s}
workspaces:
  production: {url: 'https://app.hex.tech'}
  eu-west.1: {url: 'https://eu.hex.tech', org_id: 0195fa0d-a0b5-7001-b18f-ec09baa16d1a}
defaults: {workspace: production, expiry_warning: 14d}
tokens:
  airflow: {credentials_file: a, required_scopes: [projects_read]}
  a-b: {credentials_file: b, projects: {kpis: 5a8591dd-4039-49df-9202-96385ba3eff8}}
  a.b: {credentials_env: B, expires_at: 2027-03-01}
";

pub(crate) fn run(text: &[u8]) {
    let text = String::from_utf8_lossy(text);
    let variables = text.lines().filter_map(|line| line.split_once('='));
    // A name is a path of keys, which are shown: the canary is in values alone.
    let environment: Environment =
        variables.map(|(name, value)| (name.replace(CANARY, ""), value.to_owned())).collect();
    config::holds(load(&Source::File(scratch::file("overridden.yaml", FILE)), &environment));
    let directory = scratch::path("");
    config::holds(load(&Source::ZeroConfig { directory }, &environment));
}
