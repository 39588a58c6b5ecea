//! Certificates and keys, in files or in the web configuration itself.

use std::fmt;

use figment::value::Value;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use zeroize::Zeroizing;

use super::super::{
    credentials::is_exposed,
    finding::{Path, Report},
    inputs::Inputs,
    section::{self, Section},
};

/// A chain of certificates is far below this.
const MAX_BYTES: u64 = 1024 * 1024;

/// Where a text was written, and the text.
pub(super) struct Material {
    pub(super) path: Path,
    pub(super) pem: Zeroizing<Vec<u8>>,
}

impl fmt::Debug for Material {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Material").finish_non_exhaustive()
    }
}

/// The text at `key`, or in the file at `key_file`. Both is a mistake; neither is `None`.
pub(super) fn read(tls: &Section<'_>, key: &str, inputs: &Inputs, secret: bool) -> Option<Material> {
    let file_key = format!("{key}_file");
    let inline = tls.entry(key).filter(|entry| entry.value.as_str() != Some(""));
    let file = tls.entry(&file_key).filter(|entry| entry.value.as_str() != Some(""));
    match (inline, file) {
        (Some(_), Some(file)) => {
            tls.report.error(&file.path, format!("`{key}` is set too; keep one of them"));
            None
        }
        (Some(inline), None) => {
            let Some(text) = inline.value.as_str() else {
                tls.report.error(&inline.path, "must be text in PEM form");
                return None;
            };
            Some(Material { path: inline.path, pem: Zeroizing::new(text.as_bytes().to_vec()) })
        }
        (None, Some(file)) => {
            let name = section::text(tls.report, &file)?;
            match inputs
                .read_checked(name.as_ref(), MAX_BYTES, |content| is_exposed(&inputs.resolve(name), content))
            {
                Ok((pem, exposed)) => {
                    if exposed && secret {
                        let text = "the private key is readable by every user of this machine; chmod o-r";
                        tls.report.warn(&file.path, text);
                    }
                    Some(Material { path: file.path, pem })
                }
                Err(reason) => {
                    tls.report.error(&file.path, format!("the file is not usable: {reason}"));
                    None
                }
            }
        }
        (None, None) => None,
    }
}

/// The certificates in a text, of which there must be one at least.
pub(super) fn certificates(report: &Report, material: &Material) -> Option<Vec<CertificateDer<'static>>> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&material.pem).collect();
    match found {
        Ok(found) if !found.is_empty() => Some(found),
        _ => {
            report
                .error(&material.path, "holds no certificate in PEM form; it begins with BEGIN CERTIFICATE");
            None
        }
    }
}

/// The private key in a text.
pub(super) fn private_key(report: &Report, material: &Material) -> Option<PrivateKeyDer<'static>> {
    let key = PrivateKeyDer::from_pem_slice(&material.pem).ok();
    if key.is_none() {
        let text = "holds no private key in PEM form, or an encrypted one; decrypt it with openssl pkey";
        report.error(&material.path, text);
    }
    key
}

/// Whether the web configuration holds a private key itself.
pub(super) fn holds_a_key(tree: &Value) -> bool {
    tree.find_ref("tls_server_config.key").is_some()
}
