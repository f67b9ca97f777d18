//! Step 11: a trial load in a child process.
//!
//! A library's constructors run inside `dlopen`, before anything of ours can stand in their way: one that
//! crashes, exits or never ends would take the conductor with it. So a child does all that loading does, steps
//! 12 to 16, on the same copy in memory, and only if it lives to tell, the conductor does it too.
//!
//! The child is this program again, with a hidden argument. It gets the library as its standard input, speaks
//! over a socket that is its standard output, and what the library prints ends in a memory file.

mod child;
mod signal;

use std::collections::HashMap;
use std::ffi::OsString;
use std::fmt;
use std::fs::File;
use std::io::{self, BufRead, BufReader, ErrorKind, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;
use std::os::unix::net::UnixStream;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::PathBuf;
use std::process::{Child, ExitStatus, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use farrier_sdk::interface::InterfaceType;
use rustix::fs::MemfdFlags;
use rustix::process::{Pid, Signal, kill_process_group};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

pub use child::child_main;

use crate::error::LoadError;
use crate::sealed::Sealed;
use crate::sha256::Sha256;
use crate::text::tame;

/// How long a trial may take: a plugin loads in milliseconds, a busy machine may need seconds.
const LIMIT: Duration = Duration::from_secs(10);

/// Longest answer of a child, in bytes: the full text of a layout comparison has some 30 kB.
const ANSWER_SIZE_MAX: u64 = 4 * 1024 * 1024;

/// How much of what a child printed is kept, in bytes: its last line or two.
const OUTPUT_SIZE_MAX: u64 = 512;

/// How the child is started.
#[derive(Debug, Clone)]
pub struct Command {
    /// The program; it calls [`child_main`] and nothing before.
    pub program: PathBuf,
    /// What tells it to.
    pub arguments: Vec<OsString>,
    /// Variables besides those of this process.
    pub environment: Vec<(OsString, OsString)>,
}

impl Command {
    /// The program that runs now, with one argument, also after its file was replaced.
    pub fn this_program(argument: impl Into<OsString>) -> Self {
        Self {
            program: PathBuf::from("/proc/self/exe"),
            arguments: vec![argument.into()],
            environment: Vec::new(),
        }
    }
}

/// Tries libraries in child processes and remembers the outcome.
#[derive(Debug)]
pub struct Prober {
    command: Command,
    limit: Duration,
    verdicts: Mutex<HashMap<Key, Result<(), LoadError>>>,
}

/// What a verdict holds for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Key {
    library: Option<Sha256>,
    /// Hash of the request: its text holds options, which may be secrets.
    request: Sha256,
}

/// What a child is asked.
#[derive(Serialize, Deserialize)]
pub(crate) struct Request {
    /// Text of the descriptor's note.
    pub(crate) note: String,
    /// Options of the plugin, which may be secrets.
    pub(crate) options: Map<String, Value>,
    /// What to open of it.
    pub(crate) interfaces: Vec<(InterfaceType, String)>,
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request").field("interfaces", &self.interfaces).finish_non_exhaustive()
    }
}

/// What a child says, one line each.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Answer {
    /// It has understood the request and begins. What happens from here on is the library's doing.
    Begins,
    /// The library loaded.
    Loaded,
    /// The library was refused.
    Refused(LoadError),
}

impl Prober {
    /// Starts children by `command`.
    #[must_use]
    pub fn new(command: Command) -> Self {
        Self { command, limit: LIMIT, verdicts: Mutex::default() }
    }

    /// Gives each trial this long instead of ten seconds.
    #[must_use]
    pub fn with_limit(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// Tries a library, unless the same one was tried with the same options before.
    ///
    /// # Errors
    ///
    /// [`LoadError::Crashed`], [`LoadError::Exited`], [`LoadError::Hung`], what the child itself refused it
    /// with, or [`LoadError::NoTrial`], which is not remembered.
    pub(crate) fn probe(
        &self,
        sha256: Option<Sha256>,
        library: &Sealed,
        request: &Request,
    ) -> Result<(), LoadError> {
        let request = serde_json::to_string(request)
            .map_err(|error| LoadError::NoTrial { why: format!("the request has no JSON: {error}") })?;
        let key = Key { library: sha256, request: Sha256::of(request.as_bytes()) };
        if let Some(known) = self.verdicts.lock().unwrap_or_else(PoisonError::into_inner).get(&key) {
            return known.clone();
        }
        let verdict = self.run(library, &request);
        if !matches!(verdict, Err(LoadError::NoTrial { .. })) {
            self.verdicts.lock().unwrap_or_else(PoisonError::into_inner).insert(key, verdict.clone());
        }
        verdict
    }

    fn run(&self, library: &Sealed, request: &str) -> Result<(), LoadError> {
        let no_trial = |error: io::Error| LoadError::NoTrial { why: error.to_string() };
        let (ours, theirs) = UnixStream::pair().map_err(no_trial)?;
        let output = memory_file().map_err(no_trial)?;
        let printed = output.try_clone().map_err(no_trial)?;
        let mut command = std::process::Command::new(&self.command.program);
        command
            .args(&self.command.arguments)
            .envs(self.command.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::from(library.share()?))
            .stdout(Stdio::from(OwnedFd::from(theirs)))
            .stderr(Stdio::from(output))
            // Of its own, so that what it leaves behind can be ended with it.
            .process_group(0);
        let child = command.spawn().map_err(|error| LoadError::NoTrial {
            why: format!("`{}` cannot be started: {error}", self.command.program.display()),
        })?;
        // Closes our copy of the child's end: else its death would not be noticed.
        drop(command);
        let mut trial = Trial { child, socket: ours, deadline: Instant::now() + self.limit, begun: false };
        let outcome = trial.answer(request);
        let status = trial.end().map_err(no_trial)?;
        self.judge(outcome, status, &last_line(&printed), trial.begun)
    }

    /// What an outcome says about the library, or about the child.
    fn judge(
        &self,
        outcome: io::Result<Option<Answer>>,
        status: ExitStatus,
        printed: &str,
        begun: bool,
    ) -> Result<(), LoadError> {
        let output = printed.to_owned();
        match outcome {
            Ok(Some(Answer::Loaded)) => Ok(()),
            Ok(Some(Answer::Refused(error))) => Err(error),
            Ok(Some(Answer::Begins) | None) | Err(_) if !begun => {
                let program = self.command.program.display();
                let why = format!("`{program}` does not work as one, it ended with {status}: {printed}");
                Err(LoadError::NoTrial { why: tame(&why) })
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                Err(LoadError::Hung { after: self.limit, output })
            }
            Ok(Some(Answer::Begins) | None) | Err(_) => Err(match (status.code(), status.signal()) {
                (Some(code), _) => LoadError::Exited { code, output },
                (None, number) => {
                    LoadError::Crashed { signal: signal::name(number.unwrap_or_default()), output }
                }
            }),
        }
    }
}

/// A child at work.
struct Trial {
    child: Child,
    socket: UnixStream,
    deadline: Instant,
    /// Whether it has got as far as the library.
    begun: bool,
}

impl Trial {
    /// The child's last word; none when it ended without one.
    fn answer(&mut self, request: &str) -> io::Result<Option<Answer>> {
        self.socket.set_write_timeout(Some(self.time_left()?))?;
        (&self.socket).write_all(request.as_bytes())?;
        (&self.socket).write_all(b"\n")?;
        let mut lines = BufReader::new(io::Read::take(self.socket.try_clone()?, ANSWER_SIZE_MAX));
        let mut line = String::new();
        loop {
            self.socket.set_read_timeout(Some(self.time_left()?))?;
            match lines.read_line(&mut line) {
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
                Ok(_) if !line.ends_with('\n') => return Ok(None),
                Ok(_) => {}
            }
            match serde_json::from_str(&line)? {
                Answer::Begins => self.begun = true,
                last @ (Answer::Loaded | Answer::Refused(_)) => return Ok(Some(last)),
            }
            line.clear();
        }
    }

    fn time_left(&self) -> io::Result<Duration> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        if left.is_zero() { Err(ErrorKind::TimedOut.into()) } else { Ok(left) }
    }

    /// Ends the child and all it started, and answers how it ended if it already had.
    fn end(&mut self) -> io::Result<ExitStatus> {
        // Not yet waited for, so the number is still its own. It is no error that nobody is left.
        if let Some(group) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw) {
            kill_process_group(group, Signal::KILL).unwrap_or_default();
        }
        self.child.wait()
    }
}

/// Where the child's output goes: unlike a pipe, it never makes the child wait.
fn memory_file() -> io::Result<OwnedFd> {
    let flags = MemfdFlags::CLOEXEC;
    match rustix::fs::memfd_create("farrier:probe", flags | MemfdFlags::NOEXEC_SEAL) {
        Err(rustix::io::Errno::INVAL) => Ok(rustix::fs::memfd_create("farrier:probe", flags)?),
        other => Ok(other?),
    }
}

/// The last thing the child printed, if anything.
fn last_line(printed: &OwnedFd) -> String {
    let Ok(file) = printed.try_clone().map(File::from) else { return String::new() };
    let size = file.metadata().map_or(0, |data| data.len());
    let mut bytes = vec![0; usize::try_from(size.min(OUTPUT_SIZE_MAX)).unwrap_or(0)];
    if file.read_exact_at(&mut bytes, size.saturating_sub(OUTPUT_SIZE_MAX)).is_err() {
        return String::new();
    }
    let text = String::from_utf8_lossy(&bytes).into_owned();
    tame(text.trim_end().lines().next_back().unwrap_or_default())
}
