//! Whom the webhook believes.

use std::path::Path;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};

use crate::config::VerifyCa;

/// Why there is nothing to believe.
#[derive(Debug, thiserror::Error)]
pub(super) enum TlsError {
    #[error("the system has no root certificates; install them, or set `verify_ca`")]
    NoSystemRoots,
    #[error("`{path}` could not be read as PEM: {reason}")]
    Pem { path: String, reason: String },
    #[error("`{0}` holds no certificate of an authority")]
    NoCertificate(String),
    #[error("no TLS configuration: {0}")]
    Configuration(#[from] Error),
}

/// How to speak TLS; without it, roots do not matter and need not be there.
pub(super) fn configuration(is_needed: bool, verify_ca: &VerifyCa) -> Result<ClientConfig, TlsError> {
    let provider = Arc::new(ring::default_provider());
    let builder =
        ClientConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions()?;
    let roots = match verify_ca {
        _ if !is_needed => RootCertStore::empty(),
        VerifyCa::System => system_roots()?,
        VerifyCa::Path(path) => roots_of(path)?,
        VerifyCa::Nothing => {
            let verifier = Arc::new(AcceptAnything(provider));
            return Ok(builder.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth());
        }
    };
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

fn system_roots() -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    let (added, _ignored) = roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if added == 0 { Err(TlsError::NoSystemRoots) } else { Ok(roots) }
}

fn roots_of(path: &Path) -> Result<RootCertStore, TlsError> {
    let shown = || path.display().to_string();
    let broken = |error: &dyn std::fmt::Display| TlsError::Pem { path: shown(), reason: error.to_string() };
    let text = std::fs::read(path).map_err(|error| broken(&error))?;
    let certificates: Vec<_> =
        CertificateDer::pem_slice_iter(&text).collect::<Result<_, _>>().map_err(|error| broken(&error))?;
    let mut roots = RootCertStore::empty();
    let (added, _ignored) = roots.add_parsable_certificates(certificates);
    if added == 0 { Err(TlsError::NoCertificate(shown())) } else { Ok(roots) }
}

/// Accepts every certificate.
#[derive(Debug)]
struct AcceptAnything(Arc<CryptoProvider>);

impl ServerCertVerifier for AcceptAnything {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests;
