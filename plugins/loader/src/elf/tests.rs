use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

/// This test itself: an ELF program of this machine.
fn program() -> Vec<u8> {
    std::fs::read("/proc/self/exe").unwrap()
}

#[test]
fn a_script_is_not_elf() {
    let error = Image::parse(b"#!/bin/sh\nexit 1\n").unwrap_err();

    assert_eq!(error.to_string(), "not an ELF file: it starts with `#!/bin/sh`");
}

#[test]
fn an_empty_file_is_not_elf() {
    assert_eq!(Image::parse(b"").unwrap_err().to_string(), "not an ELF file: it is empty");
}

#[test]
fn a_program_is_not_a_library() {
    let file = program();
    let image = Image::parse(&file).unwrap();

    assert_eq!(image.check_format().unwrap_err().to_string(), "a program (PIE), not a shared library");
    assert!(image.check_extent().is_ok());
}

#[test]
fn needs_of_a_program_are_read() {
    let file = program();

    let dynamic = Image::parse(&file).unwrap().dynamic().unwrap();

    assert!(dynamic.needed.contains(&"libc.so.6".to_owned()), "{dynamic:?}");
    assert!(dynamic.program);
    assert!(Some(Version { major: 2, minor: 2 }) < dynamic.glibc, "{dynamic:?}");
}

#[test]
fn versions_compare_by_number() {
    assert!(Version::parse("2.9").unwrap() < Version::parse("2.10").unwrap());
    assert_eq!(Version::parse("2.2.5"), Version::parse("2.2"));
    assert_eq!(Version::parse("PRIVATE"), None);
    assert_eq!(Version::parse("ABI_DT_RELR"), None);
}

/// Everything that reads the image; whether it succeeds is not asked here, only that it comes back.
fn read_all(file: &[u8]) {
    let Ok(image) = Image::parse(file) else { return };
    let checks = [image.check_format(), image.check_extent(), image.check_segments()];
    let refused = checks.iter().filter(|check| check.is_err()).count();
    let found = (image.notes().is_ok(), image.build_id().is_some(), image.dynamic().is_ok());
    std::hint::black_box((refused, found));
}

proptest! {
    // The program is some megabytes long.
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_bytes_panic(rest in vec(any::<u8>(), 0..512)) {
        read_all(&[MAGIC, &[CLASS_64, LITTLE_ENDIAN], &rest].concat());
    }

    #[test]
    fn no_damage_panics(changes in vec((0_usize..4096, any::<u8>()), 1..16), cut in 64_usize..8192) {
        let mut file = program();
        for (at, byte) in changes {
            if 6 <= at {
                file[at] = byte;
            }
        }
        read_all(&file);
        file.truncate(cut);
        read_all(&file);
    }
}
