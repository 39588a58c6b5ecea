//! `tls_server_config`: from its keys to the terms that rustls serves.

use std::sync::Arc;

use rustls::{
    Error, ServerConfig, SupportedCipherSuite, SupportedProtocolVersion,
    crypto::{CryptoProvider, SupportedKxGroup, aws_lc_rs::default_provider},
    server::NoServerSessionStorage,
    version::{TLS12, TLS13},
};

use super::{
    super::{
        inputs::Inputs,
        section::{self, Entry, Section},
    },
    algorithms::{self, Known},
    client::{self, Demands},
    material, sub,
};

const KEYS: &[&str] = &[
    "cert",
    "cert_file",
    "key",
    "key_file",
    "client_auth_type",
    "client_ca",
    "client_ca_file",
    "client_allowed_sans",
    "min_version",
    "max_version",
    "cipher_suites",
    "prefer_server_cipher_suites",
    "curve_preferences",
];

/// What a client may choose to speak after the handshake.
pub(super) const HTTP2: &[u8] = b"h2";
const HTTP11: &[u8] = b"http/1.1";

/// How TLS is served.
#[derive(Debug, Clone)]
pub struct Terms {
    /// As rustls takes it.
    pub config: Arc<ServerConfig>,
    pub(super) demands: Demands,
}

/// The terms of TLS. `None`: there are none, or they are wrong, which has been reported.
pub(super) fn read(top: &Section<'_>, inputs: &Inputs, http2: bool) -> Option<Terms> {
    if top.is_empty("tls_server_config") {
        return None;
    }
    let tls = sub(top, "tls_server_config", KEYS)?;
    if tls.is_broken() {
        return None;
    }
    let certificate = required(&tls, "cert", inputs, false);
    let key = required(&tls, "key", inputs, true);
    let chain = certificate.as_ref().and_then(|pem| material::certificates(tls.report, pem));
    let private_key = key.as_ref().and_then(|pem| material::private_key(tls.report, pem));
    let suites = suites(&tls);
    let versions = versions(&tls, suites.as_deref());
    let groups = groups(&tls);
    let prefer_ours = tls.flag("prefer_server_cipher_suites").unwrap_or(true);
    let mut provider = default_provider();
    if let Some(suites) = suites {
        provider.cipher_suites = suites;
    }
    if let Some(groups) = groups {
        provider.kx_groups = groups;
    }
    let provider = Arc::new(provider);
    let (demands, client) = client::verifier(&tls, inputs, &provider)?;
    let builder = builder(&tls, &provider, &versions?)?;
    let (chain, private_key, key) = (chain?, private_key?, key?);
    let mut config = match builder.with_client_cert_verifier(client).with_single_cert(chain, private_key) {
        Ok(config) => config,
        Err(error) => {
            let text = match error {
                Error::InconsistentKeys(_) => {
                    "is not the key of the certificate; use the two that were made together"
                }
                _ => {
                    "rustls cannot use this certificate and key; use an RSA (2048 bits or more), ECDSA or Ed25519 key"
                }
            };
            tls.report.error(&key.path, text);
            return None;
        }
    };
    if demands.ask() {
        // A session that is resumed shows no certificate, and nobody would see that it has expired.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
    }
    config.ignore_client_order = prefer_ours;
    config.alpn_protocols = vec![HTTP11.to_vec()];
    if http2 {
        config.alpn_protocols.insert(0, HTTP2.to_vec());
    }
    Some(Terms { config: Arc::new(config), demands })
}

fn required(tls: &Section<'_>, key: &str, inputs: &Inputs, secret: bool) -> Option<material::Material> {
    let found = material::read(tls, key, inputs, secret);
    if found.is_none()
        && !tls.report.concerns(&tls.at(key))
        && !tls.report.concerns(&tls.at(&format!("{key}_file")))
    {
        let text = format!("is missing; name a PEM file here (or write it at `{key}`)");
        tls.report.error(&tls.at(&format!("{key}_file")), text);
    }
    found
}

type Builder = rustls::ConfigBuilder<ServerConfig, rustls::WantsVerifier>;

fn builder(
    tls: &Section<'_>,
    provider: &Arc<CryptoProvider>,
    versions: &[&'static SupportedProtocolVersion],
) -> Option<Builder> {
    let terms = ServerConfig::builder_with_provider(provider.clone()).with_protocol_versions(versions);
    if terms.is_err() {
        tls.report.error(&tls.path, "no version, suite and curve fit together; allow more of them");
    }
    terms.ok()
}

/// The versions between the least and the most. One that the suites leave nothing of is not served.
fn versions(
    tls: &Section<'_>,
    suites: Option<&[SupportedCipherSuite]>,
) -> Option<Vec<&'static SupportedProtocolVersion>> {
    let least = version(tls, "min_version", false);
    let most = version(tls, "max_version", true);
    let mut versions = vec![&TLS13, &TLS12];
    if matches!(least, Some(version) if version == &TLS13) {
        versions.retain(|version| *version == &TLS13);
    }
    if matches!(most, Some(version) if version == &TLS12) {
        versions.retain(|version| *version == &TLS12);
    }
    let serves = |version: &SupportedProtocolVersion| {
        suites.is_none_or(|suites| suites.iter().any(|suite| suite.version() == version))
    };
    if !versions.is_empty() && !versions.iter().any(|version| serves(version)) {
        let text = "names no suite of the TLS versions that are served; add one";
        tls.report.error(&tls.at("cipher_suites"), text);
        return None;
    }
    versions.retain(|version| serves(version));
    if versions.is_empty() {
        tls.report.error(&tls.at("max_version"), "is below `min_version`; raise it");
        return None;
    }
    Some(versions)
}

fn version(tls: &Section<'_>, key: &str, is_most: bool) -> Option<&'static SupportedProtocolVersion> {
    let entry = tls.entry(key)?;
    match algorithms::version(section::text(tls.report, &entry)?) {
        Some(Known::Served(version)) => Some(version),
        Some(Known::Missing) if is_most => {
            tls.report.error(&entry.path, "rustls serves no version below TLS 1.2; use TLS12 or TLS13");
            None
        }
        Some(Known::Missing) => {
            tls.report.warn(&entry.path, "rustls serves no version below TLS 1.2; TLS12 is taken");
            None
        }
        None => {
            tls.report.error(&entry.path, "is no version of TLS; use TLS12 or TLS13");
            None
        }
    }
}

/// The chosen suites of TLS 1.2, with those of TLS 1.3, which go by the version alone, as in Go.
fn suites(tls: &Section<'_>) -> Option<Vec<SupportedCipherSuite>> {
    let missing = "rustls does not have this suite, which lacks forward secrecy or authenticated encryption; it is left out";
    let chosen = chosen(tls, "cipher_suites", algorithms::suite, missing, "cipher suite")?;
    let below_13 = chosen.into_iter().filter(|suite| suite.version() == &TLS12);
    Some(algorithms::tls13_suites().chain(below_13).collect())
}

fn groups(tls: &Section<'_>) -> Option<Vec<&'static dyn SupportedKxGroup>> {
    let missing = "rustls does not have this curve; it is left out";
    chosen(tls, "curve_preferences", algorithms::curve, missing, "curve")
}

/// What a list of Go's names chooses. `None`: no choice was made.
fn chosen<T>(
    tls: &Section<'_>,
    key: &str,
    known: fn(&str) -> Option<Known<T>>,
    missing: &str,
    what: &str,
) -> Option<Vec<T>> {
    let entries = tls.list(key)?;
    if entries.is_empty() {
        return None;
    }
    let served = |entry: &Entry<'_>| match known(section::text(tls.report, entry)?) {
        Some(Known::Served(one)) => Some(one),
        Some(Known::Missing) => {
            tls.report.warn(&entry.path, missing);
            None
        }
        None => {
            tls.report.error(
                &entry.path,
                format!("is no {what} that Go names; see docs/WEB-CONFIG.md for those that are served"),
            );
            None
        }
    };
    let chosen: Vec<T> = entries.iter().filter_map(served).collect();
    if chosen.is_empty() && !tls.report.concerns(&tls.at(key)) {
        let text = format!("rustls has no {what} of these; see docs/WEB-CONFIG.md for those that are served");
        tls.report.error(&tls.at(key), text);
    }
    // Nothing else is said about a choice of nothing.
    (!chosen.is_empty()).then_some(chosen)
}
