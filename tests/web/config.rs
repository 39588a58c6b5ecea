//! Web configurations: those of other exporters hold, and all that is wrong with one is told at once,
//! without a value.

use std::fs;

use hex_token_exporter::config::web::{self, LoadedWeb};

use crate::pki::{self, Authority};

/// What the file is found to be.
fn load(text: &str) -> Result<(LoadedWeb, Vec<String>), Vec<String>> {
    let home = tempfile::tempdir().unwrap();
    pki::write(home.path(), &Authority::new());
    let path = home.path().join("web.yml");
    fs::write(&path, text).unwrap();
    match web::load(&path) {
        Ok(loaded) => {
            let warnings = loaded.warnings.iter().map(ToString::to_string).collect();
            Ok((loaded, warnings))
        }
        Err(errors) => Err(errors.findings().iter().map(ToString::to_string).collect()),
    }
}

/// A file with every key that `node_exporter` knows.
const COMPLETE: &str = "
tls_server_config:
  cert_file: server.pem
  key_file: server.key
  client_auth_type: RequireAndVerifyClientCert
  client_ca_file: ca.pem
  client_allowed_sans: [prometheus.example]
  min_version: TLS12
  max_version: TLS13
  cipher_suites:
    - TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384
    - TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384
    - TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256
    - TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256
    - TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256
    - TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256
    - TLS_CHACHA20_POLY1305_SHA256
    - TLS_AES_128_GCM_SHA256
    - TLS_AES_256_GCM_SHA384
    - TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA
  prefer_server_cipher_suites: true
  curve_preferences: [X25519, CurveP256, CurveP384, CurveP521]
http_server_config:
  http2: true
  headers:
    Content-Security-Policy: default-src 'self'
    X-Frame-Options: deny
    X-Content-Type-Options: nosniff
    X-XSS-Protection: '1'
    Strict-Transport-Security: max-age=31536000
basic_auth_users:
  alice: $2y$10$mDwo.lAisC94iLAyP81MCesa29IzH37oigHC/42V2pdJlUprsJPze
  bob: $2y$10$hLqFl9jSjoAAy95Z/zw8Ye8wkdMBM8c5Bn1ptYqP/AXyV0.oy0S8m
rate_limit:
  interval: 1s
  burst: 20
";

#[test]
fn a_file_of_other_exporters_holds_and_what_rustls_lacks_is_named() {
    let (loaded, warnings) = load(COMPLETE).unwrap();
    assert!(loaded.config.tls.is_some());
    assert_eq!((loaded.config.users.len(), loaded.config.headers.len()), (2, 5));
    assert!(loaded.config.rate_limit.is_some());
    let named: Vec<_> = warnings.iter().filter(|warning| warning.contains("left out")).collect();
    assert_eq!(named.len(), 2, "{warnings:?}");
    assert!(named[0].contains("cipher_suites[9]") && named[1].contains("curve_preferences[3]"), "{named:?}");
    let shown = format!("{:?} {:?}", loaded.config, loaded.config.users);
    assert!(!shown.contains("$2y$") && !shown.contains("PRIVATE"), "{shown}");
}

#[test]
fn the_document_names_every_key() {
    let document = include_str!("../../docs/WEB-CONFIG.md");
    let keys = COMPLETE.lines().filter_map(|line| line.split_once(':')).map(|(key, _)| key.trim());
    for key in keys.filter(|key| !["alice", "bob"].contains(key)) {
        assert!(document.contains(key), "docs/WEB-CONFIG.md does not name {key}");
    }
}

#[test]
fn little_is_enough() {
    for text in [
        "",
        "{}",
        "tls_server_config:\n",
        "tls_server_config: {}\nbasic_auth_users: {}\n",
        "rate_limit: {}\n",
        "rate_limit: {interval: 0s, burst: 0}\n",
    ] {
        let (loaded, warnings) = load(text).unwrap();
        assert!(loaded.config.tls.is_none() && loaded.config.rate_limit.is_none(), "{text}");
        assert_eq!(warnings, [""; 0], "{text}");
    }
}

#[test]
fn hashes_whose_checks_take_different_times_are_told_of() {
    let hash = |cost| bcrypt::hash("x", cost).unwrap();
    for (costs, told) in [([4, 4], false), ([4, 5], true)] {
        let [ada, bob] = costs.map(hash);
        let (_, warnings) = load(&format!("basic_auth_users: {{ada: '{ada}', bob: '{bob}'}}")).unwrap();
        assert_eq!(
            warnings.iter().any(|warning| warning.contains("bcrypt costs differ")),
            told,
            "{warnings:?}"
        );
    }
}

#[test]
fn all_that_is_wrong_is_told_with_its_place_and_without_its_value() {
    const TLS: &str = "tls_server_config: {cert_file: server.pem, key_file: server.key";
    let cases: &[(String, &[&str])] = &[
        ("sekrit: 1".to_owned(), &["sekrit (line 1): unknown key; the keys here are tls_server_config"]),
        ("tls_server_confg: {}".to_owned(), &["did you mean `tls_server_config`?"]),
        ("tls_server_config: sekrit".to_owned(), &["tls_server_config (line 1): must be a map"]),
        ("tls_server_config: {min_version: TLS13}".to_owned(), &["tls_server_config.cert_file (line 1): is missing", "tls_server_config.key_file (line 1): is missing"]),
        ("tls_server_config: {cert_file: sekrit.pem, key_file: ca.pem}".to_owned(), &["cert_file (line 1): the file is not usable: it does not exist", "key_file (line 1): holds no private key"]),
        ("tls_server_config: {cert: sekrit, key: sekrit}".to_owned(), &["tls_server_config.cert (line 1): holds no certificate", "tls_server_config.key (line 1): holds no private key"]),
        (format!("{TLS}, cert: sekrit}}"), &["cert_file (line 1): `cert` is set too"]),
        (format!("{TLS}, client_auth_type: Sekrit}}"), &["client_auth_type (line 1): must be NoClientCert"]),
        (format!("{TLS}, client_auth_type: RequireAndVerifyClientCert}}"), &["client_ca_file (line 1): is missing"]),
        (format!("{TLS}, client_ca_file: ca.pem}}"), &["client_auth_type (line 1): a client CA is set"]),
        (format!("{TLS}, client_allowed_sans: [sekrit]}}"), &["client_allowed_sans (line 1): means nothing"]),
        (format!("{TLS}, client_auth_type: RequireAndVerifyClientCert, client_ca_file: ca.pem, client_allowed_sans: []}}"), &["client_allowed_sans (line 1): is empty"]),
        (format!("{TLS}, min_version: TLS14, max_version: TLS11}}"), &["min_version (line 1): is no version", "max_version (line 1): rustls serves no version below"]),
        (format!("{TLS}, min_version: TLS13, max_version: TLS12}}"), &["max_version (line 1): is below"]),
        (format!("{TLS}, cipher_suites: [SEKRIT]}}"), &["cipher_suites[0] (line 1): is no cipher suite"]),
        (format!("{TLS}, cipher_suites: [TLS_RSA_WITH_AES_128_CBC_SHA], max_version: TLS12}}"), &["cipher_suites (line 1): rustls has no cipher suite of these"]),
        (format!("{TLS}, cipher_suites: [TLS_AES_128_GCM_SHA256], max_version: TLS12}}"), &["cipher_suites (line 1): names no suite"]),
        (format!("{TLS}, curve_preferences: [Sekrit, CurveP521]}}"), &["curve_preferences[0] (line 1): is no curve"]),
        ("http_server_config: {http2: sekrit, headers: {Sekrit: x, X-Frame-Options: sekrit, X-Content-Type-Options: sekrit}}".to_owned(), &["http2 (line 1): must be true or false", "headers.Sekrit (line 1): unknown key", "X-Frame-Options (line 1): must be deny or sameorigin", "X-Content-Type-Options (line 1): must be nosniff"]),
        ("basic_auth_users: {alice: sekrit, 'b:ob': '$2y$10$mDwo.lAisC94iLAyP81MCesa29IzH37oigHC/42V2pdJlUprsJPze'}".to_owned(), &["basic_auth_users.alice (line 1): is no bcrypt hash", "basic_auth_users.? (line 1): no client can send"]),
        ("basic_auth_users: [sekrit]".to_owned(), &["basic_auth_users (line 1): must be a map"]),
        ("rate_limit: {interval: 5, burst: 0}".to_owned(), &["interval (line 1): needs a unit", "burst (line 1): must be a number from 1"]),
        ("rate_limit: {interval: 1s}".to_owned(), &["burst (line 1): is missing"]),
        ("a: 1\na: 2".to_owned(), &["stands here twice"]),
    ];
    for (text, wanted) in cases {
        let found = load(text).unwrap_err();
        for words in *wanted {
            assert!(found.iter().any(|finding| finding.contains(words)), "{text}: {words}: {found:?}");
        }
        assert_eq!(found.len(), wanted.len(), "{text}: {found:?}");
        let values = text.contains("{sekrit") || text.starts_with("sekrit");
        for finding in &found {
            assert!(
                values || !finding.to_lowercase().replace("headers.sekrit", "").contains("sekrit"),
                "{finding}"
            );
        }
    }
}

#[test]
fn a_file_that_others_can_read_or_that_sends_passwords_in_the_clear_deserves_a_look() {
    let (_, warnings) =
        load("basic_auth_users: {a: $2y$16$mDwo.lAisC94iLAyP81MCesa29IzH37oigHC/42V2pdJlUprsJPze}").unwrap();
    assert!(warnings.iter().any(|warning| warning.contains("in the clear")), "{warnings:?}");
    assert!(warnings.iter().any(|warning| warning.contains("take seconds")), "{warnings:?}");
    let (_, warnings) =
        load("tls_server_config: {cert_file: server.pem, key_file: server.key, client_auth_type: RequestClientCert}").unwrap();
    assert!(warnings.iter().any(|warning| warning.contains("takes any certificate")), "{warnings:?}");
}
