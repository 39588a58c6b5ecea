//! Go's names for versions, cipher suites and curves, and what rustls has of them.
//!
//! What rustls leaves out for good reasons is known here too, so that it can be named.

use rustls::{
    SupportedCipherSuite, SupportedProtocolVersion,
    crypto::{
        SupportedKxGroup,
        aws_lc_rs::{ALL_CIPHER_SUITES, kx_group},
    },
    version::{TLS12, TLS13},
};

/// What a name of Go's stands for.
pub(super) enum Known<T> {
    /// Served.
    Served(T),
    /// Go has it, and rustls does not.
    Missing,
}

/// Cipher suites that Go takes and rustls does not have: none has authenticated encryption with forward
/// secrecy.
const WEAK_SUITES: &[&str] = &[
    "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA",
    "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA",
    "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256",
    "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA",
    "TLS_RSA_WITH_AES_128_CBC_SHA",
    "TLS_RSA_WITH_AES_128_GCM_SHA256",
    "TLS_RSA_WITH_AES_256_CBC_SHA",
    "TLS_RSA_WITH_AES_256_GCM_SHA384",
];

/// TLS 1.3 as Go names its suites; rustls writes `TLS13_` before them.
const TLS13_SUITES: &[&str] =
    &["TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"];

/// A cipher suite.
pub(super) fn suite(name: &str) -> Option<Known<SupportedCipherSuite>> {
    let as_rustls =
        if TLS13_SUITES.contains(&name) { name.replacen("TLS_", "TLS13_", 1) } else { name.to_owned() };
    let suites = ALL_CIPHER_SUITES.iter();
    let served = suites.copied().find(|suite| {
        // Of the names that differ, rustls' own are not taken.
        !name.starts_with("TLS13_") && suite.suite().as_str() == Some(&as_rustls)
    });
    match served {
        Some(suite) => Some(Known::Served(suite)),
        None => WEAK_SUITES.contains(&name).then_some(Known::Missing),
    }
}

/// The suites of TLS 1.3, which are served wherever that is: no configuration chooses among them.
pub(super) fn tls13_suites() -> impl Iterator<Item = SupportedCipherSuite> {
    ALL_CIPHER_SUITES.iter().copied().filter(|suite| suite.version().version == TLS13.version)
}

/// A curve for the exchange of keys.
pub(super) fn curve(name: &str) -> Option<Known<&'static dyn SupportedKxGroup>> {
    Some(match name {
        "X25519" => Known::Served(kx_group::X25519),
        "CurveP256" => Known::Served(kx_group::SECP256R1),
        "CurveP384" => Known::Served(kx_group::SECP384R1),
        "X25519MLKEM768" => Known::Served(kx_group::X25519MLKEM768),
        "CurveP521" => Known::Missing,
        _ => return None,
    })
}

/// A version of TLS.
pub(super) fn version(name: &str) -> Option<Known<&'static SupportedProtocolVersion>> {
    Some(match name {
        "TLS13" => Known::Served(&TLS13),
        "TLS12" => Known::Served(&TLS12),
        "TLS11" | "TLS10" => Known::Missing,
        _ => return None,
    })
}
