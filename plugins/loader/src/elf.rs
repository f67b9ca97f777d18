//! The ELF file format, as far as a decision about a library needs it.
//!
//! Reads program headers, notes and the dynamic section, which is what the system's loader goes by; section
//! headers are only measured. Works on bytes in memory, changes nothing, and answers [`LoadError::Malformed`]
//! where a table leads out of the file: the input is a stranger's.
//!
//! Source: System V gABI, chapters 4 and 5; GNU extensions of the Linux Standard Base.

mod bytes;
mod dynamic;

use crate::error::{Hazard, LoadError};
use bytes::Bytes;
pub(crate) use dynamic::{Dynamic, Version};

const MAGIC: &[u8] = b"\x7fELF";
const CLASS_64: u8 = 2;
const LITTLE_ENDIAN: u8 = 1;

const TYPE_RELOCATABLE: u16 = 1;
const TYPE_EXECUTABLE: u16 = 2;
const TYPE_SHARED: u16 = 3;
const TYPE_CORE: u16 = 4;

const SEGMENT_LOAD: u32 = 1;
const SEGMENT_DYNAMIC: u32 = 2;
const SEGMENT_INTERPRETER: u32 = 3;
const SEGMENT_NOTE: u32 = 4;
const SEGMENT_GNU_STACK: u32 = 0x6474_e551;

const FLAG_EXECUTE: u32 = 1;
const FLAG_WRITE: u32 = 2;

const HEADER_SIZE: u64 = 64;
const PROGRAM_HEADER_SIZE: u64 = 56;
const SECTION_HEADER_SIZE: u64 = 64;

/// Most program headers that are read; a plugin has about a dozen.
const SEGMENTS_MAX: u16 = 256;

/// Type of the note that holds the GNU build id; its owner is `GNU`.
const NOTE_BUILD_ID: u32 = 3;

/// Machines by their numbers, to name what a file was built for.
const MACHINES: &[(u16, &str)] = &[
    (3, "x86"),
    (8, "mips"),
    (20, "powerpc"),
    (21, "powerpc64"),
    (22, "s390x"),
    (40, "arm"),
    (62, "x86_64"),
    (183, "aarch64"),
    (243, "riscv"),
    (258, "loongarch"),
];

/// The machine this program was built for.
const MACHINE: u16 = if cfg!(target_arch = "x86_64") {
    62
} else if cfg!(target_arch = "aarch64") {
    183
} else {
    0
};

/// A 64-bit little-endian ELF file.
#[derive(Debug)]
pub(crate) struct Image<'a> {
    bytes: Bytes<'a>,
    kind: u16,
    machine: u16,
    segments: Vec<Segment>,
    /// Where the table of section headers ends; 0 without one.
    sections_end: u64,
}

/// A program header.
#[derive(Debug, Clone, Copy)]
struct Segment {
    kind: u32,
    flags: u32,
    offset: u64,
    address: u64,
    size: u64,
    align: u64,
}

impl Segment {
    /// Where it ends in the file.
    fn end(&self) -> u64 {
        self.offset.saturating_add(self.size)
    }
}

/// A note of a `PT_NOTE` segment.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Note<'a> {
    pub(crate) owner: &'a [u8],
    pub(crate) kind: u32,
    pub(crate) description: &'a [u8],
}

impl<'a> Image<'a> {
    /// Reads the headers.
    ///
    /// # Errors
    ///
    /// [`LoadError::NotElf`], [`LoadError::WrongArch`] (class or byte order), [`LoadError::Malformed`],
    /// [`LoadError::Truncated`] (within the headers).
    pub(crate) fn parse(file: &'a [u8]) -> Result<Self, LoadError> {
        if !file.starts_with(MAGIC) {
            return Err(LoadError::NotElf { found: first_bytes(file) });
        }
        let bytes = Bytes::new(file);
        require(file, HEADER_SIZE)?;
        let (class, order) = (bytes.u8(4)?, bytes.u8(5)?);
        if class != CLASS_64 || order != LITTLE_ENDIAN {
            return Err(LoadError::WrongArch { found: other_class(class, order), expected: expected() });
        }
        let (kind, machine) = (bytes.u16(16)?, bytes.u16(18)?);
        let (table, sections) = (bytes.u64(32)?, bytes.u64(40)?);
        let (size, count) = (bytes.u16(54)?, bytes.u16(56)?);
        if count != 0 && u64::from(size) != PROGRAM_HEADER_SIZE {
            return Err(malformed(format!("a program header has {size} bytes")));
        }
        if SEGMENTS_MAX < count {
            return Err(malformed(format!("it has {count} program headers")));
        }
        require(file, table.saturating_add(u64::from(count) * PROGRAM_HEADER_SIZE))?;
        let segments = (0..u64::from(count))
            .map(|index| Segment::read(bytes, table + index * PROGRAM_HEADER_SIZE))
            .collect::<Result<_, _>>()?;
        let sections_end = match bytes.u16(60)? {
            0 => 0,
            count => sections.saturating_add(u64::from(count) * SECTION_HEADER_SIZE),
        };
        Ok(Self { bytes, kind, machine, segments, sections_end })
    }

    /// The kind of machine it was built for.
    pub(crate) fn machine_name(&self) -> String {
        machine(self.machine)
    }

    /// Step 3: a shared library for this machine.
    ///
    /// # Errors
    ///
    /// [`LoadError::WrongArch`], [`LoadError::NotALibrary`].
    pub(crate) fn check_format(&self) -> Result<(), LoadError> {
        if self.machine != MACHINE {
            return Err(LoadError::WrongArch { found: machine(self.machine), expected: expected() });
        }
        let found = match self.kind {
            TYPE_SHARED if self.segment(SEGMENT_INTERPRETER).is_some() => "a program (PIE)".to_owned(),
            TYPE_SHARED if self.segment(SEGMENT_DYNAMIC).is_none() => "without a dynamic section".to_owned(),
            TYPE_SHARED => return Ok(()),
            TYPE_RELOCATABLE => "an object file".to_owned(),
            TYPE_EXECUTABLE => "a program".to_owned(),
            TYPE_CORE => "a core dump".to_owned(),
            other => format!("ELF of type {other}"),
        };
        Err(LoadError::NotALibrary { found })
    }

    /// Step 4: all that is mapped, and the table of sections at the end, is inside the file.
    ///
    /// # Errors
    ///
    /// [`LoadError::Truncated`].
    pub(crate) fn check_extent(&self) -> Result<(), LoadError> {
        let used = [SEGMENT_LOAD, SEGMENT_DYNAMIC, SEGMENT_NOTE];
        let ends = self.segments.iter().filter(|segment| used.contains(&segment.kind)).map(Segment::end);
        let needed = ends.chain([self.sections_end]).max().unwrap_or(0);
        require(self.bytes.all(), needed)
    }

    /// Step 7: nothing is asked of the process that a plugin does not need.
    ///
    /// # Errors
    ///
    /// [`LoadError::Unsafe`].
    pub(crate) fn check_segments(&self) -> Result<(), LoadError> {
        let both = FLAG_WRITE | FLAG_EXECUTE;
        if self.segments.iter().any(|segment| segment.kind == SEGMENT_LOAD && segment.flags & both == both) {
            return Err(LoadError::Unsafe { why: Hazard::WritableCode });
        }
        // Without the header, the system's loader takes an executable stack to be wanted.
        let executable = |segment: &Segment| segment.flags & FLAG_EXECUTE != 0;
        if self.segment(SEGMENT_GNU_STACK).is_none_or(executable) {
            return Err(LoadError::Unsafe { why: Hazard::ExecutableStack });
        }
        Ok(())
    }

    /// All notes, in the order of the file.
    ///
    /// # Errors
    ///
    /// [`LoadError::Malformed`].
    pub(crate) fn notes(&self) -> Result<Vec<Note<'a>>, LoadError> {
        let mut notes = Vec::new();
        for segment in self.segments.iter().filter(|segment| segment.kind == SEGMENT_NOTE) {
            let bytes = self.bytes.part(segment.offset, segment.size)?;
            let align = if segment.align == 8 { 8 } else { 4 };
            let mut at = 0;
            while at < bytes.len() {
                let (name, description) = (u64::from(bytes.u32(at)?), u64::from(bytes.u32(at + 4)?));
                let kind = bytes.u32(at + 8)?;
                let description_at = (at + 12 + name).next_multiple_of(align);
                let owner = bytes.part(at + 12, name)?.all();
                let description = bytes.part(description_at, description)?.all();
                notes.push(Note { owner: owner.strip_suffix(b"\0").unwrap_or(owner), kind, description });
                at = (description_at + description.len() as u64).next_multiple_of(align);
            }
        }
        Ok(notes)
    }

    /// The GNU build id in hex, for reports of crashes.
    pub(crate) fn build_id(&self) -> Option<String> {
        let notes = self.notes().ok()?;
        let id = notes.iter().find(|note| note.owner == b"GNU" && note.kind == NOTE_BUILD_ID)?;
        Some(id.description.iter().map(|byte| format!("{byte:02x}")).collect())
    }

    /// Step 7: what the library needs.
    ///
    /// # Errors
    ///
    /// [`LoadError::Malformed`].
    pub(crate) fn dynamic(&self) -> Result<Dynamic, LoadError> {
        Dynamic::read(self)
    }

    fn segment(&self, kind: u32) -> Option<&Segment> {
        self.segments.iter().find(|segment| segment.kind == kind)
    }

    /// What is in the file for `address`, up to the end of its segment.
    fn mapped(&self, address: u64) -> Result<Bytes<'a>, LoadError> {
        let segment = self.segments.iter().find(|segment| {
            segment.kind == SEGMENT_LOAD
                && segment.address <= address
                && address - segment.address < segment.size
        });
        let segment = segment.ok_or_else(|| malformed(format!("nothing is at address {address:#x}")))?;
        let skip = address - segment.address;
        self.bytes.part(segment.offset.saturating_add(skip), segment.size - skip)
    }
}

impl Segment {
    fn read(bytes: Bytes<'_>, at: u64) -> Result<Self, LoadError> {
        Ok(Self {
            kind: bytes.u32(at)?,
            flags: bytes.u32(at + 4)?,
            offset: bytes.u64(at + 8)?,
            address: bytes.u64(at + 16)?,
            size: bytes.u64(at + 32)?,
            align: bytes.u64(at + 48)?,
        })
    }
}

fn require(file: &[u8], needed: u64) -> Result<(), LoadError> {
    let size = file.len() as u64;
    if size < needed { Err(LoadError::Truncated { needed, size }) } else { Ok(()) }
}

fn malformed(why: impl Into<String>) -> LoadError {
    LoadError::Malformed { why: why.into() }
}

fn machine(number: u16) -> String {
    let known = MACHINES.iter().find(|(known, _)| *known == number);
    known.map_or_else(|| format!("machine {number}"), |(_, name)| (*name).to_owned())
}

fn expected() -> String {
    machine(MACHINE)
}

fn other_class(class: u8, order: u8) -> String {
    let bits = match class {
        1 => "32-bit",
        CLASS_64 => "64-bit",
        _ => "unknown",
    };
    let order = match order {
        LITTLE_ENDIAN => "little-endian",
        2 => "big-endian",
        _ => "unknown",
    };
    format!("a {bits} {order} machine")
}

/// What a file that is not ELF starts with.
fn first_bytes(file: &[u8]) -> String {
    match file {
        [] => "it is empty".to_owned(),
        _ => {
            let start: Vec<u8> = file.iter().copied().take_while(|byte| *byte != b'\n').take(24).collect();
            format!("it starts with `{}`", start.escape_ascii())
        }
    }
}

#[cfg(test)]
mod tests;
