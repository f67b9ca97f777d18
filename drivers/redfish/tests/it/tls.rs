//! Certificates: whom a client believes.

use std::io::{Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use farrier_sdk::prelude::*;
use farrier_sdk::serde_json::json;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, date_time_ymd};
use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use tempfile::TempDir;

use crate::bench::{Bench, Task, node};
use crate::bmc::{Bmc, SYSTEM};

/// What a BMC shows, and what an operator trusts.
struct Identity {
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
    pem: String,
}

/// A BMC on TLS, and the number of full and resumed handshakes it made.
struct TlsBmc {
    bmc: Bmc,
    full: Arc<AtomicUsize>,
    resumed: Arc<AtomicUsize>,
}

fn private(key: &KeyPair) -> PrivateKeyDer<'static> {
    PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()))
}

fn params(name: &str) -> CertificateParams {
    CertificateParams::new(vec![name.to_owned()]).unwrap()
}

/// A certificate that vouches for itself; most BMCs' call themselves an authority.
fn self_signed(mut params: CertificateParams, is_ca: bool) -> Identity {
    if is_ca {
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    }
    let key = KeyPair::generate().unwrap();
    let certificate = params.self_signed(&key).unwrap();
    Identity { chain: vec![certificate.der().clone()], key: private(&key), pem: certificate.pem() }
}

/// A certificate of an authority; the PEM is the authority's.
fn issued() -> Identity {
    let mut authority = CertificateParams::default();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let certificate = params("127.0.0.1").signed_by(&key, &authority).unwrap();
    Identity { chain: vec![certificate.der().clone()], key: private(&key), pem: authority.pem() }
}

fn start(identity: &Identity, versions: &[&'static rustls::SupportedProtocolVersion]) -> TlsBmc {
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(versions)
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(identity.chain.clone(), identity.key.clone_key())
        .unwrap();
    let config = Arc::new(config);
    let (full, resumed) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let counters = (Arc::clone(&full), Arc::clone(&resumed));
    let bmc = Bmc::serve(move |stream| {
        let mut stream = StreamOwned::new(ServerConnection::new(Arc::clone(&config)).ok()?, stream);
        while stream.conn.is_handshaking() {
            stream.conn.complete_io(&mut stream.sock).ok()?;
        }
        let counter = match stream.conn.handshake_kind() {
            Some(rustls::HandshakeKind::Resumed) => &counters.1,
            _ => &counters.0,
        };
        counter.fetch_add(1, Ordering::Relaxed);
        Some(Box::new(stream))
    });
    bmc.state().user = None;
    TlsBmc { bmc, full, resumed }
}

fn all() -> &'static [&'static rustls::SupportedProtocolVersion] {
    rustls::ALL_VERSIONS
}

fn ask(bmc: &TlsBmc, verify: &Value) -> Task {
    ask_at(&format!("https://127.0.0.1:{}", bmc.bmc.port), verify)
}

fn ask_at(address: &str, verify: &Value) -> Task {
    node(&json!({"driver_info": {"redfish_address": address, "redfish_system_id": SYSTEM,
        "redfish_verify_ca": verify}}))
}

fn file(pem: &str) -> (TempDir, Value) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bmc.pem");
    std::fs::write(&path, pem).unwrap();
    let path = json!(path);
    (folder, path)
}

async fn state(task: &Task) -> Result<PowerState> {
    Bench::new().power.get_power_state(task).await
}

#[tokio::test]
async fn an_unknown_certificate_is_refused_at_once_with_the_reason() {
    let bmc = start(&issued(), all());

    let error = state(&ask(&bmc, &json!(true))).await.unwrap_err();

    assert_eq!((error.kind(), error.is_retryable()), (ErrorKind::Unreachable, false));
    let text = error.message();
    assert!(
        text.contains("TLS failed") && text.contains("issuer of the certificate is not trusted"),
        "{text}"
    );
    assert!(text.contains("(1 attempt in"), "{text}");
    assert!(bmc.bmc.asked().is_empty());
}

#[tokio::test]
async fn false_accepts_any_certificate() {
    let mut odd = params("another.example");
    odd.not_after = date_time_ymd(2001, 1, 1);
    for identity in [issued(), self_signed(odd, true)] {
        let bmc = start(&identity, all());

        assert_eq!(state(&ask(&bmc, &json!(false))).await.unwrap(), PowerState::Off);
    }
}

#[tokio::test]
async fn a_given_authority_is_believed_from_a_file_or_a_folder() {
    let identity = issued();
    let bmc = start(&identity, all());
    let (folder, path) = file(&identity.pem);
    std::fs::write(folder.path().join("README"), "not a certificate").unwrap();

    assert_eq!(state(&ask(&bmc, &path)).await.unwrap(), PowerState::Off);
    assert_eq!(state(&ask(&bmc, &json!(folder.path()))).await.unwrap(), PowerState::Off);
}

#[tokio::test]
async fn another_authority_is_not_believed() {
    let bmc = start(&issued(), all());
    let (_folder, path) = file(&issued().pem);

    let error = state(&ask(&bmc, &path)).await.unwrap_err();

    assert!(error.message().contains("TLS failed"), "{error}");
}

#[tokio::test]
async fn the_bmcs_own_certificate_can_be_given() {
    for is_ca in [false, true] {
        let identity = self_signed(params("127.0.0.1"), is_ca);
        let bmc = start(&identity, all());
        let (_folder, path) = file(&identity.pem);

        assert_eq!(state(&ask(&bmc, &path)).await.unwrap(), PowerState::Off, "authority: {is_ca}");
    }
}

#[tokio::test]
async fn a_given_certificate_counts_for_its_name_and_time_only() {
    let mut old = params("127.0.0.1");
    old.not_before = date_time_ymd(2000, 1, 1);
    old.not_after = date_time_ymd(2001, 1, 1);
    for (params, text) in [(params("another.example"), "for another name"), (old, "has expired")] {
        for is_ca in [false, true] {
            let identity = self_signed(params.clone(), is_ca);
            let bmc = start(&identity, all());
            let (_folder, path) = file(&identity.pem);

            let error = state(&ask(&bmc, &path)).await.unwrap_err();

            assert!(error.message().contains(text), "{error}");
        }
    }
}

#[tokio::test]
async fn old_versions_are_refused_where_new_ones_are_demanded() {
    let bmc = start(&issued(), &[&rustls::version::TLS12]);
    let task = |version: &str| {
        node(&json!({"driver_info": {"redfish_address": format!("https://127.0.0.1:{}", bmc.bmc.port),
            "redfish_system_id": SYSTEM, "redfish_verify_ca": false, "redfish_tls_minimum_version": version}}))
    };

    assert_eq!(state(&task("1.2")).await.unwrap(), PowerState::Off);
    let error = state(&task("1.3")).await.unwrap_err();
    assert!(error.message().contains("no common version"), "{error}");
}

#[tokio::test]
async fn plain_http_where_tls_is_expected_is_said_to_be_that() {
    let bmc = Bmc::serve(|mut stream| {
        stream.read_exact(&mut [0; 64]).ok()?;
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").ok()?;
        None
    });

    let error = state(&ask_at(&format!("https://127.0.0.1:{}", bmc.port), &json!(false))).await.unwrap_err();

    assert_eq!((error.kind(), error.is_retryable()), (ErrorKind::Unreachable, false));
    assert!(error.message().contains("the answer is not TLS"), "{error}");
}

#[tokio::test]
async fn a_new_connection_resumes_the_session_of_the_old_one() {
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let tls = start(&issued(), &[version]);
        let bench = Bench::new();
        for _ in 0..3 {
            tls.bmc.rule("GET", SYSTEM, 1, crate::bmc::Reply::DoAndDrop);
            bench.power.get_power_state(&ask(&tls, &json!(false))).await.unwrap();
        }

        assert_eq!(tls.full.load(Ordering::Relaxed), 1, "{version:?}");
        assert!(tls.resumed.load(Ordering::Relaxed) >= 2);
    }
}
