//! Cassettes: HTTP exchanges written to a file without secrets, and answered from it.
//!
//! A cassette is text, one JSON object a line: a header, then an exchange each, in their order. A request stands
//! there as the driver made it, with references in the place of secrets; of the address only path and query. In what
//! came back all secrets that the plugin has used are masked, and so is what logs in: cookies, tokens, and members of
//! JSON bodies that are called like a secret.

use std::collections::HashMap;
use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use farrier_sdk::error::{DriverError, ErrorKind};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::request::{Answer, Request};
use super::secrets::{MASK, Masked};

/// Form of the file.
const VERSION: u32 = 1;

/// Largest cassette that is read, in bytes.
const SIZE_MAX: u64 = 256 * 1024 * 1024;

/// Headers that let somebody in, besides those that are called like a secret.
const HEADERS_MASKED: [&str; 4] = ["authorization", "cookie", "set-cookie", "www-authenticate"];

/// What the name of a header, member or field contains whose value is masked.
const NAMES_MASKED: [&str; 7] = ["password", "passwd", "secret", "token", "credential", "session", "api-key"];

/// A file of HTTP exchanges, being written or read. Clones share it.
#[derive(Clone)]
pub struct Cassette(Arc<Inner>);

struct Inner {
    path: PathBuf,
    tape: Tape,
}

enum Tape {
    Recording(Mutex<File>),
    Replaying(Mutex<HashMap<Key, Track>>),
}

/// What requests have in common that have the same answers.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Key {
    method: String,
    path: String,
    /// Query and body, as JSON; headers may differ from day to day.
    rest: String,
}

/// Answers to one request, in their order.
#[derive(Debug, Default)]
struct Track {
    outcomes: Vec<Outcome>,
    next: usize,
}

/// A cassette cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CassetteError {
    /// The file cannot be made or read.
    #[error("cassette `{}` cannot be {}", path.display(), attempted)]
    File {
        /// Its path.
        path: PathBuf,
        /// `made` or `read`.
        attempted: &'static str,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The file is no cassette, or one of a newer form.
    #[error("`{}` is not a cassette of form {VERSION}: line {line}: {why}", path.display())]
    Form {
        /// Its path.
        path: PathBuf,
        /// Which line.
        line: usize,
        /// Why.
        why: String,
    },
}

/// The first line.
#[derive(Serialize, Deserialize)]
struct Header {
    farrier_cassette: u32,
}

/// Every other line.
#[derive(Serialize, Deserialize)]
struct Exchange {
    request: Request,
    #[serde(flatten)]
    outcome: Outcome,
}

/// What came back.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Outcome {
    Answer(Answer),
    Error(DriverError),
}

impl fmt::Debug for Cassette {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cassette")
            .field("path", &self.0.path)
            .field("recording", &self.is_recording())
            .finish()
    }
}

impl Cassette {
    /// An empty one at `path`, which must not exist yet; readable for its owner only.
    ///
    /// # Errors
    ///
    /// [`CassetteError::File`].
    pub fn record(path: &Path) -> Result<Self, CassetteError> {
        let failed = |source| CassetteError::File { path: path.to_owned(), attempted: "made", source };
        let mut file =
            OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(failed)?;
        write_line(&mut file, &Header { farrier_cassette: VERSION }).map_err(failed)?;
        Ok(Self(Arc::new(Inner { path: path.to_owned(), tape: Tape::Recording(Mutex::new(file)) })))
    }

    /// The one at `path`, from its beginning.
    ///
    /// # Errors
    ///
    /// [`CassetteError::File`], [`CassetteError::Form`].
    pub fn replay(path: &Path) -> Result<Self, CassetteError> {
        let failed = |source| CassetteError::File { path: path.to_owned(), attempted: "read", source };
        if SIZE_MAX < std::fs::metadata(path).map_err(failed)?.len() {
            return Err(failed(io::Error::other(format!("it has more than {SIZE_MAX} bytes"))));
        }
        let text = std::fs::read_to_string(path).map_err(failed)?;
        let form = |line, why: String| CassetteError::Form { path: path.to_owned(), line, why };
        let mut lines = text.lines().enumerate().map(|(index, line)| (index + 1, line));
        let (_, first) = lines.next().ok_or_else(|| form(1, "there is none".to_owned()))?;
        let header: Header = serde_json::from_str(first).map_err(|error| form(1, error.to_string()))?;
        if header.farrier_cassette != VERSION {
            return Err(form(1, format!("it has form {}", header.farrier_cassette)));
        }
        let mut tracks: HashMap<Key, Track> = HashMap::new();
        for (number, line) in lines {
            let exchange: Exchange =
                serde_json::from_str(line).map_err(|error| form(number, error.to_string()))?;
            tracks.entry(Key::recorded(&exchange.request)).or_default().outcomes.push(exchange.outcome);
        }
        Ok(Self(Arc::new(Inner { path: path.to_owned(), tape: Tape::Replaying(Mutex::new(tracks)) })))
    }

    /// Whether requests are made and written, rather than answered from the file.
    #[must_use]
    pub fn is_recording(&self) -> bool {
        matches!(self.0.tape, Tape::Recording(_))
    }

    /// Writes an exchange, all that `known` knows masked.
    pub(super) fn write(
        &self,
        request: &Request,
        answered: &Result<Answer, DriverError>,
        known: &Masked,
    ) -> io::Result<()> {
        let Tape::Recording(file) = &self.0.tape else { return Ok(()) };
        let outcome = match answered {
            Ok(answer) => Outcome::Answer(masked(answer.clone(), known)),
            Err(error) => Outcome::Error(without_address(error, request)),
        };
        // What the driver wrote itself may hold what it was told, by us or by the device.
        let request = Request { url: request.path_and_query(), ..without_logins(request) };
        let text = known.text(&serde_json::to_string(&Exchange { request, outcome })?);
        let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
        file.write_all((text + "\n").as_bytes())
    }

    /// As [`write`](Self::write); what cannot be written fails the request.
    pub(super) fn keep(
        &self,
        request: &Request,
        answered: &Result<Answer, DriverError>,
        known: &Masked,
    ) -> Result<(), DriverError> {
        self.write(request, answered, known).map_err(|error| {
            let text = format!("cassette `{}` could not be written", self.0.path.display());
            DriverError::internal(text).caused_by(&error)
        })
    }

    /// The next answer to a request; the last one stays, so that a driver may ask once more.
    ///
    /// # Errors
    ///
    /// The error that was recorded; `Unreachable`: no such request was.
    pub(super) fn answer(&self, request: &Request, known: &Masked) -> Result<Answer, DriverError> {
        let Tape::Replaying(tracks) = &self.0.tape else {
            return Err(DriverError::internal("a cassette that is recorded cannot answer"));
        };
        let key = Key::asked(request, known);
        let mut tracks = tracks.lock().unwrap_or_else(PoisonError::into_inner);
        let found = tracks.get_mut(&key).and_then(Track::next);
        match found {
            Some(Outcome::Answer(answer)) => Ok(answer),
            Some(Outcome::Error(error)) => Err(error),
            None => {
                let (method, path) = (&key.method, &key.path);
                let text = format!("cassette `{}` has no answer to `{method} {path}`", self.0.path.display());
                Err(DriverError::new(ErrorKind::Unreachable, text).retryable(false))
            }
        }
    }
}

impl Track {
    fn next(&mut self) -> Option<Outcome> {
        let last = self.outcomes.len().checked_sub(1)?;
        let outcome = self.outcomes.get(self.next.min(last)).cloned();
        self.next = self.next.saturating_add(1);
        outcome
    }
}

impl Key {
    /// What the driver wrote itself may hold what it was told: on the cassette that is masked.
    fn asked(request: &Request, known: &Masked) -> Self {
        let Self { method, path, rest } = Self::of(&without_logins(request), request.path_and_query());
        Self { method, path: known.text(&path), rest: known.text(&rest) }
    }

    fn recorded(request: &Request) -> Self {
        Self::of(request, request.url.clone())
    }

    fn of(request: &Request, path: String) -> Self {
        let Request { query, json, form, text, .. } = request.clone();
        let rest = Request { query, json, form, text, ..Request::default() };
        let rest = serde_json::to_string(&rest).unwrap_or_default();
        Self { method: request.method.clone(), path, rest }
    }
}

/// An answer without what must not be kept.
fn masked(mut answer: Answer, known: &Masked) -> Answer {
    for (name, value) in &mut answer.headers {
        if lets_in(name) {
            MASK.clone_into(value);
        }
    }
    answer.headers.remove("date");
    answer.text = answer.text.map(|text| match serde_json::from_str::<Value>(&text) {
        Ok(mut body) => {
            mask_members(&mut body, known);
            body.to_string()
        }
        Err(_) => known.text(&text),
    });
    answer
}

/// A request without what it logs in with, other than by references.
fn without_logins(request: &Request) -> Request {
    let mut request = request.clone();
    // It names the machine, and its own exchange is not recorded.
    request.login = None;
    let form = request.form.iter_mut().flatten();
    for (name, value) in request.headers.iter_mut().chain(&mut request.query).chain(form) {
        if lets_in(name) && value.is_string() {
            *value = Value::from(MASK);
        }
    }
    if let Some(body) = &mut request.json {
        mask_members(body, &Masked::default());
    }
    request
}

/// Whether a header, member or field of this name lets somebody in.
fn lets_in(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    HEADERS_MASKED.contains(&name.as_str()) || NAMES_MASKED.iter().any(|word| name.contains(word))
}

fn mask_members(value: &mut Value, known: &Masked) {
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                if lets_in(name) && member.is_string() {
                    *member = Value::from(MASK);
                } else {
                    mask_members(member, known);
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| mask_members(item, known)),
        Value::String(text) => *text = known.text(text),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// An error that does not tell whose machine it was.
fn without_address(error: &DriverError, request: &Request) -> DriverError {
    let text = error.message().replace(&request.shown(), &request.path_and_query());
    DriverError::new(error.kind(), text).retryable(error.is_retryable())
}

fn write_line<T: Serialize>(file: &mut File, value: &T) -> io::Result<()> {
    file.write_all((serde_json::to_string(value)? + "\n").as_bytes())
}
