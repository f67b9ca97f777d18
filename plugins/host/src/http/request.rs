//! What a driver asks, and what it gets.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use farrier_sdk::error::{DriverError, ErrorKind};
use farrier_sdk::secret::Secret;
use reqwest::header::{HeaderName, HeaderValue};
use reqwest::{Client, Method, Url};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::secrets::{Wanted, collect};
use super::session::cookie;

/// One request, with references in the place of secrets.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, Serialize)]
#[serde(default)]
pub(crate) struct Request {
    /// `GET` and the like.
    pub(crate) method: String,
    /// `http://` or `https://`, without a user; of a session also what follows its base.
    pub(crate) url: String,
    /// The session it belongs to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) session: Option<String>,
    /// More of the query, encoded by us.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) query: BTreeMap<String, Value>,
    /// Headers; a value is a text or a reference.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) headers: BTreeMap<String, Value>,
    /// How to log in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) auth: Option<Auth>,
    /// How to get a token to log in with, when that takes a request of its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) login: Option<Box<Login>>,
    /// A JSON body; references may stand anywhere in it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) json: Option<Value>,
    /// A body of fields, as a form sends it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) form: Option<BTreeMap<String, Value>>,
    /// Any other body.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) text: Option<String>,
    /// How long it may take; never longer than its call.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) timeout_ms: Option<u64>,
    /// Whose certificates are believed.
    #[serde(skip_serializing_if = "VerifyCa::is_default")]
    pub(crate) verify_ca: VerifyCa,
}

/// How a request logs in.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
pub(crate) struct Auth {
    /// `basic` or `bearer`.
    #[serde(default)]
    pub(crate) scheme: Scheme,
    /// For `basic`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(crate) user: String,
    /// The key of the secret in `driver_info`.
    pub(crate) secret: String,
}

/// A request that is answered with a token, and how the token is sent from then on.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
pub(crate) struct Login {
    /// What logs in.
    pub(crate) request: Request,
    /// Where the token is in the answer.
    pub(crate) token: TokenPlace,
    /// The header that carries it.
    pub(crate) header: String,
    /// What stands before it there, as `Bearer `.
    #[serde(default)]
    pub(crate) prefix: String,
}

/// Where a token is in an answer.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum TokenPlace {
    /// In a header.
    Header(String),
    /// In a JSON body, by JSON pointer.
    Json(String),
    /// In a cookie, by name.
    Cookie(String),
}

impl Login {
    /// The token in an answer.
    ///
    /// # Errors
    ///
    /// `AuthFailed`: the login was refused; `Busy`, `Conflict`, `Hardware`: as the status says; `Protocol`: an answer
    /// without a token.
    pub(crate) fn token(&self, answer: &Answer) -> Result<Secret<String>, DriverError> {
        let (method, url) = (&self.request.method, self.request.shown());
        let said = format!("`{method} {url}` was answered with status {}", answer.status);
        // As the SDK takes the answers of other requests.
        match answer.status {
            200..=299 => {}
            401 | 403 => return Err(DriverError::auth_failed(said)),
            408 | 423 | 425 | 429 | 503 => {
                return Err(DriverError::new(ErrorKind::Busy, said).retryable(true));
            }
            409 | 412 => return Err(DriverError::new(ErrorKind::Conflict, said)),
            0..=399 => return Err(DriverError::protocol(said)),
            _ => return Err(DriverError::hardware(said)),
        }
        let found = match &self.token {
            TokenPlace::Header(name) => answer.headers.get(&name.to_ascii_lowercase()).cloned(),
            TokenPlace::Json(pointer) => {
                let body = answer.text.as_deref().unwrap_or_default();
                let body: Value = serde_json::from_str(body).unwrap_or_default();
                body.pointer(pointer).and_then(Value::as_str).map(str::to_owned)
            }
            TokenPlace::Cookie(name) => cookie(answer, name),
        };
        found.map(Secret::new).ok_or_else(|| DriverError::protocol(said + " and no token"))
    }
}

/// The two ways to log in that need nothing but a secret.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Scheme {
    /// User and password.
    #[default]
    Basic,
    /// A token.
    Bearer,
}

/// Whose certificates are believed.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Deserialize, Serialize)]
#[serde(untagged)]
pub(crate) enum VerifyCa {
    /// The system's roots, or anybody's.
    Switch(bool),
    /// Those in a PEM file.
    File(String),
}

impl Default for VerifyCa {
    fn default() -> Self {
        Self::Switch(true)
    }
}

impl VerifyCa {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// What a device answered.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize)]
pub(crate) struct Answer {
    /// HTTP status.
    pub(crate) status: u16,
    /// Headers, names in lower case.
    #[serde(default)]
    pub(crate) headers: BTreeMap<String, String>,
    /// The body if it is UTF-8.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) text: Option<String>,
    /// The body otherwise, two digits a byte.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) hex: Option<String>,
    /// Cookies it sets, each as it came.
    #[serde(skip)]
    pub(crate) cookies: Vec<String>,
}

impl Request {
    /// The request with what those of its session have in common, as far as it does not say otherwise.
    ///
    /// # Errors
    ///
    /// `InvalidParameter`: an address that is not the session's.
    pub(crate) fn within(mut self, common: &Self) -> Result<Self, DriverError> {
        let base = common.url.trim_end_matches('/');
        if self.url.is_empty() || self.url.starts_with(['/', '?']) {
            self.url = format!("{base}{}", self.url);
        }
        let rest = self.url.strip_prefix(base);
        if !rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '?', '#'])) {
            let text = format!("`{}` does not belong to the session of `{}`", self.shown(), common.shown());
            return Err(DriverError::invalid_parameter(text));
        }
        for (name, value) in &common.headers {
            self.headers.entry(name.clone()).or_insert_with(|| value.clone());
        }
        self.auth = self.auth.or_else(|| common.auth.clone());
        self.login = self.login.or_else(|| common.login.clone());
        self.timeout_ms = self.timeout_ms.or(common.timeout_ms);
        if self.verify_ca.is_default() {
            self.verify_ca = common.verify_ca.clone();
        }
        Ok(self)
    }

    /// Whether it may be sent at all.
    ///
    /// # Errors
    ///
    /// `InvalidParameter`: another scheme than HTTP, a user in the address, two bodies. The address is named without
    /// what a secret could be in.
    pub(crate) fn check(&self) -> Result<(), DriverError> {
        let invalid = |text: String| Err(DriverError::invalid_parameter(text));
        let url = match Url::parse(&self.url) {
            Ok(url) => url,
            Err(error) => return invalid(format!("an address for HTTP is not one: {error}")),
        };
        if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
            return invalid(format!("`{}` is not an address of `http` or `https`", self.shown()));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return invalid(format!("`{}`: a user does not belong into an address", self.shown()));
        }
        let bodies = [self.json.is_some(), self.form.is_some(), self.text.is_some()];
        if let Some(login) = &self.login {
            if login.request.login.is_some() {
                return invalid(format!("`{}`: a login does not log in itself", self.shown()));
            }
            login.request.check()?;
        }
        if bodies.into_iter().filter(|there| *there).count() > 1 {
            return invalid(format!("`{}`: a request has one body", self.shown()));
        }
        Ok(())
    }

    /// The address for logs and errors: without user, query and fragment.
    pub(crate) fn shown(&self) -> String {
        let Ok(mut url) = Url::parse(&self.url) else { return "(no address)".to_owned() };
        url.set_query(None);
        url.set_fragment(None);
        // Fail for addresses that have no user anyway.
        url.set_username("").unwrap_or_default();
        url.set_password(None).unwrap_or_default();
        url.to_string()
    }

    /// What of the address a cassette knows: not whose machine it was.
    pub(crate) fn path_and_query(&self) -> String {
        let Ok(url) = Url::parse(&self.url) else { return String::new() };
        match url.query() {
            Some(query) => format!("{}?{query}", url.path()),
            None => url.path().to_owned(),
        }
    }

    /// Where it goes: the host in lower case.
    pub(crate) fn host_and_port(&self) -> Option<(String, u16)> {
        let url = Url::parse(&self.url).ok()?;
        let host = url.host_str()?.trim_start_matches('[').trim_end_matches(']').to_owned();
        Some((host, url.port_or_known_default()?))
    }

    pub(crate) fn timeout(&self) -> Option<Duration> {
        self.timeout_ms.map(Duration::from_millis)
    }

    /// The keys of all secrets it names.
    pub(crate) fn secrets(&self) -> BTreeSet<String> {
        let mut keys = BTreeSet::new();
        keys.extend(self.auth.iter().map(|auth| auth.secret.clone()));
        keys.extend(self.login.iter().flat_map(|login| login.request.secrets()));
        let form = self.form.iter().flat_map(BTreeMap::values);
        for value in self.query.values().chain(self.headers.values()).chain(form).chain(&self.json) {
            collect(value, &mut keys);
        }
        keys
    }

    /// The request with its secrets, ready to be sent.
    ///
    /// # Errors
    ///
    /// `InvalidParameter`: a method, header or value that HTTP cannot carry.
    pub(crate) fn build(&self, client: &Client, wanted: &Wanted) -> Result<reqwest::Request, DriverError> {
        let method = Method::from_bytes(self.method.as_bytes())
            .map_err(|_| DriverError::invalid_parameter("a method for HTTP is not one"))?;
        let mut url = Url::parse(&self.url).map_err(|error| {
            DriverError::invalid_parameter("an address for HTTP is not one").caused_by(&error)
        })?;
        for (name, value) in &self.query {
            url.query_pairs_mut().append_pair(name, &wanted.text(value)?);
        }
        let mut request = client.request(method, url);
        for (name, value) in &self.headers {
            let wrong = || DriverError::invalid_parameter(format!("header `{name}` cannot be sent"));
            let header = HeaderName::from_bytes(name.as_bytes()).map_err(|_| wrong())?;
            let mut value = HeaderValue::from_str(&wanted.text(value)?).map_err(|_| wrong())?;
            value.set_sensitive(true);
            request = request.header(header, value);
        }
        if let Some(auth) = &self.auth {
            let secret = wanted.value(&auth.secret)?;
            request = match auth.scheme {
                Scheme::Basic => request.basic_auth(&auth.user, Some(secret)),
                Scheme::Bearer => request.bearer_auth(secret),
            };
        }
        if let Some(json) = &self.json {
            request = request.json(&wanted.filled(json)?);
        }
        if let Some(form) = &self.form {
            let mut fields =
                Url::parse("http://form").map_err(|error| DriverError::internal(error.to_string()))?;
            for (name, value) in form {
                fields.query_pairs_mut().append_pair(name, &wanted.text(value)?);
            }
            request = request
                .header("content-type", "application/x-www-form-urlencoded")
                .body(fields.query().unwrap_or_default().to_owned());
        }
        if let Some(text) = &self.text {
            request = request.body(text.clone());
        }
        // The texts of these errors can quote what does not fit.
        request.build().map_err(|_| DriverError::invalid_parameter("a request cannot be sent by HTTP"))
    }
}

impl Answer {
    /// About how much memory it takes, in bytes.
    pub(crate) fn size(&self) -> usize {
        let headers: usize = self.headers.iter().map(|(name, value)| name.len() + value.len()).sum();
        headers + self.text.as_ref().map_or(0, String::len) + self.hex.as_ref().map_or(0, String::len)
    }

    /// The answer with all its texts changed.
    pub(crate) fn map_text(mut self, change: impl Fn(&str) -> String) -> Self {
        for value in self.headers.values_mut() {
            *value = change(value);
        }
        self.text = self.text.map(|text| change(&text));
        self
    }
}
