//! Why there is no answer: names, ports, certificates, proxies.

use std::{net::SocketAddr, sync::Arc};

use hex_token_exporter::{
    domain::{Check, Failure, Secret, Seen, Workspace},
    probe::{ConnectionProblem, Prober},
};
use tokio::net::TcpSocket;

use crate::{
    PATIENT, ask, failed, identity_of, prober, question,
    raw_upstream::{Step, TestCa, Upstream, answer},
    secret, token, workspace,
};

const LOCALHOST: &str = "127.0.0.1";

/// A year that no test will see.
const LATER: i32 = 2999;

fn serve() -> Vec<Step> {
    vec![Step::Request, Step::Send(answer(200, &["content-type: application/json"], r#"{"org":{}}"#))]
}

fn trusting(ca: &TestCa, origin: &str) -> Workspace {
    Workspace { ca_pem: Some(ca.pem()), ..workspace(origin) }
}

/// An address where nobody listens, and nobody else can for as long as the socket is held.
fn refusing() -> (TcpSocket, SocketAddr) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
    let address = socket.local_addr().unwrap();
    (socket, address)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_without_address_is_a_dns_failure() {
    // No label may be that long, so the resolver need not ask anyone.
    let origin = format!("http://{}.invalid", "a".repeat(64));
    let observation = ask(workspace(&origin), Check::Identity).await;
    assert_eq!(failed(&observation), Some(Failure::Dns));
    assert_eq!(observation.phases.resolve, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_or_lost_connection_is_a_connect_failure() {
    let (_held, address) = refusing();
    let observation = ask(workspace(&format!("http://{address}")), Check::Identity).await;
    assert_eq!(failed(&observation), Some(Failure::Connect));
    for steps in [vec![], vec![Step::Reset], vec![Step::Request], vec![Step::Request, Step::Reset]] {
        let observation = identity_of(steps.clone()).await;
        assert_eq!(failed(&observation), Some(Failure::Connect), "{steps:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ca_file_makes_its_servers_trusted() {
    let ca = TestCa::new();
    let upstream = Upstream::start_tls(ca.identity(LOCALHOST, LATER), |_| serve()).await;
    let observation = ask(trusting(&ca, &upstream.origin("https")), Check::Identity).await;
    assert_eq!(observation.status(), 200);
    assert_eq!(observation.phases.resolve, None);
    let phases = observation.phases;
    let sum = phases.connect.unwrap() + phases.processing.unwrap() + phases.transfer.unwrap();
    assert!(sum <= observation.duration);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_untrusted_server_is_a_tls_failure_and_gets_no_request() {
    let (ca, other) = (TestCa::new(), TestCa::new());
    for (wrong, identity) in [
        ("issuer", other.identity(LOCALHOST, LATER)),
        ("host", ca.identity("app.hex.test", LATER)),
        ("date", ca.identity(LOCALHOST, 2020)),
    ] {
        let upstream = Upstream::start_tls(identity, |_| serve()).await;
        let observation = ask(trusting(&ca, &upstream.origin("https")), Check::Identity).await;
        assert_eq!(failed(&observation), Some(Failure::Tls), "{wrong}");
        assert_eq!(upstream.requests(), [""; 0], "{wrong}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_system_does_not_trust_a_test_ca() {
    let upstream = Upstream::start_tls(TestCa::new().identity(LOCALHOST, LATER), |_| serve()).await;
    let workspace = Arc::new(workspace(&upstream.origin("https")));
    let prober = prober(PATIENT);
    // A system may have no certificates at all, and then says so.
    match prober.configure(PATIENT, std::slice::from_ref(&workspace)) {
        Ok(()) => {
            let observation = prober.ask(&workspace, &secret(), question(Check::Identity)).await;
            assert_eq!(failed(&observation), Some(Failure::Tls));
        }
        Err(errors) => assert_eq!(errors[0].problem, ConnectionProblem::SystemCertificates),
    }
    assert_eq!(upstream.requests(), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_without_tls_is_a_tls_failure_and_one_that_leaves_is_not() {
    let ca = TestCa::new();
    for (steps, expected) in [
        (vec![Step::Send(answer(400, &[], "plain HTTP on this port")), Step::Hang], Failure::Tls),
        (vec![], Failure::Connect),
        (vec![Step::Reset], Failure::Connect),
    ] {
        let shown = format!("{steps:?}");
        let upstream = Upstream::start(move |_| steps.clone()).await;
        let observation = ask(trusting(&ca, &upstream.origin("https")), Check::Identity).await;
        assert_eq!(failed(&observation), Some(expected), "{shown}");
    }
}

/// A workspace at a name that only the proxy can reach.
fn behind(proxy: SocketAddr, ca: &TestCa) -> Workspace {
    let address = format!("http://someone:pr0xy-p4ssw0rd@{proxy}");
    Workspace { proxy: Some(Secret::opaque(&address)), ..trusting(ca, "https://app.hex.test") }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_relays_what_it_cannot_read() {
    let ca = TestCa::new();
    let upstream = Upstream::start_tls(ca.identity("app.hex.test", LATER), |_| serve()).await;
    let target = upstream.address();
    let proxy =
        Upstream::start(move |_| vec![Step::Request, Step::Send(answer(200, &[], "")), Step::Tunnel(target)])
            .await;
    let observation = ask(behind(proxy.address(), &ca), Check::Identity).await;
    assert_eq!(observation.status(), 200);

    let relayed = proxy.requests();
    assert!(relayed[0].starts_with("CONNECT app.hex.test:443 HTTP/1.1\r\n"), "{relayed:?}");
    assert!(relayed[0].to_ascii_lowercase().contains("proxy-authorization: basic "), "{relayed:?}");
    assert!(relayed.len() > 1);
    assert!(relayed.iter().all(|bytes| !bytes.contains("hxtw_") && !bytes.contains(&token())));
    let requests = upstream.requests();
    assert_eq!(requests.len(), 1);
    assert!(requests[0].starts_with("GET /api/v1/users/me HTTP/1.1\r\n"), "{requests:?}");
    assert!(!requests[0].to_ascii_lowercase().contains("proxy-"), "{requests:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_that_refuses_is_told() {
    let ca = TestCa::new();
    let refusal = |status| move |_| vec![Step::Request, Step::Send(answer(status, &[], ""))];

    let proxy = Upstream::start(refusal(407)).await;
    let observation = ask(behind(proxy.address(), &ca), Check::Identity).await;
    assert!(matches!(&observation.seen, Seen::Answer(answer) if answer.status == 407), "{observation:?}");

    let proxy = Upstream::start(refusal(503)).await;
    let observation = ask(behind(proxy.address(), &ca), Check::Identity).await;
    assert_eq!(failed(&observation), Some(Failure::Connect));

    let (_held, address) = refusing();
    let observation = ask(behind(address, &ca), Check::Identity).await;
    assert_eq!(failed(&observation), Some(Failure::Connect));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plain_origin_is_never_asked_through_a_proxy() {
    let proxy = Upstream::start(|_| serve()).await;
    let upstream = Upstream::start(|_| serve()).await;
    let ca = TestCa::new();
    let plain = Workspace { origin: upstream.origin("http"), ..behind(proxy.address(), &ca) };
    let observation = ask(plain, Check::Identity).await;
    assert_eq!(failed(&observation), Some(Failure::Connect));
    assert_eq!((proxy.connections(), upstream.connections()), (0, 0));
}

/// Runs tests of this program in a process with this environment.
async fn pass_with(tests: [&str; 2], environment: &[(&str, &str)]) {
    let mut process = tokio::process::Command::new(std::env::current_exe().unwrap());
    process.arg("--exact").args(tests).envs(environment.iter().copied());
    let output = process.output().await.unwrap();
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && told.contains("2 passed"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn proxies_of_the_environment_are_ignored() {
    let proxy = Upstream::start(|_| vec![Step::Request]).await;
    let origin = proxy.origin("http");
    let names = ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"];
    let probing = ["transport::a_ca_file_makes_its_servers_trusted", "request::a_read_is_exactly_this"];
    pass_with(probing, &names.map(|name| (name, origin.as_str()))).await;
    assert_eq!(proxy.connections(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_system_without_certificates_can_use_a_ca_file_and_plain_http() {
    let nowhere = [("SSL_CERT_FILE", "/nowhere/certificates.pem"), ("SSL_CERT_DIR", "/nowhere")];
    let probing = ["transport::a_ca_file_makes_its_servers_trusted", "request::a_read_is_exactly_this"];
    pass_with(probing, &nowhere).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_workspace_that_cannot_be_connected_to_says_why() {
    let ca = TestCa::new();
    let proxied = behind(SocketAddr::from(([127, 0, 0, 1], 3128)), &ca);
    let garbled = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let good = || trusting(&ca, "https://app.hex.test");
    let broken = [
        (Workspace { origin: "ftp://canary".to_owned(), ..good() }, ConnectionProblem::Origin),
        (Workspace { origin: "https://x.test/canary".to_owned(), ..good() }, ConnectionProblem::Origin),
        (Workspace { proxy: Some(Secret::opaque("socks5://canary")), ..good() }, ConnectionProblem::Proxy),
        (
            Workspace { origin: "http://canary.test".to_owned(), ..proxied },
            ConnectionProblem::CredentialInClear,
        ),
        (Workspace { ca_pem: Some(b"canary".to_vec()), ..good() }, ConnectionProblem::Certificates),
        (Workspace { ca_pem: Some(garbled.to_vec()), ..good() }, ConnectionProblem::Certificates),
    ];
    let prober = prober(PATIENT);
    let workspaces: Vec<_> = broken.iter().map(|(workspace, _)| Arc::new(workspace.clone())).collect();
    let errors = prober.configure(PATIENT, &workspaces).unwrap_err();
    let problems: Vec<_> = errors.iter().map(|error| error.problem).collect();
    assert_eq!(problems, broken.map(|(_, problem)| problem));
    for error in errors {
        let text = error.to_string();
        assert!(text.starts_with("workspace production: ") && !text.contains("canary"), "{text}");
    }
}
