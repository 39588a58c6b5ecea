//! The text of a web configuration, beside real certificates.

use std::{cell::Cell, fs};

use hex_token_exporter::config::web;
use rcgen::{CertificateParams, KeyPair};

use super::{canary, scratch};

thread_local! {
    static HAS_CERTIFICATES: Cell<bool> = const { Cell::new(false) };
}

pub(crate) fn run(text: &[u8]) {
    if !HAS_CERTIFICATES.replace(true) {
        write_certificates();
    }
    match web::load(&scratch::file("web.yml", text)) {
        Ok(loaded) => {
            canary::no_value_in(&loaded.warnings);
            let shown = format!("{:?} {:?}", loaded.config, loaded.config.users);
            canary::no_token(&shown, "a web configuration");
            // A user may have the name of a hash.
            let hashes = format!("{:?}", loaded.config.users.values());
            assert!(!hashes.contains("$2"), "a hash is shown: {hashes}");
            for (_, value) in &loaded.config.headers {
                assert!(value.bytes().all(|byte| (b' '..=b'~').contains(&byte)), "no header: {value:?}");
            }
            assert!(
                loaded.config.rate_limit.is_none_or(|limit| !limit.interval.is_zero() && limit.burst > 0)
            );
        }
        Err(errors) => canary::no_value_in_errors(&errors),
    }
}

/// One that vouches for itself: its authority, its certificate and its key.
fn write_certificates() {
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(["localhost".to_owned()]).unwrap().self_signed(&key).unwrap();
    for name in ["ca.pem", "server.pem"] {
        fs::write(scratch::path(name), certificate.pem()).unwrap();
    }
    fs::write(scratch::path("server.key"), key.serialize_pem()).unwrap();
}
