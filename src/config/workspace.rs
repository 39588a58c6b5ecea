//! The `workspaces` section.

use std::{collections::BTreeMap, path::PathBuf, sync::Arc};

use rustls::RootCertStore;
use rustls_pki_types::{CertificateDer, pem::PemObject};

use super::{
    address,
    inputs::Inputs,
    keys,
    section::{Entry, Section},
};
use crate::domain::{Name, Uuid, Workspace};

/// More than Hex would ever answer.
const MAX_REQUESTS_PER_MINUTE: u32 = 6000;

/// Larger than any bundle of a company's certificates.
const MAX_CA_BYTES: u64 = 1024 * 1024;

/// The configured workspaces. One that is wrong is `None`: it exists, so that tokens may name it. There is none
/// where they can't be told from what is written, which has been reported.
pub(super) type Workspaces = BTreeMap<Name, Option<Arc<Workspace>>>;

/// Reads the section. Where there is none, there is one workspace, `default`, at Hex's own address.
pub(super) fn read(top: &Section<'_>, inputs: &Inputs) -> Workspaces {
    let entries = top.named("workspaces");
    if top.is_empty("workspaces") {
        return fallback().into_iter().collect();
    }
    entries
        .unwrap_or_default()
        .into_iter()
        .map(|(name, entry)| {
            let workspace = read_one(top, &name, &entry, inputs).map(Arc::new);
            (name, workspace)
        })
        .collect()
}

fn fallback() -> Option<(Name, Option<Arc<Workspace>>)> {
    let name = Name::parse("default").ok()?;
    let workspace = Workspace::new(name.clone(), address::DEFAULT_ORIGIN);
    Some((name, Some(Arc::new(workspace))))
}

fn read_one(top: &Section<'_>, name: &Name, entry: &Entry<'_>, inputs: &Inputs) -> Option<Workspace> {
    let section = Section::open(top.report, entry, keys::WORKSPACE);
    if section.is_broken() {
        return None;
    }
    let origin = address::origin(&section, section.flag("allow_http").unwrap_or(false));
    let proxy = address::proxy(&section, origin.as_deref());
    let org_id = organisation(&section);
    let requests_per_minute = section.number("requests_per_minute", 1..=MAX_REQUESTS_PER_MINUTE);
    let ca_pem = certificates(&section, inputs);
    Some(Workspace {
        name: name.clone(),
        origin: origin?,
        org_id,
        requests_per_minute: requests_per_minute.unwrap_or(Workspace::REQUESTS_PER_MINUTE),
        ca_pem,
        proxy,
    })
}

/// Hex may change the form of its ids, so one of another form is not refused.
fn organisation(section: &Section<'_>) -> Option<String> {
    let id = section.text("org_id")?;
    if Uuid::parse(id).is_none() {
        let text = "is no UUID, as the ids of organisations are, and so no token may match it; write the one \
                    that `hex-token-exporter check` shows";
        section.report.warn(&section.at("org_id"), text);
    }
    Some(id.to_owned())
}

fn certificates(section: &Section<'_>, inputs: &Inputs) -> Option<Vec<u8>> {
    let path: PathBuf = section.text("ca_file")?.into();
    let problem = match inputs.read(&path, MAX_CA_BYTES) {
        Ok(pem) => {
            if are_certificates(&pem) {
                return Some(pem.to_vec());
            }
            "holds no certificate, or one that cannot be read; it must be PEM, with `BEGIN CERTIFICATE`"
                .to_owned()
        }
        Err(reason) => format!("the file cannot be used: {reason}; name a file of PEM certificates"),
    };
    section.report.error(&section.at("ca_file"), problem);
    None
}

/// Whether all that is in there can be trusted, as the HTTP client will.
fn are_certificates(pem: &[u8]) -> bool {
    let mut trusted = RootCertStore::empty();
    let mut certificates = CertificateDer::pem_slice_iter(pem);
    certificates.all(|found| found.is_ok_and(|certificate| trusted.add(certificate).is_ok()))
        && !trusted.is_empty()
}

#[cfg(test)]
mod tests {
    use super::are_certificates;

    #[test]
    fn what_only_looks_like_a_certificate_is_none() {
        let key = rcgen::KeyPair::generate().unwrap();
        let good = rcgen::CertificateParams::new(Vec::new()).unwrap().self_signed(&key).unwrap().pem();
        let framed = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        assert!(are_certificates(good.as_bytes()));
        assert!(are_certificates(good.repeat(2).as_bytes()));
        for bad in ["", "text", framed, &format!("{good}{framed}"), &key.serialize_pem()] {
            assert!(!are_certificates(bad.as_bytes()), "{bad}");
        }
    }
}
