//! Whom a client believes: roots, certificates, versions.
//!
//! Always rustls with the ring provider, handed over with each configuration: a plugin must not install a
//! process-wide one. The system's roots are read once for all clients.

mod memory;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::SystemTime;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{Resumption, WebPkiServerVerifier, verify_server_name};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{
    CertificateError, CipherSuite, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
};

/// Sessions kept for resumption; a client speaks to one BMC only.
const RESUMED_SESSIONS: usize = 2;

/// Most files read from a folder of certificates.
const PEM_FILES_MAX: usize = 1000;

/// Which certificates are accepted.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Verify {
    /// Those that the system's roots vouch for.
    System,
    /// Any.
    Nothing,
    /// Those that the certificates of this file or folder vouch for, and those certificates themselves.
    Path(PathBuf),
}

/// Oldest version of TLS that is offered.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum TlsVersion {
    /// TLS 1.2.
    #[default]
    V1_2,
    /// TLS 1.3.
    V1_3,
}

/// Ciphers that may be offered, by their place in the table of names; TLS 1.3 keeps its own unless one of them is named.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Ciphers(Vec<usize>);

/// Names of ciphers, as OpenSSL has them, and the suites.
///
/// Source: OpenSSL, `openssl-ciphers`.
#[rustfmt::skip]
const CIPHERS: &[(&str, CipherSuite)] = &[
    ("TLS_AES_256_GCM_SHA384",        CipherSuite::TLS13_AES_256_GCM_SHA384),
    ("TLS_AES_128_GCM_SHA256",        CipherSuite::TLS13_AES_128_GCM_SHA256),
    ("TLS_CHACHA20_POLY1305_SHA256",  CipherSuite::TLS13_CHACHA20_POLY1305_SHA256),
    ("ECDHE-ECDSA-AES256-GCM-SHA384", CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384),
    ("ECDHE-ECDSA-AES128-GCM-SHA256", CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256),
    ("ECDHE-ECDSA-CHACHA20-POLY1305", CipherSuite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256),
    ("ECDHE-RSA-AES256-GCM-SHA384",   CipherSuite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384),
    ("ECDHE-RSA-AES128-GCM-SHA256",   CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256),
    ("ECDHE-RSA-CHACHA20-POLY1305",   CipherSuite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256),
    // next cipher above this line
];

/// How many of them, from the first, are of TLS 1.3.
const CIPHERS_1_3: usize = 3;

impl Ciphers {
    /// Reads a list as OpenSSL has it: names with colons, commas or spaces between them.
    ///
    /// # Errors
    ///
    /// A text that names what is not known, and what is.
    pub fn parse(list: &str) -> Result<Self, String> {
        let given = list.split([':', ',', ' ']).filter(|name| !name.is_empty());
        let place = |name: &str| {
            let found = CIPHERS.iter().position(|(known, _)| known.eq_ignore_ascii_case(name));
            found.ok_or_else(|| {
                let name: String = name.chars().filter(|c| !c.is_control()).take(64).collect();
                let known: Vec<_> = CIPHERS.iter().map(|(known, _)| *known).collect();
                format!("has `{name}`, which the TLS library does not offer; it offers {}", known.join(", "))
            })
        };
        let mut places = given.map(place).collect::<Result<Vec<_>, _>>()?;
        places.sort_unstable();
        places.dedup();
        if places.is_empty() { Err("is empty".to_owned()) } else { Ok(Self(places)) }
    }

    /// Whether a suite may be offered.
    fn has(&self, suite: CipherSuite) -> bool {
        let place = CIPHERS.iter().position(|(_, known)| *known == suite);
        let names_1_3 = self.0.iter().any(|place| *place < CIPHERS_1_3);
        place.is_some_and(|place| self.0.contains(&place) || (place < CIPHERS_1_3 && !names_1_3))
    }
}

/// Why no TLS configuration could be made.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The file or folder cannot be read.
    #[error("cannot read `{path}`")]
    Read {
        /// What was to be read.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// A file is not PEM, or its certificate is broken.
    #[error("`{path}` is no PEM file: {reason}")]
    Pem {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// Nothing to trust.
    #[error("`{path}` holds no certificate")]
    NoCertificate {
        /// File or folder.
        path: PathBuf,
    },
    /// The system has no roots at all.
    #[error("the system has no root certificates; install them, or set `redfish_verify_ca`")]
    NoSystemRoots,
    /// The TLS library refused the settings.
    #[error("no TLS configuration")]
    Configuration(#[from] Error),
    /// The HTTP library refused the settings.
    #[error("no HTTP client: {0}")]
    Client(String),
}

/// Makes the TLS side of one client; it lives as long as the client, so that sessions are resumed.
///
/// # Errors
///
/// [`TlsError`], when there is nothing to trust.
pub fn configuration(
    verify: &Verify,
    oldest: TlsVersion,
    ciphers: Option<&Ciphers>,
) -> Result<ClientConfig, TlsError> {
    let provider = match ciphers {
        Some(ciphers) => {
            let mut provider = CryptoProvider::clone(&provider());
            provider.cipher_suites.retain(|offered| ciphers.has(offered.suite()));
            Arc::new(provider)
        }
        None => provider(),
    };
    let versions: &[_] = match oldest {
        TlsVersion::V1_2 => &[&rustls::version::TLS13, &rustls::version::TLS12],
        TlsVersion::V1_3 => &[&rustls::version::TLS13],
    };
    let builder = ClientConfig::builder_with_provider(provider).with_protocol_versions(versions)?.dangerous();
    let verifier: Arc<dyn ServerCertVerifier> = match verify {
        Verify::System => system_verifier()?,
        Verify::Nothing => Arc::new(AcceptAnything),
        Verify::Path(path) => given_verifier(path)?,
    };
    let mut config = builder.with_custom_certificate_verifier(verifier).with_no_client_auth();
    config.resumption = Resumption::in_memory_sessions(RESUMED_SESSIONS);
    Ok(config)
}

/// Reads all certificates of a PEM file, or of all files in a folder.
///
/// # Errors
///
/// [`TlsError::Read`], [`TlsError::Pem`], and [`TlsError::NoCertificate`] for an empty result. In a folder,
/// files that are not PEM are passed over.
pub fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let read = |source| TlsError::Read { path: path.to_owned(), source };
    let mut found = Vec::new();
    if std::fs::metadata(path).map_err(read)?.is_dir() {
        let mut files: Vec<PathBuf> = std::fs::read_dir(path)
            .map_err(read)?
            .filter_map(|entry| Some(entry.ok()?.path()))
            .filter(|file| file.is_file())
            .take(PEM_FILES_MAX)
            .collect();
        files.sort();
        for file in files {
            found.extend(certificates_of_file(&file).unwrap_or_default());
        }
    } else {
        found = certificates_of_file(path)?;
    }
    if found.is_empty() {
        return Err(TlsError::NoCertificate { path: path.to_owned() });
    }
    Ok(found)
}

fn certificates_of_file(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let text = std::fs::read(path).map_err(|source| TlsError::Read { path: path.to_owned(), source })?;
    CertificateDer::pem_slice_iter(&text)
        .collect::<Result<_, _>>()
        .map_err(|error| TlsError::Pem { path: path.to_owned(), reason: error.to_string() })
}

fn provider() -> Arc<CryptoProvider> {
    static PROVIDER: OnceLock<Arc<CryptoProvider>> = OnceLock::new();
    let provider = || {
        let mut provider = ring::default_provider();
        // Among equals the cheaper ones first: SHA-256 costs a handshake less than SHA-384 does, also the BMC.
        provider.cipher_suites.sort_by_key(|suite| !is_cheap(suite.suite()));
        provider.signature_verification_algorithms =
            memory::remembering(&provider.signature_verification_algorithms);
        Arc::new(provider)
    };
    Arc::clone(PROVIDER.get_or_init(provider))
}

fn is_cheap(suite: CipherSuite) -> bool {
    matches!(
        suite,
        CipherSuite::TLS13_AES_128_GCM_SHA256
            | CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256
            | CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256
    )
}

fn system_verifier() -> Result<Arc<dyn ServerCertVerifier>, TlsError> {
    static VERIFIER: OnceLock<Option<Arc<WebPkiServerVerifier>>> = OnceLock::new();
    let verifier = VERIFIER.get_or_init(|| {
        let mut roots = RootCertStore::empty();
        let _counts = roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider()).build().ok()
    });
    match verifier {
        Some(verifier) => Ok(Arc::<WebPkiServerVerifier>::clone(verifier)),
        None => Err(TlsError::NoSystemRoots),
    }
}

/// One for all clients with the same file: it is read again when it has changed. A folder is read for each.
fn given_verifier(path: &Path) -> Result<Arc<dyn ServerCertVerifier>, TlsError> {
    static FILES: Mutex<BTreeMap<PathBuf, (State, Arc<Given>)>> = Mutex::new(BTreeMap::new());
    let state = state_of(path);
    let files = || FILES.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(state) = state
        && let Some((known, verifier)) = files().get(path)
        && *known == state
    {
        return Ok(Arc::<Given>::clone(verifier));
    }
    let verifier = Arc::new(Given::new(certificates(path)?, path)?);
    if let Some(state) = state {
        let mut files = files();
        // Paths of nodes that are gone are not kept for ever.
        if files.len() >= PEM_FILES_MAX {
            files.clear();
        }
        files.insert(path.to_owned(), (state, Arc::clone(&verifier)));
    }
    Ok(verifier)
}

/// When a file was changed and how long it is.
type State = (SystemTime, u64);

/// How a file is now; `None` for a folder, and for what cannot be looked at.
fn state_of(path: &Path) -> Option<State> {
    let metadata = std::fs::metadata(path).ok().filter(std::fs::Metadata::is_file)?;
    Some((metadata.modified().ok()?, metadata.len()))
}

/// Trusts what the operator gave: as roots, and each certificate for itself.
///
/// A BMC's self-signed certificate usually calls itself an authority, which no path check accepts as a
/// server's. When the BMC shows exactly a certificate that was given, the operator has vouched for it.
#[derive(Debug)]
struct Given {
    inner: Arc<WebPkiServerVerifier>,
    pinned: Vec<CertificateDer<'static>>,
}

impl Given {
    fn new(pinned: Vec<CertificateDer<'static>>, path: &Path) -> Result<Self, TlsError> {
        let mut roots = RootCertStore::empty();
        let (_added, _ignored) = roots.add_parsable_certificates(pinned.iter().cloned());
        let inner = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider())
            .build()
            .map_err(|error| TlsError::Pem { path: path.to_owned(), reason: error.to_string() })?;
        Ok(Self { inner, pinned })
    }
}

impl ServerCertVerifier for Given {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        match self.inner.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now) {
            Err(error)
                if !is_about_time_or_name(&error) && self.pinned.iter().any(|own| own == end_entity) =>
            {
                verify_server_name(&ParsedCertificate::try_from(end_entity)?, server_name)?;
                Ok(ServerCertVerified::assertion())
            }
            verdict => verdict,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.inner.supported_verify_schemes()
    }
}

fn is_about_time_or_name(error: &Error) -> bool {
    matches!(
        error,
        Error::InvalidCertificate(
            CertificateError::Expired
                | CertificateError::ExpiredContext { .. }
                | CertificateError::NotValidYet
                | CertificateError::NotValidYetContext { .. }
                | CertificateError::NotValidForName
                | CertificateError::NotValidForNameContext { .. }
        )
    )
}

/// Accepts every certificate, also those too odd to be parsed.
#[derive(Debug)]
struct AcceptAnything;

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
        provider().signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_of_ciphers_limits_what_is_offered() {
        let offered = |list: &str| {
            let ciphers = Ciphers::parse(list).unwrap();
            let config = configuration(&Verify::Nothing, TlsVersion::V1_2, Some(&ciphers)).unwrap();
            config.crypto_provider().cipher_suites.iter().map(|suite| suite.suite()).collect::<Vec<_>>()
        };

        let one = offered("ecdhe-rsa-aes128-gcm-sha256");
        assert_eq!(one.len(), CIPHERS_1_3 + 1, "{one:?}");
        assert!(one.contains(&CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256));
        let named = offered("TLS_AES_128_GCM_SHA256:ECDHE-RSA-AES256-GCM-SHA384");
        assert_eq!(named.len(), 2, "{named:?}");
        assert_eq!(offered("TLS_AES_128_GCM_SHA256"), [CipherSuite::TLS13_AES_128_GCM_SHA256]);
    }

    #[test]
    fn every_cipher_that_is_offered_has_a_name_and_no_other() {
        let provider = provider();
        let offered: Vec<_> = provider.cipher_suites.iter().map(|suite| suite.suite()).collect();

        assert!(CIPHERS.iter().all(|(_, suite)| offered.contains(suite)));
        assert_eq!(CIPHERS.len(), offered.len());
    }

    #[test]
    fn unknown_ciphers_are_refused_by_name() {
        assert!(Ciphers::parse("").is_err() && Ciphers::parse(" : ").is_err());
        let error = Ciphers::parse("ECDHE-RSA-AES128-GCM-SHA256:RC4-MD5").unwrap_err();
        assert!(error.starts_with("has `RC4-MD5`"), "{error}");
    }

    #[test]
    fn a_file_of_certificates_is_read_again_when_it_has_changed() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("ca.pem");
        let write = |names: usize| {
            let names: Vec<String> = (0..names).map(|n| format!("bmc{n}")).collect();
            let own = rcgen::generate_simple_self_signed(names).unwrap();
            std::fs::write(&file, own.cert.pem()).unwrap();
        };
        let same = |one: &Arc<dyn ServerCertVerifier>, other: &Arc<dyn ServerCertVerifier>| {
            std::ptr::addr_eq(Arc::as_ptr(one), Arc::as_ptr(other))
        };
        write(1);
        let first = given_verifier(&file).unwrap();
        assert!(same(&first, &given_verifier(&file).unwrap()));

        write(20);

        assert!(!same(&first, &given_verifier(&file).unwrap()));
        std::fs::remove_file(&file).unwrap();
        assert!(given_verifier(&file).is_err());
    }
}
