//! Step 2: a file only its owner writes, opened once.

use std::ffi::OsStr;
use std::fs::{File, Metadata};
use std::io::{self, Read};

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use super::accounts::{Accounts, Role};
use super::directory::Directory;
use crate::error::{LoadError, Untrusted};

/// Largest file that is read, in bytes: a plugin has a few MiB, one with all its debug information far more.
const SIZE_MAX: u64 = 1024 * 1024 * 1024;

/// An open file and what it held when it was read; it is never looked up by its path again.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) file: File,
    pub(crate) data: Metadata,
    pub(crate) bytes: Vec<u8>,
    /// Whether somebody else may have written it. It is read all the same, to say what it would have offered.
    pub(crate) trusted: Result<(), LoadError>,
}

impl Opened {
    /// Opens and reads `name` in `directory`.
    ///
    /// # Errors
    ///
    /// [`LoadError::UntrustedFile`] (a link, or no regular file), [`LoadError::FileUnreadable`],
    /// [`LoadError::TooLarge`].
    pub(crate) fn read(directory: &Directory, name: &OsStr, accounts: &Accounts) -> Result<Self, LoadError> {
        // A pipe must not keep us waiting for somebody to write.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let opened = rustix::fs::openat(directory.handle(), name, flags, Mode::empty());
        let file = match opened {
            Ok(file) => File::from(file),
            Err(Errno::LOOP) => return Err(LoadError::UntrustedFile { why: Untrusted::Link }),
            Err(error) => return Err(unreadable(&error.into())),
        };
        let data = file.metadata().map_err(|error| unreadable(&error))?;
        if !data.is_file() {
            return Err(LoadError::UntrustedFile { why: Untrusted::NotRegular });
        }
        if SIZE_MAX < data.len() {
            return Err(LoadError::TooLarge { size: data.len(), limit: SIZE_MAX });
        }
        let mut bytes = Vec::with_capacity(usize::try_from(data.len()).unwrap_or(0));
        // It may grow meanwhile; what is hashed and run is what is read here.
        (&file).take(SIZE_MAX).read_to_end(&mut bytes).map_err(|error| unreadable(&error))?;
        let trusted = accounts.check(&data, Role::Own).map_err(|why| LoadError::UntrustedFile { why });
        Ok(Self { file, data, bytes, trusted })
    }
}

fn unreadable(error: &io::Error) -> LoadError {
    LoadError::FileUnreadable { why: error.to_string() }
}
