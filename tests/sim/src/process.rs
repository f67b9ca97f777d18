//! A program that ends with the test that started it.
//!
//! **Invariant:** whatever happens to us, no program stays behind: one that is
//! dropped is stopped, and the kernel kills it when our process dies first. Only
//! [`outlive_us`] lifts this, for a demonstration that is left running.

use std::fs::{self, File};
use std::io;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{LazyLock, mpsc};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process, kill_process_group};

use crate::error::SimError;
use crate::program;
use crate::wait::wait_for;

/// How long a program may take to end after SIGTERM before it is killed.
const STOP_PATIENCE: Duration = Duration::from_secs(5);
/// How long the kernel may take to end a killed one.
const KILL_PATIENCE: Duration = Duration::from_secs(60);
/// How long a program may take that is to end by itself.
const RUN_PATIENCE: Duration = Duration::from_secs(120);
/// How much of a log goes into an error.
const TAIL_LINES: usize = 20;

type Order = (Command, mpsc::SyncSender<io::Result<Child>>);

/// The thread that starts all programs. The kernel's parent-death signal is sent when the *thread* that
/// started a program ends, so that thread has to live as long as the process does.
static STARTER: LazyLock<mpsc::Sender<Order>> = LazyLock::new(|| {
    let (sender, receiver) = mpsc::channel::<Order>();
    thread::spawn(move || {
        for (mut command, reply) in receiver {
            // The one who asked waits for the answer, so nobody is there only if he panicked.
            drop(reply.send(command.spawn()));
        }
    });
    sender
});

static OUTLIVE: AtomicBool = AtomicBool::new(false);

/// From now on programs are started so that they stay when this process ends, and are not stopped when
/// dropped. The caller must have a way to stop them later, by their [`id`](Process::id).
pub fn outlive_us() {
    OUTLIVE.store(true, Ordering::SeqCst);
}

/// A running program, in a process group of its own, its output in a file.
///
/// Dropping it stops it and waits until it is gone.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    log: PathBuf,
    stays: bool,
}

impl Process {
    /// Starts `command`; standard output and error go to the file `log`, standard input is empty.
    ///
    /// # Errors
    ///
    /// [`Io`](SimError::Io) when the log cannot be made or the program not be started. That the program
    /// itself does not exist shows later, as its end with status 127: look it up with
    /// [`program::find`] first.
    pub fn start(name: &str, command: Command, log: &Path) -> Result<Self, SimError> {
        Self::launch(name, &command, log, None)
    }

    /// Like [`start`](Process::start), as another user; only root can.
    ///
    /// # Errors
    ///
    /// As [`start`](Process::start).
    pub fn start_as(user: &str, name: &str, command: Command, log: &Path) -> Result<Self, SimError> {
        Self::launch(name, &command, log, Some(user))
    }

    fn launch(name: &str, command: &Command, log: &Path, user: Option<&str>) -> Result<Self, SimError> {
        let stays = OUTLIVE.load(Ordering::SeqCst);
        let output = File::create(log).map_err(SimError::io(format!("create `{}`", log.display())))?;
        let errors = output.try_clone().map_err(SimError::io("share a log file"))?;
        let mut wrapped = wrap(command, user, stays)?;
        wrapped.stdin(Stdio::null()).stdout(output).stderr(errors).process_group(0);

        let failed = || SimError::io(format!("start `{name}`"));
        let gone = || io::Error::other("the starting thread has ended");
        let (reply, answer) = mpsc::sync_channel(1);
        STARTER.send((wrapped, reply)).map_err(|_| failed()(gone()))?;
        let child = answer.recv().map_err(|_| failed()(gone()))?.map_err(failed())?;
        Ok(Self { name: name.to_owned(), child, log: log.to_owned(), stays })
    }

    /// Its process id, which is also the id of its process group.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// The file with its output.
    #[must_use]
    pub fn log(&self) -> &Path {
        &self.log
    }

    /// Whether it has not ended yet.
    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Sends it a signal; nothing happens when it has ended.
    ///
    /// # Errors
    ///
    /// [`Io`](SimError::Io) when the kernel refuses.
    pub fn signal(&mut self, signal: Signal) -> Result<(), SimError> {
        if !self.is_running() {
            return Ok(());
        }
        kill_process(self.pid(), signal)
            .map_err(|error| SimError::io(format!("signal `{}`", self.name))(error.into()))
    }

    /// Looks until `look` answers `Some`, like [`wait_for`], but gives up as soon as the program has ended.
    ///
    /// # Errors
    ///
    /// [`Ended`](SimError::Ended) with the end of its log, or [`Late`](SimError::Late).
    pub fn wait_until<T>(
        &mut self,
        what: &str,
        within: Duration,
        mut look: impl FnMut() -> Option<T>,
    ) -> Result<T, SimError> {
        wait_for(&format!("{what} (`{}`)", self.name), within, || {
            let ended = self.child.try_wait().ok().flatten();
            match (look(), ended) {
                (Some(seen), _) => Some(Ok(seen)),
                (None, Some(status)) => Some(Err(self.ended(status, what))),
                (None, None) => None,
            }
        })?
    }

    /// Asks it to end with SIGTERM, waits, kills what is left of its group, and says how it ended.
    ///
    /// # Errors
    ///
    /// [`Late`](SimError::Late) when even killing it did not help.
    pub fn stop(&mut self) -> Result<ExitStatus, SimError> {
        self.stop_within(STOP_PATIENCE)
    }

    /// [`stop`](Process::stop) with another patience than five seconds before it is killed.
    ///
    /// # Errors
    ///
    /// As [`stop`](Process::stop).
    pub fn stop_within(&mut self, patience: Duration) -> Result<ExitStatus, SimError> {
        self.signal(Signal::TERM)?;
        // One that was made deaf must wake up to hear it.
        self.signal(Signal::CONT)?;
        let ended = self.wait_end(patience);
        // Whoever it started and left behind; usually nobody, which is the error ignored here.
        kill_process_group(self.pid(), Signal::KILL).ok();
        match ended {
            Ok(status) => Ok(status),
            Err(_) => self.wait_end(KILL_PATIENCE),
        }
    }

    /// Waits until it ends by itself.
    ///
    /// # Errors
    ///
    /// [`Late`](SimError::Late) when it does not.
    pub fn wait_end(&mut self, within: Duration) -> Result<ExitStatus, SimError> {
        let what = format!("the end of `{}`", self.name);
        wait_for(&what, within, || self.child.try_wait().ok().flatten())
    }

    /// Waits until it ends by itself, and well; for the short ones.
    ///
    /// # Errors
    ///
    /// [`Ended`](SimError::Ended) with the end of its log, or [`Late`](SimError::Late).
    pub fn wait_success(&mut self) -> Result<(), SimError> {
        let status = self.wait_end(RUN_PATIENCE)?;
        if status.success() { Ok(()) } else { Err(self.ended(status, "its work was done")) }
    }

    /// The last lines it printed.
    #[must_use]
    pub fn tail(&self) -> String {
        let bytes = fs::read(&self.log).unwrap_or_default();
        let text = String::from_utf8_lossy(&bytes);
        let lines: Vec<&str> = text.lines().collect();
        lines.iter().skip(lines.len().saturating_sub(TAIL_LINES)).copied().collect::<Vec<_>>().join("\n")
    }

    fn ended(&self, status: ExitStatus, what: &str) -> SimError {
        SimError::Ended {
            name: self.name.clone(),
            status: status.to_string(),
            what: what.to_owned(),
            tail: self.tail(),
        }
    }

    fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if !self.stays {
            // Nobody is left to tell; the kernel's signal at our own death is the second net.
            drop(self.stop());
        }
    }
}

/// Runs `command` to its end and answers with what it printed on standard output.
///
/// # Errors
///
/// [`Failed`](SimError::Failed) with all it printed, [`Io`](SimError::Io) when it could not be started.
pub fn run(mut command: Command) -> Result<String, SimError> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command.output().map_err(SimError::io(format!("start `{program}`")))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() {
        return Ok(text);
    }
    let errors = String::from_utf8_lossy(&output.stderr);
    let output_text = format!("{text}{errors}").trim().to_owned();
    Err(SimError::Failed { program, status: output.status.to_string(), output: output_text })
}

/// Ends the process `id` and its group as [`Process::stop`] does, when no [`Process`] is left of it.
///
/// # Errors
///
/// [`Late`](SimError::Late) when even killing it did not help.
pub fn end_group(id: u32, patience: Duration) -> Result<(), SimError> {
    let Some(pid) = i32::try_from(id).ok().and_then(Pid::from_raw) else { return Ok(()) };
    let what = format!("the end of process {id}");
    let gone = || (!is_alive(id)).then_some(());
    for signal in [Signal::TERM, Signal::CONT] {
        // It may have ended on its own, which is what is wanted.
        kill_process(pid, signal).ok();
    }
    let ended = wait_for(&what, patience, gone);
    kill_process_group(pid, Signal::KILL).ok();
    ended.or_else(|_| wait_for(&what, KILL_PATIENCE, gone))
}

/// Whether a process runs; one whose end its parent has not asked for yet (state `Z`) does not.
fn is_alive(id: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, state)| !state.starts_with('Z'))
}

/// `command`, run by `setpriv`, which asks the kernel for the parent-death signal and changes the user
/// without a line of unsafe code here, and then becomes that command.
fn wrap(command: &Command, user: Option<&str>, stays: bool) -> Result<Command, SimError> {
    let mut wrapped = Command::new(program::find("setpriv", "install the package `util-linux`")?);
    if let Some(user) = user {
        wrapped.args(["--reuid", user, "--regid", user, "--clear-groups"]);
    }
    if !stays {
        wrapped.args(["--pdeathsig", "KILL"]);
    }
    wrapped.arg("--").arg(command.get_program()).args(command.get_args());
    if let Some(directory) = command.get_current_dir() {
        wrapped.current_dir(directory);
    }
    for (key, value) in command.get_envs() {
        match value {
            Some(value) => wrapped.env(key, value),
            None => wrapped.env_remove(key),
        };
    }
    Ok(wrapped)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Duration = Duration::from_secs(60);

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn dropping_ends_the_program_and_what_it_started() {
        let directory = tempfile::tempdir().unwrap();
        let log = directory.path().join("log");
        let script = "sleep 1000 & echo $!; wait";
        let mut process = Process::start("sleeper", shell(script), &log).unwrap();
        let grandchild: u32 = process
            .wait_until("its child's id", PATIENCE, || fs::read_to_string(&log).ok()?.trim().parse().ok())
            .unwrap();
        let child = process.id();

        drop(process);

        assert!(!is_alive(child));
        wait_for("end of the grandchild", PATIENCE, || (!is_alive(grandchild)).then_some(())).unwrap();
    }

    #[test]
    fn a_program_that_ignores_sigterm_is_killed() {
        let directory = tempfile::tempdir().unwrap();
        let log = directory.path().join("log");
        let script = "trap '' TERM; echo ready; while :; do sleep 1000; done";
        let mut process = Process::start("stubborn", shell(script), &log).unwrap();
        let ready = || fs::read_to_string(&log).ok().filter(|text| text.contains("ready"));
        process.wait_until("its line", PATIENCE, ready).unwrap();

        let status = process.stop_within(Duration::from_millis(50)).unwrap();

        assert!(!status.success());
    }

    #[test]
    fn what_was_left_running_can_be_ended_by_its_id() {
        let directory = tempfile::tempdir().unwrap();
        let process = Process::start("sleeper", shell("sleep 1000"), &directory.path().join("log")).unwrap();

        end_group(process.id(), PATIENCE).unwrap();

        assert!(!is_alive(process.id()));
    }

    #[test]
    fn an_early_end_is_reported_with_the_last_lines() {
        let directory = tempfile::tempdir().unwrap();
        let log = directory.path().join("log");
        let mut process = Process::start("quitter", shell("echo no luck; exit 3"), &log).unwrap();

        let error = process.wait_until("readiness", PATIENCE, || None::<()>).unwrap_err();

        let text = error.to_string();
        assert!(text.contains("`quitter` ended with exit status: 3 before readiness"), "{text}");
        assert!(text.ends_with("no luck"), "{text}");
    }

    #[test]
    fn the_programs_environment_and_directory_are_kept() {
        let directory = tempfile::tempdir().unwrap();
        let log = directory.path().join("log");
        let mut command = shell("pwd; echo $GREETING");
        command.current_dir("/usr").env("GREETING", "hello");
        let mut process = Process::start("speaker", command, &log).unwrap();

        process.wait_end(PATIENCE).unwrap();

        assert_eq!(process.tail(), "/usr\nhello");
    }

    #[test]
    fn a_failing_command_says_what_it_printed() {
        let error = run(shell("echo half; echo broken >&2; exit 1")).unwrap_err();

        assert_eq!(error.to_string(), "`sh` failed with exit status: 1: half\nbroken");
    }
}
