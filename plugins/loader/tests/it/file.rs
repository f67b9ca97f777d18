//! Steps 2 to 4: files.

use std::fs;
use std::io::ErrorKind;

use farrier_loader::{LoadError, Step, Untrusted};
use rustix::fs::{CWD, FileType, Mode};

use crate::bad_file::{CLASS, MACHINE, ORDER, compile};
use crate::bench::{Bench, rogue};

/// `rogue` with one byte of its header changed.
fn rogue_with(at: usize, byte: u8) -> Bench {
    let bench = Bench::new();
    let mut file = rogue();
    file[at] = byte;
    bench.add("librogue.so", &file);
    bench
}

#[test]
fn a_good_file_passes_and_is_known() {
    let bench = Bench::with_rogue();

    let candidate = bench.only();

    let library = &candidate.library;
    assert_eq!(library.plugin.as_deref(), Some("rogue"));
    assert_eq!(library.version.as_deref(), Some("0.1.0"));
    assert_eq!(library.size, Some(rogue().len() as u64));
    assert_eq!(library.sha256, Some(farrier_loader::Sha256::of(&rogue())));
    assert!(library.build_id.is_some());
    assert_eq!(candidate.descriptor.unwrap().name, "rogue");
}

#[test]
fn a_file_that_others_write_is_refused_and_still_says_what_it_offers() {
    let bench = Bench::with_rogue();
    bench.set_mode("librogue.so", 0o666);

    let refusal = bench.refusal();

    assert_eq!(refusal.error, LoadError::UntrustedFile { why: Untrusted::Writable { mode: 0o666 } });
    assert_eq!(
        refusal.quote(),
        "`librogue.so` provides it but was refused: the file is writable by others (mode 0666)"
    );
    assert!(refusal.library.offers.has_hardware_type("rogue"));
}

#[test]
fn a_file_of_somebody_else_is_refused() {
    let bench = Bench::with_rogue();
    let given = std::os::unix::fs::chown(bench.path().join("librogue.so"), Some(65534), None);
    if given.is_err_and(|error| error.kind() == ErrorKind::PermissionDenied) {
        // Only root can give files away; the rule itself has a test of its own.
        return;
    }

    assert_eq!(bench.refusal().error, LoadError::UntrustedFile { why: Untrusted::Owner { uid: 65534 } });
}

#[test]
fn a_link_is_refused() {
    let bench = Bench::new();
    let target = bench.workshop().join("librogue.so");
    fs::write(&target, rogue()).unwrap();
    std::os::unix::fs::symlink(target, bench.path().join("librogue.so")).unwrap();

    assert_eq!(bench.refusal().error, LoadError::UntrustedFile { why: Untrusted::Link });
}

#[test]
fn a_directory_with_the_name_of_a_library_is_refused() {
    let bench = Bench::new();
    fs::create_dir(bench.path().join("librogue.so")).unwrap();

    assert_eq!(bench.refusal().error, LoadError::UntrustedFile { why: Untrusted::NotRegular });
}

#[test]
fn a_pipe_is_refused_without_waiting_for_a_writer() {
    let bench = Bench::new();
    let path = bench.path().join("librogue.so");
    rustix::fs::mknodat(CWD, path, FileType::Fifo, Mode::from(0o600), 0).unwrap();

    assert_eq!(bench.refusal().error, LoadError::UntrustedFile { why: Untrusted::NotRegular });
}

#[test]
fn a_text_is_no_library() {
    let bench = Bench::new();
    bench.add("librogue.so", b"#!/bin/sh\nexec true\n");

    let refusal = bench.refusal();

    assert_eq!(refusal.step(), Step::Format);
    assert_eq!(refusal.reason(), "not an ELF file: it starts with `#!/bin/sh`");
}

#[test]
fn an_empty_file_is_no_library() {
    let bench = Bench::new();
    bench.add("librogue.so", b"");

    assert_eq!(bench.refusal().reason(), "not an ELF file: it is empty");
}

#[test]
fn a_library_for_another_machine_is_refused_and_still_says_what_it_offers() {
    let other = if cfg!(target_arch = "aarch64") { 62 } else { 183 };

    let refusal = rogue_with(MACHINE, other).refusal();

    assert_eq!(refusal.step(), Step::Format);
    assert!(matches!(refusal.error, LoadError::WrongArch { .. }), "{refusal}");
    #[cfg(target_arch = "x86_64")]
    assert_eq!(refusal.reason(), "built for aarch64, this system needs x86_64");
    assert!(refusal.library.offers.has_hardware_type("rogue"));
}

#[test]
fn a_32_bit_library_is_refused() {
    let error = rogue_with(CLASS, 1).refusal().error;

    assert!(error.to_string().starts_with("built for a 32-bit little-endian machine, "), "{error}");
}

#[test]
fn a_big_endian_library_is_refused() {
    let error = rogue_with(ORDER, 2).refusal().error;

    assert!(error.to_string().starts_with("built for a 64-bit big-endian machine, "), "{error}");
}

#[test]
fn programs_are_refused() {
    for (arguments, what) in [
        (["-pie", "-fPIE"].as_slice(), "a program (PIE), not a shared library"),
        (["-no-pie"].as_slice(), "a program, not a shared library"),
        (["-static-pie", "-fPIE"].as_slice(), "a program (PIE), not a shared library"),
        (["-c"].as_slice(), "an object file, not a shared library"),
    ] {
        let bench = Bench::new();
        bench.add("program.so", &compile(&bench, "int main(void) { return 0; }", None, arguments));

        let refusal = bench.refusal();

        assert_eq!(refusal.step(), Step::Format, "{arguments:?}");
        assert_eq!(refusal.reason(), what, "{arguments:?}");
    }
}

#[test]
fn a_file_of_which_half_is_missing_is_refused() {
    let bench = Bench::new();
    let file = rogue();
    // What is mapped is in the first part; sections for tools follow.
    bench.add("librogue.so", &file[..file.len() / 8]);

    let refusal = bench.refusal();

    assert_eq!(refusal.step(), Step::Extent);
    let LoadError::Truncated { needed, size } = refusal.error else { panic!("{refusal}") };
    assert_eq!(size, file.len() as u64 / 8);
    assert_eq!(needed, file.len() as u64);
    assert!(refusal.library.offers.has_hardware_type("rogue"));
}

#[test]
fn a_file_of_which_the_last_bytes_are_missing_is_refused() {
    let bench = Bench::new();
    let file = rogue();
    bench.add("librogue.so", &file[..file.len() - 1]);

    assert_eq!(bench.refusal().step(), Step::Extent);
}

#[test]
fn a_file_of_which_only_the_headers_are_left_is_refused() {
    let bench = Bench::new();
    bench.add("librogue.so", &rogue()[..100]);

    assert_eq!(bench.refusal().step(), Step::Extent);
}

#[test]
fn a_file_whose_tables_lead_nowhere_is_refused() {
    let bench = Bench::new();
    let mut file = rogue();
    // Address of the first loaded segment, so that nothing is where the dynamic section says.
    for header in file[64..].chunks_exact_mut(56).take(11) {
        header[16..24].copy_from_slice(&u64::MAX.to_le_bytes());
    }
    bench.add("librogue.so", &file);

    let refusal = bench.refusal();

    assert!(matches!(refusal.error, LoadError::Malformed { .. }), "{refusal}");
}
