//! A program as UEFI boots it from removable media: `EFI/BOOT/BOOTX64.EFI` in a FAT file system.
//!
//! Source: UEFI 2.10, sections 2.1, 3.5 and 13.3; the PE format, PE32+; FAT12.

/// Where the one section is, in the file and in memory.
const SECTION_FILE: usize = 0x200;
const SECTION_MEMORY: u32 = 0x1000;
/// Where the PE header is, behind the one of DOS.
const HEADER: usize = 0x80;

/// Size of a sector and of a cluster of the file system.
const SECTOR: usize = 512;
/// All sectors: the first one, one of the table, one of the root directory, the clusters.
const SECTORS: u16 = 128;
const CLUSTERS_AT: usize = 3;
/// The first cluster, by its number; then come the directories and the file.
const CLUSTER_FIRST: usize = 2;
const DIRECTORY: u8 = 0x10;
const ARCHIVE: u8 = 0x20;
/// The last cluster of a chain.
const CHAIN_END: u16 = 0xfff;

/// Bytes that are written at places.
struct Image(Vec<u8>);

impl Image {
    fn new(length: usize) -> Self {
        Self(vec![0; length])
    }

    fn put(&mut self, at: usize, bytes: &[u8]) {
        if let Some(place) = self.0.get_mut(at..at + bytes.len()) {
            place.copy_from_slice(bytes);
        }
    }

    fn u16(&mut self, at: usize, value: u16) {
        self.put(at, &value.to_le_bytes());
    }

    fn u32(&mut self, at: usize, value: u32) {
        self.put(at, &value.to_le_bytes());
    }
}

fn length(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.len()).unwrap_or_default()
}

/// Code that runs anywhere, as a program of UEFI.
pub(super) fn program(code: &[u8]) -> Vec<u8> {
    let size = code.len().next_multiple_of(SECTION_FILE);
    let mut image = Image::new(SECTION_FILE + size);
    image.put(0, b"MZ");
    image.u32(0x3c, 0x80);
    image.put(HEADER, b"PE\0\0");
    let coff = HEADER + 4;
    image.u16(coff, 0x8664); // x86-64
    image.u16(coff + 2, 1); // sections
    image.u16(coff + 16, 0xf0); // length of the optional header
    image.u16(coff + 18, 0x0022); // executable, large addresses
    let optional = coff + 20;
    image.u16(optional, 0x20b); // PE32+
    image.u32(optional + 4, length(code)); // size of code
    image.u32(optional + 16, SECTION_MEMORY); // entry point
    image.u32(optional + 20, SECTION_MEMORY); // base of code
    image.u32(optional + 32, 0x1000); // alignment in memory
    image.u32(optional + 36, 0x200); // alignment in the file
    image.u32(optional + 56, 0x2000); // size in memory
    image.u32(optional + 60, 0x200); // size of the headers
    image.u16(optional + 68, 10); // application of UEFI
    image.u32(optional + 108, 16); // directories, all empty
    let section = optional + 0xf0;
    image.put(section, b".text");
    image.u32(section + 8, length(code));
    image.u32(section + 12, SECTION_MEMORY);
    image.u32(section + 16, u32::try_from(size).unwrap_or_default());
    image.u32(section + 20, 0x200);
    image.u32(section + 36, 0x6000_0020); // code, executable, readable
    image.put(SECTION_FILE, code);
    image.0
}

/// A file system with the program where UEFI looks.
pub(super) fn file_system(program: &[u8]) -> Vec<u8> {
    let mut image = Image::new(usize::from(SECTORS) * SECTOR);
    image.put(0, &[0xeb, 0x3c, 0x90]);
    image.put(3, b"FARRIER ");
    image.u16(11, 512); // bytes of a sector
    image.put(13, &[1]); // sectors of a cluster
    image.u16(14, 1); // sectors before the table
    image.put(16, &[1]); // tables
    image.u16(17, 16); // entries of the root directory
    image.u16(19, SECTORS);
    image.put(21, &[0xf8]); // kind of medium
    image.u16(22, 1); // sectors of the table
    image.u16(24, 32); // sectors of a track
    image.u16(26, 2); // heads
    image.put(38, &[0x29]); // the next three are there
    image.u32(39, 0x0f0e_0d0c);
    image.put(43, b"FARRIER    FAT12   ");
    image.put(510, &[0x55, 0xaa]);

    let (efi, boot, file) = (CLUSTER_FIRST, CLUSTER_FIRST + 1, CLUSTER_FIRST + 2);
    image.put(2 * SECTOR, &entry(b"EFI        ", DIRECTORY, efi, 0));
    image.put(place(efi), &entry(b".          ", DIRECTORY, efi, 0));
    image.put(place(efi) + 32, &entry(b"..         ", DIRECTORY, 0, 0));
    image.put(place(efi) + 64, &entry(b"BOOT       ", DIRECTORY, boot, 0));
    image.put(place(boot), &entry(b".          ", DIRECTORY, boot, 0));
    image.put(place(boot) + 32, &entry(b"..         ", DIRECTORY, efi, 0));
    image.put(place(boot) + 64, &entry(b"BOOTX64 EFI", ARCHIVE, file, length(program)));
    image.put(place(file), program);

    let last = file + program.len().div_ceil(SECTOR) - 1;
    let mut chain = vec![0xff8, CHAIN_END, CHAIN_END, CHAIN_END];
    chain.extend((file..last).filter_map(|cluster| u16::try_from(cluster + 1).ok()));
    chain.push(CHAIN_END);
    image.put(SECTOR, &packed(&chain));
    image.0
}

/// Where a cluster begins.
fn place(cluster: usize) -> usize {
    (CLUSTERS_AT + cluster - CLUSTER_FIRST) * SECTOR
}

/// An entry of a directory.
fn entry(name: &[u8; 11], attribute: u8, cluster: usize, size: u32) -> Vec<u8> {
    let mut entry = Image::new(32);
    entry.put(0, name);
    entry.put(11, &[attribute]);
    entry.u16(26, u16::try_from(cluster).unwrap_or_default());
    entry.u32(28, size);
    entry.0
}

/// Twelve bits each, two in three bytes.
fn packed(chain: &[u16]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for pair in chain.chunks(2) {
        let (first, second) = (pair.first().copied().unwrap_or(0), pair.get(1).copied().unwrap_or(0));
        let both = u32::from(first) | u32::from(second) << 12;
        bytes.extend(both.to_le_bytes().iter().take(3));
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_of_the_table_share_a_byte() {
        assert_eq!(packed(&[0xff8, 0xfff, 0x003]), [0xf8, 0xff, 0xff, 0x03, 0x00, 0x00]);
    }

    #[test]
    fn the_program_is_where_its_directory_says() {
        let program = program(&[0xf4; 700]);

        let image = file_system(&program);

        assert_eq!(image.get(place(4)..place(4) + program.len()), Some(program.as_slice()));
        assert!(program.len() > 2 * SECTOR, "it has more than one cluster");
    }
}
