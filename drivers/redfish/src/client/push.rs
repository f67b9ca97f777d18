//! Pushing a file to a BMC that fetches none itself: it is read from its server and sent on as it comes.
//!
//! Source: DSP0266, section 12.6 (multipart and simple HTTP push updates).

use std::pin::Pin;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use http_body::{Body, Frame, SizeHint};
use rand::RngExt;
use reqwest::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderValue};
use reqwest::{Method, Response, StatusCode, Url, redirect};
use serde_json::Value;
use tokio::time::{Instant, timeout, timeout_at};

use super::error::{Failure, Phase, RedfishError, Result};
use super::glance::Change;
use super::tls::{self, TlsVersion, Verify};
use super::transport::{Answer, Credential, Outgoing, Patience, Transport, Trouble, innermost};
use super::{Client, Effort, Scope};

/// Most redirects followed to find a file; its server gets no credentials of a BMC.
const REDIRECTS_MAX: usize = 3;

/// What a file is called whose URL does not say.
const NAME: &str = "image.bin";

/// Longest name of a file.
const NAME_SIZE_MAX: usize = 128;

/// A file to push; without `Debug`, because its URL may hold a password.
pub(crate) struct Push<'a> {
    /// Where the file is.
    pub(crate) url: &'a str,
    /// What goes with it, to a BMC that takes several parts; without, the file is all that is sent.
    pub(crate) parameters: Option<&'a Value>,
    /// Most bytes that the BMC takes, if it says so.
    pub(crate) size_max: Option<u64>,
}

/// The bytes that reqwest sends.
type Bytes = <reqwest::Body as Body>::Data;

/// What is around a file.
#[derive(Debug)]
struct Envelope {
    content_type: String,
    head: Vec<u8>,
    tail: Vec<u8>,
}

impl Envelope {
    fn of(push: &Push<'_>) -> Self {
        let Some(parameters) = push.parameters else {
            let content_type = "application/octet-stream".to_owned();
            return Self { content_type, head: Vec::new(), tail: Vec::new() };
        };
        let random: [u8; 16] = rand::rng().random();
        let boundary = random.iter().fold(String::from("farrier-"), |text, byte| format!("{text}{byte:02x}"));
        let part = |name: &str, kind: &str| {
            format!(
                "--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"\r\nContent-Type: {kind}\r\n\r\n"
            )
        };
        let file = format!("UpdateFile\"; filename=\"{}", name_of(push.url));
        let (first, second) =
            (part("UpdateParameters", "application/json"), part(&file, "application/octet-stream"));
        Self {
            content_type: format!("multipart/form-data; boundary={boundary}"),
            head: format!("{first}{parameters}\r\n{second}").into_bytes(),
            tail: format!("\r\n--{boundary}--\r\n").into_bytes(),
        }
    }
}

/// The name of a file, of characters that mean nothing to anybody.
fn name_of(url: &str) -> String {
    let path = Url::parse(url).map(|url| url.path().to_owned()).unwrap_or_default();
    let end = path.rsplit('/').next().unwrap_or_default();
    let name: String =
        end.chars().filter(|c| c.is_ascii_alphanumeric() || "._-".contains(*c)).take(NAME_SIZE_MAX).collect();
    if name.is_empty() { NAME.to_owned() } else { name }
}

/// A file with what is around it, on its way.
struct Parcel {
    head: Option<Bytes>,
    file: reqwest::Body,
    tail: Option<Bytes>,
    left: u64,
    progress: Progress,
}

/// How far a file has come.
#[derive(Clone)]
struct Progress(Arc<Mutex<Course>>);

struct Course {
    /// When the last piece was taken.
    last: Instant,
    /// Whether the next piece is waited for.
    waits: bool,
    /// Why no more pieces come.
    broken: Option<String>,
}

impl Progress {
    fn begin() -> Self {
        Self(Arc::new(Mutex::new(Course { last: Instant::now(), waits: false, broken: None })))
    }

    fn course(&self) -> MutexGuard<'_, Course> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn last(&self) -> Instant {
        self.course().last
    }
}

impl Body for Parcel {
    type Data = Bytes;
    type Error = reqwest::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, reqwest::Error>>> {
        let piece = match self.head.take() {
            Some(head) => Some(Ok(Frame::data(head))),
            None => match Pin::new(&mut self.file).poll_frame(context) {
                Poll::Pending => {
                    self.progress.course().waits = true;
                    return Poll::Pending;
                }
                Poll::Ready(None) => self.tail.take().map(|tail| Ok(Frame::data(tail))),
                Poll::Ready(Some(Err(error))) => Some(Err(error.without_url())),
                Poll::Ready(piece) => piece,
            },
        };
        let broken = piece.as_ref().and_then(|piece| piece.as_ref().err()).map(|error| innermost(error));
        *self.progress.course() = Course { last: Instant::now(), waits: false, broken };
        if let Some(Ok(frame)) = &piece {
            let size = frame.data_ref().map_or(0, |data| data.len() as u64);
            self.left = self.left.saturating_sub(size);
        }
        Poll::Ready(piece)
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

impl Client {
    /// Pushes a file; never again when it may have arrived.
    pub(super) async fn push(
        self: &Arc<Self>,
        target: &str,
        push: &Push<'_>,
        scope: &Scope,
        basic_only: &AtomicBool,
    ) -> Result<Answer> {
        let outgoing = Outgoing::new(Method::POST, target.to_owned());
        let entered = timeout_at(scope.deadline, self.gate.push()).await;
        let Ok(_permit) = entered else {
            let reason = "another file is pushed to this BMC".to_owned();
            let effort = Effort::begin();
            return Err(self.connection_error(&outgoing, &effort, scope, Phase::Limit, reason, false));
        };
        let _change = Change::begin(self);
        let grant = self.authorize(scope, basic_only).await?;
        let answer = self.push_on(&outgoing, push, &grant.credential, scope).await?;
        let again = self.authorize_after(&grant, &answer, &outgoing, scope, basic_only).await?;
        let Some(grant) = again else { return Ok(answer) };
        let answer = self.push_on(&outgoing, push, &grant.credential, scope).await?;
        match self.authorize_after(&grant, &answer, &outgoing, scope, basic_only).await? {
            Some(_) => Err(self.final_error(&outgoing, &answer, scope)),
            None => Ok(answer),
        }
    }

    /// Pushes a file, following one redirect: the file is read again for it.
    async fn push_on(
        &self,
        outgoing: &Outgoing,
        push: &Push<'_>,
        credential: &Credential,
        scope: &Scope,
    ) -> Result<Answer> {
        let effort = Effort { tries: 1, ..Effort::begin() };
        let answer = self.push_once(outgoing, &outgoing.path, push, credential, scope).await?;
        if !matches!(answer.status.as_u16(), 307 | 308) {
            return Ok(answer);
        }
        match self.transport.redirected(outgoing, &outgoing.path, &answer) {
            Ok(path) => self.push_once(outgoing, &path, push, credential, scope).await,
            Err(trouble) => Err(self.push_error(outgoing, trouble, effort, scope)),
        }
    }

    async fn push_once(
        &self,
        outgoing: &Outgoing,
        path: &str,
        push: &Push<'_>,
        credential: &Credential,
        scope: &Scope,
    ) -> Result<Answer> {
        let asked = || self.asked(scope, Method::POST, &outgoing.path);
        let fail = |text| Err(RedfishError::new(asked(), Failure::Failed(text)));
        let patience = self.tuning.patience;
        let file = match timeout_at(scope.deadline, open(push.url, patience)).await {
            Ok(Ok(file)) => file,
            Ok(Err(reason)) => return fail(format!("the image cannot be fetched: {reason}")),
            Err(_) => {
                return fail("the image cannot be fetched: its server does not answer in time".to_owned());
            }
        };
        let Some(size) = size_of(&file) else {
            return fail("the image cannot be pushed: its server does not say how long it is".to_owned());
        };
        if push.size_max.is_some_and(|max| max < size) {
            return fail(format!("the image has {size} bytes, more than this BMC takes"));
        }
        let effort = Effort { tries: 1, ..Effort::begin() };
        // A connection of its own: what is sent in pieces cannot be sent again when an old one turns out to be closed.
        let account = &self.account;
        let (address, ciphers) = (account.address.clone(), account.ciphers.as_ref());
        let transport = Transport::new(address, &account.verify, account.tls_oldest, ciphers, patience);
        let transport = match transport {
            Ok(transport) => transport,
            Err(error) => return fail(format!("no connection can be made: {error}")),
        };
        let envelope = Envelope::of(push);
        let progress = Progress::begin();
        let left = size + (envelope.head.len() + envelope.tail.len()) as u64;
        let piece = |bytes: Vec<u8>| Some(Bytes::from(bytes)).filter(|bytes| !bytes.is_empty());
        let parcel = Parcel {
            head: piece(envelope.head),
            file: file.into(),
            tail: piece(envelope.tail),
            left,
            progress: progress.clone(),
        };
        let kind = HeaderValue::from_str(&envelope.content_type);
        let kind = kind.unwrap_or_else(|_| HeaderValue::from_static("application/octet-stream"));
        let request = transport.request(outgoing, path, credential, Instant::now());
        let sent = request.header(CONTENT_TYPE, kind).body(reqwest::Body::wrap(parcel)).send();
        let outcome = self.await_push(&transport, sent, &progress, scope).await;
        let broken = progress.course().broken.take();
        match (outcome, broken) {
            (Ok(answer), _) => Ok(answer),
            (Err(_), Some(reason)) => fail(format!("the image broke off: {reason}")),
            (Err(trouble), None) => Err(self.push_error(outgoing, trouble, effort, scope)),
        }
    }

    /// What a push ends with that has no answer: it is not repeated here, whatever happened to it.
    fn push_error(
        &self,
        outgoing: &Outgoing,
        trouble: Trouble,
        mut effort: Effort,
        scope: &Scope,
    ) -> RedfishError {
        effort.connection_failures = self.tuning.connection_attempts;
        match self.weigh_trouble(outgoing, trouble, &mut effort, scope) {
            Err(error) => error,
            Ok(_) => self.out_of_time(outgoing, &effort, scope),
        }
    }

    /// Waits for an answer as long as the BMC takes something.
    async fn await_push(
        &self,
        transport: &Transport,
        sent: impl Future<Output = Result<Response, reqwest::Error>>,
        progress: &Progress,
        scope: &Scope,
    ) -> Result<Answer, Trouble> {
        let Patience { connect, read } = self.tuning.patience;
        let mut sent = std::pin::pin!(sent);
        let response = loop {
            let until = (progress.last() + connect + read).min(scope.deadline);
            if let Ok(outcome) = timeout_at(until, sent.as_mut()).await {
                break outcome;
            }
            let now = Instant::now();
            if now >= scope.deadline {
                return Err(Trouble::Limit);
            }
            if now >= progress.last() + connect + read {
                let mut course = progress.course();
                if course.waits {
                    course.broken = Some(silent(connect + read));
                }
                return Err(transport.silent());
            }
        };
        let response = response.map_err(|error| transport.trouble(&error, false))?;
        transport.read(response, &Outgoing::new(Method::POST, String::new()), scope.deadline).await
    }
}

/// Asks the server of a file for it; what it says is never repeated with its URL, which may hold a password.
async fn open(url: &str, patience: Patience) -> Result<Response, String> {
    let is_plain = url.get(..7).is_some_and(|scheme| scheme.eq_ignore_ascii_case("http://"));
    // Without TLS the roots do not matter, and need not be there; a redirect may not lead to TLS then.
    let verify = if is_plain { Verify::Nothing } else { Verify::System };
    let tls = tls::configuration(&verify, TlsVersion::default(), None).map_err(|error| error.to_string())?;
    let http = reqwest::Client::builder()
        .tls_backend_preconfigured(tls)
        .https_only(!is_plain)
        .no_proxy()
        // What a URL carries is for its own server.
        .referer(false)
        .redirect(redirect::Policy::custom(move |attempt| {
            let leaves = attempt.url().scheme() != if is_plain { "http" } else { "https" };
            if leaves || attempt.previous().len() > REDIRECTS_MAX { attempt.stop() } else { attempt.follow() }
        }))
        .user_agent(concat!("farrier/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(patience.connect)
        .build()
        .map_err(|error| innermost(&error))?;
    // How the rest comes is watched where it goes: a BMC may take nothing for a while.
    let limit = patience.connect + patience.read;
    let answer = timeout(limit, http.get(url).send()).await.map_err(|_| silent(limit))?;
    let answer = answer.map_err(|error| innermost(&error.without_url()))?;
    if answer.status() == StatusCode::OK {
        Ok(answer)
    } else {
        Err(format!("its server answered {}", answer.status().as_u16()))
    }
}

fn silent(limit: Duration) -> String {
    format!("its server was silent for {} s", limit.as_secs_f32())
}

fn size_of(file: &Response) -> Option<u64> {
    file.headers().get(CONTENT_LENGTH)?.to_str().ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn push<'a>(url: &'a str, parameters: Option<&'a Value>) -> Push<'a> {
        Push { url, parameters, size_max: None }
    }

    #[test]
    fn a_file_alone_has_nothing_around_it() {
        let envelope = Envelope::of(&push("http://h/x.bin", None));

        assert_eq!(envelope.content_type, "application/octet-stream");
        assert!(envelope.head.is_empty() && envelope.tail.is_empty());
    }

    #[test]
    fn parts_have_their_names_and_no_boundary_twice() {
        let parameters = json!({"Targets": ["/redfish/v1/Systems/1"]});
        let (one, other) = (
            Envelope::of(&push("http://h/a/fw%22;1.bin?x=y", Some(&parameters))),
            Envelope::of(&push("http://h/", Some(&parameters))),
        );

        assert_ne!(one.content_type, other.content_type);
        let head = String::from_utf8(one.head).unwrap();
        assert!(
            head.contains("name=\"UpdateParameters\"\r\nContent-Type: application/json\r\n\r\n{\"Targets\":"),
            "{head}"
        );
        assert!(head.contains("name=\"UpdateFile\"; filename=\"fw221.bin\"\r\n"), "{head}");
        assert!(String::from_utf8(other.head).unwrap().contains(NAME));
    }
}
