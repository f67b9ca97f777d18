//! The dynamic section: what a library needs from others.

use std::fmt;

use super::bytes::Bytes;
use super::{Image, SEGMENT_DYNAMIC, malformed};
use crate::error::LoadError;

const TAG_END: u64 = 0;
const TAG_NEEDED: u64 = 1;
const TAG_STRINGS: u64 = 5;
const TAG_RPATH: u64 = 15;
const TAG_TEXT_RELOCATIONS: u64 = 22;
const TAG_RUNPATH: u64 = 29;
const TAG_FLAGS: u64 = 30;
const TAG_FLAGS_1: u64 = 0x6fff_fffb;
const TAG_VERSIONS: u64 = 0x6fff_fffe;
const TAG_VERSIONS_COUNT: u64 = 0x6fff_ffff;

const FLAGS_TEXT_RELOCATIONS: u64 = 4;
const FLAGS_1_PIE: u64 = 0x0800_0000;

/// A version that is only used where it is there.
const VERSION_WEAK: u16 = 2;

/// Most libraries, versioned libraries and versions of one that are read; a plugin needs a handful.
const ENTRIES_MAX: u64 = 1024;

/// What the dynamic section says.
#[derive(Debug, Default)]
pub(crate) struct Dynamic {
    /// Names of the libraries it needs.
    pub(crate) needed: Vec<String>,
    /// Where it wants them to be looked for.
    pub(crate) run_path: Option<String>,
    /// Whether its code is changed when it is loaded.
    pub(crate) text_relocations: bool,
    /// Whether it is a program after all.
    pub(crate) program: bool,
    /// The newest GLIBC version it cannot do without.
    pub(crate) glibc: Option<Version>,
}

/// A version of the C library.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Version {
    pub(crate) major: u32,
    pub(crate) minor: u32,
}

impl Version {
    /// `2.36` or `2.2.5`, of which the last part plays no role.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('.').map(str::parse);
        let major = parts.next()?.ok()?;
        let minor = parts.next()?.ok()?;
        parts.all(|part: Result<u32, _>| part.is_ok()).then_some(Self { major, minor })
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

impl Dynamic {
    pub(super) fn read(image: &Image<'_>) -> Result<Self, LoadError> {
        let Some(segment) = image.segment(SEGMENT_DYNAMIC) else { return Ok(Self::default()) };
        let table = image.bytes.part(segment.offset, segment.size)?;
        let entries = entries(table)?;
        let value = |tag| entries.iter().find(|(found, _)| *found == tag).map(|(_, value)| *value);
        let flags = |tag, flag| value(tag).is_some_and(|value| value & flag != 0);
        let strings = match value(TAG_STRINGS) {
            Some(address) => image.mapped(address)?,
            None => Bytes::new(&[]),
        };
        let path = value(TAG_RPATH).or_else(|| value(TAG_RUNPATH));
        let needed = entries.iter().filter(|(tag, _)| *tag == TAG_NEEDED);
        Ok(Self {
            needed: needed.map(|(_, at)| strings.text(*at)).collect::<Result<_, _>>()?,
            run_path: path.map(|at| strings.text(at)).transpose()?,
            text_relocations: value(TAG_TEXT_RELOCATIONS).is_some()
                || flags(TAG_FLAGS, FLAGS_TEXT_RELOCATIONS),
            program: flags(TAG_FLAGS_1, FLAGS_1_PIE),
            glibc: match value(TAG_VERSIONS) {
                Some(address) => {
                    let count = value(TAG_VERSIONS_COUNT).unwrap_or(0);
                    newest_glibc(image.mapped(address)?, count, strings)?
                }
                None => None,
            },
        })
    }
}

/// Tags and values up to the end mark.
fn entries(table: Bytes<'_>) -> Result<Vec<(u64, u64)>, LoadError> {
    let mut entries = Vec::new();
    let mut at = 0;
    while at < table.len() {
        let tag = table.u64(at)?;
        if tag == TAG_END {
            break;
        }
        if ENTRIES_MAX <= entries.len() as u64 {
            return Err(malformed("its dynamic section is too long"));
        }
        entries.push((tag, table.u64(at + 8)?));
        at += 16;
    }
    Ok(entries)
}

/// The newest `GLIBC_x.y` among the versions needed of any library.
fn newest_glibc(table: Bytes<'_>, count: u64, strings: Bytes<'_>) -> Result<Option<Version>, LoadError> {
    let mut newest = None;
    let mut at = 0;
    for _ in 0..count.min(ENTRIES_MAX) {
        let versions = table.u16(at + 2)?;
        let mut version_at = at + u64::from(table.u32(at + 8)?);
        for _ in 0..u64::from(versions).min(ENTRIES_MAX) {
            let weak = table.u16(version_at + 4)? & VERSION_WEAK != 0;
            let name = strings.text(u64::from(table.u32(version_at + 8)?))?;
            let version = name.strip_prefix("GLIBC_").and_then(Version::parse);
            if !weak {
                newest = newest.max(version);
            }
            match table.u32(version_at + 12)? {
                0 => break,
                next => version_at += u64::from(next),
            }
        }
        match table.u32(at + 12)? {
            0 => break,
            next => at += u64::from(next),
        }
    }
    Ok(newest)
}
