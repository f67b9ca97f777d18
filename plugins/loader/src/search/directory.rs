//! Step 1: a directory only its owner writes.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use rustix::fs::{Dir, Mode, OFlags, StatVfsMountFlags};

use super::accounts::{Accounts, Role};
use crate::error::LoadError;

/// Most entries of a plugin directory: what has more is something else, named by mistake.
const ENTRIES_MAX: usize = 4096;

/// An open directory.
#[derive(Debug)]
pub(crate) struct Directory {
    /// Its path without symbolic links.
    path: PathBuf,
    /// Its path as it was given.
    given: PathBuf,
    handle: File,
}

impl Directory {
    /// Opens the directory; it is not trusted yet.
    ///
    /// # Errors
    ///
    /// [`LoadError::DirectoryUnreadable`].
    pub(crate) fn open(given: &Path) -> Result<Self, LoadError> {
        let unreadable = |error: io::Error| unreadable(given, &error);
        let path = fs::canonicalize(given).map_err(unreadable)?;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let handle =
            rustix::fs::open(&path, flags, Mode::empty()).map_err(|error| unreadable(error.into()))?;
        let given = std::path::absolute(given).map_err(unreadable)?;
        Ok(Self { path, given, handle: File::from(handle) })
    }

    /// Its path without symbolic links.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn handle(&self) -> &File {
        &self.handle
    }

    /// Whether nobody else can put files into it or another directory into its place, and programs may be there.
    ///
    /// # Errors
    ///
    /// [`LoadError::UntrustedDirectory`], [`LoadError::NoExec`], [`LoadError::DirectoryUnreadable`].
    pub(crate) fn check(&self, accounts: &Accounts) -> Result<(), LoadError> {
        let unreadable = |error: io::Error| unreadable(&self.path, &error);
        let data = self.handle.metadata().map_err(unreadable)?;
        let untrusted = |path: &Path| {
            let path = path.to_owned();
            move |why| LoadError::UntrustedDirectory { path, why }
        };
        accounts.check(&data, Role::Own).map_err(untrusted(&self.path))?;
        // Also above the given path: whoever can change a link there chooses the directory.
        for parent in self.path.ancestors().skip(1).chain(self.given.ancestors().skip(1)) {
            let data = fs::metadata(parent).map_err(unreadable)?;
            accounts.check(&data, Role::Parent).map_err(untrusted(parent))?;
        }
        let mount = rustix::fs::fstatvfs(&self.handle).map_err(|error| unreadable(error.into()))?;
        if mount.f_flag.contains(StatVfsMountFlags::NOEXEC) {
            return Err(LoadError::NoExec { path: self.path.clone() });
        }
        Ok(())
    }

    /// Names of the libraries in it, sorted.
    ///
    /// # Errors
    ///
    /// [`LoadError::DirectoryUnreadable`].
    pub(crate) fn libraries(&self) -> Result<Vec<OsString>, LoadError> {
        let unreadable = |error: rustix::io::Errno| unreadable(&self.path, &error.into());
        let mut names = Vec::new();
        for (index, entry) in Dir::read_from(&self.handle).map_err(unreadable)?.enumerate() {
            if index == ENTRIES_MAX {
                let why = format!("it has more than {ENTRIES_MAX} entries, so it is no plugin directory");
                return Err(LoadError::DirectoryUnreadable { path: self.path.clone(), why });
            }
            let name = entry.map_err(unreadable)?.file_name().to_bytes().to_vec();
            if name.ends_with(b".so") && !name.starts_with(b".") {
                names.push(OsString::from_vec(name));
            }
        }
        names.sort();
        Ok(names)
    }
}

fn unreadable(path: &Path, error: &io::Error) -> LoadError {
    LoadError::DirectoryUnreadable { path: path.to_owned(), why: error.to_string() }
}
