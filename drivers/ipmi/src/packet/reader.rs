//! Reading fields off the front of a byte slice.

/// Takes little-endian fields off the front of a slice; every taker answers `None` at its end.
#[derive(Debug, Clone)]
pub struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    /// Starts at the first byte.
    #[must_use]
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// Takes one byte.
    pub fn byte(&mut self) -> Option<u8> {
        let (&byte, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(byte)
    }

    /// Takes two bytes as a number.
    pub fn word(&mut self) -> Option<u16> {
        self.array().map(u16::from_le_bytes)
    }

    /// Takes four bytes as a number.
    pub fn double(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    /// Takes `N` bytes.
    pub fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (array, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*array)
    }

    /// Takes `size` bytes.
    pub fn take(&mut self, size: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(size)?;
        self.0 = rest;
        Some(taken)
    }

    /// All that was not taken.
    #[must_use]
    pub const fn rest(&self) -> &'a [u8] {
        self.0
    }
}
