//! What one call of the conductor asks of a BMC.

use std::collections::HashMap;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use reqwest::header::{ALLOW, ETAG, HeaderValue};
use reqwest::{Method, StatusCode};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::time::{Instant, sleep};

use super::Scope;
use super::address::canonical;
use super::error::{Asked, Failure, RedfishError, Result};
use super::etag::{Next, Tagging};
use super::message::Severity;
use super::pool::Lease;
use super::push::Push;
use super::transport::{Answer, Outgoing};
use crate::resource::raw::Raw;
use crate::resource::root::Root;
use crate::resource::system::System;
use crate::resource::{self, text};

/// Longest registry read, in bytes; some BMCs describe thousands of settings in several languages.
const REGISTRY_SIZE_MAX: usize = 32 * 1024 * 1024;

/// One call of the conductor on one BMC: a limit in time, and what was read so far.
///
/// Dropping it stops it wherever it waits.
#[derive(Debug)]
pub struct Operation {
    lease: Lease,
    scope: Scope,
    /// When the conductor ends the call, whatever limit a part of it has.
    call_ends: Option<Instant>,
    /// This operation does without a session, because the BMC has none to spare.
    basic_only: Arc<AtomicBool>,
    /// Tags of what was read, by path.
    tags: Mutex<HashMap<String, Option<String>>>,
    /// The System as it was read last, with its path: what is not in its type is not asked for again.
    seen: Mutex<Option<(String, Vec<u8>)>>,
}

impl Operation {
    pub(super) fn new(
        lease: Lease,
        operation: &'static str,
        limit: Duration,
        call_ends: Option<Instant>,
    ) -> Self {
        let now = Instant::now();
        let deadline = call_ends.map_or(now + limit, |end| end.min(now + limit));
        let limit = deadline.saturating_duration_since(now);
        let scope = Scope { operation, deadline, limit };
        let (basic_only, tags, seen) = (Arc::default(), Mutex::default(), Mutex::default());
        Self { lease, scope, call_ends, basic_only, tags, seen }
    }

    /// The same operation with a limit of its own from now on, for one of its parts.
    #[must_use]
    pub fn part(&self, limit: Duration) -> Self {
        let part = Self::new(self.lease.clone(), self.scope.operation, limit, self.call_ends);
        // A BMC without a free session is not asked for one by each part.
        Self { basic_only: Arc::clone(&self.basic_only), ..part }
    }

    /// What the conductor wants.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.scope.operation
    }

    /// What is left of its time.
    #[must_use]
    pub fn time_left(&self) -> Duration {
        self.scope.deadline.saturating_duration_since(Instant::now())
    }

    /// How long one request may take that is answered at all.
    #[must_use]
    pub fn request_time(&self) -> Duration {
        let patience = self.lease.tuning.patience;
        patience.connect + patience.read
    }

    /// First pause between two looks at something that changes.
    #[must_use]
    pub fn poll_interval(&self) -> Duration {
        self.lease.tuning.poll_interval
    }

    /// Waits, at most until the end of the operation.
    pub async fn pause(&self, pause: Duration) {
        sleep(pause.min(self.time_left())).await;
    }

    /// Reads a resource, or the part of it that a path with a fragment names.
    ///
    /// # Errors
    ///
    /// [`Failure::Status`] and its kin for an answer other than 2xx, [`Failure::Unexpected`] for a body that is
    /// no JSON object, and those of the connection.
    pub async fn read<T: DeserializeOwned>(&self, path: &str) -> Result<T> {
        let answer = self.fetch(path).await?;
        if !answer.status.is_success() {
            return Err(self.refused(Method::GET, path, &answer));
        }
        let read = match path.split_once('#') {
            Some((_, part)) => resource::read_part(&answer.body, part),
            None => resource::read(&answer.body),
        };
        read.map_err(|reason| self.unexpected(Method::GET, path, reason))
    }

    /// Reads a System, and keeps it for [`seen`](Self::seen).
    pub(crate) async fn read_system(&self, path: &str) -> Result<System> {
        let answer = self.fetch(path).await?;
        if !answer.status.is_success() {
            return Err(self.refused(Method::GET, path, &answer));
        }
        let read = resource::read(&answer.body);
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = Some((path.to_owned(), answer.body));
        read.map_err(|reason| self.unexpected(Method::GET, path, reason))
    }

    /// All of a System: as this operation has read it, else read now.
    pub(crate) async fn seen(&self, path: &str) -> Result<Raw> {
        let seen = {
            let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
            seen.as_ref().filter(|(known, _)| known == path).and_then(|(_, body)| resource::read(body).ok())
        };
        match seen {
            Some(seen) => Ok(seen),
            None => self.read(path).await,
        }
    }

    /// Reads a registry, which may be larger than anything else; `None` when it is missing.
    ///
    /// # Errors
    ///
    /// As [`read_optional`](Self::read_optional).
    pub async fn read_registry<T: DeserializeOwned>(&self, path: &str) -> Result<Option<T>> {
        let outgoing =
            Outgoing { body_size_max: REGISTRY_SIZE_MAX, ..Outgoing::new(Method::GET, path.to_owned()) };
        let answer = self.send(outgoing).await?;
        if matches!(answer.status, StatusCode::NOT_FOUND | StatusCode::GONE) {
            return Ok(None);
        }
        if !answer.status.is_success() {
            return Err(self.refused(Method::GET, path, &answer));
        }
        let read = resource::read(&answer.body);
        read.map(Some).map_err(|reason| self.unexpected(Method::GET, path, reason))
    }

    /// Reads a resource that may be missing.
    ///
    /// # Errors
    ///
    /// As [`read`](Self::read), without those of a resource that is not there.
    pub async fn read_optional<T: DeserializeOwned>(&self, path: &str) -> Result<Option<T>> {
        match self.read(path).await {
            Ok(resource) => Ok(Some(resource)),
            Err(error) if error.is_missing() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Reads a resource together with the methods it says it takes; `None` when it does not say.
    ///
    /// # Errors
    ///
    /// As [`read`](Self::read).
    pub async fn read_with_methods<T: DeserializeOwned>(
        &self,
        path: &str,
    ) -> Result<(T, Option<Vec<String>>)> {
        let answer = self.fetch(path).await?;
        if !answer.status.is_success() {
            return Err(self.refused(Method::GET, path, &answer));
        }
        let allow = answer.headers.get(ALLOW).and_then(|value| value.to_str().ok());
        let methods =
            |allow: &str| allow.split(',').map(|method| method.trim().to_ascii_uppercase()).collect();
        let read = resource::read(&answer.body);
        let read = read.map_err(|reason| self.unexpected(Method::GET, path, reason))?;
        Ok((read, allow.filter(|allow| !allow.trim().is_empty()).map(methods)))
    }

    /// The root of the service, read once in a client's life.
    ///
    /// # Errors
    ///
    /// As [`read`](Self::read).
    pub async fn root(&self) -> Result<Arc<Root>> {
        // A login reads the root too.
        self.lease.client().authorize(&self.scope, &self.basic_only).await?;
        if let Some(root) = self.lease.known_root() {
            return Ok(root);
        }
        let root = self.read(self.lease.account.address.prefix()).await?;
        Ok(self.lease.remember_root(root))
    }

    /// Asks for an action and waits for the work that goes on after the answer.
    ///
    /// Never sends it again when it may have arrived, as [`act`](Self::act).
    ///
    /// # Errors
    ///
    /// As [`patch`](Self::patch).
    pub async fn carry_out(&self, target: &str, body: &Value) -> Result<()> {
        let answer = self.act(target, body).await?;
        self.settle(Method::POST, target, &answer).await
    }

    /// Changes properties of a resource; waits until it is done.
    ///
    /// # Errors
    ///
    /// As [`read`](Self::read); [`Failure::Failed`] when the BMC accepted it and then failed.
    pub async fn patch(&self, path: &str, body: &Value) -> Result<()> {
        let answer = self.tagged(Method::PATCH, path, Some(body)).await?;
        self.settle(Method::PATCH, path, &answer).await
    }

    /// Changes properties of a resource; what the BMC shows of it afterwards, if its answer does.
    ///
    /// # Errors
    ///
    /// As [`patch`](Self::patch).
    pub async fn patch_shown<T: DeserializeOwned>(&self, path: &str, body: &Value) -> Result<Option<T>> {
        let answer = self.tagged(Method::PATCH, path, Some(body)).await?;
        self.settle(Method::PATCH, path, &answer).await?;
        Ok(if answer.status == StatusCode::OK { resource::read(&answer.body).ok() } else { None })
    }

    /// Changes properties of a resource that keeps settings for later, whose tag may stand at its owner.
    ///
    /// # Errors
    ///
    /// As [`patch`](Self::patch).
    pub async fn patch_settings(&self, path: &str, body: &Value, owners_tag: Option<&str>) -> Result<()> {
        if self.noted_tag(path).is_none() {
            self.fetch_tag(path).await?;
        }
        if self.noted_tag(path).flatten().is_none() {
            self.note_tag(path, owners_tag.map(str::to_owned));
        }
        self.patch(path, body).await
    }

    /// Deletes a resource; waits until it is done.
    ///
    /// # Errors
    ///
    /// As [`patch`](Self::patch).
    pub async fn delete(&self, path: &str) -> Result<()> {
        let answer = self.tagged(Method::DELETE, path, None).await?;
        self.settle(Method::DELETE, path, &answer).await
    }

    /// Asks for an action; does not wait for work that goes on after the answer.
    ///
    /// Never sends it again when it may have arrived: see
    /// [`is_outcome_unknown`](RedfishError::is_outcome_unknown).
    ///
    /// # Errors
    ///
    /// As [`read`](Self::read).
    pub async fn act(&self, target: &str, body: &Value) -> Result<Answer> {
        let body = Some(body.to_string().into_bytes());
        let answer = self.send(Outgoing { body, ..Outgoing::new(Method::POST, target.to_owned()) }).await?;
        self.accepted(Method::POST, target, answer)
    }

    /// Pushes a file; does not wait for work that goes on after the answer, and never sends it again as
    /// [`act`](Self::act) does not.
    ///
    /// # Errors
    ///
    /// As [`act`](Self::act); [`Failure::Failed`] when the file cannot be had.
    pub(crate) async fn push(&self, target: &str, push: &Push<'_>) -> Result<Answer> {
        let answer = self.lease.client().push(target, push, &self.scope, &self.basic_only).await?;
        self.accepted(Method::POST, target, answer)
    }

    /// A link the BMC gave, as far as it may be followed.
    #[must_use]
    pub fn link(&self, link: &str) -> Option<String> {
        self.lease.account.address.link(link)
    }

    /// An error of this operation about a request.
    #[must_use]
    pub fn error(&self, method: Method, path: &str, failure: Failure) -> RedfishError {
        RedfishError::new(self.lease.asked(&self.scope, method, path), failure)
    }

    /// Forgets what was learned about the BMC, which has other firmware now.
    pub(crate) fn forget(&self) {
        self.lease.known().forget_all();
    }

    pub(crate) fn lease(&self) -> &Lease {
        &self.lease
    }

    pub(super) async fn send(&self, outgoing: Outgoing) -> Result<Answer> {
        self.lease.client().send(outgoing, self.scope, &self.basic_only).await
    }

    /// GET with any status; notes the tag.
    pub(super) async fn fetch(&self, path: &str) -> Result<Answer> {
        let answer = self.send(Outgoing::new(Method::GET, path.to_owned())).await?;
        if answer.status.is_success() {
            self.note_tag(path, tag_of(&answer));
        } else if matches!(answer.status, StatusCode::NOT_FOUND | StatusCode::GONE) {
            self.lease.known().forget(path);
        }
        Ok(answer)
    }

    pub(super) fn asked(&self, method: Method, path: &str) -> Asked {
        self.lease.asked(&self.scope, method, path)
    }

    pub(super) fn unexpected(&self, method: Method, path: &str, reason: String) -> RedfishError {
        let request = self.asked(method.clone(), path).to_string();
        self.error(method, path, Failure::Unexpected { request, reason })
    }

    fn refused(&self, method: Method, path: &str, answer: &Answer) -> RedfishError {
        self.lease.status_error(self.asked(method, path), answer)
    }

    /// A write's answer, if it is a good one: a good status with a bad message is none.
    fn accepted(&self, method: Method, path: &str, answer: Answer) -> Result<Answer> {
        let bad = |messages: &super::message::Messages| {
            messages.worst().is_some_and(|worst| worst.severity == Severity::Critical)
        };
        if answer.status.is_success() && !bad(&answer.messages()) {
            Ok(answer)
        } else {
            Err(self.refused(method, path, &answer))
        }
    }

    async fn tagged(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Answer> {
        let tag = match self.noted_tag(path) {
            Some(tag) => tag,
            None => self.fetch_tag(path).await?,
        };
        let client = self.lease.client();
        let mut tagging = Tagging::new(tag, client.known().tag_form);
        let body = body.map(|body| body.to_string().into_bytes());
        loop {
            let if_match = tagging.header().and_then(|header| HeaderValue::from_str(&header).ok());
            let base = Outgoing::new(method.clone(), path.to_owned());
            let answer = self.send(Outgoing { body: body.clone(), if_match, ..base }).await?;
            let status = answer.status;
            let done = tagging.judge(status) == Next::Done
                || !tagging.refreshed(status, self.fetch_tag(path).await?);
            if done {
                if status.is_success() && tagging.was_refused() {
                    client.known().tag_form = tagging.form();
                }
                // What was written has another tag now.
                self.forget_tag(path);
                return self.accepted(method, path, answer);
            }
        }
    }

    /// Reads a resource for its tag; one that cannot be read has none.
    async fn fetch_tag(&self, path: &str) -> Result<Option<String>> {
        let answer = self.fetch(path).await?;
        Ok(if answer.status.is_success() { tag_of(&answer) } else { None })
    }

    fn note_tag(&self, path: &str, tag: Option<String>) {
        let mut tags = self.tags.lock().unwrap_or_else(PoisonError::into_inner);
        tags.insert(canonical(path).to_owned(), tag);
    }

    fn noted_tag(&self, path: &str) -> Option<Option<String>> {
        self.tags.lock().unwrap_or_else(PoisonError::into_inner).get(canonical(path)).cloned()
    }

    fn forget_tag(&self, path: &str) {
        self.tags.lock().unwrap_or_else(PoisonError::into_inner).remove(canonical(path));
    }
}

/// The tag of a header, else the one in the body.
fn tag_of(answer: &Answer) -> Option<String> {
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Tagged {
        #[serde(rename = "@odata.etag", deserialize_with = "text")]
        etag: Option<String>,
    }

    let header = answer.headers.get(ETAG).and_then(|tag| tag.to_str().ok()).map(str::trim);
    if let Some(tag) = header.filter(|tag| !tag.is_empty()) {
        return Some(tag.to_owned());
    }
    // Most bodies have none, and are not read a second time for that.
    if str::from_utf8(&answer.body).map_or(true, |body| body.contains(TAG_NAME)) {
        resource::read::<Tagged>(&answer.body).ok()?.etag
    } else {
        None
    }
}

const TAG_NAME: &str = "@odata.etag";
