//! Asking another conductor.

use std::sync::Arc;
use std::time::Duration;

use farrier_sdk::error::Chain;
use reqwest::redirect;
use serde_json::{Value, json};
use uuid::Uuid;

use super::sign::{Envelope, Key, now};
use super::{Answered, Forwarded, VERSION, address};

/// How long a connection may take: conductors are near each other.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Headers of calls and answers.
pub(super) const TIME: &str = "x-farrier-time";
pub(super) const NONCE: &str = "x-farrier-nonce";
pub(super) const SIGNATURE: &str = "x-farrier-signature";

/// Asks other conductors. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    http: reqwest::Client,
    key: Arc<Key>,
}

/// Another conductor did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RpcError {
    /// It cannot be reached: nothing was done.
    #[error("conductor `{conductor}` can not be reached: {reason}")]
    Unreachable {
        /// Its name.
        conductor: String,
        /// Why not.
        reason: String,
    },
    /// It did not answer, or not in time: what was done is not known.
    #[error("conductor `{conductor}` did not answer: {reason}")]
    Silent {
        /// Its name.
        conductor: String,
        /// Why not.
        reason: String,
    },
    /// It refused the call: the secrets or the clocks differ, or its version.
    #[error("conductor `{conductor}` refused the call: {reason}")]
    Refused {
        /// Its name.
        conductor: String,
        /// What it says.
        reason: String,
    },
    /// Somebody else answered.
    #[error("the answer of conductor `{conductor}` is not signed with the secret of this one")]
    NotSigned {
        /// Its name.
        conductor: String,
    },
}

impl Client {
    /// A client that waits for answers for as long as `timeout`.
    ///
    /// # Errors
    ///
    /// What the TLS library lacks.
    pub(crate) fn new(key: Arc<Key>, timeout: Duration) -> anyhow::Result<Self> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        // Nothing is trusted: conductors speak plain HTTP, and the library wants to know all the same.
        let tls = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(rustls::RootCertStore::empty())
            .with_no_client_auth();
        let http = reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .redirect(redirect::Policy::none())
            .no_proxy()
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(timeout)
            .build()?;
        Ok(Self { http, key })
    }

    /// Has `conductor` do the work.
    ///
    /// # Errors
    ///
    /// [`RpcError`]; an error of the work itself is an answer.
    pub(crate) async fn call(
        &self,
        conductor: &str,
        method: &str,
        params: &Forwarded,
    ) -> Result<Answered, RpcError> {
        let call = json!({"jsonrpc": VERSION, "id": params.request_id, "method": method, "params": params});
        let (body, nonce, time) = (call.to_string(), Uuid::new_v4().simple().to_string(), now());
        let envelope = Envelope { to: conductor, time, nonce: &nonce };
        let signature = self.key.sign_call(envelope, body.as_bytes());
        let sent = self
            .http
            .post(address(conductor))
            .header("content-type", "application/json")
            .header(TIME, time)
            .header(NONCE, &nonce)
            .header(SIGNATURE, signature)
            .body(body)
            .send()
            .await;
        let silent = |error: reqwest::Error| {
            let (conductor, unreachable) = (conductor.to_owned(), error.is_connect() || error.is_builder());
            let reason = Chain(&error.without_url()).to_string();
            match unreachable {
                true => RpcError::Unreachable { conductor, reason },
                false => RpcError::Silent { conductor, reason },
            }
        };
        let response = sent.map_err(silent)?;
        let status = response.status();
        let signature = response.headers().get(SIGNATURE).and_then(|value| value.to_str().ok());
        let signature = signature.map(str::to_owned).unwrap_or_default();
        let body = response.bytes().await.map_err(silent)?;
        let conductor = conductor.to_owned();
        if !status.is_success() {
            let reason = format!("{status} {}", String::from_utf8_lossy(&body));
            return Err(RpcError::Refused { conductor, reason });
        }
        if !self.key.is_answer(&nonce, &body, &signature) {
            return Err(RpcError::NotSigned { conductor });
        }
        result(&body).map_err(|reason| RpcError::Refused { conductor, reason })
    }
}

/// The result in an answer.
fn result(body: &[u8]) -> Result<Answered, String> {
    let mut answer: Value = serde_json::from_slice(body).map_err(|error| error.to_string())?;
    let error = answer.get("error").filter(|error| !error.is_null());
    if let Some(error) = error {
        return Err(error.get("message").and_then(Value::as_str).unwrap_or("no reason given").to_owned());
    }
    let result = answer.get_mut("result").map(Value::take).unwrap_or_default();
    serde_json::from_value(result).map_err(|error| error.to_string())
}
