//! The process of one check.
//!
//! It is the program that started it, again, with one more variable in its environment that names a file with
//! what to do. The answer goes to a file too: what a plugin prints is its own.

use std::fs::{self, File};
use std::io::Read;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Resource, Rlimit, Signal, kill_process_group, setrlimit};
use serde::{Deserialize, Serialize};

use crate::bench::{Bench, switched};
use crate::check::{Check, Finding, Level, Needs};
use crate::identity::IDENTITY;
use crate::profile::Profile;
use crate::recording::Tape;
use crate::report::{Entry, Outcome, Why};
use crate::run::Program;

/// Names the file with what to do.
const VARIABLE: &str = "FARRIER_CONFORMANCE_REQUEST";

/// How long to wait between two looks at a child: short beside what a check takes.
const LOOK_PAUSE: Duration = Duration::from_millis(5);

/// How much of what a check logged and printed is kept, in bytes.
const LOG_SIZE_MAX: usize = 4096;

/// What one check is to do.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Request {
    /// The check.
    pub(crate) check: String,
    /// The library, alone in a directory of its own.
    pub(crate) library: PathBuf,
    /// The release before it.
    pub(crate) previous: Option<PathBuf>,
    /// What it is judged by.
    pub(crate) profile: Profile,
    /// The seed of everything random.
    pub(crate) seed: u64,
    /// Whether a real machine may be changed.
    pub(crate) disruptive: bool,
    /// Whether this is a process for one check alone.
    pub(crate) alone: bool,
    /// A directory for this check.
    pub(crate) directory: PathBuf,
    /// What is done with a recording of the machine.
    pub(crate) tape: Option<Tape>,
}

/// What it found.
#[derive(Debug, Serialize, Deserialize)]
struct Answer {
    finding: Option<Finding>,
    log: String,
    /// How often the machine may have been switched.
    #[serde(default)]
    switched: u32,
}

/// Whether this process was started for one check. Its `main` then calls [`child_main`] and nothing else.
#[must_use]
pub fn is_child() -> bool {
    std::env::var_os(VARIABLE).is_some()
}

/// Runs the one check this process was started for, and ends it.
pub fn child_main() -> ! {
    let request = std::env::var_os(VARIABLE).and_then(|path| fs::read(path).ok());
    let Some(request) = request.and_then(|text| serde_json::from_slice::<Request>(&text).ok()) else {
        std::process::exit(2);
    };
    // A crash is expected; its memory is of no use.
    setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) }).unwrap_or_default();
    std::thread::Builder::new().name("kit-watch".to_owned()).spawn(end_with_parent).ok();
    let answer = look(&request);
    let text = serde_json::to_vec(&answer).unwrap_or_default();
    let (new, path) = (request.directory.join("answer.new"), answer_path(&request.directory));
    fs::write(&new, text).and_then(|()| fs::rename(&new, path)).unwrap_or_default();
    // Without destructors of the library: the answer is given.
    rustix::process::kill_process(rustix::process::getpid(), Signal::KILL).unwrap_or_default();
    std::process::exit(0)
}

/// Ends this process when nobody waits for it any more.
fn end_with_parent() {
    std::io::stdin().read_to_end(&mut Vec::new()).unwrap_or_default();
    std::process::abort();
}

fn answer_path(directory: &Path) -> PathBuf {
    directory.join("answer.json")
}

/// Runs a check in this process.
fn look(request: &Request) -> Answer {
    let special = (request.check == IDENTITY.id).then_some(&IDENTITY);
    let Some(check) = Check::find(&request.check).or(special) else {
        let finding = Some(Finding::NotRun(format!("there is no check `{}`", request.check)));
        return Answer { finding, log: String::new(), switched: 0 };
    };
    let bench = Bench::new(request.clone());
    let before = switched();
    let finding = bench.fit((check.run)(&bench)).err();
    Answer { finding, log: bench.journal().tail(LOG_SIZE_MAX), switched: switched() - before }
}

/// Runs a check, in a process of its own unless `program` is none.
pub(crate) fn perform(check: &Check, request: &Request, program: Option<&Program>) -> Entry {
    let begin = Instant::now();
    let mut entry = match program {
        None => judged(check, look(request)),
        Some(program) => match child(check, request, program) {
            Ok(entry) => entry,
            Err(error) => {
                let reason = format!("the kit could not start a process for it: {error}");
                Entry::new(check, Outcome::Skipped, Why::NotRun, reason)
            }
        },
    };
    entry.duration_ms = u64::try_from(begin.elapsed().as_millis()).unwrap_or(u64::MAX);
    entry
}

fn judged(check: &Check, answer: Answer) -> Entry {
    let switched = answer.switched;
    Entry { switched, ..found(check, answer) }
}

fn found(check: &Check, answer: Answer) -> Entry {
    let (outcome, why, reason) = match answer.finding {
        None => return Entry::new(check, Outcome::Passed, Why::Said, String::new()),
        Some(Finding::Failed(reason)) => {
            let outcome = if check.level == Level::Must { Outcome::Failed } else { Outcome::Warned };
            (outcome, Why::Said, reason)
        }
        Some(Finding::NotApplicable(reason)) => {
            return Entry::new(check, Outcome::Skipped, Why::NotApplicable, reason);
        }
        Some(Finding::Lacking(reason)) => return Entry::new(check, Outcome::Skipped, Why::Lacking, reason),
        Some(Finding::Absent(reason)) => return Entry::new(check, Outcome::Skipped, Why::Absent, reason),
        Some(Finding::NotRun(reason)) => return Entry::new(check, Outcome::Skipped, Why::NotRun, reason),
    };
    Entry { log: answer.log, ..Entry::new(check, outcome, why, reason) }
}

fn child(check: &Check, request: &Request, program: &Program) -> std::io::Result<Entry> {
    let (order, output) = (request.directory.join("request.json"), request.directory.join("output"));
    fs::write(&order, serde_json::to_vec(request)?)?;
    let printed = File::create(&output)?;
    let mut command = Command::new(&program.path);
    command
        .args(&program.arguments)
        .env(VARIABLE, &order)
        .stdin(Stdio::piped())
        .stdout(printed.try_clone()?)
        .stderr(printed)
        // Of its own, so that what it leaves behind can be ended with it.
        .process_group(0);
    let mut child = command.spawn()?;
    let limit = request.profile.check_limit();
    let status = wait(&mut child, limit)?;
    // No longer needed, and it holds the profile's passwords.
    fs::remove_file(&order)?;
    let answer = fs::read(answer_path(&request.directory)).ok();
    if let Some(answer) = answer.and_then(|text| serde_json::from_slice::<Answer>(&text).ok()) {
        let mut entry = judged(check, answer);
        if entry.outcome != Outcome::Passed {
            entry.log.push_str(&tail(&output));
        }
        return Ok(entry);
    }
    let (outcome, reason) = match status {
        None => (Outcome::TimedOut, format!("it did not end within {} s", limit.as_secs())),
        Some(status) => (Outcome::Crashed, died(status)),
    };
    // Nobody knows how far it came.
    let switched = u32::from(check.needs == Needs::MachineChanged);
    Ok(Entry { log: tail(&output), switched, ..Entry::new(check, outcome, Why::Said, reason) })
}

fn died(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("the process ended itself with code {code}"),
        (None, Some(signal)) => format!("the process died of signal {signal}{}", signal_name(signal)),
        (None, None) => "the process ended".to_owned(),
    }
}

fn signal_name(signal: i32) -> &'static str {
    match signal {
        4 => " (SIGILL)",
        6 => " (SIGABRT)",
        7 => " (SIGBUS)",
        8 => " (SIGFPE)",
        9 => " (SIGKILL)",
        11 => " (SIGSEGV)",
        _ => "",
    }
}

/// Waits for the end; none when it did not come in time and was brought about.
fn wait(child: &mut Child, limit: Duration) -> std::io::Result<Option<ExitStatus>> {
    let deadline = Instant::now() + limit;
    let ended = loop {
        if let Some(status) = child.try_wait()? {
            break Some(status);
        }
        if deadline <= Instant::now() {
            break None;
        }
        std::thread::park_timeout(LOOK_PAUSE);
    };
    if ended.is_none() {
        // Not yet waited for, so the number is still its own. It is no error that nobody is left.
        if let Some(group) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
            kill_process_group(group, Signal::KILL).unwrap_or_default();
        }
        child.wait()?;
    }
    Ok(ended)
}

/// The end of what was printed.
fn tail(path: &Path) -> String {
    let bytes = fs::read(path).unwrap_or_default();
    let begin = bytes.len().saturating_sub(LOG_SIZE_MAX);
    String::from_utf8_lossy(bytes.get(begin..).unwrap_or_default()).into_owned()
}
