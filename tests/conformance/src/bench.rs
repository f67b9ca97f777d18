//! What a check works with: the file, the loaded plugin, nodes and calls on them.

mod arguments;
mod session;

use std::cell::OnceCell;
use std::path::Path;

use farrier_host::Cassette;
use farrier_loader::{Candidate, Search};
use farrier_sdk::descriptor::Descriptor;
use farrier_sdk::error::Chain;
use farrier_sdk::interface::InterfaceType;

use crate::check::{Finding, Judgement, failed, not_run};
use crate::journal::Journal;
use crate::profile::Profile;
use crate::recording::Tape;
use crate::sandbox::Request;

pub(crate) use arguments::{asks_the_machine, changes_the_machine, is_read, methods, reader, sample};
pub(crate) use session::{Answer, GRACE, Session, note_call, note_switched, switched};

/// What one check has to work with.
pub(crate) struct Bench {
    request: Request,
    candidate: OnceCell<Option<Candidate>>,
    bytes: OnceCell<Vec<u8>>,
    cassette: OnceCell<Result<Option<Cassette>, Finding>>,
}

impl Bench {
    pub(crate) fn new(request: Request) -> Self {
        // The log begins before the plugin does anything.
        Journal::get();
        Self { request, candidate: OnceCell::new(), bytes: OnceCell::new(), cassette: OnceCell::new() }
    }

    /// What the plugin is judged by.
    pub(crate) fn profile(&self) -> &Profile {
        &self.request.profile
    }

    /// The seed of everything random.
    pub(crate) fn seed(&self) -> u64 {
        self.request.seed
    }

    /// A directory for this check.
    pub(crate) fn directory(&self) -> &Path {
        &self.request.directory
    }

    /// Whether this is a process for one check alone.
    pub(crate) fn alone(&self) -> bool {
        self.request.alone
    }

    pub(crate) fn journal(&self) -> &'static Journal {
        Journal::get()
    }

    /// The bytes of the library.
    pub(crate) fn bytes(&self) -> &[u8] {
        self.bytes.get_or_init(|| std::fs::read(&self.request.library).unwrap_or_default())
    }

    /// The library after steps 1 to 7.
    pub(crate) fn candidate(&self) -> Result<&Candidate, Finding> {
        let candidate = self.candidate.get_or_init(|| scan(&self.request.library));
        candidate.as_ref().map_or_else(|| not_run("the kit's copy of the library is gone"), Ok)
    }

    /// What the plugin says about itself.
    pub(crate) fn descriptor(&self) -> Result<&Descriptor, Finding> {
        match &self.candidate()?.descriptor {
            Ok(descriptor) => Ok(descriptor),
            Err(error) => not_run(format!("the library was refused: {error}")),
        }
    }

    /// What the release before this one says about itself.
    pub(crate) fn previous_descriptor(&self) -> Result<Descriptor, Finding> {
        match self.previous_candidate()?.descriptor {
            Ok(descriptor) => Ok(descriptor),
            Err(error) => not_run(format!("the previous release was refused: {error}")),
        }
    }

    fn previous_candidate(&self) -> Result<Candidate, Finding> {
        let Some(previous) = &self.request.previous else {
            return Err(Finding::NotApplicable("no previous release was given".to_owned()));
        };
        scan(previous).map_or_else(|| not_run("the kit's copy of the previous release is gone"), Ok)
    }

    /// Loads the plugin as the conductor does, with the options of the profile.
    pub(crate) fn load(&self) -> Result<Session, Finding> {
        Session::load(&self.request.library, self.profile(), self.cassette()?)
    }

    /// Where requests of the plugin and what the kit sees of the machine are recorded, or answered from.
    pub(crate) fn cassette(&self) -> Result<Option<Cassette>, Finding> {
        let open = || match &self.request.tape {
            None => Ok(None),
            Some(Tape::Record(path)) => match Cassette::record(path) {
                Ok(cassette) => Ok(Some(cassette)),
                Err(error) => not_run(Chain(&error).to_string()),
            },
            Some(Tape::Replay(path)) => match Cassette::replay(path) {
                Ok(cassette) => Ok(Some(cassette)),
                Err(error) => failed(Chain(&error).to_string()),
            },
        };
        self.cassette.get_or_init(open).clone()
    }

    /// What a check found, unless its recording was of something else: then nothing was found but that.
    pub(crate) fn fit(&self, found: Judgement) -> Judgement {
        let Some(cassette) = self.cassette()? else { return found };
        let misfits = cassette.misfits();
        if !misfits.is_empty() {
            return failed(format!("the recording does not fit: {}", misfits.join("; ")));
        }
        let unused = cassette.unused_changes();
        // Who fails may end early.
        if found.is_ok() && !unused.is_empty() {
            return failed(format!("the recording does not fit: {} did not come", unused.join(", ")));
        }
        found
    }

    /// Loads the release before this one.
    pub(crate) fn load_previous(&self) -> Result<Session, Finding> {
        self.previous_descriptor()?;
        match &self.request.previous {
            Some(previous) => Session::load(previous, self.profile(), self.cassette()?),
            None => failed("no previous release was given"),
        }
    }

    /// Path of the library.
    pub(crate) fn library(&self) -> &Path {
        &self.request.library
    }

    /// Implementations of one interface type.
    pub(crate) fn implementations(&self, kind: InterfaceType) -> Result<Vec<String>, Finding> {
        let interfaces = self.descriptor()?.interfaces.iter();
        Ok(interfaces
            .filter(|interface| interface.kind == kind)
            .map(|interface| interface.name.clone())
            .collect())
    }
}

/// Steps 1 to 7 on a library that is alone in its directory.
fn scan(library: &Path) -> Option<Candidate> {
    let mut scan = Search::new(library.parent()).scan();
    (!scan.candidates.is_empty()).then(|| scan.candidates.remove(0))
}
