//! TLS: versions, client certificates, alternative names, HTTP/2.

use rcgen::SanType;
use rustls::{
    HandshakeKind,
    version::{TLS12, TLS13},
};
use tokio::net::TcpStream;

use crate::{
    pki::{Authority, dns},
    stand::{Answer, Client, Stand, get_http2},
};

const TLS: &str = "tls_server_config: {cert_file: server.pem, key_file: server.key";

fn tls(more: &str) -> String {
    format!("{TLS}{more}}}\n")
}

#[tokio::test]
async fn https_is_served_and_http_is_told_so() {
    let stand = Stand::start(&tls("")).await;
    let stream = Client::default().connect(stand.address, &stand.authority.pem()).await.unwrap();
    let answer = Answer::of(stream, "GET /ok HTTP/1.1\r\nHost: localhost\r\n").await;
    assert!(answer.status == 200 && answer.text.ends_with("\r\n\r\nok"), "{answer:?}");
    let plain = Answer::of(stand.connect().await, "GET /ok HTTP/1.1\r\nHost: localhost\r\n").await;
    assert!(plain.status == 400 && plain.text.contains("https"), "{plain:?}");
    let nonsense = Answer::of_bytes(stand.connect().await, &[0x16, 3, 1, 0, 5, 1, 2, 3, 4, 5]).await;
    assert_eq!(nonsense.status, 0, "{nonsense:?}");
    assert!(stand.connect_tls(Client::default()).await.is_ok(), "it serves on");
}

#[tokio::test]
async fn a_certificate_written_in_the_file_serves_as_well() {
    let authority = Authority::new();
    let server = authority.server();
    let indented = |pem: &str| format!("    {}\n", pem.trim_end().replace('\n', "\n    "));
    let web = format!(
        "tls_server_config:\n  cert: |\n{}  key: |\n{}",
        indented(&server.certificate),
        indented(&server.key)
    );
    let stand = Stand::start(&web).await;
    assert!(Client::default().connect(stand.address, &authority.pem()).await.is_ok());
}

#[tokio::test]
async fn versions_and_suites_are_as_configured() {
    let both = [&TLS12, &TLS13];
    for (more, served) in [
        ("", &both[..]),
        (", min_version: TLS10", &both),
        (", min_version: TLS13", &[&TLS13]),
        (", max_version: TLS12", &[&TLS12]),
        (", cipher_suites: [TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384]", &both),
        // Made for a key that the server does not have.
        (", cipher_suites: [TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384]", &[&TLS13]),
        (", cipher_suites: [TLS_AES_128_GCM_SHA256]", &[&TLS13]),
        (", curve_preferences: [CurveP384], prefer_server_cipher_suites: false", &both),
    ] {
        let stand = Stand::start(&tls(more)).await;
        for version in [&TLS12, &TLS13] {
            let version_served = stand.connect_tls(Client::speaking(version)).await.is_ok();
            assert_eq!(version_served, served.contains(&version), "{more}: {version:?}");
        }
    }
}

#[tokio::test]
async fn a_client_shows_the_certificate_that_is_asked_for() {
    let stranger = Authority::new();
    for (policy, nobody, strange, ours) in [
        ("NoClientCert", true, true, true),
        ("RequestClientCert", true, true, true),
        ("RequireAnyClientCert", false, true, true),
        ("RequireClientCert", false, true, true),
        ("VerifyClientCertIfGiven", true, false, true),
        ("RequireAndVerifyClientCert", false, false, true),
    ] {
        let ca = if policy.contains("Verify") { ", client_ca_file: ca.pem" } else { "" };
        let stand = Stand::start(&tls(&format!(", client_auth_type: {policy}{ca}"))).await;
        for version in [&TLS12, &TLS13] {
            let came_in = async |identity| {
                let client = Client { identity, version: Some(version), alpn: &[] };
                stand.connect_tls(client).await.is_ok()
            };
            assert_eq!(came_in(None).await, nobody, "{policy}: none");
            assert_eq!(
                came_in(Some(stranger.client(dns("prometheus")))).await,
                strange,
                "{policy}: a strange one"
            );
            assert_eq!(
                came_in(Some(stand.authority.client(dns("prometheus")))).await,
                ours,
                "{policy}: ours"
            );
            // A certificate for servers is none for clients.
            let server = came_in(Some(stand.authority.server())).await;
            assert_eq!(server, !policy.contains("Verify"), "{policy}: a server's");
        }
    }
}

#[tokio::test]
async fn only_the_named_come_in() {
    let stand = Stand::start(&tls(
        ", client_auth_type: RequireAndVerifyClientCert, client_ca_file: ca.pem, client_allowed_sans: \
         [prometheus.example, ops@example.com, 192.0.2.7, '2001:db8::7', 'spiffe://example.com/prometheus']",
    ))
    .await;
    let san = |san: SanType| vec![san];
    let mail = |text: &str| san(SanType::Rfc822Name(text.try_into().unwrap()));
    let uri = |text: &str| san(SanType::URI(text.try_into().unwrap()));
    let ip = |text: &str| san(SanType::IpAddress(text.parse().unwrap()));
    for (names, comes_in) in [
        (dns("prometheus.example"), true),
        (mail("ops@example.com"), true),
        (ip("192.0.2.7"), true),
        (ip("2001:db8::7"), true),
        (uri("spiffe://example.com/prometheus"), true),
        ([dns("other.example"), dns("prometheus.example")].concat(), true),
        (dns("other.example"), false),
        (dns("prometheus.example.evil.example"), false),
        (dns("*.example"), false),
        (dns("192.0.2.7"), true),
        (ip("192.0.2.8"), false),
        (uri("spiffe://example.com/other"), false),
        (vec![], false),
    ] {
        let client = Client::with(stand.authority.client(names.clone()));
        assert_eq!(stand.connect_tls(client).await.is_ok(), comes_in, "{names:?}");
    }
    let strange = Authority::new().client(dns("prometheus.example"));
    assert!(stand.connect_tls(Client::with(strange)).await.is_err(), "a name alone is not enough");
}

#[tokio::test]
async fn http2_is_spoken_unless_it_is_switched_off() {
    for (more, speaks) in [
        ("", true),
        ("http_server_config: {http2: true}", true),
        ("http_server_config: {http2: false}", false),
    ] {
        let web = format!("{}{more}\nbasic_auth_users: {{}}\n", tls(""));
        let stand = Stand::start(&web).await;
        let client = Client { alpn: &[b"h2", b"http/1.1"], ..Client::default() };
        let stream = client.connect(stand.address, &stand.authority.pem()).await.unwrap();
        let chosen = stream.get_ref().1.alpn_protocol().map(<[u8]>::to_vec);
        assert_eq!(chosen.as_deref(), Some(if speaks { &b"h2"[..] } else { b"http/1.1" }), "{more}");
        if speaks {
            assert_eq!(get_http2(stream, "/ok", "").await, 200);
        }
    }
}

/// How a client that has connected before does so once more.
async fn second_handshake(stand: &Stand, client: Client) -> HandshakeKind {
    let connector = client.connector(&stand.authority.pem());
    let mut kind = None;
    for _ in 0..2 {
        let socket = TcpStream::connect(stand.address).await.unwrap();
        let mut stream = connector.connect("localhost".try_into().unwrap(), socket).await.unwrap();
        // What would resume a session comes with the answer.
        let answer = Answer::of(&mut stream, "GET /ok HTTP/1.1\r\nHost: localhost\r\n").await;
        assert_eq!(answer.status, 200);
        kind = stream.get_ref().1.handshake_kind();
    }
    kind.unwrap()
}

#[tokio::test]
async fn a_session_is_resumed_but_never_past_a_look_at_the_certificate() {
    for version in [&TLS12, &TLS13] {
        let stand = Stand::start(&tls("")).await;
        assert_eq!(second_handshake(&stand, Client::speaking(version)).await, HandshakeKind::Resumed);
        for policy in ["RequireAndVerifyClientCert", "VerifyClientCertIfGiven"] {
            let stand =
                Stand::start(&tls(&format!(", client_auth_type: {policy}, client_ca_file: ca.pem"))).await;
            let identity = Some(stand.authority.client(dns("ada")));
            let client = Client { identity, ..Client::speaking(version) };
            assert_eq!(second_handshake(&stand, client).await, HandshakeKind::Full, "{policy}");
        }
    }
}
