//! What goes wrong in a call.

use std::str::FromStr;
use std::sync::{Mutex, PoisonError};

use farrier_sdk::prelude::*;

/// `driver_info` of a rogue machine.
#[derive(Debug, Properties)]
pub(crate) struct RogueInfo {
    /// What goes wrong in calls
    pub(crate) rogue_mode: Option<String>,
    /// A password, which nobody must see
    #[property(secret)]
    pub(crate) rogue_password: Option<SecretRef>,
    /// How long `slow` and `ignore-cancel` take, and `block-executor` blocks, in milliseconds
    #[property(default = 60_000)]
    pub(crate) rogue_delay_ms: u64,
}

/// Misbehavior in a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Calling {
    /// `error`: answers with an error of the machine.
    Error,
    /// `panic`: panics.
    Panic,
    /// `panic-in-drop`: never answers, and panics when it is dropped.
    PanicInDrop,
    /// `hang`: never answers, but can be dropped.
    Hang,
    /// `block-executor`: blocks the thread it runs on.
    BlockExecutor,
    /// `slow`: takes its time, but ends when it is asked to.
    Slow,
    /// `ignore-cancel`: takes its time, whatever it is asked.
    IgnoreCancel,
    /// `keep-task`: keeps its task, and uses it in the next call of this kind.
    KeepTask,
    /// `log-secret`: puts the password into log and error.
    LogSecret,
    /// `lie`: says that what was asked for was done.
    Lie,
    /// `large`: answers more than the boundary carries.
    Large,
    /// `crash`: ends the process by SIGABRT.
    Crash,
    /// `exit`: ends the process with code 3.
    Exit,
}

/// How often `slow` looks whether it should end.
const SLOW_STEP: Duration = Duration::from_millis(20);

/// A task kept beyond its call.
static KEPT: Mutex<Option<DriverTask<RogueInfo>>> = Mutex::new(None);

impl Calling {
    /// All of them with their words.
    const WORDS: [(&str, Self); 13] = [
        ("error", Self::Error),
        ("panic", Self::Panic),
        ("panic-in-drop", Self::PanicInDrop),
        ("hang", Self::Hang),
        ("block-executor", Self::BlockExecutor),
        ("slow", Self::Slow),
        ("ignore-cancel", Self::IgnoreCancel),
        ("keep-task", Self::KeepTask),
        ("log-secret", Self::LogSecret),
        ("lie", Self::Lie),
        ("large", Self::Large),
        ("crash", Self::Crash),
        ("exit", Self::Exit),
    ];

    /// What the node asks for.
    ///
    /// # Errors
    ///
    /// `InvalidParameter`: an unknown word.
    pub(crate) fn of(task: &DriverTask<RogueInfo>) -> Result<Option<Self>> {
        let unknown = |()| DriverError::invalid_parameter("`rogue_mode` is none of rogue's words");
        task.info().rogue_mode.as_deref().map(str::parse).transpose().map_err(unknown)
    }
}

impl FromStr for Calling {
    type Err = ();

    fn from_str(word: &str) -> Result<Self, ()> {
        Self::WORDS.iter().find(|(known, _)| *known == word).map(|(_, calling)| *calling).ok_or(())
    }
}

/// What every method does first: what the node asks for, if that is not special to the method.
#[expect(clippy::panic, reason = "that is what it was asked for")]
pub(crate) async fn misbehave(task: &DriverTask<RogueInfo>) -> Result<()> {
    let delay = Duration::from_millis(task.info().rogue_delay_ms);
    match Calling::of(task)? {
        None | Some(Calling::Lie | Calling::Large) => Ok(()),
        Some(Calling::Error) => Err(DriverError::hardware("rogue was asked to fail")),
        Some(Calling::Panic) => panic!("rogue was asked to panic in a call"),
        Some(Calling::PanicInDrop) => {
            let _bomb = Bomb;
            std::future::pending().await
        }
        Some(Calling::Hang) => std::future::pending().await,
        Some(Calling::BlockExecutor) => {
            block(delay);
            Ok(())
        }
        Some(Calling::Slow) => slow(task, delay).await,
        Some(Calling::IgnoreCancel) => task.sleep(delay).await,
        Some(Calling::KeepTask) => keep(task).await,
        Some(Calling::LogSecret) => tell(task).await,
        Some(Calling::Crash) => std::process::abort(),
        Some(Calling::Exit) => std::process::exit(3),
    }
}

/// Panics when it is dropped.
struct Bomb;

impl Drop for Bomb {
    #[expect(clippy::panic, reason = "that is what it was asked for")]
    fn drop(&mut self) {
        panic!("rogue was asked to panic in a destructor");
    }
}

/// Keeps the thread that polls.
fn block(delay: Duration) {
    let begin = std::time::Instant::now();
    while begin.elapsed() < delay {
        std::thread::park_timeout(delay.saturating_sub(begin.elapsed()));
    }
}

/// Looks now and then whether it should end.
async fn slow(task: &DriverTask<RogueInfo>, delay: Duration) -> Result<()> {
    let begin = std::time::Instant::now();
    while begin.elapsed() < delay {
        if task.cancelled() {
            return Err(DriverError::new(ErrorKind::Cancelled, "rogue was asked to end"));
        }
        task.sleep(SLOW_STEP.min(delay)).await?;
    }
    Ok(())
}

/// Keeps this task and uses the one before, whose call has ended.
async fn keep(task: &DriverTask<RogueInfo>) -> Result<()> {
    let before = KEPT.lock().unwrap_or_else(PoisonError::into_inner).replace(task.clone());
    match before {
        // Answers whatever the host has to say to a task whose call has ended.
        Some(before) => before.progress(100, "still here").await,
        None => Ok(()),
    }
}

/// Says what must not be said.
async fn tell(task: &DriverTask<RogueInfo>) -> Result<()> {
    let Some(reference) = &task.info().rogue_password else { return Ok(()) };
    let password = task.reveal(reference).await?;
    info!(password = password.expose(), "rogue tells a secret");
    Err(DriverError::auth_failed(format!("rogue could not log in with `{}`", password.expose())))
}
