//! One file by itself.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;

use farrier_loader::{Examination, LoadError, Step, Trust, Untrusted};

use crate::bad_file::{MACHINE, with_first, with_text};
use crate::bench::{Bench, rogue};

/// A bench with this file, and its path.
fn file(content: &[u8]) -> (Bench, PathBuf) {
    let bench = Bench::new();
    bench.add("librogue.so", content);
    let path = bench.path().join("librogue.so");
    (bench, path)
}

fn steps(examination: &Examination) -> Vec<(u8, bool)> {
    examination.steps.iter().map(|(step, outcome)| (step.number(), outcome.is_ok())).collect()
}

#[test]
fn a_good_file_passes_seven_steps_and_tells_everything() {
    let (_bench, path) = file(&rogue());

    let examination = Examination::of(&path).unwrap();

    assert_eq!(steps(&examination), (1..=7).map(|number| (number, true)).collect::<Vec<_>>());
    assert_eq!(examination.descriptor.as_ref().unwrap().name, "rogue");
    assert_eq!(examination.needs.machine.as_deref(), Some(std::env::consts::ARCH));
    assert!(examination.needs.libraries.contains(&"libc.so.6".to_owned()), "{:?}", examination.needs);
    assert!(examination.needs.glibc.is_some());
    assert!(examination.into_scan(Trust::Checked).candidates[0].descriptor.is_ok());
}

#[test]
fn each_step_speaks_for_itself() {
    // For another machine, and in need of a library that nobody has.
    let mut content = with_text(&rogue(), "libgcc_s.so.1", "libacm_s.so.1");
    content[MACHINE] = 183;

    let (_bench, path) = file(&content);
    let examination = Examination::of(&path).unwrap();

    let refused: Vec<Step> = examination.refusals().map(LoadError::step).collect();
    assert_eq!(refused, [Step::Format, Step::Libraries]);
    assert_eq!(examination.descriptor.unwrap().name, "rogue", "it is read all the same");
}

#[test]
fn one_that_was_built_for_another_host_is_read_all_the_same() {
    let (_bench, path) = file(&with_first(&rogue(), "\"abi\":1,", "\"abi\":2,"));

    let examination = Examination::of(&path).unwrap();

    let refused: Vec<&LoadError> = examination.refusals().collect();
    assert_eq!(refused, [&LoadError::AbiVersion { found: 2, supported: 1 }]);
    assert_eq!(examination.descriptor.unwrap().abi, 2);
}

#[test]
fn of_half_a_file_only_that_is_said() {
    let whole = rogue();
    let (_bench, path) = file(&whole[..whole.len() / 2]);

    let examination = Examination::of(&path).unwrap();

    let refused: Vec<Step> = examination.refusals().map(LoadError::step).collect();
    assert!(refused.contains(&Step::Extent), "{refused:?}");
    assert!(!refused.contains(&Step::Format), "{refused:?}");
}

#[test]
fn text_is_refused_at_its_first_bytes() {
    let (_bench, path) = file(b"#!/bin/sh");

    let examination = Examination::of(&path).unwrap();

    assert_eq!(steps(&examination), [(1, true), (2, true), (3, false)]);
    assert!(examination.into_scan(Trust::Assumed).candidates[0].descriptor.is_err());
}

#[test]
fn behind_a_link_is_the_file() {
    let (bench, path) = file(&rogue());
    let link = bench.path().join("link.so");
    symlink(&path, &link).unwrap();

    let examination = Examination::of(&link).unwrap();

    let refused: Vec<&LoadError> = examination.refusals().collect();
    assert_eq!(refused, [&LoadError::UntrustedFile { why: Untrusted::Link }]);
    assert!(examination.into_scan(Trust::Assumed).candidates[0].descriptor.is_ok());
}

#[test]
fn what_is_not_there_is_an_error() {
    let (bench, _path) = file(b"");

    let error = Examination::of(&bench.path().join("nothing.so")).unwrap_err();
    fs::create_dir(bench.path().join("d.so")).unwrap();
    let directory = Examination::of(&bench.path().join("d.so")).unwrap_err();

    assert!(matches!(error, LoadError::FileUnreadable { .. }), "{error}");
    assert_eq!(directory, LoadError::UntrustedFile { why: Untrusted::NotRegular });
}
