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
//! | `client` | the connections |
//! | [`cassette`] | recording and replay |
//!
//! **Invariant:** no value of a secret is logged, recorded, or part of an error.

pub(crate) mod cassette;
mod client;
mod request;
mod secrets;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use farrier_sdk::error::DriverError;
use farrier_sdk::glue::{BoxFuture, decode, encode};
use farrier_sdk::secret::Secret;
use reqwest::header::{HeaderName, HeaderValue};
use serde_json::json;
use tracing::debug;

use crate::executor::Runner;
use crate::task::NodeAccess;
use cassette::Cassette;
use client::Clients;
use request::{Answer, Login, Request};
use secrets::{Masked, Wanted};

/// How long a request may take when neither it nor its call has a limit.
const PATIENCE: Duration = Duration::from_secs(60);

/// Most tokens that are kept; beyond it all are asked for again.
const TOKENS_MAX: usize = 10_000;

/// The service of one plugin: its connections end with it.
pub(crate) struct Http {
    runner: Runner,
    clients: Clients,
    cassette: Option<Cassette>,
    /// Tokens of devices, by login and the secrets in it.
    tokens: Mutex<HashMap<(String, u64), Secret<String>>>,
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
        let (tokens, known) = (Mutex::default(), Mutex::default());
        Self { runner, clients: Clients::default(), cassette, tokens, known }
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

    fn learn(&self, secret: &Secret<String>) {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).add(secret);
    }

    async fn request(
        &self,
        access: Arc<dyn NodeAccess>,
        arguments: &[u8],
        deadline: Option<Instant>,
    ) -> Result<Vec<u8>, DriverError> {
        let request: Request = decode(arguments)?;
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
        let answered = match &request.login {
            None => self.send(request, &wanted, None, limit).await,
            Some(login) => self.send_logged_in(request, login, &wanted, limit, &mut masked).await,
        };
        let answered = answered.map(|answer| answer.map_text(|text| masked.text(text)));
        if let Some(cassette) = &self.cassette {
            // Also what other requests have sent: a device may show it here.
            let known = self.known.lock().unwrap_or_else(PoisonError::into_inner).clone();
            cassette.keep(request, &answered, &known)?;
        }
        answered
    }

    /// Sends one request with its secrets, and with a token if it has one.
    async fn send(
        &self,
        request: &Request,
        wanted: &Wanted,
        token: Option<(&Login, &Secret<String>)>,
        limit: Duration,
    ) -> Result<Answer, DriverError> {
        let (client, mut built) = {
            // The client's timers and connections belong to the plugin's executor.
            let _entered = self.runner.handle().enter();
            let client = self.clients.client(request)?;
            let built = request.build(&client, wanted)?;
            (client, built)
        };
        if let Some((login, token)) = token {
            let wrong =
                || DriverError::invalid_parameter(format!("header `{}` cannot be sent", login.header));
            let name = HeaderName::from_bytes(login.header.as_bytes()).map_err(|_| wrong())?;
            let value = format!("{}{}", login.prefix, token.expose());
            let mut value = HeaderValue::from_str(&value).map_err(|_| wrong())?;
            value.set_sensitive(true);
            built.headers_mut().insert(name, value);
        }
        let job = self.runner.handle().spawn(client::send(client, built, request.shown(), limit));
        job.await.unwrap_or_else(|_| Err(DriverError::internal("the request was given up")))
    }

    /// Sends a request with a token, which is asked for when there is none, and once more when it has expired.
    async fn send_logged_in(
        &self,
        request: &Request,
        login: &Login,
        wanted: &Wanted,
        limit: Duration,
        masked: &mut Masked,
    ) -> Result<Answer, DriverError> {
        let key = (serde_json::to_string(login).unwrap_or_default(), wanted.fingerprint());
        let known = self.tokens.lock().unwrap_or_else(PoisonError::into_inner).get(&key).cloned();
        if let Some(token) = known {
            masked.add(&token);
            let answer = self.send(request, wanted, Some((login, &token)), limit).await?;
            if answer.status != 401 {
                return Ok(answer);
            }
        }
        let token = login.token(&self.send(&login.request, wanted, None, limit).await?)?;
        masked.add(&token);
        if self.cassette.is_some() {
            self.learn(&token);
        }
        let answer = self.send(request, wanted, Some((login, &token)), limit).await?;
        let mut tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        if TOKENS_MAX <= tokens.len() {
            tokens.clear();
        }
        tokens.insert(key, token);
        Ok(answer)
    }
}

#[cfg(test)]
mod tests;
