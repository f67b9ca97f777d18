//! Cassettes: HTTP exchanges written to a file without secrets, and answered from it.
//!
//! A cassette is text, one JSON object a line: a header, then an exchange each, in their order. A request stands
//! there as the driver made it, with references in the place of secrets; of the address only path and query. In what
//! came back all secrets that the plugin has used are masked, and so is what logs in: cookies, tokens, and members of
//! JSON bodies that are called like a secret.
//!
//! A tool that works on several machines names them, and notes what it does to them by other ways than requests: what
//! a machine answers depends on it. When the cassette is replayed, such a note takes the place of the deed.
//!
//! | module | what |
//! |---|---|
//! | `mask` | what must not be kept |
//! | `playback` | a cassette that answers |

mod mask;
mod playback;

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use farrier_sdk::error::{DriverError, ErrorKind};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::request::{Answer, Request};
use super::secrets::Masked;
use mask::{masked, without_address, without_logins};
use playback::{Key, Playback, Recorded};

/// Form of the file.
const VERSION: u32 = 1;

/// Largest cassette that is read, in bytes.
const SIZE_MAX: u64 = 256 * 1024 * 1024;

/// Most things that are told about a cassette that does not fit.
const MISFITS_MAX: usize = 16;

/// A file of HTTP exchanges, being written or read. Clones share it.
#[derive(Clone)]
pub struct Cassette(Arc<Inner>);

struct Inner {
    path: PathBuf,
    tape: Tape,
    /// Machines by the host and port they are at.
    machines: Mutex<Vec<((String, u16), String)>>,
    /// What went wrong with it.
    misfits: Mutex<Vec<String>>,
    /// Exchanges that were written.
    kept: AtomicUsize,
}

enum Tape {
    Recording(Mutex<File>),
    Replaying(Mutex<Playback>),
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

/// Every other line: an exchange, or a note of whoever recorded it.
#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
struct Line {
    #[serde(skip_serializing_if = "Option::is_none")]
    machine: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    request: Option<Request>,
    #[serde(skip_serializing_if = "Option::is_none")]
    answer: Option<Answer>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<DriverError>,
    #[serde(skip_serializing_if = "Option::is_none")]
    look: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    change: Option<String>,
    #[serde(skip_serializing_if = "Value::is_null")]
    value: Value,
}

/// What a line is about.
enum Event {
    Exchange(Box<Request>, Recorded),
    Look(String, Value),
    Change(String, Value),
}

impl Line {
    fn event(self) -> Result<Event, &'static str> {
        let Self { request, answer, error, look, change, value, .. } = self;
        match (request, look, change) {
            (Some(request), None, None) => {
                let recorded = answer.map(Recorded::Answer).or(error.map(Recorded::Error));
                recorded
                    .map(|recorded| Event::Exchange(Box::new(request), recorded))
                    .ok_or("a request without answer")
            }
            (None, Some(what), None) => Ok(Event::Look(what, value)),
            (None, None, Some(what)) => Ok(Event::Change(what, value)),
            _ => Err("neither a request nor a note"),
        }
    }
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
        let header = serde_json::to_string(&Header { farrier_cassette: VERSION }).map_err(io::Error::from);
        header.and_then(|header| file.write_all((header + "\n").as_bytes())).map_err(failed)?;
        Ok(Self::new(path, Tape::Recording(Mutex::new(file))))
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
        let mut playback = Playback::default();
        for (number, line) in lines {
            let mut line: Line =
                serde_json::from_str(line).map_err(|error| form(number, error.to_string()))?;
            let machine = line.machine.take();
            playback.add(machine, line.event().map_err(|why| form(number, why.to_owned()))?);
        }
        Ok(Self::new(path, Tape::Replaying(Mutex::new(playback))))
    }

    fn new(path: &Path, tape: Tape) -> Self {
        let (machines, misfits) = (Mutex::default(), Mutex::default());
        let kept = AtomicUsize::new(0);
        Self(Arc::new(Inner { path: path.to_owned(), tape, machines, misfits, kept }))
    }

    /// Whether requests are made and written, rather than answered from the file.
    #[must_use]
    pub fn is_recording(&self) -> bool {
        matches!(self.0.tape, Tape::Recording(_))
    }

    /// Tells requests to `host` and `port` from those to other machines, today and when this is replayed.
    ///
    /// Needed when there are several machines: their addresses are not recorded. Answers its name: the one it has
    /// already, if it has one.
    pub fn name_machine(&self, host: &str, port: u16, machine: &str) -> String {
        let place = (host.trim_start_matches('[').trim_end_matches(']').to_ascii_lowercase(), port);
        let mut machines = lock(&self.0.machines);
        if let Some((_, known)) = machines.iter().find(|(known, _)| *known == place) {
            return known.clone();
        }
        machines.push((place, machine.to_owned()));
        machine.to_owned()
    }

    /// What `look` sees of a machine by other ways than requests: written, or as it was recorded. None when it was not.
    pub fn look(&self, machine: &str, what: &str, look: impl FnOnce() -> Value) -> Option<Value> {
        let (key, name) = (Key::look(what), Some(what.to_owned()));
        self.note(machine, &key, || Line { look: name, value: look(), ..Line::default() })
    }

    /// As [`look`](Self::look) of something that changes the machine: what is read afterwards may be answered
    /// differently.
    pub fn change(&self, machine: &str, what: &str, change: impl FnOnce() -> Value) -> Option<Value> {
        let (key, name) = (Key::change(what), Some(what.to_owned()));
        self.note(machine, &key, || Line { change: name, value: change(), ..Line::default() })
    }

    fn note(&self, machine: &str, key: &Key, line: impl FnOnce() -> Line) -> Option<Value> {
        match &self.0.tape {
            Tape::Recording(_) => {
                let line = Line { machine: Some(machine.to_owned()), ..line() };
                let written = self.write_line(&line, &Masked::default());
                written.unwrap_or_else(|error| self.misfit(format!("a note could not be written: {error}")));
                Some(line.value)
            }
            Tape::Replaying(playback) => match lock(playback).answer(Some(machine), key) {
                Ok(Recorded::Seen(value)) => Some(value),
                // Of another kind there is none by this key.
                Ok(Recorded::Answer(_) | Recorded::Error(_)) => None,
                Err(why) => {
                    self.misfit(why);
                    None
                }
            },
        }
    }

    /// What was asked and is not on the cassette, and what could not be written to it; at most a few.
    #[must_use]
    pub fn misfits(&self) -> Vec<String> {
        lock(&self.0.misfits).clone()
    }

    /// Changes of a machine that are on the cassette and were not asked for.
    #[must_use]
    pub fn unused_changes(&self) -> Vec<String> {
        match &self.0.tape {
            Tape::Recording(_) => Vec::new(),
            Tape::Replaying(playback) => lock(playback).unused(),
        }
    }

    /// How many exchanges are on it.
    #[must_use]
    pub fn exchanges(&self) -> usize {
        match &self.0.tape {
            Tape::Recording(_) => self.0.kept.load(Ordering::Relaxed),
            Tape::Replaying(playback) => lock(playback).exchanges,
        }
    }

    fn misfit(&self, why: String) {
        let mut misfits = lock(&self.0.misfits);
        if misfits.len() < MISFITS_MAX && !misfits.contains(&why) {
            misfits.push(why);
        }
    }

    /// Which machine a request is for, if machines have names: by host and port, or by host where it has one port.
    fn machine(&self, request: &Request) -> Option<String> {
        let (host, port) = request.host_and_port()?;
        let machines = lock(&self.0.machines);
        let exact = machines.iter().find(|((known, at), _)| (known.as_str(), *at) == (host.as_str(), port));
        let mut there = machines.iter().filter(|((known, _), _)| *known == host);
        let only = there.next().filter(|_| there.next().is_none());
        exact.or(only).map(|(_, machine)| machine.clone())
    }

    /// Writes an exchange, all that `known` knows masked; what cannot be written fails the request.
    pub(super) fn keep(
        &self,
        request: &Request,
        answered: &Result<Answer, DriverError>,
        known: &Masked,
    ) -> Result<(), DriverError> {
        let machine = self.machine(request);
        let (answer, error) = match answered {
            Ok(answer) => (Some(masked(answer.clone(), known)), None),
            Err(error) => (None, Some(without_address(error, request))),
        };
        // What the driver wrote itself may hold what it was told, by us or by the device.
        let request = Some(Request { url: request.path_and_query(), ..without_logins(request) });
        let line = Line { machine, request, answer, error, ..Line::default() };
        self.write_line(&line, known).map_err(|error| {
            let text = format!("cassette `{}` could not be written", self.0.path.display());
            DriverError::internal(text).caused_by(&error)
        })?;
        self.0.kept.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    fn write_line(&self, line: &Line, known: &Masked) -> io::Result<()> {
        let Tape::Recording(file) = &self.0.tape else { return Ok(()) };
        let text = known.text(&serde_json::to_string(line)?);
        lock(file).write_all((text + "\n").as_bytes())
    }

    /// The next answer to a request.
    ///
    /// # Errors
    ///
    /// The error that was recorded; `Unreachable`: no such request was.
    pub(super) fn answer(&self, request: &Request, known: &Masked) -> Result<Answer, DriverError> {
        let Tape::Replaying(playback) = &self.0.tape else {
            return Err(DriverError::internal("a cassette that is recorded cannot answer"));
        };
        let (machine, key) = (self.machine(request), Key::asked(request, known));
        match lock(playback).answer(machine.as_deref(), &key) {
            Ok(Recorded::Answer(answer)) => Ok(answer),
            Ok(Recorded::Error(error)) => Err(error),
            Ok(Recorded::Seen(_)) => Err(DriverError::internal("a note is not an answer")),
            Err(why) => {
                self.misfit(why);
                let path = self.0.path.display();
                let text = format!(
                    "cassette `{path}` has no answer to `{} {}`",
                    request.method,
                    known.text(&request.path_and_query())
                );
                Err(DriverError::new(ErrorKind::Unreachable, text).retryable(false))
            }
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
