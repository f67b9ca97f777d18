//! What a loaded plugin does, and what can no longer harm it.

use std::fs::{self, OpenOptions};
use std::io::Write;

use farrier_host::Origin;
use farrier_loader::{Sha256, State};
use farrier_sim::plugin;
use serde_json::json;

use crate::bad_file::with_text;
use crate::bench::{Bench, rogue};
use crate::node::{power_on, power_state};

#[test]
fn a_loaded_plugin_answers_calls() {
    let report = Bench::with_rogue().load();

    let [plugin] = report.plugins.as_slice() else { panic!("{:?}", report.refused) };
    assert_eq!(power_state(plugin, "rogue"), "power off");
    power_on(plugin, "rogue");
    assert_eq!(power_state(plugin, "rogue"), "power on");
}

#[test]
fn a_loaded_plugin_knows_its_file_and_hash() {
    let bench = Bench::with_rogue();

    let report = bench.load();

    let path = bench.path().canonicalize().unwrap().join("librogue.so");
    let sha256 = Sha256::of(&rogue()).to_string();
    assert_eq!(report.plugins[0].origin(), &Origin::File { path, sha256 });
}

#[test]
fn overwriting_the_file_of_a_loaded_plugin_does_no_harm() {
    let bench = Bench::with_rogue();
    let report = bench.load();
    let path = bench.path().join("librogue.so");
    let size = fs::metadata(&path).unwrap().len();

    // In place, the way `cp` does it: a library mapped from the file would be gone.
    let mut file = OpenOptions::new().write(true).truncate(true).open(&path).unwrap();
    file.write_all(&vec![0xff; usize::try_from(size).unwrap() / 2]).unwrap();

    power_on(&report.plugins[0], "rogue");
    assert_eq!(power_state(&report.plugins[0], "rogue"), "power on");
}

#[test]
fn two_plugins_of_one_make_keep_their_own_state() {
    let bench = Bench::with_rogue();
    // The same code under another name: what both call `static` is still theirs alone.
    bench.add("librogu2.so", &with_text(&rogue(), "rogue", "rogu2"));

    let report = bench.load();

    let [second, first] = report.plugins.as_slice() else { panic!("{:?}", report.refused) };
    assert_eq!((first.name(), second.name()), ("rogue", "rogu2"));
    power_on(first, "rogue");
    assert_eq!(power_state(first, "rogue"), "power on");
    assert_eq!(power_state(second, "rogu2"), "power off");
}

#[test]
fn plugins_of_different_makers_load_together() {
    let bench = Bench::with_rogue();
    bench.add("libfake.so", &fs::read(plugin::library("fake").unwrap()).unwrap());
    bench.add("libtemplate.so", &fs::read(plugin::library("template").unwrap()).unwrap());

    let report = bench.load();

    let names: Vec<&str> = report.plugins.iter().map(|plugin| plugin.name()).collect();
    assert_eq!(names, ["fake", "rogue", "acme"], "{:?}", report.refused);
    assert!(report.rows().iter().all(|row| row.state == State::Loaded));
    power_on(&report.plugins[1], "rogue");
    assert_eq!(power_state(&report.plugins[1], "rogue"), "power on");
    assert_eq!(power_state(&report.plugins[0], "fake"), json!(null), "nobody has asked it for anything");
}

#[test]
fn one_file_may_be_loaded_twice() {
    let bench = Bench::with_rogue();

    let (first, second) = (bench.load(), bench.load());

    power_on(&first.plugins[0], "rogue");
    assert_eq!(power_state(&second.plugins[0], "rogue"), "power off");
}

#[test]
fn rows_are_json_that_names_everything() {
    let bench = Bench::with_rogue();
    bench.add("libtext.so", b"text");

    let rows = serde_json::to_value(bench.load().rows()).unwrap();

    assert_eq!(rows[0]["state"], "loaded");
    assert_eq!(rows[0]["library"]["plugin"], "rogue");
    assert_eq!(rows[0]["library"]["offers"]["hardware_types"], json!(["rogue"]));
    assert_eq!(rows[0]["library"]["offers"]["interfaces"]["power"], json!(["rogue"]));
    assert_eq!(rows[0]["library"]["sha256"], Sha256::of(&rogue()).to_string());
    assert_eq!(rows[1]["state"], "refused");
    assert_eq!(rows[1]["refusal"]["step"], 3);
    assert_eq!(rows[1]["refusal"]["error"]["code"], "not_elf");
    assert_eq!(rows[1]["refusal"]["reason"], "not an ELF file: it starts with `text`");
}
