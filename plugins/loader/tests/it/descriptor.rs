//! Steps 5 and 6: descriptors.

use farrier_loader::{LoadError, Step};
use serde_json::json;

use crate::bad_file::{c_plugin, compile, note, with_text};
use crate::bench::{Bench, rogue};

/// `rogue` with one text of its descriptor changed.
fn rogue_with(from: &str, to: &str) -> Bench {
    let bench = Bench::new();
    bench.add("librogue.so", &with_text(&rogue(), from, to));
    bench
}

#[test]
fn a_library_without_a_descriptor_is_no_plugin() {
    let bench = Bench::new();
    let library = compile(&bench, "int answer(void) { return 42; }", None, &["-shared", "-fPIC"]);
    bench.add("libanswer.so", &library);

    let refusal = bench.refusal();

    assert_eq!(refusal.step(), Step::Descriptor);
    assert_eq!(refusal.reason(), "not a plugin: it has no descriptor");
}

#[test]
fn a_descriptor_that_is_not_json_is_refused() {
    let refusal = rogue_with("{\"schema\":1", "{\"schema\"=1").refusal();

    assert_eq!(refusal.step(), Step::Descriptor);
    assert_eq!(
        refusal.reason(),
        "its descriptor is not acceptable: it is not JSON: expected `:` at line 1 column 10"
    );
}

#[test]
fn a_descriptor_without_a_name_is_refused() {
    let refusal = rogue_with("\"name\":\"rogue\",\"version\"", "\"nome\":\"rogue\",\"version\"").refusal();

    assert!(matches!(refusal.error, LoadError::BadDescriptor { .. }), "{refusal}");
    assert!(refusal.reason().contains("missing field `name`"), "{refusal}");
}

#[test]
fn a_name_that_is_a_path_is_refused() {
    let refusal = rogue_with("\"name\":\"rogue\",\"version\"", "\"name\":\"../..\",\"version\"").refusal();

    assert_eq!(refusal.reason(), "its descriptor is not acceptable: the plugin cannot be called `../..`");
}

#[test]
fn two_descriptors_are_one_too_many() {
    let bench = Bench::new();
    let twice = "__asm__(\".section .note.farrier2,\\\"a\\\",@note\\n.balign 4\\n.long 8, 4, 1\\n\
                 .asciz \\\"farrier\\\"\\n.ascii \\\"{}  \\\"\\n.text\");";
    bench.add("libtwice.so", &c_plugin(&bench, twice, &note("twice"), &[]));

    assert_eq!(bench.refusal().reason(), "its descriptor is not acceptable: there is more than one");
}

#[test]
fn a_descriptor_that_is_too_large_is_refused() {
    let bench = Bench::new();
    let mut large = note("large");
    large["description"] = json!("x".repeat(1024 * 1024));
    bench.add("liblarge.so", &c_plugin(&bench, "", &large, &[]));

    let refusal = bench.refusal();

    assert!(matches!(refusal.error, LoadError::BadDescriptor { .. }), "{refusal}");
}

#[test]
fn a_descriptor_of_a_later_schema_is_refused() {
    let refusal = rogue_with("{\"schema\":1", "{\"schema\":2").refusal();

    assert_eq!(refusal.reason(), "its descriptor is not acceptable: it has schema 2, this host reads 1");
}

#[test]
fn a_plugin_of_another_abi_is_refused_and_still_says_what_it_offers() {
    let refusal = rogue_with("\"abi\":1,", "\"abi\":2,").refusal();

    assert_eq!(refusal.step(), Step::Build);
    assert_eq!(refusal.error, LoadError::AbiVersion { found: 2, supported: 1 });
    assert_eq!(
        refusal.quote(),
        "`librogue.so` provides it but was refused: built for ABI 2, this host has ABI 1"
    );
    assert!(refusal.library.offers.has_hardware_type("rogue"));
}

#[test]
fn a_plugin_on_another_abi_library_is_refused() {
    let refusal = rogue_with("abi_stable/0.11\"", "abi_stable/0.12\"").refusal();

    assert_eq!(refusal.step(), Step::Build);
    assert_eq!(refusal.reason(), "built on `abi_stable/0.12`, this host is built on `abi_stable/0.11`");
}

#[test]
fn a_plugin_whose_panics_end_the_process_is_refused() {
    let refusal = rogue_with("\"panic\":\"unwind\"", "\"panic\":\"abort\" ").refusal();

    assert_eq!(refusal.step(), Step::Build);
    assert_eq!(refusal.error, LoadError::PanicStrategy { found: "abort".to_owned() });
}

#[test]
fn a_plugin_for_another_c_library_is_refused() {
    let refusal = rogue_with("\"libc\":\"gnu\"", "\"libc\":\"bsd\"").refusal();

    assert_eq!(refusal.step(), Step::Build);
    assert_eq!(refusal.reason(), "built for C library `bsd`, this host has `gnu`");
}

#[test]
fn a_plugin_for_a_better_cpu_is_refused() {
    let bench = Bench::new();
    let mut better = note("better");
    better["cpu"] = json!(["sse2", "neon", "warp9", "amx-fp4096"]);
    bench.add("libbetter.so", &c_plugin(&bench, "", &better, &[]));

    let refusal = bench.refusal();

    assert_eq!(refusal.step(), Step::Build);
    let LoadError::CpuFeature { missing } = refusal.error else { panic!("{refusal}") };
    assert!(missing.ends_with(&["warp9".to_owned(), "amx-fp4096".to_owned()]), "{missing:?}");
}
