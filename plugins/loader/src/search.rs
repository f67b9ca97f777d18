//! Steps 1 and 2: directories and files that nobody else can change.

mod accounts;
mod directory;
mod file;

use std::path::PathBuf;

use crate::candidate::Candidate;
use crate::error::LoadError;
use crate::library::Library;
use crate::refusal::Refusal;
use crate::system::System;

pub(crate) use accounts::Accounts;
pub(crate) use directory::Directory;
pub(crate) use file::Opened;

/// Where plugins are looked for.
#[derive(Debug, Clone, Default)]
pub struct Search {
    /// Directories, in the order in which names are taken.
    pub directories: Vec<PathBuf>,
    /// Libraries plugins may need besides the system's, such as `libvendor.so.1`: there is one of each in the
    /// process, whichever plugin was first.
    pub libraries: Vec<String>,
}

/// What was found.
#[derive(Debug, Default)]
pub struct Scan {
    /// Files called `*.so`, in the order of directories and then of names.
    pub candidates: Vec<Candidate>,
    /// Directories that were refused; their files are among the candidates, refused as well.
    pub refused: Vec<Refusal>,
}

impl Search {
    /// Looks in `directories`.
    pub fn new<P: Into<PathBuf>>(directories: impl IntoIterator<Item = P>) -> Self {
        Self { directories: directories.into_iter().map(Into::into).collect(), libraries: Vec::new() }
    }

    /// Steps 1 to 7: lists and reads, runs nothing.
    ///
    /// Files whose names begin with a dot are left out: they are being written.
    #[must_use]
    pub fn scan(&self) -> Scan {
        let (system, accounts) = (System::read(&self.libraries), Accounts::read());
        let mut scan = Scan::default();
        for path in &self.directories {
            let directory = match Directory::open(path) {
                Ok(directory) => directory,
                Err(error) => {
                    scan.refused.push(refused(path.clone(), error));
                    continue;
                }
            };
            let trusted = directory.check(&accounts);
            let files = directory.libraries();
            for name in files.as_ref().map(Vec::as_slice).unwrap_or_default() {
                scan.candidates.push(Candidate::read(&directory, name, &trusted, &accounts, &system));
            }
            if let Err(error) = trusted.and(files.map(drop)) {
                scan.refused.push(refused(path.clone(), error));
            }
        }
        scan
    }
}

fn refused(path: PathBuf, error: LoadError) -> Refusal {
    Refusal { library: Library::unread(path), error }
}
