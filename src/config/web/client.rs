//! Certificates of clients: whether one is asked for, who may sign it, and whose it may be.

use std::{collections::BTreeSet, net::IpAddr, sync::Arc};

use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, RootCertStore, SignatureScheme,
    client::danger::HandshakeSignatureValid,
    crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature},
    server::{
        WebPkiClientVerifier,
        danger::{ClientCertVerified, ClientCertVerifier},
    },
};
use rustls_pki_types::{CertificateDer, UnixTime};
use x509_cert::{
    Certificate,
    der::Decode,
    ext::pkix::{SubjectAltName, name::GeneralName},
};

use super::{
    super::{
        inputs::Inputs,
        section::{self, Section},
    },
    material,
};

/// Whether a client is asked for a certificate, and what for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Policy {
    /// It is not asked.
    None,
    /// It may show one, and any will do.
    Request,
    /// It must show one, and any will do.
    RequireAny,
    /// It may show one, which then must be of the client CA.
    VerifyIfGiven,
    /// It must show one of the client CA.
    RequireAndVerify,
}

impl Policy {
    fn named(name: &str) -> Option<Self> {
        Some(match name {
            "" | "NoClientCert" => Self::None,
            "RequestClientCert" => Self::Request,
            // The second is an old name of the first.
            "RequireAnyClientCert" | "RequireClientCert" => Self::RequireAny,
            "VerifyClientCertIfGiven" => Self::VerifyIfGiven,
            "RequireAndVerifyClientCert" => Self::RequireAndVerify,
            _ => return None,
        })
    }

    fn verifies(self) -> bool {
        matches!(self, Self::VerifyIfGiven | Self::RequireAndVerify)
    }

    fn is_mandatory(self) -> bool {
        matches!(self, Self::RequireAny | Self::RequireAndVerify)
    }
}

/// What is asked of clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Demands {
    policy: Policy,
    narrowed: bool,
}

impl Demands {
    /// Whether clients are asked for a certificate at all.
    pub(super) fn ask(self) -> bool {
        self.policy != Policy::None
    }

    /// Whether these keep out whom `next` would let in.
    pub(super) fn exceed(self, next: Self) -> bool {
        (self.policy.verifies() && !next.policy.verifies())
            || (self.policy.is_mandatory() && !next.policy.is_mandatory())
            || (self.narrowed && !next.narrowed)
    }
}

/// What is asked of clients, and who judges their certificates. `None`: something is wrong, which has been reported.
pub(super) fn verifier(
    tls: &Section<'_>,
    inputs: &Inputs,
    provider: &Arc<CryptoProvider>,
) -> Option<(Demands, Arc<dyn ClientCertVerifier>)> {
    let policy = policy(tls);
    let ca = material::read(tls, "client_ca", inputs, false);
    let roots = ca.as_ref().and_then(|ca| {
        let mut roots = RootCertStore::empty();
        let certificates = material::certificates(tls.report, ca)?;
        let added = certificates.into_iter().try_for_each(|certificate| roots.add(certificate));
        if added.is_err() {
            tls.report
                .error(&ca.path, "holds a certificate that cannot be read; use the CA's own, in PEM form");
        }
        added.ok().map(|()| roots)
    });
    let sans = allowed_sans(tls, policy?);
    let policy = policy?;
    let demands = Demands { policy, narrowed: sans.is_some() };
    if ca.is_some() && policy == Policy::None {
        let text = "a client CA is set, and no client is asked; set RequireAndVerifyClientCert";
        tls.report.error(&tls.at("client_auth_type"), text);
        return None;
    }
    if !policy.verifies() {
        if policy != Policy::None {
            let text =
                "takes any certificate, signed by whomever; RequireAndVerifyClientCert keeps strangers out";
            tls.report.warn(&tls.at("client_auth_type"), text);
        }
        if policy == Policy::None {
            return Some((demands, WebPkiClientVerifier::no_client_auth()));
        }
        let any = Arc::new(AnyCertificate { mandatory: policy.is_mandatory(), provider: provider.clone() });
        return Some((demands, narrowed(any, sans)));
    }
    if ca.is_none()
        && !tls.report.concerns(&tls.at("client_ca_file"))
        && !tls.report.concerns(&tls.at("client_ca"))
    {
        let text =
            "is missing: whose certificates are good? The CAs of the system are not taken, as Go would";
        tls.report.error(&tls.at("client_ca_file"), text);
    }
    let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots?), provider.clone());
    let builder = if policy.is_mandatory() { builder } else { builder.allow_unauthenticated() };
    let verifier = builder.build();
    if verifier.is_err() {
        tls.report.error(&ca?.path, "cannot be used as a client CA");
    }
    verifier.ok().map(|verifier| (demands, narrowed(verifier, sans)))
}

fn policy(tls: &Section<'_>) -> Option<Policy> {
    let Some(entry) = tls.entry("client_auth_type") else { return Some(Policy::None) };
    let policy = entry.value.as_str().and_then(Policy::named);
    if policy.is_none() {
        tls.report.error(
            &entry.path,
            "must be NoClientCert, RequestClientCert, RequireAnyClientCert, VerifyClientCertIfGiven or RequireAndVerifyClientCert",
        );
    }
    policy
}

fn allowed_sans(tls: &Section<'_>, policy: Policy) -> Option<BTreeSet<String>> {
    let entries = tls.list("client_allowed_sans")?;
    if !policy.is_mandatory() {
        let text = "means nothing where a client may come without a certificate; set `client_auth_type` to RequireAndVerifyClientCert";
        tls.report.error(&tls.at("client_allowed_sans"), text);
    }
    if entries.is_empty() {
        tls.report.error(
            &tls.at("client_allowed_sans"),
            "is empty: nobody could come in; name someone, or leave it out",
        );
    }
    Some(entries.iter().filter_map(|entry| section::text(tls.report, entry)).map(str::to_owned).collect())
}

fn narrowed(
    inner: Arc<dyn ClientCertVerifier>,
    allowed: Option<BTreeSet<String>>,
) -> Arc<dyn ClientCertVerifier> {
    match allowed {
        Some(allowed) => Arc::new(AllowedSans { inner, allowed }),
        None => inner,
    }
}

/// Takes any certificate whose key the client holds.
#[derive(Debug)]
struct AnyCertificate {
    mandatory: bool,
    provider: Arc<CryptoProvider>,
}

impl ClientCertVerifier for AnyCertificate {
    fn client_auth_mandatory(&self) -> bool {
        self.mandatory
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// Takes, of what another takes, only the certificates of those who are named.
#[derive(Debug)]
struct AllowedSans {
    inner: Arc<dyn ClientCertVerifier>,
    allowed: BTreeSet<String>,
}

impl ClientCertVerifier for AllowedSans {
    fn client_auth_mandatory(&self) -> bool {
        self.inner.client_auth_mandatory()
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.inner.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let verified = self.inner.verify_client_cert(certificate, intermediates, now)?;
        let is_allowed =
            sans(certificate).is_some_and(|sans| sans.iter().any(|san| self.allowed.contains(san)));
        if is_allowed { Ok(verified) } else { Err(CertificateError::ApplicationVerificationFailure.into()) }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.inner.supported_verify_schemes()
    }
}

/// The alternative names of a certificate's subject: DNS names, addresses of mail and of machines, URIs.
fn sans(certificate: &CertificateDer<'_>) -> Option<Vec<String>> {
    let certificate = Certificate::from_der(certificate).ok()?;
    let (_, SubjectAltName(names)) = certificate.tbs_certificate().get_extension().ok()??;
    let text = |name: &GeneralName| match name {
        GeneralName::DnsName(name)
        | GeneralName::Rfc822Name(name)
        | GeneralName::UniformResourceIdentifier(name) => Some(name.as_str().to_owned()),
        GeneralName::IpAddress(octets) => {
            let octets = octets.as_bytes();
            let address = <[u8; 4]>::try_from(octets).map(IpAddr::from);
            let address = address.or_else(|_| <[u8; 16]>::try_from(octets).map(IpAddr::from));
            address.ok().map(|address| address.to_string())
        }
        _ => None,
    };
    Some(names.iter().filter_map(text).collect())
}
