//! The child's side of a trial load.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use farrier_host::{OpenConfig, Origin, Plugin};
use rustix::process::{Resource, Rlimit, setrlimit};

use super::{Answer, Request};
use crate::error::LoadError;
use crate::{descriptor, open, start};

/// Most bytes a library may write to a file while it is tried.
const FILE_SIZE_MAX: u64 = 64 * 1024 * 1024;

/// How long `open` may take here: the starting side has a limit for all of it, and ends us.
const OPEN_TIMEOUT: Duration = Duration::from_secs(24 * 60 * 60);

/// What a program does that was started for a trial load, before anything else.
///
/// Reads one request, loads one library, says what became of it, and waits to be ended. Started by hand it says
/// that it is not for that.
#[must_use]
pub fn child_main() -> ExitCode {
    match serve() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // The starting side quotes this when it finds no child that works.
            let text = format!("a trial load is started by the plugin loader, not by hand: {error}\n");
            io::stderr().write_all(text.as_bytes()).unwrap_or_default();
            ExitCode::from(2)
        }
    }
}

fn serve() -> io::Result<()> {
    // What the library prints must not be taken for our words.
    let socket = UnixStream::from(rustix::io::fcntl_dupfd_cloexec(io::stdout().as_fd(), 3)?);
    let mut lines = BufReader::new(socket.try_clone()?);
    let mut line = String::new();
    lines.read_line(&mut line)?;
    let request: Request = serde_json::from_str(&line)?;
    rustix::stdio::dup2_stdout(io::stderr().as_fd())?;
    limit();
    let (ready, started) = std::sync::mpsc::channel();
    let watch = std::thread::Builder::new().name("watch".to_owned()).spawn(move || {
        // The receiver waits.
        ready.send(()).unwrap_or_default();
        end_with(lines);
    })?;
    // A thread that starts needs the loader's lock for its thread-locals, which a library that hangs in its
    // constructor never gives back.
    started.recv().map_err(io::Error::other)?;
    say(&socket, &Answer::Begins)?;
    let loaded = load(request);
    let answer = match &loaded {
        Ok(_) => Answer::Loaded,
        Err(error) => Answer::Refused(error.clone()),
    };
    say(&socket, &answer)?;
    // To be ended here, rather than to run the library's destructors: the answer is given.
    watch.join().map_err(|_| io::Error::other("the watching thread panicked"))
}

/// Ends this process with the one that started it, whatever the library is doing.
fn end_with(mut starter: impl Read) {
    // Nothing more is said, so this comes back when nobody is left to say it.
    starter.read_to_end(&mut Vec::new()).unwrap_or_default();
    std::process::abort();
}

fn say(mut socket: &UnixStream, answer: &Answer) -> io::Result<()> {
    let line = serde_json::to_string(answer)? + "\n";
    socket.write_all(line.as_bytes())
}

/// Leaves no dump of a crash that is expected, and no file that grows for ever.
fn limit() {
    for (resource, most) in [(Resource::Core, 0), (Resource::Fsize, FILE_SIZE_MAX)] {
        // Without the limits the trial is as good.
        setrlimit(resource, Rlimit { current: Some(most), maximum: Some(most) }).unwrap_or_default();
    }
}

/// Steps 12 to 16 on the library that is our standard input.
fn load(request: Request) -> Result<Plugin, LoadError> {
    let descriptor = descriptor::read(request.note.as_bytes()).descriptor?;
    let handle = io::stdin().as_fd().try_clone_to_owned();
    let handle = handle.map_err(|error| LoadError::Copy { why: error.to_string() })?;
    let module = open::open(handle, &request.note)?;
    let origin = Origin::File { path: PathBuf::from("/proc/self/fd/0"), sha256: String::new() };
    let config = OpenConfig { options: request.options, timeout: OPEN_TIMEOUT, ..OpenConfig::default() };
    start::start(module, descriptor, origin, &config, &request.interfaces)
}
