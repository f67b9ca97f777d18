//! The index of installed libraries that `ldconfig` writes and the system's loader reads.
//!
//! Source: glibc, `sysdeps/generic/dl-cache.h` (format `glibc-ld.so.cache1.1`).

use std::collections::HashSet;

/// Where the index is.
pub(super) const PATH: &str = "/etc/ld.so.cache";

const MAGIC: &[u8] = b"glibc-ld.so.cache1.1";
const HEADER_SIZE: usize = 48;
const ENTRY_SIZE: usize = 24;

/// Names of all libraries in the index; none when it has another format.
pub(super) fn names(file: &[u8]) -> HashSet<String> {
    read(file).unwrap_or_default()
}

fn read(file: &[u8]) -> Option<HashSet<String>> {
    // Older systems put an index in an older format before it.
    let start = file.windows(MAGIC.len()).position(|window| window == MAGIC)?;
    let index = file.get(start..)?;
    let count = usize::try_from(number(index, MAGIC.len())?).ok()?;
    let entries = index.get(HEADER_SIZE..)?.chunks_exact(ENTRY_SIZE).take(count);
    entries.map(|entry| text(index, usize::try_from(number(entry, 4)?).ok()?)).collect()
}

fn number(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..at + 4)?.try_into().ok().map(u32::from_ne_bytes)
}

fn text(bytes: &[u8], at: usize) -> Option<String> {
    let text = bytes.get(at..)?.split(|byte| *byte == 0).next()?;
    Some(String::from_utf8_lossy(text).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn index(names: &[&str]) -> Vec<u8> {
        let mut file = [MAGIC, &u32::try_from(names.len()).unwrap().to_ne_bytes(), &[0; 24]].concat();
        let mut at = HEADER_SIZE + names.len() * ENTRY_SIZE;
        for name in names {
            let mut entry = [0; ENTRY_SIZE];
            entry[4..8].copy_from_slice(&u32::try_from(at).unwrap().to_ne_bytes());
            file.extend(entry);
            at += name.len() + 1;
        }
        names.iter().for_each(|name| file.extend([name.as_bytes(), b"\0"].concat()));
        file
    }

    #[test]
    fn names_are_found() {
        let names = names(&index(&["libc.so.6", "libm.so.6"]));

        assert_eq!(names, HashSet::from(["libc.so.6".to_owned(), "libm.so.6".to_owned()]));
    }

    #[test]
    fn an_older_index_before_it_is_skipped() {
        let file = [b"ld.so-1.7.0\0....".as_slice(), &index(&["libc.so.6"])].concat();

        assert!(names(&file).contains("libc.so.6"));
    }

    #[test]
    fn a_damaged_index_has_no_names() {
        let mut file = index(&["libc.so.6"]);
        file[HEADER_SIZE + 4] = 0xff;
        file[HEADER_SIZE + 7] = 0xff;

        assert_eq!(names(&file), HashSet::new());
        assert_eq!(names(b"something else"), HashSet::new());
    }
}
