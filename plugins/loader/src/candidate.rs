//! A file that may be a plugin, read and not run.

use std::ffi::OsStr;
use std::fmt;
use std::fs::File;

use farrier_sdk::descriptor::Descriptor;

use crate::descriptor;
use crate::elf::{Dynamic, Image};
use crate::error::{Hazard, LoadError};
use crate::library::Library;
use crate::refusal::Refusal;
use crate::search::{Accounts, Directory, Opened};
use crate::sha256::Sha256;
use crate::system::System;

/// A file after steps 1 to 7.
#[derive(Debug)]
pub struct Candidate {
    /// The file.
    pub library: Library,
    /// What it says about itself, or why it was refused.
    pub descriptor: Result<Descriptor, LoadError>,
    /// What will run, if anything of it will; none for a file that was refused.
    pub(crate) contents: Option<Contents>,
}

/// The content of a file as it was read once.
pub(crate) struct Contents {
    pub(crate) file: File,
    pub(crate) bytes: Vec<u8>,
    /// Text of the descriptor's note.
    pub(crate) note: String,
}

impl fmt::Debug for Contents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Contents({} bytes)", self.bytes.len())
    }
}

impl Candidate {
    /// Steps 2 to 7. `directory_trusted` is the outcome of step 1.
    pub(crate) fn read(
        directory: &Directory,
        name: &OsStr,
        directory_trusted: &Result<(), LoadError>,
        accounts: &Accounts,
        system: &System,
    ) -> Self {
        let mut library = Library::unread(directory.path().join(name));
        let Opened { file, data, bytes, trusted } = match Opened::read(directory, name, accounts) {
            Ok(opened) => opened,
            Err(error) => {
                let descriptor = directory_trusted.clone().and(Err(error));
                return Self { library, descriptor, contents: None };
            }
        };
        library.size = Some(data.len());
        library.modified = data.modified().ok();
        library.sha256 = Some(Sha256::of(&bytes));
        let (descriptor, note) = inspect(&bytes, system, &mut library);
        let descriptor = directory_trusted.clone().and(trusted).and(descriptor);
        let contents = descriptor.is_ok().then_some(Contents { file, bytes, note });
        Self { library, descriptor, contents }
    }

    /// The refusal of this file, if it was refused.
    #[must_use]
    pub fn refusal(&self) -> Option<Refusal> {
        let error = self.descriptor.as_ref().err()?;
        Some(Refusal { library: self.library.clone(), error: error.clone() })
    }
}

/// Steps 3 to 7; answers the descriptor and the text it was read from.
///
/// What comes after a refusal is read all the same, to know what the library would have offered, but only the
/// first refusal is reported.
fn inspect(bytes: &[u8], system: &System, library: &mut Library) -> (Result<Descriptor, LoadError>, String) {
    let mut text = String::new();
    let image = match Image::parse(bytes) {
        Ok(image) => image,
        Err(error) => return (Err(error), text),
    };
    library.build_id = image.build_id();
    let described = descriptor::find(&image).and_then(|note| {
        let reading = descriptor::read(note);
        library.plugin = reading.name;
        library.version = reading.version;
        library.offers = reading.offers;
        text = String::from_utf8_lossy(note).into_owned();
        reading.descriptor
    });
    let checked = image
        .check_format()
        .and_then(|()| image.check_extent())
        .and_then(|()| image.dynamic())
        .and_then(|dynamic| check_is_library(&dynamic).map(|()| dynamic))
        .and_then(|dynamic| described.map(|descriptor| (descriptor, dynamic)))
        .and_then(|(descriptor, dynamic)| check_libraries(&image, &dynamic, system).map(|()| descriptor));
    (checked, text)
}

/// A program may do without an interpreter; then only its dynamic section says what it is.
pub(crate) fn check_is_library(dynamic: &Dynamic) -> Result<(), LoadError> {
    if dynamic.program {
        return Err(LoadError::NotALibrary { found: "a program (PIE)".to_owned() });
    }
    Ok(())
}

/// Step 7: what it needs is here, and it asks for nothing unsafe.
pub(crate) fn check_libraries(
    image: &Image<'_>,
    dynamic: &Dynamic,
    system: &System,
) -> Result<(), LoadError> {
    image.check_segments()?;
    if dynamic.text_relocations {
        return Err(LoadError::Unsafe { why: Hazard::TextRelocations });
    }
    if let Some(path) = &dynamic.run_path {
        return Err(LoadError::Unsafe { why: Hazard::RunPath { path: path.clone() } });
    }
    let without = |has: fn(&System, &str) -> bool| {
        dynamic.needed.iter().filter(|name| !has(system, name)).cloned().collect::<Vec<_>>()
    };
    let missing = without(System::has_library);
    if !missing.is_empty() {
        return Err(LoadError::MissingLibrary { names: missing });
    }
    let foreign = without(System::allows_library);
    if !foreign.is_empty() {
        return Err(LoadError::ForeignLibrary { names: foreign });
    }
    match (dynamic.glibc, system.glibc()) {
        (Some(needs), Some(has)) if has < needs => {
            Err(LoadError::Glibc { needs: needs.to_string(), has: has.to_string() })
        }
        _ => Ok(()),
    }
}
