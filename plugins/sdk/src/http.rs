//! HTTP through the host: connections, TLS and secrets are the conductor's business.
//!
//! A driver that asks its device this way never holds a password: it names the secret, and the host puts the value in
//! where it belongs, after the driver and before the socket. It needs no HTTP library, no runtime and no certificates,
//! and what it asks can be recorded to a cassette and replayed without the device.
//!
//! ```
//! use farrier_sdk::http;
//! use farrier_sdk::prelude::*;
//! use serde::Deserialize;
//!
//! /// `driver_info` of an Acme node.
//! #[derive(Properties)]
//! struct AcmeInfo {
//!     /// Base address of the BMC, as `https://host:port`
//!     acme_address: String,
//!     /// Password of the management account
//!     #[property(secret)]
//!     acme_password: SecretRef,
//! }
//!
//! #[derive(Deserialize)]
//! struct Chassis {
//!     power: String,
//! }
//!
//! fn bmc(task: &DriverTask<AcmeInfo>) -> http::Session<'_> {
//!     task.http(&task.info().acme_address).auth_basic("admin", &task.info().acme_password)
//! }
//!
//! async fn is_on(task: &DriverTask<AcmeInfo>) -> Result<bool> {
//!     let chassis: Chassis = bmc(task).get("/chassis").await?.json()?;
//!     Ok(chassis.power == "on")
//! }
//! ```

use std::collections::BTreeMap;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::error::{DriverError, ErrorKind, Result};
use crate::glue::decode;
use crate::secret::SecretRef;
use crate::task::TaskShared;

/// Requests to one device, which have an address and a way to log in in common.
#[derive(Debug, Clone)]
pub struct Session<'a> {
    task: &'a TaskShared,
    base: String,
    common: Outgoing,
    kept: bool,
}

/// One request that is being put together; [`send`](Self::send) sends it.
#[derive(Debug, Clone)]
#[must_use = "a request does nothing until it is sent"]
pub struct Request<'a> {
    task: &'a TaskShared,
    outgoing: Outgoing,
    broken: Option<DriverError>,
    /// The session it belongs to, by what its requests have in common.
    session: Option<Outgoing>,
}

/// A login that takes a request of its own, and is answered with a token.
///
/// The host logs in when it has no token, keeps the token, sends it with each request, and logs in again when a request
/// is answered with 401. The driver sees neither the password nor the token.
///
/// ```
/// use farrier_sdk::http::Login;
/// use farrier_sdk::prelude::*;
/// use farrier_sdk::serde_json::json;
///
/// fn login(password: &SecretRef) -> Login {
///     Login::post("/api/login", &json!({"user": "admin", "password": password}))
///         .token_in_json("/token")
///         .sent_as("X-Auth-Token", "")
/// }
/// ```
#[derive(Debug, Clone)]
pub struct Login {
    path: String,
    body: Value,
    token: Value,
    header: String,
    prefix: String,
}

/// What a device answered.
#[derive(Debug, Clone)]
pub struct Response {
    what: String,
    status: u16,
    headers: BTreeMap<String, String>,
    body: Vec<u8>,
}

/// Whose certificates are believed; also a type for a key of `driver_info`.
///
/// ```
/// use farrier_sdk::http::VerifyCa;
///
/// let file: VerifyCa = farrier_sdk::serde_json::from_str("\"/etc/ssl/acme.pem\"").unwrap();
/// assert_eq!(file, VerifyCa::File("/etc/ssl/acme.pem".to_owned()));
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(from = "VerifyForm")]
pub enum VerifyCa {
    /// Those of the system of the conductor; `true`.
    #[default]
    System,
    /// Anybody's: nobody is checked; `false`.
    Anybody,
    /// Those in this PEM file on the conductor's machine.
    File(String),
}

#[derive(Deserialize)]
#[serde(untagged)]
enum VerifyForm {
    Switch(bool),
    File(String),
}

impl From<VerifyForm> for VerifyCa {
    fn from(form: VerifyForm) -> Self {
        match form {
            VerifyForm::Switch(true) => Self::System,
            VerifyForm::Switch(false) => Self::Anybody,
            VerifyForm::File(path) => Self::File(path),
        }
    }
}

/// A request as the host reads it.
#[derive(Debug, Clone, Default, Serialize)]
struct Outgoing {
    method: String,
    url: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    session: Option<String>,
    #[serde(skip_serializing_if = "Map::is_empty")]
    query: Map<String, Value>,
    #[serde(skip_serializing_if = "Map::is_empty")]
    headers: Map<String, Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    auth: Option<Auth>,
    #[serde(skip_serializing_if = "Option::is_none")]
    login: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    json: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    form: Option<Map<String, Value>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    timeout_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    verify_ca: Option<Value>,
}

#[derive(Debug, Clone, Serialize)]
struct Auth {
    scheme: &'static str,
    #[serde(skip_serializing_if = "String::is_empty")]
    user: String,
    secret: String,
}

/// An answer as the host writes it.
#[derive(Deserialize)]
struct Incoming {
    status: u16,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    text: Option<String>,
    hex: Option<String>,
}

/// The session that the host has opened, or had open.
#[derive(Deserialize)]
struct Opened {
    session: String,
}

impl<'a> Session<'a> {
    pub(crate) fn new(task: &'a TaskShared, base: &str) -> Self {
        Self { task, base: base.trim_end_matches('/').to_owned(), common: Outgoing::default(), kept: false }
    }

    /// Logs in with each request as `user`, with the password that `secret` stands for.
    #[must_use]
    pub fn auth_basic(mut self, user: &str, secret: &SecretRef) -> Self {
        self.common.auth =
            Some(Auth { scheme: "basic", user: user.to_owned(), secret: secret.key().to_owned() });
        self
    }

    /// Logs in with each request with the token that `secret` stands for.
    #[must_use]
    pub fn auth_bearer(mut self, secret: &SecretRef) -> Self {
        self.common.auth =
            Some(Auth { scheme: "bearer", user: String::new(), secret: secret.key().to_owned() });
        self
    }

    /// Logs in by a request of its own; see [`Login`]. Set what else the session has, as certificates, before.
    #[must_use]
    pub fn login(mut self, login: &Login) -> Self {
        let request = self.request("POST", &login.path).json(&login.body).outgoing;
        self.common.login = Some(serde_json::json!({
            "request": request,
            "token": login.token,
            "header": login.header,
            "prefix": login.prefix,
        }));
        self
    }

    /// Has the host keep the cookies of the device, and the answers that the device gives an `ETag`: it asks whether they
    /// still hold, and takes the kept one when the device says so. Your code sees nothing of either. Both are apart for
    /// each value of the secrets in the session.
    ///
    /// A host that keeps nothing makes the same requests without.
    #[must_use]
    pub fn keep(mut self) -> Self {
        self.kept = true;
        self
    }

    /// Sends a header with each request.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.common.headers.insert(name.to_owned(), Value::from(value));
        self
    }

    /// Sends a secret as a header with each request, as `X-API-Key`.
    #[must_use]
    pub fn header_secret(mut self, name: &str, secret: &SecretRef) -> Self {
        self.common.headers.insert(name.to_owned(), reference(secret));
        self
    }

    /// How long each request may take; never longer than what is left of the call. A minute unless said otherwise.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.common.timeout_ms = Some(u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX));
        self
    }

    /// Whose certificates are believed.
    #[must_use]
    pub fn verify_ca(mut self, verify: &VerifyCa) -> Self {
        self.common.verify_ca = match verify {
            VerifyCa::System => None,
            VerifyCa::Anybody => Some(Value::from(false)),
            VerifyCa::File(path) => Some(Value::from(path.as_str())),
        };
        self
    }

    /// Reads what is at `path` below the base address.
    ///
    /// # Errors
    ///
    /// As [`Request::send`] and [`Response::checked`].
    pub async fn get(&self, path: &str) -> Result<Response> {
        self.request("GET", path).send().await?.checked()
    }

    /// Sends `body` as JSON to `path`. A [`SecretRef`] in it becomes the secret's value.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get); [`BadPayload`](ErrorKind::BadPayload): `body` has no JSON form.
    pub async fn post<T: Serialize + Sync>(&self, path: &str, body: &T) -> Result<Response> {
        self.request("POST", path).json(body).send().await?.checked()
    }

    /// Replaces what is at `path` by `body`, as [`post`](Self::post).
    ///
    /// # Errors
    ///
    /// As [`post`](Self::post).
    pub async fn put<T: Serialize + Sync>(&self, path: &str, body: &T) -> Result<Response> {
        self.request("PUT", path).json(body).send().await?.checked()
    }

    /// Changes what is at `path`, as [`post`](Self::post).
    ///
    /// # Errors
    ///
    /// As [`post`](Self::post).
    pub async fn patch<T: Serialize + Sync>(&self, path: &str, body: &T) -> Result<Response> {
        self.request("PATCH", path).json(body).send().await?.checked()
    }

    /// Deletes what is at `path`.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get).
    pub async fn delete(&self, path: &str) -> Result<Response> {
        self.request("DELETE", path).send().await?.checked()
    }

    /// Any other request, or one whose answer is looked at whatever its status.
    pub fn request(&self, method: &str, path: &str) -> Request<'a> {
        let separator = if path.is_empty() || path.starts_with(['/', '?']) { "" } else { "/" };
        let url = format!("{}{separator}{path}", self.base);
        let outgoing = Outgoing { method: method.to_owned(), url, ..self.common.clone() };
        let session = self.kept.then(|| Outgoing { url: self.base.clone(), ..self.common.clone() });
        Request { task: self.task, outgoing, broken: None, session }
    }
}

impl Login {
    /// Logs in by sending `body` as JSON to `path`; a [`SecretRef`] in it becomes the secret's value. The token is in the
    /// header `x-auth-token` of the answer, and is sent as that, unless said otherwise.
    #[must_use]
    pub fn post<T: Serialize>(path: &str, body: &T) -> Self {
        Self {
            path: path.to_owned(),
            // What has no JSON form logs nobody in, which the device says.
            body: serde_json::to_value(body).unwrap_or_default(),
            token: serde_json::json!({"header": "x-auth-token"}),
            header: "X-Auth-Token".to_owned(),
            prefix: String::new(),
        }
    }

    /// The token is in this header of the answer.
    #[must_use]
    pub fn token_in_header(mut self, name: &str) -> Self {
        self.token = serde_json::json!({"header": name});
        self
    }

    /// The token is in the JSON body of the answer, at this JSON pointer, as `/token`.
    #[must_use]
    pub fn token_in_json(mut self, pointer: &str) -> Self {
        self.token = serde_json::json!({"json": pointer});
        self
    }

    /// The token is this cookie of the answer, and is sent as that.
    #[must_use]
    pub fn token_in_cookie(mut self, name: &str) -> Self {
        self.token = serde_json::json!({"cookie": name});
        self.sent_as("Cookie", &format!("{name}="))
    }

    /// The token is sent in this header, after `prefix`, as `Bearer `.
    #[must_use]
    pub fn sent_as(mut self, header: &str, prefix: &str) -> Self {
        header.clone_into(&mut self.header);
        prefix.clone_into(&mut self.prefix);
        self
    }
}

impl Request<'_> {
    /// A JSON body. A [`SecretRef`] anywhere in it becomes the secret's value.
    pub fn json<T: Serialize>(mut self, body: &T) -> Self {
        match serde_json::to_value(body) {
            Ok(value) => self.outgoing.json = Some(value),
            Err(error) => {
                let text = format!("the body of {} has no JSON form", self.what());
                self.broken = Some(DriverError::new(ErrorKind::BadPayload, text).caused_by(&error));
            }
        }
        self
    }

    /// A field of a body as a form sends it; repeat for each.
    pub fn field(mut self, name: &str, value: &str) -> Self {
        self.outgoing.form.get_or_insert_default().insert(name.to_owned(), Value::from(value));
        self
    }

    /// A field whose value is a secret.
    pub fn field_secret(mut self, name: &str, secret: &SecretRef) -> Self {
        self.outgoing.form.get_or_insert_default().insert(name.to_owned(), reference(secret));
        self
    }

    /// A body that is neither JSON nor a form.
    pub fn text(mut self, body: impl Into<String>) -> Self {
        self.outgoing.text = Some(body.into());
        self
    }

    /// A member of the query.
    pub fn query(mut self, name: &str, value: &str) -> Self {
        self.outgoing.query.insert(name.to_owned(), Value::from(value));
        self
    }

    /// A member of the query whose value is a secret: some devices have no better way.
    pub fn query_secret(mut self, name: &str, secret: &SecretRef) -> Self {
        self.outgoing.query.insert(name.to_owned(), reference(secret));
        self
    }

    /// A header of this request.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.outgoing.headers.insert(name.to_owned(), Value::from(value));
        self
    }

    fn what(&self) -> String {
        let url = self.outgoing.url.split(['?', '#']).next().unwrap_or_default();
        format!("`{} {url}`", self.outgoing.method)
    }

    /// Sends it and reads the answer, whatever its status. Redirects are not followed.
    ///
    /// # Errors
    ///
    /// - [`Unreachable`](ErrorKind::Unreachable): no connection, no answer in time, or half of one.
    /// - [`Protocol`](ErrorKind::Protocol): an answer that is too long.
    /// - [`MissingParameter`](ErrorKind::MissingParameter): a secret that the node does not have.
    /// - [`InvalidParameter`](ErrorKind::InvalidParameter): an address that is none, or holds a user.
    /// - [`Unsupported`](ErrorKind::Unsupported): the host is older than this service.
    /// - [`TaskClosed`](ErrorKind::TaskClosed): the call has ended.
    pub async fn send(mut self) -> Result<Response> {
        let what = self.what();
        if let Some(error) = self.broken {
            return Err(error);
        }
        if let Some(common) = &self.session {
            self.outgoing.session = match self.task.call("http.session", common).await {
                Ok(reply) => Some(decode::<Opened>(&reply)?.session),
                Err(error) if error.kind() == ErrorKind::Unsupported => None,
                Err(error) => return Err(error),
            };
        }
        let reply = self.task.call("http.request", &self.outgoing).await?;
        let Incoming { status, headers, text, hex } = decode(&reply)?;
        let body = match (text, hex) {
            (Some(text), _) => text.into_bytes(),
            (None, Some(hex)) => bytes(&hex)
                .ok_or_else(|| DriverError::new(ErrorKind::BadPayload, "the host's answer is not one"))?,
            (None, None) => Vec::new(),
        };
        Ok(Response { what, status, headers, body })
    }
}

impl Response {
    /// The HTTP status.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.status
    }

    /// A header, by its name in lower case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }

    /// The body.
    #[must_use]
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// The body as text.
    ///
    /// # Errors
    ///
    /// [`Protocol`](ErrorKind::Protocol): it is not UTF-8.
    pub fn text(&self) -> Result<&str> {
        std::str::from_utf8(&self.body).map_err(|error| self.unexpected().caused_by(&error))
    }

    /// The body as JSON.
    ///
    /// # Errors
    ///
    /// [`Protocol`](ErrorKind::Protocol): it is not JSON, or of another shape.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T> {
        serde_json::from_slice(&self.body).map_err(|error| self.unexpected().caused_by(&error))
    }

    fn unexpected(&self) -> DriverError {
        DriverError::protocol(format!("unexpected answer to {}", self.what))
    }

    /// The answer, if its status means success; otherwise the error that fits.
    ///
    /// # Errors
    ///
    /// - [`AuthFailed`](ErrorKind::AuthFailed): 401 and 403.
    /// - [`Busy`](ErrorKind::Busy): 408, 423, 425, 429 and 503; worth another try.
    /// - [`Conflict`](ErrorKind::Conflict): 409 and 412.
    /// - [`Protocol`](ErrorKind::Protocol): below 200, and redirects.
    /// - [`Hardware`](ErrorKind::Hardware): all others.
    pub fn checked(self) -> Result<Self> {
        let kind = match self.status {
            200..=299 => return Ok(self),
            401 | 403 => ErrorKind::AuthFailed,
            408 | 423 | 425 | 429 | 503 => ErrorKind::Busy,
            409 | 412 => ErrorKind::Conflict,
            0..=399 => ErrorKind::Protocol,
            _ => ErrorKind::Hardware,
        };
        let text = format!("{} was answered with status {}", self.what, self.status);
        let mut error = DriverError::new(kind, text).with_details(serde_json::json!({"status": self.status}));
        error = error.retryable(kind.is_retryable());
        Err(error)
    }
}

/// What stands for a secret in a request.
fn reference(secret: &SecretRef) -> Value {
    serde_json::to_value(secret).unwrap_or_default()
}

/// The bytes of two digits each.
fn bytes(hex: &str) -> Option<Vec<u8>> {
    let digits: Vec<u32> = hex.chars().map(|digit| digit.to_digit(16)).collect::<Option<_>>()?;
    let pairs = digits.chunks(2).map(|pair| match pair {
        [high, low] => u8::try_from(high * 16 + low).ok(),
        _ => None,
    });
    pairs.collect()
}

#[cfg(test)]
mod tests;
