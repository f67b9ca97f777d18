//! One file, looked at by itself: everything that can be said of it without running it.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use farrier_sdk::descriptor::Descriptor;
use serde::Serialize;

use crate::candidate::{Candidate, Contents, check_is_library, check_libraries};
use crate::descriptor;
use crate::elf::{Dynamic, Image};
use crate::error::{LoadError, Untrusted};
use crate::library::Library;
use crate::search::{Accounts, Directory, Opened, Scan};
use crate::sha256::Sha256;
use crate::step::Step;
use crate::system::System;

/// A file after steps 1 to 7, each looked at whatever the others said.
#[derive(Debug)]
pub struct Examination {
    /// The file.
    pub library: Library,
    /// What it needs of a system.
    pub needs: Needs,
    /// What it says about itself, as far as that can be read; also of a file that was refused.
    pub descriptor: Option<Descriptor>,
    /// What the steps said, in their order; a step that could not be taken is not there.
    pub steps: Vec<(Step, Result<(), LoadError>)>,
    contents: Contents,
}

/// What a library needs of the system it runs on.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Needs {
    /// The kind of machine.
    pub machine: Option<String>,
    /// The newest GLIBC version it cannot do without.
    pub glibc: Option<String>,
    /// Libraries.
    pub libraries: Vec<String>,
}

impl Examination {
    /// Takes steps 1 to 7 with the file at `path`.
    ///
    /// # Errors
    ///
    /// When there is nothing to look at: the file or its directory cannot be read, or it is no regular file.
    pub fn of(path: &Path) -> Result<Self, LoadError> {
        let (system, accounts) = (System::read(&[]), Accounts::read());
        let (directory, name, link) = place(path)?;
        let directory = Directory::open(&directory)?;
        let Opened { file, data, bytes, trusted } = Opened::read(&directory, &name, &accounts)?;
        let mut library = Library::unread(directory.path().join(&name));
        library.size = Some(data.len());
        library.modified = data.modified().ok();
        library.sha256 = Some(Sha256::of(&bytes));
        let trusted = if link { Err(LoadError::UntrustedFile { why: Untrusted::Link }) } else { trusted };
        let mut examination = Self {
            library,
            needs: Needs::default(),
            descriptor: None,
            steps: vec![(Step::Directory, directory.check(&accounts)), (Step::File, trusted)],
            contents: Contents { file, bytes: Vec::new(), note: String::new() },
        };
        examination.read(&bytes, &system);
        examination.contents.bytes = bytes;
        Ok(examination)
    }

    fn read(&mut self, bytes: &[u8], system: &System) {
        let image = match Image::parse(bytes) {
            Ok(image) => image,
            Err(error) => return self.steps.push((error.step(), Err(error))),
        };
        self.library.build_id = image.build_id();
        self.needs.machine = Some(image.machine_name());
        let (extent, dynamic) = (image.check_extent(), image.dynamic());
        // Of half a file nothing else is worth saying.
        let is_library = match &dynamic {
            Ok(dynamic) => check_is_library(dynamic),
            Err(error) if extent.is_ok() => Err(error.clone()),
            Err(_) => Ok(()),
        };
        self.steps.push((Step::Format, image.check_format().and(is_library)));
        self.steps.push((Step::Extent, extent));
        self.describe(&image);
        if let Ok(dynamic) = &dynamic {
            self.need(dynamic);
            self.steps.push((Step::Libraries, check_libraries(&image, dynamic, system)));
        }
    }

    /// Steps 5 and 6.
    fn describe(&mut self, image: &Image<'_>) {
        let note = match descriptor::find(image) {
            Ok(note) => note,
            Err(error) => return self.steps.push((Step::Descriptor, Err(error))),
        };
        self.contents.note = String::from_utf8_lossy(note).into_owned();
        let reading = descriptor::read(note);
        self.library.plugin = reading.name;
        self.library.version = reading.version;
        self.library.offers = reading.offers;
        // One that was built for another host can be read all the same.
        self.descriptor = serde_json::from_slice(note).ok();
        match reading.descriptor {
            Ok(_) => self.steps.extend([(Step::Descriptor, Ok(())), (Step::Build, Ok(()))]),
            Err(error) if error.step() == Step::Build => {
                self.steps.extend([(Step::Descriptor, Ok(())), (Step::Build, Err(error))]);
            }
            Err(error) => self.steps.push((Step::Descriptor, Err(error))),
        }
    }

    fn need(&mut self, dynamic: &Dynamic) {
        self.needs.glibc = dynamic.glibc.map(|version| version.to_string());
        self.needs.libraries.clone_from(&dynamic.needed);
    }

    /// The refusals among the steps, in their order.
    pub fn refusals(&self) -> impl Iterator<Item = &LoadError> {
        self.steps.iter().filter_map(|(_, outcome)| outcome.as_ref().err())
    }

    /// The file as the only one that a search has found, for a [`Loader`](crate::Loader).
    ///
    /// `trusted` is whether it was refused for where it is and whose it is; without, steps 1 and 2 do not count.
    #[must_use]
    pub fn into_scan(self, trusted: Trust) -> Scan {
        let counts = |step: Step| match trusted {
            Trust::Checked => true,
            Trust::Assumed => !matches!(step, Step::Directory | Step::File),
        };
        let refused =
            self.steps.into_iter().filter(|(step, _)| counts(*step)).find_map(|(_, outcome)| outcome.err());
        let descriptor = match (refused, self.descriptor) {
            (Some(error), _) => Err(error),
            (None, Some(descriptor)) => Ok(descriptor),
            (None, None) => Err(LoadError::NotAPlugin { why: "it has no descriptor".to_owned() }),
        };
        let contents = descriptor.is_ok().then_some(self.contents);
        Scan {
            candidates: vec![Candidate { library: self.library, descriptor, contents }],
            refused: Vec::new(),
        }
    }
}

/// Whether it matters where a file is, and whose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trust {
    /// As in a conductor.
    Checked,
    /// Whoever asks has made it.
    Assumed,
}

/// Directory and name of a file, behind a link if it is one.
fn place(path: &Path) -> Result<(PathBuf, std::ffi::OsString, bool), LoadError> {
    let unreadable = |error: io::Error| LoadError::FileUnreadable { why: error.to_string() };
    let link = fs::symlink_metadata(path).map_err(unreadable)?.is_symlink();
    let path = if link {
        fs::canonicalize(path).map_err(unreadable)?
    } else {
        std::path::absolute(path).map_err(unreadable)?
    };
    let name = path.file_name().map(OsStr::to_owned);
    match (path.parent(), name) {
        (Some(parent), Some(name)) => Ok((parent.to_owned(), name, link)),
        _ => Err(LoadError::UntrustedFile { why: Untrusted::NotRegular }),
    }
}
