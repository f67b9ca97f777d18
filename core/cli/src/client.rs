//! The REST API as this program calls it.
//!
//! Every request names the newest version this program knows; a server that is older says so, and from then on its
//! newest version is named. A request that meets a busy node is sent again a few times.

use std::cell::Cell;
use std::time::Duration;

use farrier_api::error::{ERROR_NAME_HEADER, ErrorBody, ErrorName, reason};
use farrier_api::version::{
    MAX, MAX_VERSION_HEADER, MIN_VERSION_HEADER, Microversion, REQUEST_ID_HEADERS, VERSION_HEADER,
};
use reqwest::header::HeaderMap;
use reqwest::{Method, Url};
use serde_json::Value;

use crate::error::ClientError;
use crate::output::Progress;

/// How long the connection may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// How long an answer may take: longer than a server waits for a BMC.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(150);

/// The pause before a request is sent again; with the usual five retries that is ten seconds, as other clients wait.
///
/// One program with one request needs no jitter.
const RETRY_PAUSE: Duration = Duration::from_secs(2);

/// The most pages of one list.
const PAGES_MAX: usize = 10_000;

/// A connection to one server.
#[derive(Debug)]
pub(crate) struct Client {
    http: reqwest::Client,
    base: Url,
    retries: u32,
    version: Cell<Microversion>,
    progress: Progress,
    credentials: Option<Credentials>,
}

/// Who asks, where the server wants to know.
#[derive(Clone)]
pub(crate) struct Credentials {
    /// The user.
    pub(crate) user: String,
    /// The user's password.
    pub(crate) password: String,
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credentials").field("user", &self.user).finish_non_exhaustive()
    }
}

impl Credentials {
    /// What the environment says: `FARRIER_USERNAME` and `FARRIER_PASSWORD`, else what other clients of this API read.
    pub(crate) fn from_environment() -> Option<Self> {
        let set = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        if let Some(user) = set("FARRIER_USERNAME") {
            return Some(Self { user, password: set("FARRIER_PASSWORD").unwrap_or_default() });
        }
        let basic = set("OS_AUTH_TYPE").is_some_and(|kind| kind == "http_basic");
        let user = set("OS_USERNAME").filter(|_| basic)?;
        Some(Self { user, password: set("OS_PASSWORD").unwrap_or_default() })
    }
}

/// What a server says of itself.
#[derive(Debug)]
pub(crate) struct ServerVersions {
    /// The oldest version it offers.
    pub(crate) min: Option<String>,
    /// The newest version it offers.
    pub(crate) max: Option<String>,
}

/// An answer that is no error.
struct Answer {
    headers: HeaderMap,
    body: Value,
}

impl Client {
    /// A client for the server at `url`, which sends a request again at most `retries` times.
    pub(crate) fn new(
        url: &str,
        retries: u32,
        progress: Progress,
        credentials: Option<Credentials>,
    ) -> Result<Self, ClientError> {
        let base = base(url)?;
        // Fails when one is there already, which only an earlier client can have put there.
        rustls::crypto::ring::default_provider().install_default().ok();
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!("farrier/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(ANSWER_TIMEOUT);
        if base.scheme() == "http" {
            // Without this the system's certificates are read, and missing ones are an error.
            builder = builder.tls_certs_only([]);
        }
        let http = builder.build().map_err(|error| ClientError::Start { source: error.into() })?;
        Ok(Self { http, base, retries, version: Cell::new(MAX), progress, credentials })
    }

    /// Reads what is at `path` below `/v1`.
    pub(crate) async fn get(&self, path: &str) -> Result<Value, ClientError> {
        Ok(self.request(Method::GET, path, None).await?.body)
    }

    /// Creates something in the collection at `path`.
    pub(crate) async fn post(&self, path: &str, body: &Value) -> Result<Value, ClientError> {
        Ok(self.request(Method::POST, path, Some(body)).await?.body)
    }

    /// Changes what is at `path` by a JSON patch.
    pub(crate) async fn patch(&self, path: &str, body: &Value) -> Result<Value, ClientError> {
        Ok(self.request(Method::PATCH, path, Some(body)).await?.body)
    }

    /// Sets what is at `path`.
    pub(crate) async fn put(&self, path: &str, body: &Value) -> Result<(), ClientError> {
        self.request(Method::PUT, path, Some(body)).await.map(|_| ())
    }

    /// Deletes what is at `path`.
    pub(crate) async fn delete(&self, path: &str) -> Result<(), ClientError> {
        self.request(Method::DELETE, path, None).await.map(|_| ())
    }

    /// Reads a list, page after page until there are `limit` items.
    pub(crate) async fn list(
        &self,
        collection: &str,
        path: &str,
        limit: Option<usize>,
    ) -> Result<Vec<Value>, ClientError> {
        let mut items = Vec::new();
        let mut path = path.to_owned();
        for _ in 0..PAGES_MAX {
            let mut page = self.get(&path).await?;
            if let Some(Value::Array(found)) = page.get_mut(collection).map(Value::take) {
                items.extend(found);
            }
            if limit.is_some_and(|limit| limit <= items.len()) {
                break;
            }
            // The server names itself as it knows itself; we keep the address that has worked.
            match page.get("next").and_then(Value::as_str).and_then(|next| next.split_once("/v1/")) {
                Some((_, next)) => path = next.to_owned(),
                None => break,
            }
        }
        items.truncate(limit.unwrap_or(usize::MAX));
        Ok(items)
    }

    /// Asks the server which versions it offers.
    pub(crate) async fn versions(&self) -> Result<ServerVersions, ClientError> {
        let answer = self.request(Method::GET, "", None).await?;
        Ok(ServerVersions {
            min: text(&answer.headers, MIN_VERSION_HEADER),
            max: text(&answer.headers, MAX_VERSION_HEADER),
        })
    }

    /// The address of the server, without credentials.
    pub(crate) fn url(&self) -> String {
        let mut url = self.base.clone();
        // Both are refused for addresses without a host, which a base is not.
        url.set_username("").ok();
        url.set_password(None).ok();
        url.as_str().trim_end_matches('/').to_owned()
    }

    /// Sends a request, again when the node is busy.
    async fn request(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Answer, ClientError> {
        let mut left = self.retries;
        loop {
            match self.request_in_version(method.clone(), path, body).await {
                Err(error) if error.is_transient() && 0 < left => {
                    self.progress.show(&format!("{error}; trying again, {left} times at most"));
                    tokio::time::sleep(RETRY_PAUSE).await;
                    left -= 1;
                }
                result => {
                    self.progress.clear();
                    return result;
                }
            }
        }
    }

    /// Sends a request, again in the server's newest version when that is older than ours.
    async fn request_in_version(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Answer, ClientError> {
        let asked = self.version.get();
        let (result, newest) = self.send(method.clone(), path, body).await?;
        match (result, newest) {
            (Err(ClientError::Refused { status: 406, .. }), Some(newest)) if newest < asked => {
                self.version.set(newest);
                self.send(method, path, body).await?.0
            }
            (result, _) => result,
        }
    }

    /// Sends a request once; also tells the server's newest version, if the answer does.
    async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<(Result<Answer, ClientError>, Option<Microversion>), ClientError> {
        let address = format!("{}v1/{path}", self.base);
        let mut request = self
            .http
            .request(method, address)
            .header("Accept", "application/json")
            .header(VERSION_HEADER, self.version.get().to_string());
        // What stands in the address was given for this one server.
        if let Some(Credentials { user, password }) =
            self.credentials.as_ref().filter(|_| self.base.username().is_empty())
        {
            request = request.basic_auth(user, Some(password));
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        let answer = request.send().await.map_err(|error| self.failed(error))?;
        let (status, headers) = (answer.status(), answer.headers().clone());
        let body = answer.text().await.map_err(|error| self.failed(error))?;
        let newest = text(&headers, MAX_VERSION_HEADER).and_then(|text| Microversion::parse(&text));
        let foreign = || ClientError::Foreign { url: self.url(), status: status.as_u16() };
        if status.is_success() {
            let body = match body.trim() {
                "" => Ok(Value::Null),
                body => serde_json::from_str(body).map_err(|_| foreign()),
            };
            return Ok((body.map(|body| Answer { headers, body }), newest));
        }
        Ok((Err(self.refused(status.as_u16(), &headers, &body).unwrap_or_else(foreign)), newest))
    }

    /// The error of a request that got no answer.
    fn failed(&self, error: reqwest::Error) -> ClientError {
        let url = self.url();
        if error.is_connect() {
            ClientError::Unreachable { url, source: error.into() }
        } else if error.is_timeout() {
            ClientError::TimedOut { url, limit: ANSWER_TIMEOUT }
        } else {
            ClientError::NoAnswer { url, source: error.into() }
        }
    }

    /// The error in an answer; `None` when the answer is none of this API.
    fn refused(&self, status: u16, headers: &HeaderMap, body: &str) -> Option<ClientError> {
        let message = match ErrorBody::parse(body) {
            Some(body) => body.message().to_owned(),
            // Answers without a body, but with the headers of the API.
            None if headers.contains_key(MAX_VERSION_HEADER) => reason(status).to_owned(),
            None => return None,
        };
        Some(ClientError::Refused {
            status,
            message,
            name: text(headers, ERROR_NAME_HEADER).and_then(|name| ErrorName::parse(&name)),
            request_id: REQUEST_ID_HEADERS.iter().find_map(|name| text(headers, name)),
        })
    }
}

/// Reads the address of a server; a `/v1` at its end is ours to add.
fn base(url: &str) -> Result<Url, ClientError> {
    let wrong = || ClientError::Address { url: url.to_owned() };
    let trimmed = url.trim().trim_end_matches('/');
    let trimmed = trimmed.strip_suffix("/v1").unwrap_or(trimmed);
    let base = Url::parse(&format!("{trimmed}/")).map_err(|_| wrong())?;
    if matches!(base.scheme(), "http" | "https") && base.has_host() { Ok(base) } else { Err(wrong()) }
}

/// A header as text.
fn text(headers: &HeaderMap, name: &str) -> Option<String> {
    headers.get(name)?.to_str().ok().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_end_in_one_slash_and_have_no_version() {
        for url in ["http://h:6385", "http://h:6385/", " http://h:6385/v1 ", "http://h:6385/v1/"] {
            assert_eq!(base(url).unwrap().as_str(), "http://h:6385/", "{url}");
        }
        assert_eq!(base("https://h/baremetal").unwrap().as_str(), "https://h/baremetal/");
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for url in ["", "h:6385", "ftp://h", "http://", "not an address"] {
            assert!(base(url).is_err(), "{url}");
        }
    }

    #[test]
    fn the_address_is_told_without_credentials() {
        let client = Client::new("http://u:hunter2@h:1/", 0, Progress::silent(), None).unwrap();

        assert_eq!(client.url(), "http://h:1");
        assert!(!ClientError::Address { url: String::new() }.is_transient());
    }
}
