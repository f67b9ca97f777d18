//! Recordings: what a machine said during a run, for the same run without it.
//!
//! A recording is a directory. `recording.json` says what was judged, on what, by which kit, and what came of each
//! check; `CHECK.jsonl` is the cassette of one check. The host's service `http` writes and reads these: it knows the
//! secrets, and masks them. What the kit itself saw of the machine, or did to it, stands between the requests.
//!
//! Only checks that work on the machine of the profile are recorded. All others bring what they need along, and run
//! beside a recording as they do beside a machine.

use std::collections::BTreeMap;
use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use farrier_host::Cassette;
use serde::{Deserialize, Serialize};

use crate::check::{Check, Needs};
use crate::profile::{Profile, TargetKind};
use crate::report::{Entry, Outcome, Subject, Why};
use crate::target;

/// Form of a recording.
const FORM: u32 = 1;

/// The file with what is to be known about all cassettes.
const FACTS: &str = "recording.json";

/// Why nothing can be replayed of a plugin that has sockets of its own.
const NOTHING: &str = "this plugin did not talk through the host service `http`, nothing was recorded";

/// A recording could not be made or used.
#[derive(Debug, thiserror::Error)]
pub enum RecordingError {
    /// A file or directory cannot be written or read.
    #[error("recording `{}` cannot be {attempted}", path.display())]
    File {
        /// The file or directory.
        path: PathBuf,
        /// `made`, `written` or `read`.
        attempted: &'static str,
        /// Why.
        source: io::Error,
    },
    /// There is a recording already.
    #[error("`{}` has a recording already; name another directory, or remove it", path.display())]
    Taken {
        /// The directory.
        path: PathBuf,
    },
    /// It is none, or of a newer form.
    #[error("`{}` is no recording of form {FORM}: {why}", path.display())]
    Form {
        /// The file.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// The target is no machine.
    #[error("there is nothing to record: the profile's target is neither an emulator nor a machine")]
    NoMachine,
    /// The target is a recording, and nobody says which.
    #[error(
        "the profile's target is a recording; name its directory with `--replay`, or as `target.recording`"
    )]
    Unnamed,
    /// It was made with another plugin.
    #[error("`{}` is a recording of plugin `{recorded}`, this one is `{given}`", path.display())]
    OtherPlugin {
        /// The directory.
        path: PathBuf,
        /// Whose it is.
        recorded: String,
        /// What is to be judged.
        given: String,
    },
}

/// What a check does with its cassette.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Tape {
    /// Writes this file.
    Record(PathBuf),
    /// Is answered from it.
    Replay(PathBuf),
}

/// A recording that is made or used by a run.
#[derive(Debug)]
pub(crate) struct Recording {
    directory: PathBuf,
    /// What is known of it; nothing yet while it is made.
    facts: Option<Facts>,
}

/// What is to be known about all cassettes.
#[derive(Debug, Serialize, Deserialize)]
struct Facts {
    farrier_recording: u32,
    /// Version of the kit.
    kit: String,
    profile: String,
    seed: u64,
    /// The machine, as reports name it.
    target: String,
    /// What it was said not to have.
    #[serde(default)]
    lacks: BTreeMap<String, String>,
    plugin: Subject,
    /// How many requests were recorded, in all checks.
    exchanges: usize,
    checks: BTreeMap<String, Recorded>,
}

/// What came of a check.
#[derive(Debug, Serialize, Deserialize)]
struct Recorded {
    outcome: Outcome,
    why: Why,
    /// How many requests are on its cassette; none if there is no cassette.
    exchanges: Option<usize>,
}

impl Recording {
    /// What this run does with a recording, if anything.
    pub(crate) fn of(profile: &Profile, record: Option<&Path>) -> Result<Option<Self>, RecordingError> {
        match (record, profile.target.kind) {
            (None, TargetKind::Replay) => {
                let directory = profile.target.recording.as_deref().ok_or(RecordingError::Unnamed)?;
                Self::open(directory).map(Some)
            }
            (None, TargetKind::None | TargetKind::Memory | TargetKind::Emulator | TargetKind::Machine) => {
                Ok(None)
            }
            (Some(directory), TargetKind::Emulator | TargetKind::Machine) => Self::begin(directory).map(Some),
            (Some(_), TargetKind::None | TargetKind::Memory | TargetKind::Replay) => {
                Err(RecordingError::NoMachine)
            }
        }
    }

    /// An empty one; its directory is readable for its owner only.
    fn begin(directory: &Path) -> Result<Self, RecordingError> {
        DirBuilder::new().recursive(true).mode(0o700).create(directory).map_err(|source| {
            RecordingError::File { path: directory.to_owned(), attempted: "made", source }
        })?;
        let mut entries = fs::read_dir(directory).map_err(|source| RecordingError::File {
            path: directory.to_owned(),
            attempted: "read",
            source,
        })?;
        if entries.next().is_some() {
            return Err(RecordingError::Taken { path: directory.to_owned() });
        }
        // Checks may run elsewhere.
        let directory = fs::canonicalize(directory).unwrap_or_else(|_| directory.to_owned());
        Ok(Self { directory, facts: None })
    }

    fn open(directory: &Path) -> Result<Self, RecordingError> {
        let path = directory.join(FACTS);
        let text = fs::read_to_string(&path).map_err(|source| RecordingError::File {
            path: path.clone(),
            attempted: "read",
            source,
        })?;
        let facts: Facts = serde_json::from_str(&text)
            .map_err(|error| RecordingError::Form { path: path.clone(), why: error.to_string() })?;
        if facts.farrier_recording != FORM {
            return Err(RecordingError::Form {
                path,
                why: format!("it has form {}", facts.farrier_recording),
            });
        }
        let directory = fs::canonicalize(directory).unwrap_or_else(|_| directory.to_owned());
        Ok(Self { directory, facts: Some(facts) })
    }

    /// The profile with what was said of the machine when this was recorded, and nothing else of it: who says more now
    /// did not see the machine.
    pub(crate) fn complete(&self, profile: &Profile) -> Profile {
        let mut profile = profile.clone();
        if let Some(facts) = &self.facts {
            profile.target.lacks.clone_from(&facts.lacks);
        }
        profile
    }

    /// Whether this is about the plugin that is judged.
    pub(crate) fn check_plugin(&self, plugin: &Subject) -> Result<(), RecordingError> {
        match &self.facts {
            // What says no name is refused by the first checks.
            Some(facts) if !plugin.name.is_empty() && facts.plugin.name != plugin.name => {
                Err(RecordingError::OtherPlugin {
                    path: self.directory.clone(),
                    recorded: facts.plugin.name.clone(),
                    given: plugin.name.clone(),
                })
            }
            Some(_) | None => Ok(()),
        }
    }

    /// The machine, for reports.
    pub(crate) fn describe(&self, profile: &Profile) -> String {
        match &self.facts {
            None => target::describe(&profile.target),
            Some(Facts { target, kit, plugin, .. }) => {
                format!("recording of {target}, made by kit {kit} with {} {}", plugin.name, plugin.version)
            }
        }
    }

    /// The cassette of a check, if it has one.
    pub(crate) fn tape(&self, check: &Check) -> Option<Tape> {
        if !is_recorded(check.needs) {
            return None;
        }
        let path = self.cassette(check.id);
        Some(if self.facts.is_some() { Tape::Replay(path) } else { Tape::Record(path) })
    }

    fn cassette(&self, id: &str) -> PathBuf {
        self.directory.join(format!("{id}.jsonl"))
    }

    /// Why a check cannot be replayed.
    pub(crate) fn lacks(&self, check: &Check) -> Option<String> {
        let facts = self.facts.as_ref().filter(|_| is_recorded(check.needs))?;
        if facts.exchanges == 0 {
            return Some(NOTHING.to_owned());
        }
        match facts.checks.get(check.id) {
            None => Some(format!("kit {}, which made the recording, did not run this check", facts.kit)),
            Some(recorded) if recorded.outcome == Outcome::Skipped && recorded.why == Why::NotRun => {
                Some("it was skipped when this was recorded".to_owned())
            }
            Some(recorded) if recorded.exchanges.is_none() => {
                Some("it left no cassette when this was recorded".to_owned())
            }
            Some(_) => None,
        }
    }

    /// Writes down what the cassettes are of. Answers how many requests there are; none when nothing was recorded.
    pub(crate) fn finish(
        &self,
        profile: &Profile,
        seed: u64,
        plugin: &Subject,
        entries: &[Entry],
    ) -> Result<Option<usize>, RecordingError> {
        if self.facts.is_some() {
            return Ok(None);
        }
        let checks: BTreeMap<String, Recorded> = entries
            .iter()
            .filter(|entry| Check::find(&entry.id).is_some_and(|check| is_recorded(check.needs)))
            .map(|entry| {
                // One that cannot be read again is as good as none.
                let cassette = Cassette::replay(&self.cassette(&entry.id)).ok();
                let exchanges = cassette.map(|cassette| cassette.exchanges());
                (entry.id.clone(), Recorded { outcome: entry.outcome, why: entry.why, exchanges })
            })
            .collect();
        let exchanges = checks.values().filter_map(|recorded| recorded.exchanges).sum();
        let facts = Facts {
            farrier_recording: FORM,
            kit: env!("CARGO_PKG_VERSION").to_owned(),
            profile: profile.name.clone(),
            seed,
            target: target::describe(&profile.target),
            lacks: profile.target.lacks.clone(),
            plugin: plugin.clone(),
            exchanges,
            checks,
        };
        let path = self.directory.join(FACTS);
        let text = serde_json::to_string_pretty(&facts).unwrap_or_default() + "\n";
        fs::write(&path, text).map_err(|source| RecordingError::File {
            path,
            attempted: "written",
            source,
        })?;
        Ok(Some(exchanges))
    }
}

/// Whether a check works on the machine of the profile.
fn is_recorded(needs: Needs) -> bool {
    match needs {
        Needs::Machine | Needs::MachineChanged => true,
        Needs::File | Needs::Plugin | Needs::Faults => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lacking(what: &str) -> BTreeMap<String, String> {
        BTreeMap::from([(what.to_owned(), "this model has none".to_owned())])
    }

    fn recording(facts: Option<Facts>) -> Recording {
        Recording { directory: PathBuf::from("recording"), facts }
    }

    #[test]
    fn a_machine_that_was_recorded_lacks_what_was_said_of_it_then_and_no_more() {
        let facts = Facts {
            farrier_recording: FORM,
            kit: "1".to_owned(),
            profile: "acme".to_owned(),
            seed: 1,
            target: "a machine".to_owned(),
            lacks: lacking("bios"),
            plugin: Subject::default(),
            exchanges: 1,
            checks: BTreeMap::new(),
        };
        let mut profile = Profile::default();
        profile.target.lacks = lacking("inspect");

        let replayed = recording(Some(facts)).complete(&profile);
        let recorded = recording(None).complete(&profile);

        assert_eq!(replayed.target.lacks, lacking("bios"));
        assert_eq!(recorded.target.lacks, lacking("inspect"));
    }
}
