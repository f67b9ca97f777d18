//! The CD: an ISO 9660 file system without files, and the two programs that firmware starts from it.
//!
//! Source: ECMA-119; El Torito 1.0; UEFI 2.10, section 13.3.2.1.

/// Size of a sector.
const SECTOR: usize = 2048;

/// Which sector is what; the programs come last.
const VOLUME: usize = 16;
const BOOT_RECORD: usize = 17;
const TERMINATOR: usize = 18;
const CATALOG: usize = 19;
const PATHS_LITTLE: usize = 20;
const PATHS_BIG: usize = 21;
const ROOT: usize = 22;
const PROGRAMS: usize = 23;

/// Length of the table of paths, which has the root alone.
const PATHS_LENGTH: u32 = 10;

/// Unit in which programs are measured.
const VIRTUAL_SECTOR: usize = 512;

/// The CD of a program for BIOS and a file system for UEFI.
pub(super) fn image(bios: &[u8], uefi: &[u8]) -> Vec<u8> {
    let uefi_at = PROGRAMS + bios.len().div_ceil(SECTOR);
    let sectors = uefi_at + uefi.len().div_ceil(SECTOR);
    let mut image = vec![0; sectors * SECTOR];
    let mut put = |sector: usize, bytes: &[u8]| {
        if let Some(place) = image.get_mut(sector * SECTOR..sector * SECTOR + bytes.len()) {
            place.copy_from_slice(bytes);
        }
    };
    put(VOLUME, &volume(number(sectors)));
    put(BOOT_RECORD, &boot_record());
    put(TERMINATOR, b"\xffCD001\x01");
    put(CATALOG, &catalog(bios, uefi, number(uefi_at)));
    put(PATHS_LITTLE, &paths(number(ROOT).to_le_bytes(), 1_u16.to_le_bytes()));
    put(PATHS_BIG, &paths(number(ROOT).to_be_bytes(), 1_u16.to_be_bytes()));
    put(ROOT, &[directory(0), directory(1)].concat());
    put(PROGRAMS, bios);
    put(uefi_at, uefi);
    image
}

fn number(value: usize) -> u32 {
    u32::try_from(value).unwrap_or_default()
}

/// A number in both byte orders.
fn both32(value: u32) -> Vec<u8> {
    [value.to_le_bytes(), value.to_be_bytes()].concat()
}

fn both16(value: u16) -> Vec<u8> {
    [value.to_le_bytes(), value.to_be_bytes()].concat()
}

/// `text` and spaces.
fn padded(text: &str, length: usize) -> Vec<u8> {
    format!("{text:length$}").into_bytes()
}

/// The primary volume descriptor.
fn volume(sectors: u32) -> Vec<u8> {
    let mut bytes = b"\x01CD001\x01\0".to_vec();
    bytes.extend(padded("", 32));
    bytes.extend(padded("FARRIER", 32));
    bytes.extend([0; 8]);
    bytes.extend(both32(sectors));
    bytes.extend([0; 32]);
    bytes.extend(both16(1)); // volumes
    bytes.extend(both16(1)); // which of them
    bytes.extend(both16(2048)); // size of a block
    bytes.extend(both32(PATHS_LENGTH));
    bytes.extend(number(PATHS_LITTLE).to_le_bytes());
    bytes.extend([0; 4]);
    bytes.extend(number(PATHS_BIG).to_be_bytes());
    bytes.extend([0; 4]);
    bytes.extend(directory(0));
    bytes.extend(padded("", 4 * 128 + 3 * 37));
    for _ in 0..4 {
        bytes.extend(b"0000000000000000\0");
    }
    bytes.push(1);
    bytes
}

/// The root directory in a directory: as itself (0) or as its parent (1).
fn directory(name: u8) -> Vec<u8> {
    let mut bytes = vec![34, 0];
    bytes.extend(both32(number(ROOT)));
    bytes.extend(both32(number(SECTOR)));
    bytes.extend([126, 1, 1, 0, 0, 0, 0]); // a day in 2026
    bytes.extend([2, 0, 0]); // a directory, in one piece
    bytes.extend(both16(1));
    bytes.extend([1, name]);
    bytes
}

/// A table of paths, in one byte order.
fn paths(root: [u8; 4], parent: [u8; 2]) -> Vec<u8> {
    [&[1, 0][..], &root, &parent, &[0, 0]].concat()
}

fn boot_record() -> Vec<u8> {
    let mut bytes = b"\0CD001\x01EL TORITO SPECIFICATION".to_vec();
    bytes.resize(71, 0);
    bytes.extend(number(CATALOG).to_le_bytes());
    bytes
}

/// The list of programs.
fn catalog(bios: &[u8], uefi: &[u8], uefi_at: u32) -> Vec<u8> {
    let mut validation = vec![0x01, 0x00, 0, 0];
    validation.extend(b"FARRIER");
    validation.resize(28, 0);
    validation.extend([0, 0, 0x55, 0xaa]);
    // All words together are zero.
    let sum = validation.chunks_exact(2).fold(0_u16, |sum, pair| match pair {
        [low, high] => sum.wrapping_add(u16::from_le_bytes([*low, *high])),
        _ => sum,
    });
    let check = 0_u16.wrapping_sub(sum).to_le_bytes();
    if let Some(place) = validation.get_mut(28..30) {
        place.copy_from_slice(&check);
    }
    let mut header = vec![0x91, 0xef, 1, 0];
    header.resize(32, 0);
    [validation, program(bios, number(PROGRAMS)), header, program(uefi, uefi_at)].concat()
}

/// A program in the list, to be loaded as it is.
fn program(bytes: &[u8], at: u32) -> Vec<u8> {
    // In whole sectors: some firmware loads nothing else.
    let length = bytes.len().next_multiple_of(SECTOR) / VIRTUAL_SECTOR;
    let mut entry = vec![0x88, 0, 0, 0, 0, 0];
    entry.extend(u16::try_from(length).unwrap_or_default().to_le_bytes());
    entry.extend(at.to_le_bytes());
    entry.resize(32, 0);
    entry
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_of_the_catalogs_first_entry_are_zero_together() {
        let catalog = catalog(&[0; 10], &[0; 10], 24);

        let words = catalog.chunks_exact(2).take(16).map(|pair| u16::from_le_bytes([pair[0], pair[1]]));

        assert_eq!(words.fold(0_u16, u16::wrapping_add), 0);
    }

    #[test]
    fn every_field_of_the_volume_has_its_place() {
        let volume = volume(99);

        assert_eq!(volume.get(80..88), Some(&[99, 0, 0, 0, 0, 0, 0, 99][..]));
        assert_eq!(volume.get(156..158), Some(&[34, 0][..]), "the root directory");
        assert_eq!(volume.get(881), Some(&1), "the version");
    }
}
