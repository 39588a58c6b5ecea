//! The `check` command against a fake Hex: its exit codes, its JSON, and the output that the README shows.

#![expect(clippy::unwrap_used, reason = "a test's helpers may fail it too")]

use std::{
    fmt::Write,
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use hex_token_exporter::fake_hex::{Action, FakeHex, Fault, Scenario};
use tokio::net::TcpListener;

const KPI: &str = "projects: {weekly_kpis: 5a8591dd-4039-49df-9202-96385ba3eff8}";
const TWO: &str = "projects: {weekly_kpis: 5a8591dd-4039-49df-9202-96385ba3eff8, churn_forecast: 019f681a-1870-731d-8a55-0f4b7c1d2e3f}";

/// A fake Hex and the credentials of its tokens.
struct Stand {
    hex: FakeHex,
    home: tempfile::TempDir,
}

impl Stand {
    async fn new() -> Self {
        let stack = Scenario::built_in().stack("main").unwrap().clone();
        let home = tempfile::tempdir().unwrap();
        let names: Vec<String> = stack.tokens.keys().cloned().collect();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let hex = FakeHex::start(listener, stack).unwrap();
        for name in names {
            let credential = hex.update(|world| world.credential(&name)).unwrap();
            fs::write(home.path().join(&name), credential).unwrap();
        }
        Self { hex, home }
    }

    /// A configuration of these tokens, each with further keys.
    fn config(&self, url: &str, tokens: &[(&str, &str)]) -> PathBuf {
        let mut yaml = format!("workspaces: {{acme: {{url: '{url}', requests_per_minute: 600}}}}\ntokens:\n");
        for (name, keys) in tokens {
            writeln!(yaml, "  {name}: {{credentials_file: {name}, {keys}}}").unwrap();
        }
        let path = self.home.path().join("config.yaml");
        fs::write(&path, yaml).unwrap();
        path
    }

    /// The exit code and standard output of `check`.
    async fn check(&self, url: &str, tokens: &[(&str, &str)], arguments: &[&str]) -> (Option<i32>, String) {
        let config = self.config(url, tokens);
        let (code, said, _) = check(&config, arguments).await;
        (code, said)
    }
}

/// The exit code, standard output and standard error of `check`.
async fn check(config: &Path, arguments: &[&str]) -> (Option<i32>, String, String) {
    check_into(config, arguments, Stdio::piped()).await
}

/// The same, with standard output going there; off the threads that the fake needs.
async fn check_into(
    config: &Path,
    arguments: &[&str],
    stdout: impl Into<Stdio>,
) -> (Option<i32>, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hex-token-exporter"));
    command.env_clear().arg("check").args(arguments).arg("--config.file").arg(config);
    command.stdout(stdout).stderr(Stdio::piped());
    let run = move || command.spawn().unwrap().wait_with_output().unwrap();
    let Output { status, stdout, stderr } = tokio::task::spawn_blocking(run).await.unwrap();
    (status.code(), String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
}

/// The first token of `--output json`.
fn first(json: &str) -> serde_json::Value {
    let mut said: serde_json::Value = serde_json::from_str(json).unwrap();
    said["tokens"][0].take()
}

const HEALTHY: (&str, &str) = ("airflow-healthy", "required_scopes: [projects_read]");
const SOON: (&str, &str) = ("dbt-expires-in-10d", "required_scopes: [projects_read]");
const LATE: (&str, &str) = ("dagster-expires-in-2d", "required_scopes: [projects_read]");
const REVOKED: (&str, &str) = ("intern-revoked", "required_scopes: [projects_read]");
const ABSENT: (&str, &str) = ("absent", "token_owner: nobody");

#[tokio::test(flavor = "multi_thread")]
async fn the_exit_code_is_the_worst_of_all_tokens() {
    let stand = Stand::new().await;
    let url = stand.hex.url();
    for (tokens, expected) in [
        (vec![HEALTHY], 0),
        (vec![HEALTHY, SOON], 1),
        (vec![HEALTHY, ABSENT, SOON], 3),
        (vec![HEALTHY, LATE], 2),
        (vec![REVOKED, ABSENT, SOON], 2),
    ] {
        let (code, said) = stand.check(&url, &tokens, &[]).await;
        assert_eq!(code, Some(expected), "{said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_credential_that_comes_back_as_an_organisation_is_not_shown() {
    const ECHOED: &str = "an-unprefixed-credential-0123456789abcdef";
    let scenario = format!(
        "stacks: [{{name: main, workspaces: {{acme: {{org_id: {ECHOED}}}}}, \
         tokens: {{only: {{kind: workspace, value: {ECHOED}}}}}}}]"
    );
    let stack = Scenario::parse(&scenario).unwrap().stack("main").unwrap().clone();
    let hex = FakeHex::start(TcpListener::bind("127.0.0.1:0").await.unwrap(), stack).unwrap();
    let stand = Stand { hex, home: tempfile::tempdir().unwrap() };
    fs::write(stand.home.path().join("only"), ECHOED).unwrap();
    let config = stand.config(&stand.hex.url(), &[("only", "token_owner: nobody")]);
    for output in ["table", "json"] {
        let (code, said, complained) = check(&config, &["--output", output]).await;
        assert_eq!(code, Some(0), "{complained}");
        assert!(said.contains("valid") && !said.contains("unprefixed"), "{said}");
        assert!(!complained.contains("unprefixed"), "{complained}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_exit_code_tells_though_nothing_can_be_printed() {
    let stand = Stand::new().await;
    let config = stand.config(&stand.hex.url(), &[HEALTHY, REVOKED]);
    for output in ["table", "json"] {
        let (reader, writer) = io::pipe().unwrap();
        drop(reader);
        let (code, _, told) = check_into(&config, &["--output", output], writer).await;
        assert_eq!(code, Some(2), "{told}");
        assert!(!told.contains("error"), "a reader that has left is no trouble: {told}");
        let full = File::options().write(true).open("/dev/full").unwrap();
        let (code, _, told) = check_into(&config, &["--output", output], full).await;
        assert_eq!(code, Some(2), "{told}");
        assert!(told.contains("error: standard output cannot be written"), "{told}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_api_that_cannot_be_reached_is_unknown_and_never_a_dead_token() {
    let stand = Stand::new().await;
    let refused = "http://127.0.0.1:9";
    let (code, said) = stand.check(refused, &[HEALTHY], &["--output", "json"]).await;
    assert_eq!(code, Some(3));
    let token = first(&said);
    assert_eq!((&token["state"], &token["reason"]), (&"unknown".into(), &"connect".into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_denial_is_taken_at_once_and_only_a_dry_run_tells_about_runs() {
    let stand = Stand::new().await;
    let keys = format!("required_scopes: [projects_read, projects_run], {TWO}");
    let tokens = [("kpis-missing-run-scope", keys.as_str())];
    let url = stand.hex.url();
    let (code, said) = stand.check(&url, &tokens, &[]).await;
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("only --dry-run can tell"), "{said}");
    assert!(stand.hex.requests().iter().all(|request| request.method == "GET"));
    let (code, said) = stand.check(&url, &tokens, &["--dry-run"]).await;
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("under_scoped") && said.contains("Projects: Run"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_near_expiry_is_told_and_counts_where_runs_were_not_asked_about() {
    let stand = Stand::new().await;
    let url = stand.hex.url();
    let keys = format!("required_scopes: [projects_read, projects_run], {KPI}");
    for (token, expected, words) in [
        (SOON.0, 1, "expires in 10.0 days"),
        (LATE.0, 2, "expires in 2.0 days"),
        (HEALTHY.0, 0, "is alive; whether"),
    ] {
        let tokens = [(token, keys.as_str())];
        let (code, table) = stand.check(&url, &tokens, &[]).await;
        assert_eq!(code, Some(expected), "{table}");
        assert!(table.contains(words) && table.contains("only --dry-run can tell"), "{table}");
        let (code, json) = stand.check(&url, &tokens, &["--output", "json"]).await;
        assert_eq!(code, Some(expected), "{json}");
        let said = first(&json);
        for words in ["cause", "remedy"].map(|key| said[key].as_str().unwrap()) {
            assert!(table.contains(words.split(", on 2").next().unwrap()), "{words} in {table}");
            assert!(!words.contains("Wait"), "no further probe will come: {words}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_that_started_a_real_run_is_told_and_critical() {
    let stand = Stand::new().await;
    stand.hex.update(|world| world.workspaces.get_mut("acme").unwrap().ignores_dry_run = true);
    let keys = format!("required_scopes: [projects_read, projects_run], {TWO}");
    let config = stand.config(&stand.hex.url(), &[(HEALTHY.0, &keys), (SOON.0, &keys)]);
    for output in ["table", "json"] {
        let (code, said, told) = check(&config, &["--dry-run", "--output", output]).await;
        assert_eq!(code, Some(2), "{said}{told}");
        for words in ["acme", "started a real run", "cancel it", "stopped"] {
            assert!(told.contains(words), "{words} in {told}");
        }
        assert!(!said.contains("only --dry-run can tell"), "{said}");
        assert!(said.contains("dry runs of its workspace were stopped"), "{said}");
        assert!(!said.contains("Wait for"), "no further probe will come: {said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn where_it_is_not_seen_that_a_dry_run_started_no_run_there_is_no_other() {
    let stand = Stand::new().await;
    stand.hex.update(|world| {
        world.add_fault(Fault {
            paths: ["/projects/5a8591dd-4039-49df-9202-96385ba3eff8/runs".to_owned()].into(),
            methods: ["GET".to_owned()].into(),
            ..Fault::new(Action::Status(503))
        });
    });
    let keys = format!("required_scopes: [projects_read, projects_run], {KPI}");
    let config = stand.config(&stand.hex.url(), &[(HEALTHY.0, &keys), (SOON.0, &keys)]);
    let (code, said, _) = check(&config, &["--dry-run"]).await;
    assert_eq!(code, Some(3), "{said}");
    let dry_runs = stand.hex.requests().iter().filter(|request| request.method == "POST").count();
    assert_eq!(dry_runs, 1, "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_workspace_that_has_moved_is_told() {
    let stand = Stand::new().await;
    stand.hex.update(|world| {
        world.add_fault(Fault::new(Action::Redirect("https://eu.hex.tech/api/v1/users/me".to_owned())));
    });
    let (code, said) = stand.check(&stand.hex.url(), &[HEALTHY], &[]).await;
    assert_eq!(code, Some(3), "{said}");
    assert!(
        said.contains("the workspace has moved") && said.contains("-> Change the workspace's url"),
        "{said}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn where_no_token_is_found_nothing_is_known() {
    let stand = Stand::new().await;
    let home = stand.home.path();
    fs::create_dir(home.join("empty")).unwrap();
    let config = home.join("directories.yaml");
    for (directories, words) in
        [("[{path: empty}]", "holds no token yet"), ("[{path: missing}]", "does not exist")]
    {
        fs::write(&config, format!("token_directories: {directories}\n")).unwrap();
        let (code, said, told) = check(&config, &[]).await;
        assert_eq!(code, Some(3), "{said}{told}");
        assert!(told.contains("warning: token_directories[0]: ") && told.contains(words), "{told}");
        assert!(told.contains("error: ") && told.contains("no token"), "{told}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_that_cannot_be_read_hides_tokens_and_so_all_is_not_known() {
    let stand = Stand::new().await;
    let config = stand.config(&stand.hex.url(), &[HEALTHY]);
    let yaml = fs::read_to_string(&config).unwrap() + "token_directories: [{path: missing}]\n";
    fs::write(&config, yaml).unwrap();
    let (code, said, told) = check(&config, &[]).await;
    assert_eq!(code, Some(3), "{said}{told}");
    assert!(said.contains("airflow-healthy") && told.contains("error: "), "{said}{told}");
    let (code, _, told) = check(&config, &["--name", "airflow-healthy"]).await;
    assert_eq!(code, Some(0), "what was asked about is known: {told}");
    assert!(told.contains("warning: token_directories[0]: "), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn warnings_do_not_disturb_the_json() {
    let stand = Stand::new().await;
    let config = stand.config(&(stand.hex.url() + "/acme/home"), &[HEALTHY, ABSENT]);
    let (code, said, told) = check(&config, &["--output", "json"]).await;
    assert_eq!(code, Some(3), "{told}");
    assert_eq!(first(&said)["name"], "absent");
    assert!(told.contains("warning: workspaces.acme.url") && told.contains("no usable credential"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_project_that_is_missing_is_told_once_the_scope_is_known_to_be_there() {
    let stand = Stand::new().await;
    let (gone, lost) = ("0e6b5a4e-3a3b-4a0c-8f43-5ad0f6a7e001", "0e6b5a4e-3a3b-4a0c-8f43-5ad0f6a7e002");
    let keys = format!("required_scopes: [projects_read], projects: {{gone: {gone}, lost: {lost}}}");
    let (code, said) = stand.check(&stand.hex.url(), &[("airflow-healthy", &keys)], &[]).await;
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("project_unavailable"), "{said}");
    let requests = stand.hex.requests();
    let listed = requests.iter().filter(|request| request.path_and_query.starts_with("/api/v1/projects?"));
    assert_eq!(listed.count(), 2, "once before the projects and once after");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_readme_shows_what_check_says() {
    let stand = Stand::new().await;
    let url = stand.hex.url();
    let keys = format!("required_scopes: [projects_read, projects_run], {KPI}, token_owner: finance");
    let tokens = [HEALTHY, SOON, ("kpis-missing-run-scope", keys.as_str())];
    let (_, said) = stand.check(&url, &tokens, &["--dry-run"]).await;
    let readme = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")).unwrap();
    let shown = readme.split_once("check --dry-run --config.file hex-token-exporter.yaml\n").unwrap().1;
    let shown = shown.split_once("```").unwrap().0;
    let lines = |text: &str| -> Vec<String> {
        // The one thing that differs from day to day.
        let undated = |line: &str| line.split(", on 2").next().unwrap().trim_end().to_owned();
        text.lines().map(undated).filter(|line| !line.is_empty()).collect()
    };
    assert_eq!(lines(shown), lines(&said));
}
