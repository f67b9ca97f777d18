//! Libraries changed in place.

/// Size of a program header, of a section header, of a dynamic symbol.
const SIZES: (usize, usize, usize) = (56, 64, 24);

/// Replaces all `from` by `to`, which is as long; they occur.
pub(crate) fn text(file: &[u8], from: &str, to: &str) -> Vec<u8> {
    bytes(file, from.as_bytes(), to.as_bytes())
}

/// Replaces all `from` by `to` and as many spaces as are missing: JSON does not mind.
pub(crate) fn json(file: &[u8], from: &str, to: &str) -> Vec<u8> {
    text(file, from, &format!("{to:width$}", width = from.len()))
}

fn bytes(file: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    assert_eq!(from.len(), to.len(), "a file is patched in place");
    let mut file = file.to_vec();
    let (mut at, mut count) = (0, 0);
    while let Some(found) = file[at..].windows(from.len()).position(|window| window == from) {
        at += found;
        file[at..at + from.len()].copy_from_slice(to);
        count += 1;
    }
    assert_ne!(count, 0, "`{}` does not occur", from.escape_ascii());
    file
}

fn number(file: &[u8], at: usize, size: usize) -> usize {
    let mut bytes = [0; 8];
    bytes[..size].copy_from_slice(&file[at..at + size]);
    usize::try_from(u64::from_le_bytes(bytes)).unwrap()
}

/// Says of an imported symbol that it is the library's own; the system's is found first all the same.
pub(crate) fn exporting(file: &[u8], name: &str) -> Vec<u8> {
    let mut file = file.to_vec();
    let (table, count) = (number(&file, 40, 8), number(&file, 60, 2));
    let section = |index: usize| table + index * SIZES.1;
    let dynamic = (0..count).map(section).find(|at| number(&file, at + 4, 4) == 11).unwrap();
    let strings = number(&file, section(number(&file, dynamic + 40, 4)) + 24, 8);
    let (first, size) = (number(&file, dynamic + 24, 8), number(&file, dynamic + 32, 8));
    let wanted = format!("{name}\0");
    let symbol = (first..first + size)
        .step_by(SIZES.2)
        .find(|at| file[strings + number(&file, *at, 4)..].starts_with(wanted.as_bytes()))
        .unwrap();
    file[symbol + 6] = 1;
    file
}

/// Asks for this much more memory behind the library's own.
pub(crate) fn taking(file: &[u8], size: u64) -> Vec<u8> {
    let mut file = file.to_vec();
    let (table, count) = (number(&file, 32, 8), number(&file, 56, 2));
    let mut segments = (0..count).map(|index| table + index * SIZES.0);
    let last = segments.rfind(|at| number(&file, *at, 4) == 1).unwrap();
    let old = number(&file, last + 40, 8) as u64;
    file[last + 40..last + 48].copy_from_slice(&(old + size).to_le_bytes());
    file
}

/// Needs another version of the C library where it needs `from`.
pub(crate) fn needing(file: &[u8], from: &str, to: &str) -> Vec<u8> {
    let file = text(file, &format!("{from}\0"), &format!("{to}\0"));
    bytes(&file, &hash(from).to_le_bytes(), &hash(to).to_le_bytes())
}

/// Hash of a version's name. Source: System V gABI, hash table section.
fn hash(name: &str) -> u32 {
    name.bytes().fold(0_u32, |hash, byte| {
        let hash = (hash << 4).wrapping_add(u32::from(byte));
        let high = hash & 0xf000_0000;
        (hash ^ (high >> 24)) & !high
    })
}
