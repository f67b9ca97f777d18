//! Against a receiver with a certificate of its own authority.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;

use farrier_model::node::Node;
use farrier_model::notification::{Level, Status};
use farrier_sdk::interface::power::PowerState;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use uuid::Uuid;

use super::*;
use crate::config::{NotificationConfig, WebhookConfig};
use crate::notify::{Counters, Notifier};

/// An authority and a receiver it vouches for, which takes one request per connection.
struct Receiver {
    address: SocketAddr,
    authority: String,
}

impl Receiver {
    fn start() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let key = KeyPair::generate().unwrap();
        let own = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        let own = own.signed_by(&key, &authority).unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(
                vec![own.der().clone()],
                PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der())),
            )
            .unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let config = Arc::new(config);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let connection = ServerConnection::new(Arc::clone(&config)).unwrap();
                // A client that does not believe us is what some tests want.
                serve(StreamOwned::new(connection, stream)).unwrap_or_default();
            }
        });
        Self { address, authority: authority.pem() }
    }

    /// What becomes of a notification for it.
    async fn told_by(&self, verify_ca: VerifyCa) -> Counters {
        let webhook = WebhookConfig {
            verify_ca,
            attempts: 1,
            ..WebhookConfig::new(format!("https://localhost:{}/", self.address.port()))
        };
        let config = NotificationConfig {
            notification_level: Some(Level::Info),
            log: false,
            shutdown_timeout: 30,
            webhook: Some(webhook),
            ..NotificationConfig::default()
        };
        let notifier = Notifier::start("host-1", &config, &[]).unwrap();
        let node = Node::new(Uuid::from_u128(1), "fake-hardware");
        notifier.power_set(&node, PowerState::On, Status::Start);
        notifier.stop().await;
        notifier.counters()[0].1
    }
}

/// Reads one request, which ends with an array of objects, and answers it.
fn serve(mut stream: StreamOwned<ServerConnection, TcpStream>) -> io::Result<()> {
    let mut request = Vec::new();
    while !request.ends_with(b"}]") {
        let mut part = [0; 4096];
        let length = stream.read(&mut part)?;
        if length == 0 {
            return Ok(());
        }
        request.extend_from_slice(&part[..length]);
    }
    stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")?;
    stream.conn.send_close_notify();
    stream.flush()
}

#[tokio::test]
async fn an_authority_that_was_named_is_believed_and_no_other() {
    let (receiver, other) = (Receiver::start(), Receiver::start());
    let named = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(&named, &receiver.authority).unwrap();
    let verify_ca = VerifyCa::Path(named.path().to_owned());

    assert_eq!(receiver.told_by(verify_ca.clone()).await, Counters { sent: 1, dropped: 0 });

    assert_eq!(other.told_by(verify_ca).await, Counters { sent: 0, dropped: 1 });
}

#[tokio::test]
async fn without_verification_anybody_is_believed() {
    let receiver = Receiver::start();

    assert_eq!(receiver.told_by(VerifyCa::Nothing).await, Counters { sent: 1, dropped: 0 });
}

#[test]
fn a_file_without_an_authority_is_refused() {
    let (empty, missing) = (tempfile::NamedTempFile::new().unwrap(), "/nonexistent/ca.pem");

    let errors = [empty.path(), Path::new(missing)]
        .map(|path| configuration(true, &VerifyCa::Path(path.to_owned())).unwrap_err().to_string());

    assert!(errors[0].ends_with("holds no certificate of an authority"), "{}", errors[0]);
    assert!(errors[1].contains(missing), "{}", errors[1]);
}
