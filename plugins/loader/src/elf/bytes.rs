//! Little-endian numbers and parts of a byte slice; nothing is read beyond its end.

use super::malformed;
use crate::error::LoadError;

/// A slice with checked access by 64-bit offsets.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(super) fn all(self) -> &'a [u8] {
        self.0
    }

    pub(super) fn len(self) -> u64 {
        self.0.len() as u64
    }

    /// `size` bytes from `at` on.
    pub(super) fn part(self, at: u64, size: u64) -> Result<Self, LoadError> {
        let start = usize::try_from(at).ok();
        let end = at.checked_add(size).and_then(|end| usize::try_from(end).ok());
        let part = start.zip(end).and_then(|(start, end)| self.0.get(start..end));
        part.map(Self).ok_or_else(|| malformed(format!("{size} bytes at {at} are outside of their table")))
    }

    /// The bytes from `at` up to the next NUL, as text.
    pub(super) fn text(self, at: u64) -> Result<String, LoadError> {
        let rest = self.part(at, self.len().saturating_sub(at))?.0;
        let text = rest.split(|byte| *byte == 0).next().unwrap_or_default();
        if text.len() == rest.len() {
            return Err(malformed("a name does not end"));
        }
        Ok(String::from_utf8_lossy(text).into_owned())
    }

    fn array<const N: usize>(self, at: u64) -> Result<[u8; N], LoadError> {
        let part = self.part(at, N as u64)?.0;
        part.try_into().map_err(|_| malformed("a number is cut off"))
    }

    pub(super) fn u8(self, at: u64) -> Result<u8, LoadError> {
        self.array::<1>(at).map(u8::from_le_bytes)
    }

    pub(super) fn u16(self, at: u64) -> Result<u16, LoadError> {
        self.array(at).map(u16::from_le_bytes)
    }

    pub(super) fn u32(self, at: u64) -> Result<u32, LoadError> {
        self.array(at).map(u32::from_le_bytes)
    }

    pub(super) fn u64(self, at: u64) -> Result<u64, LoadError> {
        self.array(at).map(u64::from_le_bytes)
    }
}
