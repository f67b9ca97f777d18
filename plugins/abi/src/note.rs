//! The descriptor as an ELF note: readable without running the library.

/// Owner name of the note, NUL-terminated and padded to a multiple of four bytes.
pub const OWNER: [u8; 8] = *b"farrier\0";

/// Type of the note that holds the descriptor.
pub const TYPE_DESCRIPTOR: u32 = 1;

/// Section the note is placed in; the linker makes it part of a `PT_NOTE` segment.
pub const SECTION: &str = ".note.farrier";

/// Largest descriptor, in bytes.
pub const DESCRIPTOR_SIZE_MAX: usize = 1024 * 1024;

/// One note with a description of `N` bytes.
///
/// `N` must be a multiple of four; a shorter JSON text is padded with spaces.
#[repr(C, align(4))]
#[derive(Debug)]
pub struct Note<const N: usize> {
    name_size: u32,
    description_size: u32,
    kind: u32,
    name: [u8; 8],
    description: [u8; N],
}

impl<const N: usize> Note<N> {
    /// A descriptor note.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, reason = "evaluated while compiling; the size is bounded")]
    pub const fn descriptor(description: [u8; N]) -> Self {
        assert!(N.is_multiple_of(4), "the description is padded to a multiple of four bytes");
        assert!(N <= DESCRIPTOR_SIZE_MAX, "the descriptor is larger than 1 MiB");
        Self { name_size: 8, description_size: N as u32, kind: TYPE_DESCRIPTOR, name: OWNER, description }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn header_and_description_are_contiguous() {
        assert_eq!(size_of::<Note<8>>(), 12 + 8 + 8);
        assert_eq!(core::mem::offset_of!(Note<8>, description), 20);
    }
}
