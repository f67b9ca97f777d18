//! Our own plugins pass, against machines that are not theirs.

use std::path::{Path, PathBuf};

use farrier_conformance::report::Report;
use farrier_conformance::{Profile, run};
use farrier_sim::plugin;

use crate::rogues::options;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

pub(crate) fn profile(name: &str) -> Profile {
    Profile::from_file(&root().join("drivers").join(name).join("conformance.toml")).unwrap()
}

pub(crate) fn judged(name: &str, profile: &Profile, filter: &[&str]) -> Report {
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
    let device = "this simulator says of no boot device that it is in force";
    for (id, reason) in
        [("MGT-002", device), ("MGT-003", device), ("MGT-005", "none of its sensors has a reading")]
    {
        profile.waive.insert(id.to_owned(), reason.to_owned());
    }

    let report = judged("ipmi", &profile, &["POW", "MGT", "VND"]);

    assert!(report.is_good(), "{}", report.text());
}

#[test]
fn ipmi_passes_on_the_bmc_of_virtual_machines() {
    let mut profile = profile("ipmi");
    profile.target.emulator = Some("pyghmi".to_owned());
    let (forgets, none) = ("this BMC forgets that a boot device is to stay", "this BMC has no sensors");
    profile.waive.insert("MGT-003".to_owned(), forgets.to_owned());
    profile.target.lacks.insert("management.get_sensors_data".to_owned(), none.to_owned());

    let report = judged("ipmi", &profile, &["POW", "MGT", "VND", "CNS"]);

    assert!(report.is_good(), "{}", report.text());
}

#[test]
fn redfish_passes_on_an_emulator_of_others() {
    let mut profile = profile("redfish");
    profile.target.emulator = Some("sushy".to_owned());
    let reason = "this emulator keeps every boot device for good";
    profile.waive.insert("MGT-002".to_owned(), reason.to_owned());
    for (what, reason) in [
        ("bios", "a machine in this emulator's memory has no BIOS settings"),
        ("firmware.update", "this emulator updates the firmware of virtual machines alone"),
        ("inspect", "a machine in this emulator's memory has neither processors nor memory nor disks"),
        ("vendor.create_subscription", "this emulator has no events"),
    ] {
        profile.target.lacks.insert(what.to_owned(), reason.to_owned());
    }
    // Each is a process in Python, and takes its time.
    profile.limits.nodes = 2;
    profile.limits.calls = 100;

    let report = judged("redfish", &profile, &[]);

    assert!(report.is_good(), "{}", report.text());
    let untested = ["BIO", "FRM", "INS", "VND", "STP"];
    let known = |id: &String| untested.iter().any(|group| id.starts_with(group));
    assert!(report.untested.iter().all(known), "{:?}", report.untested);
}
