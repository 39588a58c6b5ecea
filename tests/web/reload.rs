//! A web configuration that changes while connections are open.

use std::{fs, time::Duration};

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::{
    pki::{self, Authority, dns},
    stand::{Answer, Client, Stand, within},
};

const TLS: &str = "tls_server_config: {cert_file: server.pem, key_file: server.key}\n";

/// One request on an open connection.
async fn ask(stream: &mut (impl AsyncReadExt + AsyncWriteExt + Unpin)) -> String {
    stream.write_all(b"GET /ok HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\nok") {
        answer.push(within(stream.read_u8()).await.unwrap());
    }
    String::from_utf8(answer).unwrap()
}

#[tokio::test]
async fn new_certificates_are_for_new_connections_and_old_connections_stay() {
    let stand = Stand::start(TLS).await;
    let connect = async |ca: &str| Client::default().connect(stand.address, ca).await;
    let old_ca = stand.authority.pem();
    let mut open = connect(&old_ca).await.unwrap();
    ask(&mut open).await;
    let next = Authority::new();
    pki::write(stand.home.path(), &next);
    stand.reload(TLS).await.unwrap();
    ask(&mut open).await;
    assert!(connect(&old_ca).await.is_err());
    assert!(connect(&next.pem()).await.is_ok());
}

#[tokio::test]
async fn a_bad_file_keeps_the_old_one_and_says_why() {
    let stand = Stand::start(TLS).await;
    let ca = stand.authority.pem();
    for (web, words) in [
        ("tls_server_config: [", "not valid YAML"),
        (
            "tls_server_config: {cert_file: server.pem, key_file: gone.key}",
            "tls_server_config.key_file (line 1): the file is not usable: it does not exist",
        ),
        ("nonsense: 1", "nonsense (line 1): unknown key"),
    ] {
        let wrong = stand.reload(web).await.unwrap_err();
        assert!(wrong.contains(words), "{wrong}");
        assert!(Client::default().connect(stand.address, &ca).await.is_ok());
    }
    // A certificate that has come before its key.
    let other = Authority::new().server();
    fs::write(stand.path("server.pem"), &other.certificate).unwrap();
    let wrong = stand.reload(TLS).await.unwrap_err();
    assert!(
        wrong.contains("tls_server_config.key_file (line 1): is not the key of the certificate"),
        "{wrong}"
    );
    assert!(Client::default().connect(stand.address, &ca).await.is_ok());
    fs::write(stand.path("server.key"), &other.key).unwrap();
    stand.reload(TLS).await.unwrap();
    assert!(Client::default().connect(stand.address, &ca).await.is_err());
}

#[tokio::test]
async fn tls_and_client_certificates_can_be_switched_on_and_off() {
    let stand = Stand::start("").await;
    let mut plain = stand.connect().await;
    ask(&mut plain).await;
    let strict = TLS.replace('}', ", client_auth_type: RequireAndVerifyClientCert, client_ca_file: ca.pem}");
    stand.reload(&strict).await.unwrap();
    ask(&mut plain).await;
    assert!(stand.connect_tls(Client::default()).await.is_err());
    assert!(stand.connect_tls(Client::with(stand.authority.client(dns("ada")))).await.is_ok());
    stand.reload("").await.unwrap();
    let answer = Answer::of(stand.connect().await, "GET /ok HTTP/1.1\r\nHost: localhost\r\n").await;
    assert_eq!(answer.status, 200);
}

#[tokio::test]
async fn no_protection_falls_because_a_file_was_emptied() {
    let strict = TLS.replace(
        '}',
        ", client_auth_type: RequireAndVerifyClientCert, client_ca_file: ca.pem, client_allowed_sans: [ada]}",
    );
    let user = format!("basic_auth_users: {{ada: '{}'}}\n", bcrypt::hash("x", 4).unwrap());
    let stand = Stand::start(&format!("{strict}{user}")).await;
    let ask = "GET /ok HTTP/1.1\r\nHost: localhost\r\n";
    let looser = [
        strict.replace(", client_allowed_sans: [ada]", ""),
        strict.replace("RequireAndVerifyClientCert", "RequireAnyClientCert"),
        TLS.replace('}', ", client_auth_type: VerifyClientCertIfGiven, client_ca_file: ca.pem}"),
        TLS.to_owned(),
    ];
    let looser = looser.map(|tls| format!("{tls}{user}"));
    let emptied = ["", "# emptied\n", TLS, &strict, &user];
    for left in emptied.into_iter().chain(looser.iter().map(String::as_str)) {
        fs::write(stand.path("web.yml"), left).unwrap();
        // Longer than it takes to be seen, in no time.
        tokio::time::pause();
        tokio::time::sleep(Duration::from_mins(1)).await;
        tokio::time::resume();
        assert!(stand.connect_tls(Client::default()).await.is_err(), "{left}");
        assert!(stand.connect_tls(Client::with(stand.authority.client(dns("eve")))).await.is_err(), "{left}");
        let client = Client::with(stand.authority.client(dns("ada")));
        let stream = client.connect(stand.address, &stand.authority.pem()).await.unwrap();
        assert_eq!(Answer::of(stream, ask).await.status, 401, "{left}");
    }
    // Who asks for it gets it.
    stand.reload("").await.unwrap();
    assert_eq!(Answer::of(stand.connect().await, ask).await.status, 200);
}

#[tokio::test]
async fn headers_and_the_rate_limit_follow_the_file() {
    let stand = Stand::start(
        "http_server_config:\n  headers:\n    X-Frame-Options: deny\n    Strict-Transport-Security: max-age=60\n    Content-Security-Policy: ''\n",
    )
    .await;
    let request = "GET /ok HTTP/1.1\r\nHost: localhost\r\n";
    let answer = Answer::of(stand.connect().await, request).await;
    assert_eq!(answer.header("x-frame-options"), Some("deny"));
    assert_eq!(answer.header("strict-transport-security"), Some("max-age=60"));
    stand.reload("rate_limit: {interval: 1h, burst: 3}\n").await.unwrap();
    let mut statuses = Vec::new();
    for _ in 0..5 {
        statuses.push(stand.status("/ok", "").await);
    }
    assert_eq!(statuses, [200, 200, 200, 429, 429]);
    stand.reload("rate_limit: {interval: 0, burst: 0}\n").await.unwrap();
    let answer = Answer::of(stand.connect().await, request).await;
    assert_eq!((answer.status, answer.header("x-frame-options")), (200, None));
}
