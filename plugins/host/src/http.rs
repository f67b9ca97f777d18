//! The host service `http`: requests of drivers, made by the host, with secrets that drivers never see.
//!
//! A driver names a secret where its value belongs, `{"$secret": "acme_password"}`; the value is asked of the node
//! and put in here, after the driver's last line and before the socket. What comes back has these values masked.
//! With a [`Cassette`] each exchange is written to a file as the driver made it, or answered from such a file.
//!
//! | module | what |
//! |---|---|
//! | `request` | what a driver asks, and what it gets |
//! | `secrets` | values put in, and masked again |
//! | `session` | what is kept of a device between requests |
//! | `client` | the connections |
//! | [`cassette`] | recording and replay |
//!
//! **Invariant:** no value of a secret is logged, recorded, or part of an error.

pub(crate) mod cassette;
mod client;
mod date;
mod request;
mod secrets;
mod session;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use farrier_sdk::error::DriverError;
use farrier_sdk::glue::{BoxFuture, decode, encode};
use farrier_sdk::secret::Secret;
use reqwest::header::{COOKIE, HeaderName, HeaderValue};
use serde_json::json;
use tracing::debug;

use crate::executor::Runner;
use crate::task::NodeAccess;
use cassette::Cassette;
use client::Clients;
use request::{Answer, Login, Request};
use secrets::{MASK, Masked, Wanted};
use session::{Sessions, Whose, cookie_value};

/// How long a request may take when neither it nor its call has a limit.
const PATIENCE: Duration = Duration::from_secs(60);

/// Most tokens that are kept; beyond it all are asked for again.
const TOKENS_MAX: usize = 10_000;

/// How long a cookie is, at least, that is as good as a password; in bytes.
const COOKIE_SECRET_LENGTH_MIN: usize = 16;

/// The service of one plugin: its connections end with it.
pub(crate) struct Http {
    runner: Runner,
    clients: Clients,
    cassette: Option<Cassette>,
    /// Tokens of devices, by login and the secrets in it.
    tokens: Mutex<HashMap<(String, u64), Secret<String>>>,
    sessions: Mutex<Sessions>,
    /// Every secret the plugin has been told or had put in; kept with a cassette only.
    known: Mutex<Masked>,
}

impl std::fmt::Debug for Http {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Http").field("cassette", &self.cassette).finish_non_exhaustive()
    }
}

impl Http {
    pub(crate) fn new(runner: Runner, cassette: Option<Cassette>) -> Self {
        let (tokens, sessions, known) = (Mutex::default(), Mutex::default(), Mutex::default());
        Self { runner, clients: Clients::default(), cassette, tokens, sessions, known }
    }

    /// Answers what a driver asks of its task: a request is ours, everything else the node's.
    pub(crate) fn route(
        self: Arc<Self>,
        access: Arc<dyn NodeAccess>,
        method: String,
        arguments: Vec<u8>,
        deadline: Option<Instant>,
    ) -> BoxFuture<Result<Vec<u8>, DriverError>> {
        match method.as_str() {
            "http.request" => Box::pin(async move { self.request(access, &arguments, deadline).await }),
            "http.session" => Box::pin(async move { self.open_session(&arguments) }),
            other if other.starts_with("http.") => Box::pin(async move {
                let version = env!("CARGO_PKG_VERSION");
                Err(DriverError::unsupported(format!("host {version} has no service `{method}`")))
            }),
            // What a driver is told it may send, and then it must not be on a cassette.
            "secret.reveal" | "secret.reveal_instance" if self.cassette.is_some() => Box::pin(async move {
                let value = access.call(method, arguments).await?;
                if let Ok(secret) = decode::<Secret<String>>(&value) {
                    self.learn(&secret);
                }
                Ok(value)
            }),
            _ => access.call(method, arguments),
        }
    }

    /// The name of the session that a driver describes by what its requests have in common.
    fn open_session(&self, arguments: &[u8]) -> Result<Vec<u8>, DriverError> {
        let common: Request = decode(arguments)?;
        common.check()?;
        let name = self.sessions.lock().unwrap_or_else(PoisonError::into_inner).open(common);
        encode(&json!({"session": name}))
    }

    fn learn(&self, secret: &Secret<String>) {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).add(secret);
    }

    async fn request(
        &self,
        access: Arc<dyn NodeAccess>,
        arguments: &[u8],
        deadline: Option<Instant>,
    ) -> Result<Vec<u8>, DriverError> {
        let mut request: Request = decode(arguments)?;
        if let Some(name) = &request.session {
            let common = self.sessions.lock().unwrap_or_else(PoisonError::into_inner).common(name)?;
            request = request.within(&common)?;
        }
        request.check()?;
        let start = Instant::now();
        let answered = match self.cassette.as_ref().filter(|cassette| !cassette.is_recording()) {
            Some(cassette) => {
                let known = self.known.lock().unwrap_or_else(PoisonError::into_inner).clone();
                cassette.answer(&request, &known)
            }
            None => self.exchange(access, &request, deadline).await,
        };
        let elapsed_ms = start.elapsed().as_millis();
        let (method, url) = (&request.method, request.shown());
        match &answered {
            Ok(answer) => debug!(%method, %url, status = answer.status, %elapsed_ms, "HTTP request"),
            Err(error) => debug!(%method, %url, %error, %elapsed_ms, "HTTP request failed"),
        }
        encode(&answered?)
    }

    /// Puts the secrets in, asks the device, and masks them in what it answers.
    async fn exchange(
        &self,
        access: Arc<dyn NodeAccess>,
        request: &Request,
        deadline: Option<Instant>,
    ) -> Result<Answer, DriverError> {
        let mut masked = Masked::default();
        let mut wanted = Wanted::default();
        for key in request.secrets() {
            let value = access.call("secret.reveal".to_owned(), encode(&json!({"key": key}))?).await?;
            let value: Secret<String> = decode(&value)?;
            masked.add(&value);
            if self.cassette.is_some() {
                self.learn(&value);
            }
            wanted.add(key, value);
        }
        let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        let limit = request.timeout().or(left).unwrap_or(PATIENCE).min(left.unwrap_or(Duration::MAX));
        let whose = request.session.clone().map(|name| (name, wanted.fingerprint()));
        let sent = Sent { wanted: &wanted, whose: whose.as_ref(), limit };
        let mut answered = match &request.login {
            None => self.send(request, &sent, None).await,
            Some(login) => self.send_logged_in(request, login, &sent, &mut masked).await,
        };
        if let Some(whose) = &whose {
            answered = answered.and_then(|answer| self.keep(whose, request, answer, &mut masked));
        }
        let answered = answered.map(|answer| answer.map_text(|text| masked.text(text)));
        if let Some(cassette) = &self.cassette {
            // Also what other requests have sent: a device may show it here.
            let known = self.known.lock().unwrap_or_else(PoisonError::into_inner).clone();
            cassette.keep(request, &answered, &known)?;
        }
        answered
    }

    /// Keeps for a session what its device gave to come back with: that is not the driver's.
    fn keep(
        &self,
        whose: &Whose,
        request: &Request,
        mut answer: Answer,
        masked: &mut Masked,
    ) -> Result<Answer, DriverError> {
        for value in answer.cookies.iter().filter_map(|text| cookie_value(text)) {
            // A short one is no secret, and may be a word of the answer.
            if COOKIE_SECRET_LENGTH_MIN <= value.len() {
                let value = Secret::new(value.to_owned());
                masked.add(&value);
                if self.cassette.is_some() {
                    self.learn(&value);
                }
            }
        }
        if let Some(shown) = answer.headers.get_mut("set-cookie") {
            MASK.clone_into(shown);
        }
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner).keep(whose, request, answer)
    }

    /// Sends one request with its secrets and what its session has kept, and with a token if it has one.
    async fn send(
        &self,
        request: &Request,
        sent: &Sent<'_>,
        token: Option<(&Login, &Secret<String>)>,
    ) -> Result<Answer, DriverError> {
        let (client, mut built) = {
            // The client's timers and connections belong to the plugin's executor.
            let _entered = self.runner.handle().enter();
            let client = self.clients.client(request)?;
            let built = request.build(&client, sent.wanted)?;
            (client, built)
        };
        if let Some(whose) = sent.whose {
            let headers =
                self.sessions.lock().unwrap_or_else(PoisonError::into_inner).headers(whose, request);
            for (name, value) in headers {
                put(&mut built, name, value.expose())?;
            }
        }
        if let Some((login, token)) = token {
            put(&mut built, &login.header, &format!("{}{}", login.prefix, token.expose()))?;
        }
        let job = self.runner.handle().spawn(client::send(client, built, request.shown(), sent.limit));
        job.await.unwrap_or_else(|_| Err(DriverError::internal("the request was given up")))
    }

    /// Sends a request with a token, which is asked for when there is none, and once more when it has expired.
    async fn send_logged_in(
        &self,
        request: &Request,
        login: &Login,
        sent: &Sent<'_>,
        masked: &mut Masked,
    ) -> Result<Answer, DriverError> {
        let key = (serde_json::to_string(login).unwrap_or_default(), sent.wanted.fingerprint());
        let known = self.tokens.lock().unwrap_or_else(PoisonError::into_inner).get(&key).cloned();
        if let Some(token) = known {
            masked.add(&token);
            let answer = self.send(request, sent, Some((login, &token))).await?;
            if answer.status != 401 {
                return Ok(answer);
            }
        }
        let token = login.token(&self.send(&login.request, sent, None).await?)?;
        masked.add(&token);
        if self.cassette.is_some() {
            self.learn(&token);
        }
        let answer = self.send(request, sent, Some((login, &token))).await?;
        let mut tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        if TOKENS_MAX <= tokens.len() {
            tokens.clear();
        }
        tokens.insert(key, token);
        Ok(answer)
    }
}

/// What all requests have in common that one request of a driver takes.
struct Sent<'a> {
    wanted: &'a Wanted,
    /// Whose cookies go along.
    whose: Option<&'a Whose>,
    limit: Duration,
}

/// Adds a header; a cookie goes beside those that are there.
fn put(request: &mut reqwest::Request, name: &str, value: &str) -> Result<(), DriverError> {
    let wrong = || DriverError::invalid_parameter(format!("header `{name}` cannot be sent"));
    let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| wrong())?;
    let before = request.headers().get(&name).filter(|_| name == COOKIE);
    let value = match before.and_then(|before| before.to_str().ok()) {
        Some(before) => format!("{before}; {value}"),
        None => value.to_owned(),
    };
    let mut value = HeaderValue::from_str(&value).map_err(|_| wrong())?;
    value.set_sensitive(true);
    request.headers_mut().insert(name, value);
    Ok(())
}

#[cfg(test)]
mod tests;
