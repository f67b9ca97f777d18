//! Our own plugins pass, against machines that are not theirs.

use std::path::{Path, PathBuf};

use farrier_conformance::report::Report;
use farrier_conformance::{Profile, run};
use farrier_sim::plugin;

use crate::rogues::options;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn profile(name: &str) -> Profile {
    Profile::from_file(&root().join("drivers").join(name).join("conformance.toml")).unwrap()
}

fn judged(name: &str, profile: &Profile, filter: &[&str]) -> Report {
    let mut options = options();
    options.filter = filter.iter().map(|pattern| (*pattern).to_owned()).collect();
    run(&plugin::library(name).unwrap(), profile, &options).unwrap()
}

#[test]
fn fake_passes() {
    let report = judged("fake", &profile("fake"), &[]);

    assert!(report.is_good(), "{}", report.text());
}

#[test]
fn ipmi_passes() {
    let report = judged("ipmi", &profile("ipmi"), &[]);

    assert!(report.is_good(), "{}", report.text());
}

#[test]
fn redfish_passes() {
    let report = judged("redfish", &profile("redfish"), &[]);

    assert!(report.is_good(), "{}", report.text());
}

#[test]
fn ipmi_passes_on_a_simulator_of_others() {
    let mut profile = profile("ipmi");
    profile.target.emulator = Some("ipmi_sim".to_owned());
    let (device, sensors) =
        ("this simulator says of no boot device that it is in force", "this simulator has no sensors");
    for (id, reason) in [("MGT-002", device), ("MGT-003", device), ("MGT-005", sensors)] {
        profile.waive.insert(id.to_owned(), reason.to_owned());
    }

    let report = judged("ipmi", &profile, &["POW", "MGT", "VND"]);

    assert!(report.is_good(), "{}", report.text());
}

#[test]
fn redfish_passes_on_an_emulator_of_others() {
    let mut profile = profile("redfish");
    profile.target.emulator = Some("sushy".to_owned());
    let reason = "this emulator keeps every boot device for good";
    profile.waive.insert("MGT-002".to_owned(), reason.to_owned());

    let report = judged("redfish", &profile, &["POW", "MGT"]);

    assert!(report.is_good(), "{}", report.text());
}
