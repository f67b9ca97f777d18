//! Step 12, first half: a copy of a library that nobody can change any more.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{MemfdFlags, SealFlags};
use rustix::io::Errno;

use crate::candidate::Contents;
use crate::error::LoadError;

/// Most attempts to seal a copy: while the kernel has pages in its hands, as when it moves them, they are busy. It waits
/// 150 ms for them each time, and memory is in use for so long only on a machine that is short of it.
const SEAL_ATTEMPTS_MAX: u32 = 20;

/// A library in memory: the bytes that were hashed are the bytes that run.
///
/// Its name shows up in the process's memory map and in reports of crashes.
#[derive(Debug)]
pub(crate) struct Sealed(OwnedFd);

impl Sealed {
    /// Copies `contents` under `name`.
    ///
    /// Where the kernel forbids memory files with programs in them, it is the file itself, as opened in step 2.
    ///
    /// # Errors
    ///
    /// [`LoadError::Copy`].
    pub(crate) fn new(name: &str, contents: &Contents) -> Result<Self, LoadError> {
        let failed = |error: io::Error| LoadError::Copy { why: error.to_string() };
        match memory_file(name) {
            Ok(handle) => fill(handle, &contents.bytes).map(Self).map_err(failed),
            Err(Errno::ACCESS | Errno::PERM) => {
                contents.file.try_clone().map(|file| Self(file.into())).map_err(failed)
            }
            Err(error) => Err(failed(error.into())),
        }
    }

    /// Another handle on it, for a child.
    ///
    /// # Errors
    ///
    /// [`LoadError::Copy`].
    pub(crate) fn share(&self) -> Result<OwnedFd, LoadError> {
        self.0.try_clone().map_err(|error| LoadError::Copy { why: error.to_string() })
    }

    /// The handle on it.
    pub(crate) fn into_handle(self) -> OwnedFd {
        self.0
    }
}

impl AsFd for Sealed {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

fn memory_file(name: &str) -> Result<OwnedFd, Errno> {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    match rustix::fs::memfd_create(name, flags | MemfdFlags::EXEC) {
        // Kernels before 6.3 do not know the flag and allow it without.
        Err(Errno::INVAL) => rustix::fs::memfd_create(name, flags),
        other => other,
    }
}

fn fill(handle: OwnedFd, bytes: &[u8]) -> io::Result<OwnedFd> {
    let mut file = File::from(handle);
    file.write_all(bytes)?;
    seal(&file, || ())?;
    Ok(file.into())
}

/// Seals a file in memory; `when_busy` runs between two attempts.
fn seal(file: &File, mut when_busy: impl FnMut()) -> io::Result<()> {
    let seals = SealFlags::SEAL | SealFlags::SHRINK | SealFlags::GROW | SealFlags::WRITE;
    let mut attempts = 1;
    loop {
        match rustix::fs::fcntl_add_seals(file, seals) {
            Err(Errno::BUSY) if attempts < SEAL_ATTEMPTS_MAX => {
                when_busy();
                attempts += 1;
            }
            other => return Ok(other?),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    #[test]
    fn a_sealed_copy_cannot_be_written() {
        let file = File::open("/proc/self/exe").unwrap();
        let contents = Contents { file, bytes: b"library".to_vec(), note: String::new() };

        let sealed = Sealed::new("farrier:test@1", &contents).unwrap();

        let mut file = File::from(sealed.into_handle());
        assert!(file.write_all(b"x").is_err());
        assert!(file.set_len(1).is_err());
    }

    #[test]
    fn pages_that_are_in_use_are_waited_for() {
        let file = File::from(memory_file("farrier:test@1").unwrap());
        (&file).write_all(&[7; 4096]).unwrap();
        let (reader, writer) = rustix::pipe::pipe().unwrap();
        // The pipe holds the page itself until somebody reads it.
        let flags = rustix::pipe::SpliceFlags::empty();
        rustix::pipe::splice(&file, Some(&mut 0), &writer, None, 4096, flags).unwrap();
        let (mut reader, mut busy) = (File::from(reader), 0);

        let sealed = seal(&file, || {
            busy += 1;
            reader.read_exact(&mut [0; 4096]).unwrap();
        });

        assert!(sealed.is_ok() && busy == 1, "{sealed:?} after {busy} times");
        assert!((&file).write_all(b"x").is_err());
    }
}
