//! Steps 9 and 10: names that are taken, and names that nobody asked for.

use farrier_loader::{Claim, Enabled, LoadError, Loader, State, Step};
use farrier_sdk::interface::InterfaceType;
use serde_json::{Value, json};

use crate::bad_file::{c_plugin, note};
use crate::bench::{Bench, only_refusal};

/// Two files with these descriptors; nothing of them is enabled, so nothing of them runs.
fn refusal_of_second(first: &Value, second: &Value) -> LoadError {
    let bench = Bench::new();
    bench.add("a.so", &c_plugin(&bench, "", first, &[]));
    bench.add("b.so", &c_plugin(&bench, "", second, &[]));

    let report = Loader::new(Enabled::default()).load(bench.scan());

    assert_eq!(report.available.len(), 1, "the first one keeps its names");
    assert_eq!(report.available[0].file_name(), "a.so");
    assert_eq!(report.refused[0].step(), Step::Names);
    let LoadError::Duplicate { other, .. } = &report.refused[0].error else { panic!("{report:?}") };
    assert!(other.ends_with("a.so`"), "{other}");
    only_refusal(&report).clone()
}

fn claim(error: LoadError) -> String {
    let LoadError::Duplicate { what, .. } = error else { panic!("{error}") };
    what.to_string()
}

#[test]
fn a_plugin_that_is_there_twice_is_refused() {
    assert_eq!(claim(refusal_of_second(&note("acme"), &note("acme"))), "plugin `acme`");
}

#[test]
fn a_hardware_type_that_is_taken_is_refused() {
    let mut second = note("other");
    second["hardware_types"] = json!({"acme": {}});

    assert_eq!(claim(refusal_of_second(&note("acme"), &second)), "hardware type `acme`");
}

#[test]
fn an_implementation_that_is_taken_is_refused() {
    let mut second = note("other");
    second["interfaces"] = json!([{"type": "power", "name": "acme"}]);

    assert_eq!(claim(refusal_of_second(&note("acme"), &second)), "power interface `acme`");
}

#[test]
fn an_alias_that_is_taken_is_refused() {
    let mut first = note("acme");
    first["interfaces"] = json!([{"type": "power", "name": "acme", "aliases": ["acme-old"]}]);
    let mut second = note("other");
    second["interfaces"] = json!([{"type": "power", "name": "other", "aliases": ["acme-old"]}]);

    assert_eq!(claim(refusal_of_second(&first, &second)), "power interface `acme-old`");
}

#[test]
fn one_name_may_stand_for_several_interface_types() {
    let bench = Bench::new();
    let mut second = note("other");
    second["interfaces"] = json!([{"type": "management", "name": "acme"}]);
    bench.add("a.so", &c_plugin(&bench, "", &note("acme"), &[]));
    bench.add("b.so", &c_plugin(&bench, "", &second, &[]));

    let report = Loader::new(Enabled::default()).load(bench.scan());

    assert_eq!(report.available.len(), 2, "{report:?}");
}

#[test]
fn a_name_of_the_host_is_taken() {
    let bench = Bench::new();
    let mut noop = note("acme");
    noop["interfaces"] = json!([{"type": "management", "name": "noop"}]);
    bench.add("a.so", &c_plugin(&bench, "", &noop, &[]));
    let mut loader = Loader::new(Enabled::default());
    loader.reserved =
        vec![Claim::Interface { interface: InterfaceType::Management, name: "noop".to_owned() }];

    let report = loader.load(bench.scan());

    let error = only_refusal(&report);
    assert_eq!(error.to_string(), "management interface `noop` is already provided by the conductor itself");
}

#[test]
fn what_is_not_enabled_is_never_executed() {
    let bench = Bench::new();
    let trace = bench.workshop().join("trace");
    let code = format!(
        "#include <stdio.h>\n__attribute__((constructor)) static void run(void) {{ fclose(fopen(\"{}\", \"w\")); }}",
        trace.display()
    );
    bench.add("libacme.so", &c_plugin(&bench, &code, &note("acme"), &[]));
    let mut loader = bench.loader();
    loader.enabled = Enabled::default();
    loader.enabled.hardware_types.insert("other".to_owned());

    let report = loader.load(bench.scan());

    assert_eq!(report.rows()[0].state, State::Available);
    assert!(!trace.exists(), "its constructor has run");
    // The trace is left when it is enabled: this test would see it.
    bench.load();
    assert!(trace.exists());
}

#[test]
fn an_enabled_implementation_is_enough_to_be_loaded() {
    let bench = Bench::with_rogue();
    let mut loader = bench.loader();
    loader.enabled = Enabled::default();
    loader.enabled.interfaces.insert(InterfaceType::Power, ["rogue".to_owned()].into());

    let report = loader.load(bench.scan());

    assert_eq!(report.rows()[0].state, State::Loaded, "{:?}", report.refused);
}

#[test]
fn only_a_refusal_that_leaves_something_enabled_out_is_needed() {
    let bench = Bench::with_rogue();
    bench.add("libtext.so", b"text");
    let mut broken = note("acme");
    broken["abi"] = json!(2);
    bench.add("libacme.so", &c_plugin(&bench, "", &broken, &[]));
    let mut loader = bench.loader();

    let report = loader.load(bench.scan());
    loader.enabled.hardware_types.insert("acme".to_owned());
    let needed = report.needed(&loader.enabled);

    assert_eq!(report.refused.len(), 2);
    assert_eq!(needed.len(), 1, "{needed:?}");
    assert_eq!(needed[0].library.file_name(), "libacme.so");
    let quotes: Vec<String> =
        report.refused_with_hardware_type("acme").map(|refusal| refusal.quote()).collect();
    assert_eq!(quotes, ["`libacme.so` provides it but was refused: built for ABI 2, this host has ABI 1"]);
    assert_eq!(report.refused_with_interface(InterfaceType::Power, "acme").count(), 1);
}
