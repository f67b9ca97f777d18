//! Files broken on purpose.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::bench::Bench;

/// Where the ELF header keeps its class (1: 32-bit, 2: 64-bit).
pub(crate) const CLASS: usize = 4;
/// Where it keeps the byte order (1: little, 2: big).
pub(crate) const ORDER: usize = 5;
/// Where it keeps the number of the machine.
pub(crate) const MACHINE: usize = 18;
/// Where it keeps the number of program headers.
pub(crate) const SEGMENT_COUNT: usize = 56;

/// Size of the ELF header, and of a program header.
const HEADERS: (usize, usize) = (64, 56);

/// Replaces all `from` by `to`, which is as long; they occur.
pub(crate) fn replaced(file: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    assert_eq!(from.len(), to.len(), "a file is patched in place");
    let mut file = file.to_vec();
    let mut at = 0;
    let mut count = 0;
    while let Some(found) = find(&file[at..], from) {
        at += found;
        file[at..at + from.len()].copy_from_slice(to);
        count += 1;
    }
    assert_ne!(count, 0, "`{}` does not occur", from.escape_ascii());
    file
}

/// The same with texts.
pub(crate) fn with_text(file: &[u8], from: &str, to: &str) -> Vec<u8> {
    replaced(file, from.as_bytes(), to.as_bytes())
}

/// Replaces the first `from` by `to`: in a plugin that is the note, which comes before the code.
pub(crate) fn with_first(file: &[u8], from: &str, to: &str) -> Vec<u8> {
    assert_eq!(from.len(), to.len(), "a file is patched in place");
    let mut file = file.to_vec();
    let at = find(&file, from.as_bytes()).unwrap();
    file[at..at + from.len()].copy_from_slice(to.as_bytes());
    file
}

/// Where `part` is in `file`.
pub(crate) fn find(file: &[u8], part: &[u8]) -> Option<usize> {
    file.windows(part.len()).position(|window| window == part)
}

/// Sets `flags` in each program header of this type that has `with`.
pub(crate) fn with_segment_flags(file: &[u8], kind: u32, with: u32, flags: u32) -> Vec<u8> {
    let mut file = file.to_vec();
    let (first, size) = HEADERS;
    let count = usize::from(file[SEGMENT_COUNT]);
    let mut changed = 0;
    for header in file[first..first + count * size].chunks_exact_mut(size) {
        let number = |at: usize| u32::from_le_bytes(header[at..at + 4].try_into().unwrap());
        let (found, old) = (number(0), number(4));
        if found == kind && old & with == with {
            header[4..8].copy_from_slice(&(old | flags).to_le_bytes());
            changed += 1;
        }
    }
    assert_ne!(changed, 0, "there is such a segment");
    file
}

/// Compiles C to a shared library, or whatever `arguments` say.
pub(crate) fn compile(bench: &Bench, code: &str, note: Option<&Value>, arguments: &[&str]) -> Vec<u8> {
    let folder = tempfile::tempdir_in(bench.workshop()).unwrap();
    let folder = folder.path();
    std::fs::write(folder.join("code.c"), code).unwrap();
    let mut command = Command::new("cc");
    command.current_dir(folder).args(["-o", "out", "code.c"]).args(arguments);
    if let Some(note) = note {
        write_note(folder, note);
        command.arg("note.s");
    }
    let output = command.output().expect("a C compiler is installed");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    std::fs::read(folder.join("out")).unwrap()
}

/// A shared library with a descriptor, made of C.
pub(crate) fn c_plugin(bench: &Bench, code: &str, note: &Value, arguments: &[&str]) -> Vec<u8> {
    compile(bench, code, Some(note), &[&["-shared", "-fPIC"], arguments].concat())
}

/// The descriptor as the assembler takes it.
fn write_note(folder: &Path, note: &Value) {
    std::fs::write(folder.join("note.json"), note.to_string()).unwrap();
    let code = "
        .section .note.farrier,\"a\",@note
        .balign 4
        .long 8
        .long end - text
        .long 1
        .asciz \"farrier\"
text:   .incbin \"note.json\"
end:    .balign 4
        .section .note.GNU-stack,\"\",@progbits
";
    std::fs::write(folder.join("note.s"), code).unwrap();
}

/// A descriptor that this host accepts: plugin, hardware type and power interface of one name.
pub(crate) fn note(name: &str) -> Value {
    json!({
        "schema": 1, "abi": 1, "abi_lib": "abi_stable/0.11", "panic": "unwind", "libc": "gnu", "cpu": [],
        "sdk": "0.1.0", "rustc": "1.95.0", "name": name, "version": "0.3.1",
        "hardware_types": {name: {"power": [name]}},
        "interfaces": [{"type": "power", "name": name}],
    })
}
