//! Steps 15 and 16: a plugin that does not start, in a child and, untried, in this process.

use farrier_loader::{LoadError, Report, Step};
use farrier_sdk::error::{Chain, ErrorKind};
use serde_json::{Value, json};

use crate::bad_file::with_text;
use crate::bench::{Bench, object, only_refusal, rogue};

/// Loads `rogue` with these options, once with a trial and once without.
fn both_ways(options: &Value) -> [Report; 2] {
    let bench = Bench::with_rogue();
    let mut loader = bench.loader();
    loader.options.insert("rogue".to_owned(), object(options.clone()));
    [loader.load(bench.scan()), bench.load_untried(options.clone())]
}

#[test]
fn a_panic_in_open_is_told_with_its_place() {
    for report in both_ways(&json!({"rogue_start": "open-panic"})) {
        let error = only_refusal(&report);

        assert_eq!(error.step(), Step::Start);
        let text = Chain(error).to_string();
        let expected =
            "it panicked when it started: rogue was asked to panic in `open` at tests/rogue/src/loading.rs:";
        assert!(text.starts_with(expected), "{text}");
    }
}

#[test]
fn a_refusal_to_start_is_told_in_the_plugins_words() {
    for report in both_ways(&json!({"rogue_start": "open-refuse"})) {
        let error = only_refusal(&report);

        assert_eq!(Chain(error).to_string(), "it refused to start: rogue was asked to refuse to start");
        let LoadError::Refused { error } = error else { panic!("{error}") };
        assert_eq!(error.kind(), ErrorKind::Conflict);
    }
}

#[test]
fn an_option_the_plugin_does_not_know_is_refused_by_its_name() {
    for report in both_ways(&json!({"rogue_colour": "red"})) {
        let text = Chain(only_refusal(&report)).to_string();

        assert_eq!(text, "it refused to start: `rogue_colour`: unknown, expected one of rogue_start");
    }
}

#[test]
fn a_start_that_hangs_in_this_process_is_left_behind() {
    let report = Bench::with_rogue().load_untried(json!({"rogue_start": "open-hang"}));

    let error = only_refusal(&report);
    assert_eq!(error.step(), Step::Start);
    assert_eq!(error.to_string(), "it did not start within 2.0 s");
}

#[test]
fn an_implementation_that_cannot_be_made_is_named() {
    for report in both_ways(&json!({"rogue_start": "interface-panic"})) {
        let error = only_refusal(&report);

        assert_eq!(error.step(), Step::Interfaces);
        let text = Chain(error).to_string();
        let expected =
            "its power interface `rogue` cannot be made: rogue was asked to panic in making an interface";
        assert!(text.starts_with(expected), "{text}");
    }
}

#[test]
fn an_implementation_that_is_listed_and_not_there_is_named() {
    let bench = Bench::new();
    let listed = "{\"type\":\"power\",\"name\":\"rogue\"";
    bench.add("librogue.so", &with_text(&rogue(), listed, &listed.replace("rogue", "roges")));

    let report = bench.load();

    let error = only_refusal(&report);
    assert_eq!(error.step(), Step::Interfaces);
    assert_eq!(error.to_string(), "it has no power interface `roges`, although it lists `roges`");
}
