//! The connections of one plugin.

use std::collections::HashMap;
use std::error::Error as StdError;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use farrier_sdk::error::{Chain, DriverError};
use reqwest::header::SET_COOKIE;
use reqwest::{Certificate, Client, redirect};

use super::request::{Answer, Request, VerifyCa};

/// Longest body that is read, in bytes: it crosses the boundary inside a document of at most 16 MiB.
const BODY_SIZE_MAX: usize = 4 * 1024 * 1024;

/// How long an idle connection is kept: BMCs have few.
const IDLE_TIME_MAX: Duration = Duration::from_secs(20);

/// Most idle connections to one device.
const IDLE_CONNECTIONS_MAX: usize = 2;

/// One client for each way to check certificates.
#[derive(Default)]
pub(super) struct Clients(Mutex<HashMap<Trust, Client>>);

/// Whom a client believes.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Trust {
    /// Nobody is asked: there is no TLS.
    Unneeded,
    Verified(VerifyCa),
}

impl Clients {
    /// The client for a request; made once.
    ///
    /// # Errors
    ///
    /// `InvalidParameter`: the file of `verify_ca` has no certificates; `Internal`.
    pub(super) fn client(&self, request: &Request) -> Result<Client, DriverError> {
        // Without TLS the roots do not matter, and need not be there.
        let trust = if request.url.starts_with("https:") {
            Trust::Verified(request.verify_ca.clone())
        } else {
            Trust::Unneeded
        };
        let mut clients = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = clients.get(&trust) {
            return Ok(client.clone());
        }
        let client = make(&trust)?;
        clients.insert(trust, client.clone());
        Ok(client)
    }
}

fn make(trust: &Trust) -> Result<Client, DriverError> {
    // Fails when there is one already, which is as good.
    rustls::crypto::ring::default_provider().install_default().ok();
    let builder = Client::builder()
        .http1_only()
        .no_proxy()
        .redirect(redirect::Policy::none())
        .referer(false)
        .user_agent(concat!("farrier/", env!("CARGO_PKG_VERSION")))
        .pool_max_idle_per_host(IDLE_CONNECTIONS_MAX)
        .pool_idle_timeout(IDLE_TIME_MAX);
    let builder = match trust {
        Trust::Unneeded => builder.tls_certs_only([]),
        Trust::Verified(VerifyCa::Switch(true)) => builder,
        Trust::Verified(VerifyCa::Switch(false)) => {
            builder.tls_certs_only([]).tls_danger_accept_invalid_certs(true)
        }
        Trust::Verified(VerifyCa::File(path)) => builder.tls_certs_only(certificates(path)?),
    };
    builder.build().map_err(|error| DriverError::internal("no HTTP client could be made").caused_by(&error))
}

fn certificates(path: &str) -> Result<Vec<Certificate>, DriverError> {
    let unusable = || format!("certificates cannot be read from `{path}`");
    let text =
        std::fs::read(path).map_err(|error| DriverError::invalid_parameter(unusable()).caused_by(&error))?;
    let found = Certificate::from_pem_bundle(&text)
        .map_err(|error| DriverError::invalid_parameter(unusable()).caused_by(&error))?;
    if found.is_empty() {
        return Err(DriverError::invalid_parameter(format!("`{path}` holds no certificate")));
    }
    Ok(found)
}

/// Sends a request and reads its answer within `limit`; `shown` names it in errors.
///
/// # Errors
///
/// `Unreachable`: no connection, no answer in time, or half of one; `Protocol`: one that is too long.
pub(super) async fn send(
    client: Client,
    request: reqwest::Request,
    shown: String,
    limit: Duration,
) -> Result<Answer, DriverError> {
    match tokio::time::timeout(limit, exchange(client, request, &shown)).await {
        Ok(answer) => answer,
        Err(_) => {
            let seconds = limit.as_secs_f64();
            Err(DriverError::unreachable(format!("no answer from `{shown}` within {seconds:.1} s")))
        }
    }
}

async fn exchange(client: Client, request: reqwest::Request, shown: &str) -> Result<Answer, DriverError> {
    let mut response = client.execute(request).await.map_err(|error| failed(error, shown))?;
    let mut answer = Answer { status: response.status().as_u16(), ..Answer::default() };
    for (name, value) in response.headers() {
        let value = String::from_utf8_lossy(value.as_bytes());
        if name == SET_COOKIE {
            answer.cookies.push(value.clone().into_owned());
        }
        let all = answer.headers.entry(name.as_str().to_owned()).or_default();
        if !all.is_empty() {
            all.push_str(", ");
        }
        all.push_str(&value);
    }
    let mut body = Vec::new();
    while let Some(part) = response.chunk().await.map_err(|error| failed(error, shown))? {
        if BODY_SIZE_MAX < body.len() + part.len() {
            let text = format!("the answer of `{shown}` has more than {BODY_SIZE_MAX} bytes");
            return Err(DriverError::protocol(text));
        }
        body.extend_from_slice(&part);
    }
    match String::from_utf8(body) {
        Ok(text) => answer.text = Some(text),
        Err(error) => {
            answer.hex = Some(error.as_bytes().iter().map(|byte| format!("{byte:02x}")).collect());
        }
    }
    Ok(answer)
}

/// What a failed request means; its own address is left out, it may hold a query.
fn failed(error: reqwest::Error, shown: &str) -> DriverError {
    let error = error.without_url();
    let untrusted = std::iter::successors(error.source(), |cause| below(*cause)).any(|cause| {
        matches!(cause.downcast_ref::<rustls::Error>(), Some(rustls::Error::InvalidCertificate(_)))
    });
    let reason = std::io::Error::other(Chain(&error).to_string());
    if untrusted {
        let text = format!("the certificate of `{shown}` is not believed");
        return DriverError::unreachable(text).retryable(false).caused_by(&reason);
    }
    DriverError::unreachable(format!("no answer from `{shown}`")).caused_by(&reason)
}

/// The next error below one, also inside of I/O errors.
fn below<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a (dyn StdError + 'static)> {
    match error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref) {
        Some(inside) => Some(inside),
        None => error.source(),
    }
}
