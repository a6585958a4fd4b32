//! TLS as a client sees it: whom it trusts, and the certificate that it is shown.

use std::io;
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;

use jiff::Timestamp;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    AlertDescription, CertificateError, ClientConfig, ClientConnection, DigitallySignedStruct, RootCertStore,
    SignatureScheme,
};
use rustls_platform_verifier::BuilderVerifierExt;
use ureq::tls::{Certificate as UreqCertificate, RootCerts, TlsConfig};
use x509_cert::Certificate;
use x509_cert::der::Decode;
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;

use super::{Deadline, Fault, describe};

/// Whose certificates a client takes for good.
#[derive(Clone, Debug, Default)]
pub enum Trust {
    /// Those that this machine trusts.
    #[default]
    System,
    /// Those of these authorities alone.
    Roots(Vec<CertificateDer<'static>>),
    /// All: for an authority that is for trying out, and that no client trusts.
    Anyone,
}

/// A certificate that was shown, and that holds for the name that was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    /// The names that it is for.
    pub names: Vec<String>,
    /// Who signed it.
    pub issuer: String,
    /// From when it is valid.
    pub from: Timestamp,
    /// Until when.
    pub until: Timestamp,
}

impl Trust {
    /// The authorities of a PEM file.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn of_pem(pem: &str) -> Result<Self, String> {
        let roots: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem.as_bytes()).collect();
        match roots {
            Ok(roots) if !roots.is_empty() => Ok(Self::Roots(roots)),
            Ok(_) => Err("there is no certificate in it".into()),
            Err(error) => Err(error.to_string()),
        }
    }

    /// The same for requests over HTTP.
    #[must_use]
    pub fn for_http(&self) -> TlsConfig {
        let roots = match self {
            Self::System | Self::Anyone => RootCerts::PlatformVerifier,
            Self::Roots(roots) => roots.iter().map(|root| UreqCertificate::from_der(root).to_owned()).into(),
        };
        TlsConfig::builder()
            .root_certs(roots)
            .disable_verification(matches!(self, Self::Anyone))
            .unversioned_rustls_crypto_provider(provider())
            .build()
    }

    fn client(&self) -> Result<ClientConfig, rustls::Error> {
        let builder =
            ClientConfig::builder_with_provider(provider()).with_safe_default_protocol_versions()?;
        let builder = match self {
            Self::System => builder.with_platform_verifier()?,
            Self::Anyone => builder.dangerous().with_custom_certificate_verifier(Arc::new(Unchecked)),
            Self::Roots(roots) => {
                let mut store = RootCertStore::empty();
                store.add_parsable_certificates(roots.iter().cloned());
                builder.with_root_certificates(store)
            }
        };
        Ok(builder.with_no_client_auth())
    }
}

/// Takes any certificate for good; that its owner holds the key is still checked.
#[derive(Debug)]
struct Unchecked;

impl ServerCertVerifier for Unchecked {
    fn verify_server_cert(
        &self,
        _: &CertificateDer,
        _: &[CertificateDer],
        _: &ServerName,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signature, &provider().signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &provider().signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        provider().signature_verification_algorithms.supported_schemes()
    }
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

/// Asks at `address` for the certificate of `domain`, and has it checked: chain, name and time.
///
/// # Errors
/// What was seen in place of a good certificate.
pub fn certificate(
    address: SocketAddr,
    domain: &str,
    trust: &Trust,
    deadline: Deadline,
) -> Result<Shown, Fault> {
    let fault = |seen: String| Fault::new(format!("a good certificate for {domain} from {address}"), seen);
    let config = trust.client().map_err(|error| fault(error.to_string()))?;
    let name = ServerName::try_from(domain.to_owned()).map_err(|error| fault(error.to_string()))?;
    let mut connection =
        ClientConnection::new(Arc::new(config), name).map_err(|error| fault(error.to_string()))?;
    shake_hands(&mut connection, address, deadline).map_err(|error| fault(complaint(&error)))?;
    let shown = connection.peer_certificates().and_then(|chain| chain.first());
    shown.and_then(|shown| read(shown)).ok_or_else(|| fault("a certificate that cannot be read".into()))
}

fn shake_hands(connection: &mut ClientConnection, address: SocketAddr, deadline: Deadline) -> io::Result<()> {
    let left = || deadline.left().ok_or(io::ErrorKind::TimedOut);
    let mut stream = TcpStream::connect_timeout(&address, left()?)?;
    while connection.is_handshaking() {
        stream.set_read_timeout(Some(left()?))?;
        stream.set_write_timeout(Some(left()?))?;
        connection.complete_io(&mut stream)?;
    }
    Ok(())
}

/// The observation behind a connection or a handshake that failed.
pub(super) fn complaint(error: &io::Error) -> String {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    match inner {
        // What a server says that has no certificate for the name.
        Some(rustls::Error::AlertReceived(AlertDescription::InternalError)) => {
            "the proxy has no certificate for it".into()
        }
        Some(rustls::Error::InvalidCertificate(why)) => {
            format!("its certificate is refused: {}", reason(why))
        }
        Some(error) => error.to_string(),
        None if matches!(error.kind(), io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock) => {
            "no answer in time".into()
        }
        None => describe(error, "nothing listens on the port"),
    }
}

/// Moments are told as such, not as seconds.
fn reason(why: &CertificateError) -> String {
    let shown = |time: &UnixTime| {
        let moment = time.as_secs().try_into().ok().and_then(|seconds| Timestamp::from_second(seconds).ok());
        moment.map_or_else(|| format!("{} s after 1970", time.as_secs()), |moment| moment.to_string())
    };
    match why {
        CertificateError::ExpiredContext { not_after, .. } => format!("it expired at {}", shown(not_after)),
        CertificateError::NotValidYetContext { not_before, .. } => {
            format!("it is not valid before {}", shown(not_before))
        }
        why => why.to_string(),
    }
}

fn read(certificate: &[u8]) -> Option<Shown> {
    let certificate = Certificate::from_der(certificate).ok()?.tbs_certificate;
    let names = match certificate.get::<SubjectAltName>().ok()? {
        Some((_, names)) => names.0.iter().filter_map(dns_name).collect(),
        None => vec![],
    };
    let time = |time: x509_cert::time::Time| {
        Timestamp::from_second(time.to_unix_duration().as_secs().try_into().ok()?).ok()
    };
    Some(Shown {
        names,
        issuer: certificate.issuer.to_string(),
        from: time(certificate.validity.not_before)?,
        until: time(certificate.validity.not_after)?,
    })
}

fn dns_name(name: &GeneralName) -> Option<String> {
    match name {
        GeneralName::DnsName(name) => Some(name.to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
