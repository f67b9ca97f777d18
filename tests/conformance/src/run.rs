//! All checks, each in its process.

use std::ffi::OsString;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::thread;
use std::time::Duration;

use farrier_loader::{Search, Sha256};
use tempfile::TempDir;

use crate::check::{Check, Needs, checks};
use crate::identity::{IDENTITY, Known};
use crate::profile::{Identity, Profile, TargetKind};
use crate::recording::{Recording, RecordingError};
use crate::report::{Entry, Outcome, Report, SCHEMA, Subject, Why};
use crate::residue::pause;
use crate::sandbox::{Request, perform};
use crate::target;
use crate::verdict::Verdict;

/// The checks without which others make no sense: a file that is a plugin, and one that loads.
const GATES: [&str; 2] = ["PKG-001", "LOD-001"];

/// The name of the library in the directories it is copied to.
const COPY: &str = "libplugin.so";

/// What a report says of a recording without requests.
const NOTHING_RECORDED: &str =
    "the recording is empty: this plugin does not talk to its machine through the host service `http`";

/// A run could not begin.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The library cannot be read.
    #[error("`{}` cannot be read", path.display())]
    Library {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The directory for the run cannot be made.
    #[error("no directory could be made for the run in `{}`", path.display())]
    Directory {
        /// Where.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The serial number that was confirmed is not that of the machine.
    #[error("the profile is about machine `{expected}`, `{given}` was confirmed")]
    OtherMachine {
        /// The serial number in the profile.
        expected: String,
        /// The one on the command line.
        given: String,
    },
    /// The recording cannot be made or used.
    #[error(transparent)]
    Recording(#[from] RecordingError),
    /// A pattern names no check.
    #[error("`{pattern}` names no check; `farrier-conformance list` names them all")]
    NoSuchCheck {
        /// The pattern.
        pattern: String,
    },
}

/// What runs a check in a process of its own: a program that calls [`child_main`](crate::child_main) if
/// [`is_child`](crate::is_child).
#[derive(Debug, Clone)]
pub struct Program {
    /// The program.
    pub path: PathBuf,
    /// Its arguments.
    pub arguments: Vec<OsString>,
}

impl Program {
    /// The program that runs now, without arguments.
    #[must_use]
    pub fn this() -> Self {
        Self { path: PathBuf::from("/proc/self/exe"), arguments: Vec::new() }
    }
}

/// How a run is made.
#[derive(Debug, Clone)]
pub struct Options {
    /// Which checks: groups, checks, beginnings with `*`; all if there are none.
    pub filter: Vec<String>,
    /// The seed of everything random.
    pub seed: u64,
    /// How many checks run at once.
    pub jobs: usize,
    /// What runs a check; none to run all in this process, for a debugger.
    pub program: Option<Program>,
    /// The release before this one.
    pub previous: Option<PathBuf>,
    /// The serial number of a real machine that may be changed.
    pub confirmed: Option<String>,
    /// The directory where the machine is recorded: it is made, or empty.
    pub record: Option<PathBuf>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            filter: Vec::new(),
            seed: 1,
            jobs: thread::available_parallelism().map_or(1, usize::from),
            program: Some(Program::this()),
            previous: None,
            confirmed: None,
            record: None,
        }
    }
}

/// Judges `library` by `profile`.
///
/// # Errors
///
/// All of [`RunError`]; whatever is wrong with the plugin is in the report.
pub fn run(library: &Path, profile: &Profile, options: &Options) -> Result<Report, RunError> {
    for pattern in &options.filter {
        if !checks().any(|check| check.matches(std::slice::from_ref(pattern))) {
            return Err(RunError::NoSuchCheck { pattern: pattern.clone() });
        }
    }
    let recording = Recording::of(profile, options.record.as_deref())?;
    let profile =
        &recording.as_ref().map_or_else(|| profile.clone(), |recording| recording.complete(profile));
    let place = Place::make(library, options.previous.as_deref())?;
    let plugin = subject(library, &place);
    if let Some(recording) = &recording {
        recording.check_plugin(&plugin)?;
    }
    let plan = Plan {
        profile,
        options,
        disruptive: may_disrupt(profile, options.confirmed.as_deref())?,
        place: &place,
        recording: recording.as_ref(),
        number: AtomicUsize::new(0),
        switched: AtomicU32::new(0),
        // Real machines are alone.
        jobs: if profile.target.kind == TargetKind::Machine { 1 } else { options.jobs.max(1) },
    };
    let (entries, mut notes) = plan.entries();
    if let Some(recording) = &recording
        && recording.finish(profile, options.seed, &plugin, &entries)? == Some(0)
    {
        notes.push(NOTHING_RECORDED.to_owned());
    }
    let verdict = Verdict::of(&entries);
    Ok(Report {
        schema: SCHEMA,
        kit: env!("CARGO_PKG_VERSION").to_owned(),
        profile: profile.name.clone(),
        aim: profile.level,
        verdict,
        missing: verdict.missing(&entries),
        untested: untested(&entries),
        filter: options.filter.clone(),
        seed: options.seed,
        plugin,
        target: match &recording {
            Some(recording) => recording.describe(profile),
            None => target::describe(&profile.target),
        },
        notes,
        checks: entries,
        signature: None,
    })
}

/// Names of the checks of what the target does not have.
fn untested(entries: &[Entry]) -> Vec<String> {
    entries.iter().filter(|entry| entry.is_untested()).map(|entry| entry.id.clone()).collect()
}

/// Whether machines may be changed: emulators always, real ones when their serial number was confirmed.
fn may_disrupt(profile: &Profile, confirmed: Option<&str>) -> Result<bool, RunError> {
    if profile.target.kind != TargetKind::Machine {
        return Ok(true);
    }
    match (profile.target.machine.serial.as_deref(), confirmed) {
        (_, None) => Ok(false),
        (Some(expected), Some(given)) if expected == given => Ok(true),
        (expected, Some(given)) => Err(RunError::OtherMachine {
            expected: expected.unwrap_or("without a serial number").to_owned(),
            given: given.to_owned(),
        }),
    }
}

/// The directory of a run; removed with it.
struct Place {
    temporary: TempDir,
    library: PathBuf,
    previous: Option<PathBuf>,
}

impl Place {
    fn make(library: &Path, previous: Option<&Path>) -> Result<Self, RunError> {
        let path = std::env::temp_dir();
        let temporary = tempfile::Builder::new()
            .prefix("farrier-conformance-")
            .tempdir()
            .map_err(|source| RunError::Directory { path, source })?;
        let copy = |from: &Path, folder: &str| {
            let directory = temporary.path().join(folder);
            let failed = |source| RunError::Library { path: from.to_owned(), source };
            fs::create_dir(&directory).map_err(failed)?;
            fs::set_permissions(&directory, Permissions::from_mode(0o755)).map_err(failed)?;
            let to = directory.join(COPY);
            fs::copy(from, &to).map_err(failed)?;
            fs::set_permissions(&to, Permissions::from_mode(0o755)).map_err(failed)?;
            Ok::<_, RunError>(to)
        };
        let library = copy(library, "plugin")?;
        let previous = previous.map(|previous| copy(previous, "previous")).transpose()?;
        Ok(Self { temporary, library, previous })
    }
}

fn subject(library: &Path, place: &Place) -> Subject {
    let bytes = fs::read(&place.library).unwrap_or_default();
    let mut subject = Subject {
        file: library.file_name().unwrap_or_default().to_string_lossy().into_owned(),
        sha256: Sha256::of(&bytes).to_string(),
        size: bytes.len() as u64,
        ..Subject::default()
    };
    let scan = Search::new(place.library.parent()).scan();
    let Some(candidate) = scan.candidates.first() else { return subject };
    subject.name = candidate.library.plugin.clone().unwrap_or_default();
    subject.version = candidate.library.version.clone().unwrap_or_default();
    if let Ok(descriptor) = &candidate.descriptor {
        subject.sdk.clone_from(&descriptor.sdk);
        subject.rustc.clone_from(&descriptor.rustc);
    }
    subject
}

/// A run under way.
struct Plan<'a> {
    profile: &'a Profile,
    options: &'a Options,
    disruptive: bool,
    place: &'a Place,
    recording: Option<&'a Recording>,
    /// Counts directories of checks.
    number: AtomicUsize,
    /// How often the machine may have been switched so far.
    switched: AtomicU32,
    jobs: usize,
}

impl Plan<'_> {
    /// Results in the order of the table.
    fn entries(&self) -> (Vec<Entry>, Vec<String>) {
        let chosen: Vec<&'static Check> =
            checks().filter(|check| check.matches(&self.options.filter)).collect();
        let slots: Vec<OnceLock<Entry>> = chosen.iter().map(|_| OnceLock::new()).collect();
        let gate = self.gate(&chosen, &slots);
        let mut notes = Vec::new();
        let stranger = match self.known(&chosen, gate.is_some()) {
            Known::Yes => None,
            Known::Unasked(note) => {
                notes.push(note);
                None
            }
            Known::No(reason) => Some(reason),
        };
        let next = AtomicUsize::new(0);
        let running = Mutex::new(());
        let work = || {
            while let Some((check, slot)) = {
                let index = next.fetch_add(1, Ordering::Relaxed);
                chosen.get(index).zip(slots.get(index))
            } {
                slot.get_or_init(|| match (&gate, &stranger) {
                    (Some((id, reason)), _) if needs_gate(check, id) => {
                        Entry::new(check, Outcome::Skipped, Why::NotRun, reason.clone())
                    }
                    (_, Some(reason)) if check.needs == Needs::MachineChanged => {
                        Entry::new(check, Outcome::Skipped, Why::NotRun, reason.clone())
                    }
                    _ if self.options.program.is_none() => {
                        let _alone = running.lock().unwrap_or_else(PoisonError::into_inner);
                        self.entry(check)
                    }
                    _ => self.entry(check),
                });
            }
        };
        thread::scope(|scope| {
            for _ in 1..self.jobs {
                // Without more threads it takes longer.
                thread::Builder::new().name("kit-run".to_owned()).spawn_scoped(scope, work).ok();
            }
            work();
        });
        (slots.into_iter().filter_map(OnceLock::into_inner).collect(), notes)
    }

    /// Whether the machine that is going to be changed is the one that was confirmed.
    fn known(&self, chosen: &[&'static Check], closed: bool) -> Known {
        let target = &self.profile.target;
        let asks = target.kind == TargetKind::Machine && target.machine.identity == Identity::Inspect;
        let changes = self.disruptive && chosen.iter().any(|check| check.needs == Needs::MachineChanged);
        if !asks || !changes || closed {
            return Known::Yes;
        }
        Known::of(&self.entry(&IDENTITY), target.machine.serial.as_deref().unwrap_or_default())
    }

    /// Runs the gates; the first that does not pass, and what is said of checks behind it.
    fn gate(&self, chosen: &[&'static Check], slots: &[OnceLock<Entry>]) -> Option<(&'static str, String)> {
        for id in GATES {
            let check = Check::find(id)?;
            let entry = self.entry(check);
            let passed = entry.outcome == Outcome::Passed;
            let place = chosen.iter().position(|chosen| chosen.id == id).and_then(|index| slots.get(index));
            if let Some(slot) = place {
                slot.get_or_init(|| entry.clone());
            }
            if !passed {
                return Some((id, format!("needs {id}, which {}: {}", entry.outcome, entry.reason)));
            }
        }
        None
    }

    fn entry(&self, check: &'static Check) -> Entry {
        if let Some(reason) = self.profile.waiver(check.id) {
            return Entry::new(check, Outcome::Skipped, Why::Waived, format!("waived: {reason}"));
        }
        if let Some(reason) = self.unavailable(check) {
            return Entry::new(check, Outcome::Skipped, Why::NotRun, reason);
        }
        let number = self.number.fetch_add(1, Ordering::Relaxed);
        let directory = self.place.temporary.path().join(format!("check-{number}"));
        if let Err(error) = fs::create_dir(&directory) {
            let reason = format!("the kit has no directory for it: {error}");
            return Entry::new(check, Outcome::Skipped, Why::NotRun, reason);
        }
        let request = Request {
            check: check.id.to_owned(),
            library: self.place.library.clone(),
            previous: self.place.previous.clone(),
            profile: self.profile.clone(),
            seed: self.options.seed,
            disruptive: self.disruptive,
            alone: self.options.program.is_some(),
            directory: directory.clone(),
            tape: self.recording.and_then(|recording| recording.tape(check)),
        };
        let entry = perform(check, &request, self.options.program.as_ref());
        fs::remove_dir_all(&directory).unwrap_or_default();
        if 0 < entry.switched {
            self.switched.fetch_add(entry.switched, Ordering::Relaxed);
            self.let_settle();
        }
        entry
    }

    /// Leaves a real machine alone that was switched.
    fn let_settle(&self) {
        let target = &self.profile.target;
        if target.kind == TargetKind::Machine {
            pause(Duration::from_secs(target.machine.settle_s));
        }
    }

    /// Why the machine is not to be switched once more.
    fn is_worn(&self) -> Option<String> {
        let target = &self.profile.target;
        let most = target.machine.power_cycles_max.filter(|_| target.kind == TargetKind::Machine)?;
        let switched = self.switched.load(Ordering::Relaxed);
        (most <= switched).then(|| {
            format!(
                "it changes the machine, which was switched {switched} times: `power_cycles_max` is {most}"
            )
        })
    }

    /// Why a check cannot be made on this target.
    fn unavailable(&self, check: &Check) -> Option<String> {
        let kind = self.profile.target.kind;
        if let Some(reason) = self.recording.and_then(|recording| recording.lacks(check)) {
            return Some(reason);
        }
        match check.needs {
            Needs::File | Needs::Plugin => None,
            Needs::Machine | Needs::MachineChanged | Needs::Faults if kind == TargetKind::None => {
                Some("the profile names no target".to_owned())
            }
            Needs::MachineChanged if !self.disruptive => {
                Some("it changes the machine, whose serial number was not confirmed".to_owned())
            }
            Needs::MachineChanged => self.is_worn(),
            Needs::Machine | Needs::Faults => None,
        }
    }
}

/// Whether a check makes no sense after this gate has closed.
fn needs_gate(check: &Check, gate: &str) -> bool {
    match check.needs {
        Needs::File => false,
        Needs::Plugin | Needs::Machine | Needs::MachineChanged | Needs::Faults => check.id != gate,
    }
}
