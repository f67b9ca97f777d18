//! A server whose certificate has expired.

use std::io;
use std::net::TcpStream;
use std::sync::{Arc, OnceLock};

use rcgen::{CertificateParams, KeyPair, date_time_ymd};
use rustls::crypto::ring;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use super::http::{Response, read_request, write};

/// Shakes hands, and answers those who do not mind the certificate.
pub(super) fn talk(stream: TcpStream) {
    static CONFIG: OnceLock<Option<Arc<ServerConfig>>> = OnceLock::new();
    let Some(config) = CONFIG.get_or_init(|| config().ok().map(Arc::new)).clone() else { return };
    let Ok(connection) = ServerConnection::new(config) else { return };
    let mut stream = StreamOwned::new(connection, stream);
    while read_request(&mut stream).is_some() {
        let body = "{\"PowerState\": \"On\"}".to_owned();
        if write(&mut stream, &Response { status: 200, headers: Vec::new(), body }).is_err() {
            return;
        }
    }
}

fn config() -> io::Result<ServerConfig> {
    let mut params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).map_err(io::Error::other)?;
    (params.not_before, params.not_after) = (date_time_ymd(1998, 1, 1), date_time_ymd(1999, 1, 1));
    let key = KeyPair::generate().map_err(io::Error::other)?;
    let certificate = params.self_signed(&key).map_err(io::Error::other)?;
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)
        .map_err(io::Error::other)
}
