//! What a check works with: the file, the loaded plugin, nodes and calls on them.

mod arguments;
mod session;

use std::cell::OnceCell;
use std::path::Path;

use farrier_loader::{Candidate, Search};
use farrier_sdk::descriptor::Descriptor;
use farrier_sdk::interface::InterfaceType;

use crate::check::{Finding, failed, not_run};
use crate::journal::Journal;
use crate::profile::Profile;
use crate::sandbox::Request;

pub(crate) use arguments::{changes_the_machine, is_read, methods, reader, sample};
pub(crate) use session::{Answer, GRACE, Session};

/// What one check has to work with.
pub(crate) struct Bench {
    request: Request,
    candidate: OnceCell<Option<Candidate>>,
    bytes: OnceCell<Vec<u8>>,
}

impl Bench {
    pub(crate) fn new(request: Request) -> Self {
        // The log begins before the plugin does anything.
        Journal::get();
        Self { request, candidate: OnceCell::new(), bytes: OnceCell::new() }
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
        Session::load(&self.request.library, self.profile())
    }

    /// Loads the release before this one.
    pub(crate) fn load_previous(&self) -> Result<Session, Finding> {
        self.previous_descriptor()?;
        match &self.request.previous {
            Some(previous) => Session::load(previous, self.profile()),
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
