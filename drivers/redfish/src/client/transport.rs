//! One exchange with a BMC: a request, its redirects, its answer. No retries, no logins.

use std::error::Error as StdError;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use reqwest::header::{
    ACCEPT, ACCEPT_ENCODING, CONNECTION, CONTENT_TYPE, HeaderMap, HeaderValue, IF_MATCH, LOCATION,
};
use reqwest::{Method, Response, StatusCode, Url, Version, redirect};
use tokio::time::{Instant, timeout_at};

use super::account::Login;
use super::address::{Address, Scheme};
use super::error::Phase;
use super::message::Messages;
use super::tls::{self, Ciphers, TlsError, TlsVersion, Verify};
use super::wire::{Held, Watch, Wire};

/// Most redirects followed for one request.
const REDIRECTS_MAX: usize = 3;

/// How long a connection may lie idle before it is dropped.
const IDLE_TIME_MAX: Duration = Duration::from_secs(30);

/// Idle connections kept.
const IDLE_CONNECTIONS_MAX: usize = 1;

/// Longest answer read, in bytes; only registries may be longer.
const BODY_SIZE_MAX: usize = 8 * 1024 * 1024;

/// Most room made for an answer before it has come, in bytes.
const BODY_PROMISE_MAX: usize = 64 * 1024;

pub(super) const TOKEN: &str = "x-auth-token";
const VERSION: &str = "odata-version";

/// How long one request may take.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// To open the connection, TLS included.
    pub connect: Duration,
    /// To answer, and between two parts of the answer.
    pub read: Duration,
}

/// How a request proves who asks.
#[derive(Clone)]
pub(super) enum Credential {
    /// Not at all.
    None,
    /// By user and password.
    Basic(Login),
    /// By the token of a session.
    Token(HeaderValue),
}

/// A request, without what is the same for all.
#[derive(Debug, Clone)]
pub struct Outgoing {
    /// Method.
    pub method: Method,
    /// Path and query.
    pub path: String,
    /// A JSON document.
    pub body: Option<Vec<u8>>,
    /// Tag of the state that is to be changed.
    pub if_match: Option<HeaderValue>,
    /// Whether an answer may be compressed by a server that insists; we then see what comes.
    pub any_encoding: bool,
    /// Longest answer read, in bytes.
    pub body_size_max: usize,
}

impl Outgoing {
    /// A request without a body.
    #[must_use]
    pub fn new(method: Method, path: String) -> Self {
        Self { method, path, body: None, if_match: None, any_encoding: false, body_size_max: BODY_SIZE_MAX }
    }
}

/// An answer, read to its end.
#[derive(Debug, Clone, Default)]
pub struct Answer {
    /// Status.
    pub status: StatusCode,
    /// Headers.
    pub headers: HeaderMap,
    /// Body, at most as long as asked for.
    pub body: Vec<u8>,
}

impl Answer {
    /// What the BMC says beside the status.
    #[must_use]
    pub fn messages(&self) -> Messages {
        if self.body.is_empty() { Messages::default() } else { Messages::read(&self.body) }
    }
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Trouble {
    /// The request was never sent.
    NotSent { phase: Phase, reason: String },
    /// The connection ended, after the request may have been sent.
    Lost { reason: String, reused: bool },
    /// The BMC was silent for too long.
    Silent { reason: String },
    /// The limit of the operation is reached.
    Limit,
    /// An answer that must not be used: too long, or a redirect elsewhere.
    Refused { reason: String },
}

/// The HTTP side of one client.
pub(super) struct Transport {
    http: reqwest::Client,
    address: Address,
    patience: Patience,
    wire: Arc<Wire>,
    /// What was asked for last, with its URL: it is usually asked for again.
    last: Mutex<Option<(String, Url)>>,
}

impl Transport {
    pub(super) fn new(
        address: Address,
        verify: &Verify,
        oldest: TlsVersion,
        ciphers: Option<&Ciphers>,
        patience: Patience,
    ) -> Result<Self, TlsError> {
        // Without TLS the roots do not matter, and need not be there.
        let verify = if address.scheme() == Scheme::Http { &Verify::Nothing } else { verify };
        let wire = Arc::new(Wire::default());
        let mut headers = HeaderMap::new();
        headers.insert(VERSION, HeaderValue::from_static("4.0"));
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        let http = reqwest::Client::builder()
            .tls_backend_preconfigured(tls::configuration(verify, oldest, ciphers)?)
            .http1_only()
            .http1_ignore_invalid_headers_in_responses(true)
            .http1_allow_spaces_after_header_name_in_responses(true)
            .no_proxy()
            .redirect(redirect::Policy::none())
            .referer(false)
            .user_agent(concat!("farrier/", env!("CARGO_PKG_VERSION")))
            .default_headers(headers)
            .connect_timeout(patience.connect)
            .pool_max_idle_per_host(IDLE_CONNECTIONS_MAX)
            .pool_idle_timeout(IDLE_TIME_MAX)
            .connector_layer(Watch(Arc::clone(&wire)))
            .build()
            .map_err(|error| TlsError::Client(innermost(&error)))?;
        Ok(Self { http, address, patience, wire, last: Mutex::default() })
    }

    /// Sends a request and reads its answer, following redirects on this BMC.
    pub(super) async fn exchange(
        &self,
        outgoing: &Outgoing,
        credential: &Credential,
        deadline: Instant,
    ) -> Result<Answer, Trouble> {
        let mut path = outgoing.path.clone();
        for _ in 0..=REDIRECTS_MAX {
            let answer = self.once(outgoing, &path, credential, deadline).await?;
            if !is_redirect(answer.status) {
                return Ok(answer);
            }
            path = self.redirected(outgoing, &path, &answer)?;
        }
        Err(Trouble::Refused { reason: format!("more than {REDIRECTS_MAX} redirects") })
    }

    /// Where a redirect leads that may be followed.
    pub(super) fn redirected(
        &self,
        outgoing: &Outgoing,
        path: &str,
        answer: &Answer,
    ) -> Result<String, Trouble> {
        let status = answer.status.as_u16();
        if outgoing.method != Method::GET && !matches!(status, 307 | 308) {
            return Err(Trouble::Refused { reason: format!("a redirect with status {status}") });
        }
        let location = answer.headers.get(LOCATION).and_then(|value| value.to_str().ok());
        location
            .and_then(|location| self.address.redirect(path, location))
            .ok_or_else(|| Trouble::Refused { reason: "a redirect to another place".to_owned() })
    }

    async fn once(
        &self,
        outgoing: &Outgoing,
        path: &str,
        credential: &Credential,
        deadline: Instant,
    ) -> Result<Answer, Trouble> {
        let start = Instant::now();
        let (sent, reused) = loop {
            let connections = self.wire.started();
            let request = self.request(outgoing, path, credential, start);
            let sent = self.wait(request.send(), start, deadline).await?;
            match &sent {
                Err(error) if chain(error).any(|cause| cause.is::<Held>()) => self.wire.insist(),
                _ => break (sent, self.wire.started() == connections),
            }
        };
        let response = match sent {
            Ok(response) => response,
            Err(error) => {
                let trouble = self.trouble(&error, reused);
                if matches!(trouble, Trouble::Lost { reused: true, .. }) {
                    self.wire.reuse_failed(Instant::now());
                }
                return Err(trouble);
            }
        };
        if reused {
            self.wire.reuse_worked();
        }
        self.read(response, outgoing, deadline).await
    }

    pub(super) fn request(
        &self,
        outgoing: &Outgoing,
        path: &str,
        credential: &Credential,
        now: Instant,
    ) -> reqwest::RequestBuilder {
        let method = outgoing.method.clone();
        let mut request = match self.url(path) {
            Some(url) => self.http.request(method, url),
            // The library says what is wrong with it.
            None => self.http.request(method, self.address.url(path)),
        };
        if !outgoing.any_encoding {
            // Compressed answers carry weak tags.
            request = request.header(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        }
        request = match credential {
            Credential::None => request,
            Credential::Basic(login) => request.basic_auth(&login.user, Some(login.password.expose())),
            Credential::Token(value) => request.header(TOKEN, value.clone()),
        };
        if let Some(tag) = &outgoing.if_match {
            request = request.header(IF_MATCH, tag.clone());
        }
        if let Some(body) = &outgoing.body {
            request = request.header(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            request = request.body(body.clone());
        }
        if self.wire.closes(now) {
            request = request.header(CONNECTION, HeaderValue::from_static("close"));
        }
        request
    }

    fn url(&self, path: &str) -> Option<Url> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((known, url)) = &*last
            && known == path
        {
            return Some(url.clone());
        }
        let url = Url::parse(&self.address.url(path)).ok()?;
        *last = Some((path.to_owned(), url.clone()));
        Some(url)
    }

    /// Waits for the head of the answer.
    async fn wait<F, T>(&self, sent: F, start: Instant, deadline: Instant) -> Result<T, Trouble>
    where
        F: Future<Output = T>,
    {
        let Patience { connect, read } = self.patience;
        let mut sent = std::pin::pin!(sent);
        loop {
            let until = self.wire.patience(start, connect, read);
            if let Ok(outcome) = timeout_at(until.min(deadline), sent.as_mut()).await {
                return Ok(outcome);
            }
            let now = Instant::now();
            if now >= deadline {
                return Err(Trouble::Limit);
            }
            if now >= self.wire.patience(start, connect, read) {
                return Err(self.silent());
            }
        }
    }

    pub(super) async fn read(
        &self,
        mut response: Response,
        outgoing: &Outgoing,
        deadline: Instant,
    ) -> Result<Answer, Trouble> {
        let limit = outgoing.body_size_max;
        let closes = |value: &HeaderValue| value.as_bytes().eq_ignore_ascii_case(b"close");
        let reusable =
            response.version() == Version::HTTP_11 && !response.headers().get(CONNECTION).is_some_and(closes);
        let too_long = || Trouble::Refused { reason: format!("an answer of more than {limit} bytes") };
        let (status, headers) = (response.status(), std::mem::take(response.headers_mut()));
        if response.content_length().is_some_and(|length| length > limit as u64) {
            return Err(too_long());
        }
        let expected = response.content_length().and_then(|length| usize::try_from(length).ok());
        let mut body = Vec::with_capacity(expected.unwrap_or_default().min(BODY_PROMISE_MAX));
        loop {
            let until = (Instant::now() + self.patience.read).min(deadline);
            let part = timeout_at(until, response.chunk()).await;
            let trouble = match part {
                Ok(Ok(Some(part))) if body.len() + part.len() > limit => return Err(too_long()),
                Ok(Ok(Some(part))) => {
                    body.extend_from_slice(&part);
                    continue;
                }
                Ok(Ok(None)) => {
                    self.wire.answered(reusable);
                    break;
                }
                Ok(Err(error)) => Trouble::Lost {
                    reason: format!("the answer broke off: {}", innermost(&error)),
                    reused: false,
                },
                Err(_) if Instant::now() >= deadline => Trouble::Limit,
                Err(_) => self.silent(),
            };
            // A write is decided by its status; what was to follow is only for reading.
            if outgoing.method == Method::GET {
                return Err(trouble);
            }
            body.clear();
            break;
        }
        Ok(Answer { status, headers, body })
    }

    pub(super) fn silent(&self) -> Trouble {
        Trouble::Silent { reason: format!("silent for {} s", self.patience.read.as_secs_f32()) }
    }

    pub(super) fn trouble(&self, error: &reqwest::Error, reused: bool) -> Trouble {
        if let Some(tls) = find_tls(error) {
            return Trouble::NotSent { phase: Phase::Tls, reason: tls_reason(tls) };
        }
        if error.is_connect() {
            let phase = if error.is_dns() { Phase::Resolve } else { Phase::Connect };
            let reason = if error.is_timeout() {
                format!("timed out after {} s", self.patience.connect.as_secs_f32())
            } else {
                innermost(error)
            };
            return Trouble::NotSent { phase, reason };
        }
        if error.is_builder() {
            return Trouble::Refused { reason: innermost(error) };
        }
        Trouble::Lost { reason: innermost(error), reused }
    }
}

fn is_redirect(status: StatusCode) -> bool {
    matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308)
}

type Cause<'a> = &'a (dyn StdError + 'static);

fn chain<'a>(error: Cause<'a>) -> impl Iterator<Item = Cause<'a>> {
    std::iter::successors(Some(error), |error| cause(*error))
}

fn cause<'a>(error: Cause<'a>) -> Option<Cause<'a>> {
    // An I/O error hides what it wraps: its source is the source of that.
    match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
        Some(inner) => Some(inner),
        None => error.source(),
    }
}

fn find_tls<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a rustls::Error> {
    chain(error).find_map(|error| error.downcast_ref())
}

/// What was wrong at the bottom, in few words.
pub(super) fn innermost(error: &(dyn StdError + 'static)) -> String {
    let Some(last) = chain(error).last() else { return error.to_string() };
    match last.downcast_ref::<io::Error>() {
        // The text of the kind reads better than the system's, where there is a kind.
        Some(io) if io.raw_os_error().is_some() && !io.kind().to_string().starts_with("uncategorized") => {
            io.kind().to_string()
        }
        Some(_) | None => last.to_string(),
    }
}

fn tls_reason(error: &rustls::Error) -> String {
    use rustls::{AlertDescription, CertificateError, Error};

    if let Error::InvalidCertificate(reason) = error {
        if matches!(reason, CertificateError::UnknownIssuer) {
            return "the issuer of the certificate is not trusted; see `redfish_verify_ca`".to_owned();
        }
        if matches!(reason, CertificateError::Expired | CertificateError::ExpiredContext { .. }) {
            return "the certificate has expired".to_owned();
        }
        if matches!(
            reason,
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. }
        ) {
            return "the certificate is for another name".to_owned();
        }
    }
    if matches!(error, Error::InvalidMessage(_)) {
        return "the answer is not TLS".to_owned();
    }
    let refused = matches!(
        error,
        Error::PeerIncompatible(_)
            | Error::AlertReceived(AlertDescription::ProtocolVersion | AlertDescription::HandshakeFailure)
    );
    if refused { format!("no common version or cipher: {error}") } else { error.to_string() }
}
