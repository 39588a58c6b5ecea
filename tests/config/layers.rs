//! Values and defaults, the environment over the file, and zero-config.

use std::{path::Path, time::Duration};

use hex_token_exporter::{
    config::{CredentialSource, load},
    domain::{Cadence, DeclaredExpiry, Name, Scope, TokenSpec},
};

use crate::support::{Place, variables, workspace_token};

const SMALLEST: &str = "tokens:\n  airflow:\n    credentials_file: secrets/airflow\n";

fn only(loaded: &hex_token_exporter::config::Loaded) -> &TokenSpec {
    assert_eq!(loaded.config.tokens.len(), 1);
    &loaded.config.tokens[0].spec
}

#[test]
fn defaults_hold_where_nothing_is_set() {
    let place = Place::new();
    let loaded = place.load(SMALLEST, &[]).unwrap();
    assert_eq!(loaded.config.cadence, Cadence::default());
    assert_eq!(loaded.config.max_concurrency, 16);
    assert_eq!(loaded.config.state_file, None);
    let token = only(&loaded);
    assert_eq!(token.name.as_str(), "airflow");
    assert_eq!(token.workspace.name.as_str(), "default");
    assert_eq!(token.workspace.origin, "https://app.hex.tech");
    assert_eq!(token.workspace.requests_per_minute, 30);
    assert!(token.required_scopes.is_empty() && token.projects.is_empty() && !token.least_privilege);
    assert_eq!(token.expires_at, None);
    assert_eq!(token.expiry_warning, Duration::from_hours(14 * 24));
    assert_eq!(token.expiry_critical, Duration::from_hours(3 * 24));
}

#[test]
fn every_key_arrives() {
    let place = Place::new();
    let config = "
probe: {interval: 2m, scope_interval: 30m, run_interval: 3h, timeout: 7s, confirm_after: 20s,
        mass_rejection_hold: 5m, rejected_interval: 15m, max_concurrency: 4}
state_file: state.json
workspaces:
  main: {url: 'https://hex.example.com:8443/', org_id: org, requests_per_minute: 12,
         proxy_url: 'http://u:p@proxy.example.com'}
defaults: {workspace: main, required_scopes: [users_read], token_owner: everyone}
tokens:
  a:
    credentials_env: A
    required_scopes: [projects_read, projects_run, projects_read]
    projects: {kpis: 5A8591DD-4039-49df-9202-96385ba3eff8}
    least_privilege: true
    expires_at: 2027-03-01
    rotate_url: https://wiki.example.com/rotate-hex?a=1
    expiry_warning: 30d
    expiry_critical: 1w
token_directories:
  - {path: /run/secrets/tokens, token_owner: platform, expires_at: never}
";
    let loaded = place.load(config, &[]).unwrap();
    let cadence = loaded.config.cadence;
    assert_eq!(cadence.interval, Duration::from_mins(2));
    assert_eq!(cadence.scope_interval, Duration::from_mins(30));
    assert_eq!(cadence.run_interval, Duration::from_hours(3));
    assert_eq!(cadence.timeout, Duration::from_secs(7));
    assert_eq!(cadence.confirm_after, Duration::from_secs(20));
    assert_eq!(cadence.mass_rejection_hold, Duration::from_mins(5));
    assert_eq!(cadence.rejected_interval, Duration::from_mins(15));
    assert_eq!(loaded.config.max_concurrency, 4);
    assert_eq!(loaded.config.state_file, Some(place.path("state.json")));
    let token = only(&loaded);
    assert_eq!(token.workspace.origin, "https://hex.example.com:8443");
    assert_eq!(token.workspace.org_id.as_deref(), Some("org"));
    assert_eq!(token.workspace.requests_per_minute, 12);
    assert!(token.workspace.proxy.is_some());
    assert_eq!(token.required_scopes, [Scope::ProjectsRead, Scope::ProjectsRun].into());
    let kpis = &token.projects[&Name::parse("kpis").unwrap()];
    assert_eq!(kpis.as_str(), "5a8591dd-4039-49df-9202-96385ba3eff8");
    assert!(token.least_privilege);
    assert_eq!(token.expires_at, Some(DeclaredExpiry::At("2027-03-01T00:00:00Z".parse().unwrap())));
    assert_eq!(token.token_owner.as_deref(), Some("everyone"));
    assert_eq!(token.rotate_url.as_deref(), Some("https://wiki.example.com/rotate-hex?a=1"));
    assert_eq!(token.expiry_warning, Duration::from_hours(30 * 24));
    assert_eq!(token.expiry_critical, Duration::from_hours(7 * 24));
    let directory = &loaded.config.token_directories[0];
    assert_eq!(directory.path, Path::new("/run/secrets/tokens"));
    let token = directory.token(Name::parse("b").unwrap());
    assert_eq!(token.required_scopes, [Scope::UsersRead].into());
    assert_eq!(token.token_owner.as_deref(), Some("platform"));
    assert_eq!(token.expires_at, Some(DeclaredExpiry::Never));
}

#[test]
fn relative_paths_start_from_the_file() {
    let place = Place::new();
    let loaded = place.load(SMALLEST, &[]).unwrap();
    let source = &loaded.config.tokens[0].source;
    assert_eq!(*source, CredentialSource::File(place.path("secrets/airflow").into()));
}

/// Each instance of a systemd unit has its credentials elsewhere, and all share one file.
#[test]
fn a_unit_of_systemd_says_where_its_credentials_are() {
    let place = Place::new();
    let unit = include_str!("../../config/systemd/shard.conf");
    let mut settings = unit.lines().filter_map(|line| line.strip_prefix("#Environment=")?.split_once('='));
    let (variable, path) = settings.find(|(variable, _)| variable.ends_with("CREDENTIALS_FILE")).unwrap();
    let path = path.replace("%d", "/run/credentials/hex-token-exporter@0.service");
    for config in [SMALLEST, "tokens: {airflow: {token_owner: data}}"] {
        let loaded = place.load(config, &[(variable, &path)]).unwrap();
        let source = &loaded.config.tokens[0].source;
        let expected = Path::new("/run/credentials/hex-token-exporter@0.service/airflow");
        assert_eq!(*source, CredentialSource::File(expected.into()));
    }
}

#[test]
fn the_environment_overrides_the_file() {
    let place = Place::new();
    let environment = [
        ("HEX_TOKEN_EXPORTER__PROBE__INTERVAL", "90s"),
        ("HEX_TOKEN_EXPORTER__PROBE__MAX_CONCURRENCY", "3"),
        ("HEX_TOKEN_EXPORTER__TOKENS__AIRFLOW__REQUIRED_SCOPES", "[users_read, groups_read]"),
        ("HEX_TOKEN_EXPORTER__TOKENS__AIRFLOW__EXPIRES_AT", "2027-03-01"),
        ("HEX_TOKEN_EXPORTER__WORKSPACES__MAIN__URL", "https://hex.example.com"),
        ("HEX_TOKEN_EXPORTER_PORT", "tcp://10.0.0.1:9847"),
        ("HEX_API_TOKEN", "means nothing here"),
    ];
    let config = format!("probe: {{interval: 5m, timeout: 3s}}\n{SMALLEST}");
    let loaded = place.load(&config, &environment).unwrap();
    assert_eq!(loaded.config.cadence.interval, Duration::from_secs(90));
    assert_eq!(loaded.config.cadence.timeout, Duration::from_secs(3));
    assert_eq!(loaded.config.max_concurrency, 3);
    let token = only(&loaded);
    assert_eq!(token.required_scopes, [Scope::UsersRead, Scope::GroupsRead].into());
    assert!(token.expires_at.is_some());
    assert_eq!(token.workspace.origin, "https://hex.example.com");
}

#[test]
fn an_override_of_a_map_replaces_it_whole() {
    let place = Place::new();
    let config = format!("{SMALLEST}    projects: {{old: 5a8591dd-4039-49df-9202-96385ba3eff8}}\n");
    let projects = |environment: &[(&str, &str)]| {
        let loaded = place.load(&config, environment).unwrap();
        only(&loaded).projects.keys().map(Name::to_string).collect::<Vec<_>>()
    };
    let whole =
        ("HEX_TOKEN_EXPORTER__TOKENS__AIRFLOW__PROJECTS", "{new=00000000-0000-0000-0000-000000000001}");
    let one = ("HEX_TOKEN_EXPORTER__TOKENS__AIRFLOW__PROJECTS__ONE", "00000000-0000-0000-0000-000000000002");
    assert_eq!(projects(&[whole]), ["new"]);
    assert_eq!(projects(&[one]), ["old", "one"]);
    assert_eq!(projects(&[one, whole]), ["new", "one"]);
    let whole_by_another_case = ("HEX_TOKEN_EXPORTER__tokens__airflow__projects", whole.1);
    assert_eq!(projects(&[one, whole_by_another_case]), ["new", "one"]);
    assert_eq!(projects(&[(whole.0, "{}")]), [""; 0]);
}

#[test]
fn a_mistake_in_the_environment_names_its_variable() {
    let place = Place::new();
    let environment = [
        ("HEX_TOKEN_EXPORTER__PROBE__INTERVAL", "5"),
        ("HEX_TOKEN_EXPORTER__TOKENS__AIRFLOW__REQUIRED_SCOPES", "[users_read, nonsense]"),
    ];
    let errors = place.load(SMALLEST, &environment).unwrap_err().to_string();
    assert!(
        errors.contains("probe.interval (HEX_TOKEN_EXPORTER__PROBE__INTERVAL): needs a unit"),
        "{errors}"
    );
    assert!(
        errors.contains(
            "required_scopes[1] (HEX_TOKEN_EXPORTER__TOKENS__AIRFLOW__REQUIRED_SCOPES): unknown scope"
        ),
        "{errors}"
    );
    let nowhere = [("HEX_TOKEN_EXPORTER__PROBE____INTERVAL", "5m")];
    let errors = place.load(SMALLEST, &nowhere).unwrap_err().to_string();
    assert!(errors.starts_with("HEX_TOKEN_EXPORTER__PROBE____INTERVAL: leads to no setting"), "{errors}");
    let file = "probe: {timeout: 3}\ntokens: {airflow: {}}\n";
    let errors = place.load(file, &nowhere).unwrap_err().to_string();
    let lines: Vec<&str> = errors.lines().collect();
    assert_eq!(lines.len(), 3, "all at once: {errors}");
    assert!(lines[0].starts_with("HEX_TOKEN_EXPORTER__PROBE____INTERVAL: "), "{errors}");
    assert!(
        errors.contains("probe.timeout (line 1): ") && errors.contains("tokens.airflow (line 2): "),
        "{errors}"
    );
}

#[test]
fn without_a_file_the_token_variable_is_enough() {
    let place = Place::new();
    let environment = variables(&[("HEX_API_TOKEN", &workspace_token('a'))]);
    let loaded = load(&place.zero_config(), &environment).unwrap();
    let token = only(&loaded);
    assert_eq!(token.name.as_str(), "default");
    assert_eq!(token.workspace.origin, "https://app.hex.tech");
    assert_eq!(token.required_scopes, [Scope::ProjectsRead].into());
    assert_eq!(loaded.config.tokens[0].source, CredentialSource::Env("HEX_API_TOKEN".into()));
}

#[test]
fn the_address_and_overrides_work_without_a_file() {
    let place = Place::new();
    let mut environment = vec![
        ("HEX_API_TOKEN", "x"),
        ("HEX_WORKSPACE_URL", "https://eu.hex.tech/acme/home"),
        ("HEX_TOKEN_EXPORTER__PROBE__INTERVAL", "1m"),
    ];
    let loaded = load(&place.zero_config(), &variables(&environment)).unwrap();
    assert_eq!(only(&loaded).workspace.origin, "https://eu.hex.tech");
    assert_eq!(loaded.config.cadence.interval, Duration::from_mins(1));
    assert_eq!(loaded.warnings.len(), 1);
    environment[1].1 = "http://hex.example.com";
    let errors = load(&place.zero_config(), &variables(&environment)).unwrap_err().to_string();
    assert!(errors.starts_with("workspaces.default.url (HEX_WORKSPACE_URL): plain http"), "{errors}");
}

#[test]
fn an_override_of_the_workspace_leaves_its_address_without_a_file() {
    let place = Place::new();
    let environment =
        [("HEX_API_TOKEN", "x"), ("HEX_TOKEN_EXPORTER__WORKSPACES__DEFAULT__REQUESTS_PER_MINUTE", "10")];
    let loaded = load(&place.zero_config(), &variables(&environment)).unwrap();
    assert_eq!(only(&loaded).workspace.origin, "https://app.hex.tech");
    assert_eq!(only(&loaded).workspace.requests_per_minute, 10);
    let moved = ("HEX_TOKEN_EXPORTER__WORKSPACES__DEFAULT__URL", "https://eu.hex.tech");
    let loaded = load(&place.zero_config(), &variables(&[environment[0], moved])).unwrap();
    assert_eq!(only(&loaded).workspace.origin, "https://eu.hex.tech");
    let renamed = ("HEX_TOKEN_EXPORTER__WORKSPACES__EU__URL", "https://eu.hex.tech");
    let loaded = load(&place.zero_config(), &variables(&[environment[0], renamed])).unwrap();
    assert_eq!(only(&loaded).workspace.name.as_str(), "eu");
}

#[test]
fn one_quoted_character_is_text() {
    let place = Place::new();
    let owner = [("HEX_TOKEN_EXPORTER__TOKENS__AIRFLOW__TOKEN_OWNER", "'x'")];
    let loaded = place.load(SMALLEST, &owner).unwrap();
    assert_eq!(only(&loaded).token_owner.as_deref(), Some("x"));
    let scopes = [("HEX_TOKEN_EXPORTER__TOKENS__AIRFLOW__REQUIRED_SCOPES", "['x']")];
    let errors = place.load(SMALLEST, &scopes).unwrap_err().to_string();
    assert!(errors.contains("required_scopes[0] ") && errors.contains("unknown scope"), "{errors}");
}

#[test]
fn two_variables_for_one_key_are_a_mistake() {
    let place = Place::new();
    for [one, other] in [
        ["HEX_TOKEN_EXPORTER__PROBE__INTERVAL", "HEX_TOKEN_EXPORTER__Probe__interval"],
        ["HEX_TOKEN_EXPORTER__TOKENS__A_B__TOKEN_OWNER", "HEX_TOKEN_EXPORTER__TOKENS__a_b__TOKEN_OWNER"],
    ] {
        let errors = place.load(SMALLEST, &[(one, "7m"), (other, "7m")]).unwrap_err().to_string();
        let expected = format!("{other}: sets the same key as {one}; keep one of them");
        assert!(errors.lines().any(|line| line == expected), "{errors}");
    }
}

#[test]
fn without_file_and_token_the_ways_to_start_are_told() {
    let place = Place::new();
    for environment in [vec![], vec![("HEX_API_TOKEN", " ")]] {
        let errors = load(&place.zero_config(), &variables(&environment)).unwrap_err().to_string();
        for way in ["HEX_API_TOKEN", "--config.file", "demo"] {
            assert!(errors.contains(way), "{errors}");
        }
    }
}

#[test]
fn a_file_that_is_not_there_is_told() {
    let place = Place::new();
    let errors = load(&place.source(), &variables(&[("HEX_API_TOKEN", "x")])).unwrap_err();
    assert_eq!(errors.to_string(), "the configuration file cannot be used: it does not exist");
}

#[test]
fn a_dotenv_file_fills_what_the_environment_does_not_have() {
    let place = Place::new();
    place.write(".env", "# ours\nexport HEX_API_TOKEN='from-file'\nHEX_WORKSPACE_URL=https://eu.hex.tech\n");
    let loaded = load(&place.zero_config(), &variables(&[])).unwrap();
    assert_eq!(only(&loaded).workspace.origin, "https://eu.hex.tech");
    let environment = variables(&[("HEX_WORKSPACE_URL", "https://hex.example.com")]);
    let loaded = load(&place.zero_config(), &environment).unwrap();
    assert_eq!(only(&loaded).workspace.origin, "https://hex.example.com");
}

#[test]
fn a_byte_order_mark_begins_a_dotenv_file_as_it_begins_a_configuration() {
    let place = Place::new();
    place.write(".env", "\u{feff}HEX_API_TOKEN=x\n");
    load(&place.zero_config(), &variables(&[])).unwrap();
    place.load(&format!("\u{feff}{SMALLEST}"), &[]).unwrap();
}

#[test]
fn a_dotenv_file_is_not_read_beside_a_configuration() {
    let place = Place::new();
    place.write(".env", "this is no such file\n");
    assert!(place.load(SMALLEST, &[]).is_ok());
}

#[test]
fn a_dotenv_file_that_others_could_write_is_refused() {
    let place = Place::new();
    place.write(".env", "HEX_API_TOKEN=x\n");
    place.set_mode(".env", 0o666);
    let environment = variables(&[("HEX_API_TOKEN", "x")]);
    let errors = load(&place.zero_config(), &environment).unwrap_err().to_string();
    assert!(errors.contains(".env") && errors.contains("everyone may write to it"), "{errors}");
}
