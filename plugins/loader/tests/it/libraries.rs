//! Step 7: what a library needs, and what it asks of the process.

use farrier_loader::{Hazard, LoadError, Search, Step};

use crate::bad_file::{c_plugin, note, replaced, with_segment_flags, with_text};
use crate::bench::{Bench, rogue};

/// A segment that is loaded.
const LOAD: u32 = 1;
/// Flag of a segment that is executed.
const EXECUTE: u32 = 1;
/// Flag of a segment that is written.
const WRITE: u32 = 2;

/// A library made of C that would be a plugin, but for what the linker was told.
fn linked_with(code: &str, arguments: &[&str]) -> Bench {
    let bench = Bench::new();
    bench.add("libacme.so", &c_plugin(&bench, code, &note("acme"), arguments));
    bench
}

#[test]
fn a_plugin_made_of_c_that_needs_nothing_passes() {
    assert!(linked_with("", &[]).only().descriptor.is_ok());
}

#[test]
fn a_missing_library_is_named() {
    let bench = Bench::new();
    bench.add("librogue.so", &with_text(&rogue(), "libgcc_s.so.1", "libacm_s.so.1"));

    let refusal = bench.refusal();

    assert_eq!(refusal.step(), Step::Libraries);
    assert_eq!(refusal.reason(), "needs `libacm_s.so.1`, which is not installed");
}

#[test]
fn all_missing_libraries_are_named_at_once() {
    let bench = Bench::new();
    let file = with_text(&rogue(), "libgcc_s.so.1", "libacm_s.so.1");
    bench.add("librogue.so", &with_text(&file, "libc.so.6\0", "liba.so.6\0"));

    let LoadError::MissingLibrary { names } = bench.refusal().error else { panic!() };

    assert_eq!(names, ["libacm_s.so.1", "liba.so.6"]);
}

#[test]
fn a_library_that_is_not_the_systems_is_refused_unless_it_is_allowed() {
    // Installed with the C library, and needed by nobody.
    let bench = Bench::new();
    bench.add("librogue.so", &with_text(&rogue(), "libgcc_s.so.1\0", "libanl.so.1\0\0\0"));

    let refusal = bench.refusal();
    let allowed = Search { directories: vec![bench.path()], libraries: vec!["libanl.so.1".to_owned()] };

    assert_eq!(refusal.error, LoadError::ForeignLibrary { names: vec!["libanl.so.1".to_owned()] });
    assert_eq!(refusal.reason(), "needs `libanl.so.1`, which is no system library");
    assert!(allowed.scan().candidates[0].descriptor.is_ok());
}

#[test]
fn a_plugin_for_a_newer_c_library_is_refused() {
    let bench = Bench::new();
    // The version's name, and its hash by which the system's loader looks for it.
    let file = with_text(&rogue(), "GLIBC_2.34\0", "GLIBC_9.34\0");
    let (old, new) = (elf_hash("GLIBC_2.34"), elf_hash("GLIBC_9.34"));
    bench.add("librogue.so", &replaced(&file, &old.to_le_bytes(), &new.to_le_bytes()));

    let refusal = bench.refusal();

    assert_eq!(refusal.step(), Step::Libraries);
    let LoadError::Glibc { needs, has } = &refusal.error else { panic!("{refusal}") };
    assert_eq!(needs, "9.34");
    assert!(has.starts_with("2."), "{has}");
    assert_eq!(
        refusal.quote(),
        format!("`librogue.so` provides it but was refused: needs GLIBC 9.34, this system has {has}")
    );
}

/// Hash of a version's name. Source: System V gABI, hash table section.
fn elf_hash(name: &str) -> u32 {
    name.bytes().fold(0_u32, |hash, byte| {
        let hash = (hash << 4).wrapping_add(u32::from(byte));
        let high = hash & 0xf000_0000;
        (hash ^ (high >> 24)) & !high
    })
}

#[test]
fn a_run_path_is_refused() {
    for kind in ["-Wl,--disable-new-dtags", "-Wl,--enable-new-dtags"] {
        let refusal = linked_with("", &["-Wl,-rpath,$ORIGIN/lib", kind]).refusal();

        let why = Hazard::RunPath { path: "$ORIGIN/lib".to_owned() };
        assert_eq!(refusal.error, LoadError::Unsafe { why }, "{kind}");
    }
}

#[test]
fn an_executable_stack_is_refused() {
    let refusal = linked_with("", &["-z", "execstack"]).refusal();

    assert_eq!(refusal.error, LoadError::Unsafe { why: Hazard::ExecutableStack });
    assert_eq!(refusal.reason(), "the library asks for an executable stack");
}

#[test]
fn code_that_is_changed_when_it_is_loaded_is_refused() {
    let code = "__asm__(\".text\\n.globl table\\ntable: .quad value\\n.data\\n.globl value\\nvalue: .quad 0\\n.text\");";

    let refusal = linked_with(code, &["-z", "notext"]).refusal();

    assert_eq!(refusal.error, LoadError::Unsafe { why: Hazard::TextRelocations });
}

#[test]
fn memory_that_is_written_and_executed_is_refused() {
    let bench = Bench::new();
    bench.add("librogue.so", &with_segment_flags(&rogue(), LOAD, EXECUTE, WRITE));

    assert_eq!(bench.refusal().error, LoadError::Unsafe { why: Hazard::WritableCode });
}
