//! Against a device with a certificate of its own authority.

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::crypto::ring;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use super::*;

/// The address of a device that speaks TLS, and the certificate of its authority.
fn device() -> (String, String) {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let own =
        CertificateParams::new(vec!["localhost".to_owned()]).unwrap().signed_by(&key, &authority).unwrap();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![own.der().clone()], key)
        .unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("https://localhost:{}/", listener.local_addr().unwrap().port());
    let config = Arc::new(config);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let connection = ServerConnection::new(Arc::clone(&config)).unwrap();
            let mut stream = StreamOwned::new(connection, stream);
            let mut request = Vec::new();
            // A client that does not believe us is what some tests want.
            while !request.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                match stream.read(&mut byte) {
                    Ok(1) => request.push(byte[0]),
                    _ => break,
                }
            }
            stream.write_all(ok("hello").as_bytes()).unwrap_or_default();
            stream.conn.send_close_notify();
            stream.flush().unwrap_or_default();
        }
    });
    (url, authority.pem())
}

fn ask(url: &str, verify_ca: &Value) -> Result<Value, DriverError> {
    Bench::new(None).request(&json!({"method": "GET", "url": url, "verify_ca": verify_ca}))
}

#[test]
fn a_device_of_an_unknown_authority_is_not_believed_and_not_tried_again() {
    let (url, _authority) = device();
    let other = TempDir::new().unwrap();
    let other = other.path().join("other.pem");
    fs::write(&other, device().1).unwrap();

    let error = ask(&url, &json!(other)).unwrap_err();

    assert_eq!(error.kind(), ErrorKind::Unreachable);
    assert!(error.message().contains("is not believed"), "{error}");
    assert!(!error.is_retryable());
}

#[test]
fn a_device_whose_authority_is_named_is_believed() {
    let (url, authority) = device();
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("roots.pem");
    fs::write(&path, authority).unwrap();

    assert_eq!(ask(&url, &json!(path)).unwrap()["text"], "hello");
}

#[test]
fn anybody_is_believed_when_the_operator_says_so() {
    let (url, _authority) = device();

    assert_eq!(ask(&url, &json!(false)).unwrap()["text"], "hello");
}

#[test]
fn a_file_without_certificates_is_named() {
    let error = ask("https://localhost:1/", &json!("/dev/null")).unwrap_err();

    assert_eq!(error.kind(), ErrorKind::InvalidParameter);
    assert!(error.message().contains("/dev/null"), "{error}");
}
