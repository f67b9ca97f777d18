//! Steps 12 to 14: what can be seen only once a library is open.

use std::fs;

use farrier_loader::{LoadError, Step};
use serde_json::json;

use crate::bad_file::{c_plugin, find, note, with_first};
use crate::bench::{Bench, only_refusal, rogue};
use crate::building::Workspace;

/// The boundary of a library that was built against a changed copy of it.
const ABI: &str = "plugins/abi/src/lib.rs";

/// Source of a plugin without the SDK.
const HANDMADE: &str = include_str!("../handmade/lib.rs");

/// The name of a plugin's only symbol, as C spells it.
const ROOT: &str = "_1as_0lib_1header_0root_bmodule_bloader";

#[test]
fn an_undefined_symbol_is_named() {
    let bench = Bench::new();
    let code = "extern int vendor_call(void); int acme(void) { return vendor_call(); }";
    bench.add("libacme.so", &c_plugin(&bench, code, &note("acme"), &["-z", "lazy"]));

    let report = bench.load();

    assert_eq!(only_refusal(&report).to_string(), "it cannot be opened: undefined symbol: vendor_call");
    assert_eq!(only_refusal(&report).step(), Step::Open);
}

#[test]
fn a_library_without_a_root_module_is_refused() {
    let bench = Bench::new();
    bench.add("libacme.so", &c_plugin(&bench, "", &note("acme"), &[]));

    let report = bench.load();

    assert_eq!(only_refusal(&report).step(), Step::Open);
    assert_eq!(
        only_refusal(&report).to_string(),
        "its root module is not of `abi_stable/0.11`: it exports none"
    );
}

#[test]
fn something_else_of_the_root_modules_name_is_refused() {
    let bench = Bench::new();
    let code = format!("const char {ROOT}[4096] = \"nothing of the kind\";");
    bench.add("libacme.so", &c_plugin(&bench, &code, &note("acme"), &[]));

    let report = bench.load();

    assert_eq!(
        only_refusal(&report).to_string(),
        "its root module is not of `abi_stable/0.11`: something else has its name"
    );
}

#[test]
fn a_root_module_of_another_abi_stable_is_refused() {
    let bench = Bench::new();
    let mut file = rogue();
    let header = find(&file, b"abi stable library for Rust").unwrap();
    // After 32 bytes of text: major version, minor version.
    assert_eq!(file[header + 32..header + 40], [0, 0, 0, 0, 11, 0, 0, 0]);
    file[header + 36] = 12;
    bench.add("librogue.so", &file);

    let report = bench.load();

    assert_eq!(
        only_refusal(&report).to_string(),
        "its root module is not of `abi_stable/0.11`: it has one of `abi_stable/0.12`"
    );
}

#[test]
fn a_descriptor_that_is_not_the_codes_is_refused() {
    let bench = Bench::new();
    bench.add("librogue.so", &with_first(&rogue(), "misbehaves on request", "does just what it may"));

    let report = bench.load();

    assert_eq!(only_refusal(&report), &LoadError::DescriptorMismatch);
}

/// A directory with a plugin without the SDK, whose `open` refuses, built beside a copy of the boundary.
///
/// `change` changes the copy. The name is that of workspace, package and library: all share one target directory.
fn handmade(name: &str, source: &str, change: impl FnOnce(&Workspace)) -> Bench {
    let workspace = Workspace::new(name, &["plugins/abi"], &["handmade"]);
    change(&workspace);
    let manifest = format!(
        "[package]\nname = \"{name}\"\nedition.workspace = true\n\n[lib]\ncrate-type = [\"cdylib\"]\n\n\
         [dependencies]\nfarrier-abi.workspace = true\n"
    );
    workspace.write("handmade/Cargo.toml", &manifest);
    workspace.write("handmade/src/note.json", &note("handmade").to_string());
    workspace.write("handmade/src/lib.rs", source);
    let bench = Bench::new();
    bench.add("libhandmade.so", &workspace.build(name));
    bench
}

#[test]
fn a_struct_with_one_more_field_is_refused_with_its_name() {
    let field = "    pub task: u64,\n";
    let more = format!("{field}    /// Column in `line`.\n    pub column: u32,\n");

    let bench = handmade("boundary-changed", HANDMADE, |workspace| workspace.change(ABI, field, &more));

    let report = bench.load();

    let error = only_refusal(&report);
    let LoadError::Layout { types, summary, full } = error else { panic!("{error}") };
    assert_eq!(error.step(), Step::Layout);
    assert!(types.contains(&"LogRecord".to_owned()), "{types:?}");
    insta::assert_snapshot!(summary, @"`LogRecord` has 88 bytes there, 80 here; `LogRecord` has 8 fields there, 7 here; `LogRecord` has field `column` where `target` is here; and 3 more");
    assert!(full.contains("Layout of expected type"), "the whole comparison is kept");
    assert_eq!(report.refused[0].explanation(), Some(full.as_str()));
    let json = serde_json::to_string(&report.refused[0]).unwrap();
    assert!(!json.contains("Layout of expected type"), "but not shown to everybody");
}

#[test]
fn a_plugin_of_a_newer_boundary_passes_the_layout_check() {
    let last = "    fn cancel(&self, job: u64);\n";
    let more = format!("{last}    fn novelty(&self) -> u64 {{\n        0\n    }}\n");

    let bench = handmade("boundary-newer", HANDMADE, |workspace| workspace.change(ABI, last, &more));
    bench.add("librogue.so", &rogue());

    let reports = [bench.load(), bench.load_untried(json!({}))];

    for report in reports {
        let reason = report.refused[0].reason();
        assert_eq!(reason, "it refused to start: it got as far as this");
        let names: Vec<&str> = report.plugins.iter().map(|plugin| plugin.name()).collect();
        assert_eq!(names, ["rogue"], "one of today's after one of tomorrow");
    }
}

#[test]
fn a_root_module_that_panics_is_refused() {
    let line = "const PANICS: bool = false;";
    assert!(HANDMADE.contains(line));
    let source = HANDMADE.replace(line, "const PANICS: bool = true;");

    let report = handmade("boundary-same", &source, |_| {}).load();

    let error = only_refusal(&report);
    assert_eq!(error.step(), Step::Module);
    assert_eq!(error.to_string(), "its root module cannot be made: its constructor panicked");
}

#[test]
fn a_loaded_plugin_shows_its_name_in_the_memory_map() {
    let bench = Bench::with_rogue();

    let report = bench.load();

    assert_eq!(report.plugins.len(), 1, "{:?}", report.refused);
    let maps = fs::read_to_string("/proc/self/maps").unwrap();
    assert!(maps.contains("/memfd:farrier:rogue@0.1.0"), "{maps}");
}
