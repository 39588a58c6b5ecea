//! What strangers can make the real binary do: nothing that costs Hex a request too many, and nothing that
//! changes anything.

use std::{fs, path::Path};

use hex_token_exporter::fake_hex::{FakeHex, Scenario};
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinSet,
};

use crate::{
    exporter::{self, Exporter},
    pki::{self, Authority, dns},
    stand::{Answer, Client, get_http2, within},
};

/// The binary with one token at a fake Hex, and the addresses where it serves.
async fn watching(home: &Path, arguments: &[&str]) -> (FakeHex, Exporter, Vec<String>) {
    let scenario = "stacks: [{name: main, tokens: {airflow: {kind: workspace, value: value-of-airflow, scopes: [projects_read]}}}]";
    let stack = Scenario::parse(scenario).unwrap().stacks.into_iter().next().unwrap();
    let hex = FakeHex::start(TcpListener::bind("127.0.0.1:0").await.unwrap(), stack).unwrap();
    fs::write(home.join("airflow"), "value-of-airflow").unwrap();
    let config = home.join("config.yaml");
    let yaml = format!(
        "workspaces: {{main: {{url: '{}', requests_per_minute: 600}}}}\ntokens: {{airflow: {{credentials_file: airflow, required_scopes: [projects_read]}}}}\n",
        hex.url()
    );
    fs::write(&config, yaml).unwrap();
    let mut command = Exporter::command("");
    let exporter = Exporter::run(command.arg("--config.file").arg(&config).args(arguments));
    let addresses = exporter.addresses(1 + usize::from(arguments.contains(&"--web.health-address")));
    (hex, exporter, addresses)
}

async fn get(address: &str, path: &str) -> Answer {
    let stream = TcpStream::connect(address).await.unwrap();
    Answer::of(stream, &format!("GET {path} HTTP/1.1\r\nHost: {address}\r\n")).await
}

#[tokio::test(flavor = "multi_thread")]
async fn any_number_of_probes_costs_hex_one_round() {
    let home = tempfile::tempdir().unwrap();
    let (hex, _exporter, addresses) = watching(home.path(), &[]).await;
    for _ in 0..2 {
        let mut crowd = JoinSet::new();
        for _ in 0..200 {
            let address = addresses[0].clone();
            crowd.spawn(async move { get(&address, "/probe?name=airflow").await.status });
        }
        let answers = within(crowd.join_all()).await;
        assert!(answers.iter().all(|status| *status == 200), "{answers:?}");
    }
    let paths: Vec<_> = hex.requests().into_iter().map(|request| request.path_and_query).collect();
    assert_eq!(paths, ["/api/v1/users/me", "/api/v1/projects?limit=1"]);
    let page = get(&addresses[0], "/probe?name=airflow").await;
    assert!(page.text.contains("state=\"valid\"} 1\n"), "{page:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_that_changes_state_is_reachable_unless_it_is_enabled() {
    let home = tempfile::tempdir().unwrap();
    let (_hex, _exporter, addresses) = watching(home.path(), &[]).await;
    let ask = async |method: &str, path: &str| {
        let stream = TcpStream::connect(&addresses[0]).await.unwrap();
        Answer::of(stream, &format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\n")).await.status
    };
    for path in [
        "/",
        "/metrics",
        "/probe?name=airflow",
        "/api/v1/tokens",
        "/api/v1/tokens/airflow",
        "/-/healthy",
        "/-/ready",
        "/-/quit",
        "/debug/pprof/",
    ] {
        for method in ["POST", "PUT", "PATCH", "DELETE"] {
            let status = ask(method, path).await;
            assert!(matches!(status, 404 | 405), "{method} {path}: {status}");
        }
    }
    assert_eq!(ask("POST", "/-/reload").await, 403);
    assert_eq!(ask("GET", "/-/reload").await, 405);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reload_is_for_those_who_may_and_for_no_page_of_another_site() {
    let home = tempfile::tempdir().unwrap();
    let web = home.path().join("web.yml");
    fs::write(&web, "").unwrap();
    let arguments = ["--web.enable-lifecycle", "--web.config.file", web.to_str().unwrap()];
    let (_hex, _exporter, addresses) = watching(home.path(), &arguments).await;
    let reload = async |headers: &str| {
        let stream = TcpStream::connect(&addresses[0]).await.unwrap();
        let request =
            format!("POST /-/reload HTTP/1.1\r\nHost: {}\r\nContent-Length: 0\r\n{headers}", addresses[0]);
        Answer::of(stream, &request).await
    };
    assert_eq!(reload("").await.status, 200);
    assert_eq!(reload(&format!("Origin: http://{}\r\n", addresses[0])).await.status, 200);
    assert_eq!(reload("Origin: https://evil.example\r\n").await.status, 403);
    assert_eq!(reload("Sec-Fetch-Site: cross-site\r\n").await.status, 403);
    fs::write(&web, "basic_auth_users: {alice: not-a-hash-but-a-password}").unwrap();
    let refused = reload("").await;
    assert!(
        refused.status == 500 && refused.text.contains("basic_auth_users.alice (line 1): is no bcrypt hash"),
        "{refused:?}"
    );
    assert!(!refused.text.contains("not-a-hash"), "{refused:?}");
    fs::write(
        &web,
        "basic_auth_users: {alice: $2y$10$mDwo.lAisC94iLAyP81MCesa29IzH37oigHC/42V2pdJlUprsJPze}",
    )
    .unwrap();
    assert_eq!(reload("").await.status, 200);
    assert_eq!(reload("").await.status, 401, "and from then on a user is needed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reload_is_answered_once_it_is_in_force() {
    let home = tempfile::tempdir().unwrap();
    let (_hex, _exporter, addresses) = watching(home.path(), &["--web.enable-lifecycle"]).await;
    let reload = async || {
        let stream = TcpStream::connect(&addresses[0]).await.unwrap();
        Answer::of(stream, "POST /-/reload HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n").await
    };
    let config = home.path().join("config.yaml");
    let before = fs::read_to_string(&config).unwrap();
    for round in 0..10 {
        let owner = format!("owner-{round}");
        fs::write(&config, format!("{before}defaults: {{token_owner: {owner}}}\n")).unwrap();
        assert_eq!(reload().await.status, 200);
        let shown = get(&addresses[0], "/api/v1/tokens/airflow").await;
        assert!(shown.text.contains(&owner), "{shown:?}");
    }

    // What can't be connected to is refused, and what runs goes on.
    fs::write(home.path().join("ca.pem"), "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
        .unwrap();
    let broken = before.replacen("url:", "ca_file: ca.pem, url:", 1);
    assert_ne!(broken, before);
    fs::write(&config, broken).unwrap();
    let refused = reload().await;
    assert!(refused.status == 500 && refused.text.contains("ca_file"), "{refused:?}");
    assert!(get(&addresses[0], "/api/v1/tokens/airflow").await.text.contains("owner-9"));
}

#[tokio::test(flavor = "multi_thread")]
async fn health_is_told_at_an_address_of_its_own_without_tls_and_users() {
    let home = tempfile::tempdir().unwrap();
    let authority = Authority::new();
    pki::write(home.path(), &authority);
    let web = home.path().join("web.yml");
    fs::write(
        &web,
        format!(
            "tls_server_config: {{cert_file: server.pem, key_file: server.key, client_auth_type: RequireAndVerifyClientCert, client_ca_file: ca.pem}}\nbasic_auth_users: {{prometheus: '{}'}}\n",
            bcrypt::hash("correct", 4).unwrap()
        ),
    )
    .unwrap();
    let arguments = ["--web.config.file", web.to_str().unwrap(), "--web.health-address", "127.0.0.1:0"];
    let (_hex, _exporter, addresses) = watching(home.path(), &arguments).await;
    assert_eq!(get(&addresses[1], "/-/healthy").await.status, 200);
    assert!(matches!(get(&addresses[1], "/-/ready").await.status, 200 | 503));
    for path in ["/", "/metrics", "/api/v1/tokens", "/probe?name=airflow", "/-/reload"] {
        assert_eq!(get(&addresses[1], path).await.status, 404, "{path}");
    }
    assert_eq!(get(&addresses[0], "/-/healthy").await.status, 400, "https is served there");
    let ask = async |headers: &str| {
        let client = Client::with(authority.client(dns("prometheus")));
        let stream = client.connect(addresses[0].parse().unwrap(), &authority.pem()).await.unwrap();
        Answer::of(stream, &format!("GET /-/healthy HTTP/1.1\r\nHost: localhost\r\n{headers}")).await.status
    };
    assert_eq!(ask("").await, 401);
    assert_eq!(ask("Authorization: Basic cHJvbWV0aGV1czpjb3JyZWN0\r\n").await, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_password_hash_or_key_is_logged_however_much_is() {
    let home = tempfile::tempdir().unwrap();
    let authority = Authority::new();
    pki::write(home.path(), &authority);
    let web = home.path().join("web.yml");
    let hash = bcrypt::hash("open-sesame-canary", 4).unwrap();
    let text = format!(
        "tls_server_config: {{cert_file: server.pem, key_file: server.key}}\nbasic_auth_users: {{prometheus: '{hash}'}}\n"
    );
    fs::write(&web, &text).unwrap();
    let arguments =
        ["--web.config.file", web.to_str().unwrap(), "--log.level", "trace", "--web.enable-lifecycle"];
    let (_hex, mut exporter, addresses) = watching(home.path(), &arguments).await;
    // Of "prometheus:open-sesame-canary".
    let header = "Basic cHJvbWV0aGV1czpvcGVuLXNlc2FtZS1jYW5hcnk=";
    let connect = async |alpn| {
        let client = Client { alpn, ..Client::default() };
        client.connect(addresses[0].parse().unwrap(), &authority.pem()).await.unwrap()
    };
    let request =
        format!("GET /metrics?canary-query HTTP/1.1\r\nHost: localhost\r\nAuthorization: {header}\r\n");
    assert_eq!(Answer::of(connect(&[]).await, &request).await.status, 200);
    let wrong = request.replace("Basic cHJv", "Basic eHJv").replace("GET", "POST");
    assert_eq!(Answer::of(connect(&[]).await, &wrong).await.status, 401);
    assert_eq!(get_http2(connect(&[b"h2"]).await, "/metrics?canary-query", header).await, 200);
    // Written where they do not belong.
    fs::write(&web, text.replace("prometheus:", "prometheus: open-sesame-canary, ")).unwrap();
    let reload = request.replace("GET /metrics?canary-query", "POST /-/reload");
    let refused = Answer::of(connect(&[]).await, &reload).await;
    assert_eq!(refused.status, 500);
    let key = fs::read_to_string(home.path().join("server.key")).unwrap();
    exporter.signal("KILL");
    exporter.ended();
    let log = exporter.said();
    assert!(log.contains("level=trace") && log.contains("not reloaded"), "all was logged");
    for canary in ["canary", "cHJvbWV0aGV1", "eHJvbWV0aGV1", &hash[7..], key.lines().nth(1).unwrap()] {
        assert!(!log.contains(canary) && !refused.text.contains(canary), "{canary} is in the log");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn as_many_files_may_be_open_as_the_system_allows_and_too_few_are_told_of() {
    let home = tempfile::tempdir().unwrap();
    let config = home.path().join("config.yaml");
    fs::write(&config, "tokens: {airflow: {credentials_file: none}}").unwrap();
    let mut most = Vec::new();
    for limits in ["ulimit -n 1024", "ulimit -n 1024; ulimit -Sn 200", "ulimit -n 300"] {
        let exporter = Exporter::run(Exporter::command(limits).arg("--config.file").arg(&config));
        most.push(exporter::value(&exporter.metrics().await, "process_max_fds"));
        assert_eq!(exporter.said().contains("only 300 files"), most.len() == 3, "{limits}");
    }
    assert_eq!(most, [Some(1024.0), Some(1024.0), Some(300.0)]);
}
