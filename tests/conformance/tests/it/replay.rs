//! Runs that are recorded, and made again without the machine.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use farrier_conformance::profile::{TargetConfig, TargetKind};
use farrier_conformance::report::{Outcome, Report};
use farrier_conformance::{Profile, run};
use farrier_sim::plugin;
use tempfile::TempDir;

use crate::{patch, rogues};

/// The password of the template's device, and what is sent of it.
const SECRETS: [&str; 2] = ["hunter2", "YWRtaW46aHVudGVyMg"];

/// The template's profile, with its device.
fn template() -> Profile {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../plugins/template/conformance.toml");
    let mut profile = Profile::from_file(&path).unwrap();
    profile.target.command = vec![plugin::example("template", "simulator").unwrap().display().to_string()];
    // A device is a process.
    profile.limits.nodes = 6;
    profile.limits.calls = 100;
    // How quickly a debug build starts while other tests run is not the matter here.
    profile.limits.load_ms = 10_000;
    profile
}

/// The same without a device.
fn without_device(recording: &Path) -> Profile {
    let target = TargetConfig {
        kind: TargetKind::Replay,
        recording: Some(recording.to_owned()),
        ..TargetConfig::default()
    };
    Profile { target, ..template() }
}

fn judged(library: &Path, profile: &Profile, filter: &[&str], record: Option<&Path>) -> Report {
    let mut options = rogues::options();
    options.filter = filter.iter().map(|pattern| (*pattern).to_owned()).collect();
    options.record = record.map(Path::to_owned);
    run(library, profile, &options).unwrap()
}

fn outcomes(report: &Report) -> BTreeMap<&str, (Outcome, &str)> {
    let entries = report.checks.iter();
    entries.map(|entry| (entry.id.as_str(), (entry.outcome, entry.reason.as_str()))).collect()
}

/// What is said of a check.
fn reason<'a>(report: &'a Report, id: &str) -> (Outcome, &'a str) {
    outcomes(report)[id]
}

#[test]
fn a_recording_stands_for_the_machine() {
    let folder = TempDir::new().unwrap();
    let recording = folder.path().join("acme-4000");
    let library = plugin::library("template").unwrap();

    let live = judged(&library, &template(), &[], Some(&recording));
    let replayed = judged(&library, &without_device(&recording), &[], None);

    assert!(live.is_good(), "{}", live.text());
    assert_eq!(live.notes, Vec::<String>::new());
    assert_eq!(outcomes(&replayed), outcomes(&live), "{}", replayed.text());
    assert_eq!(replayed.verdict, live.verdict);
    let expected = format!("recording of {}, made by kit ", live.target);
    assert!(replayed.target.starts_with(&expected), "{}", replayed.target);
    let mut cassettes = 0;
    for entry in fs::read_dir(&recording).unwrap() {
        let path = entry.unwrap().path();
        let text = fs::read_to_string(&path).unwrap();
        for secret in SECRETS {
            assert!(!text.contains(secret), "{secret} is in {}", path.display());
        }
        cassettes += usize::from(text.contains("\"request\""));
    }
    assert!(cassettes > 8, "{cassettes} cassettes have requests");
}

/// The template with another word in the place of one of its own.
fn changed(folder: &Path, from: &str, to: &str) -> std::path::PathBuf {
    let file = fs::read(plugin::library("template").unwrap()).unwrap();
    let path = folder.join(format!("{}.so", to.replace('/', "-")));
    fs::write(&path, patch::text(&file, from, to)).unwrap();
    path
}

#[test]
fn a_plugin_that_asks_for_something_else_does_not_fit() {
    let folder = TempDir::new().unwrap();
    let recording = folder.path().join("acme-4000");
    let library = plugin::library("template").unwrap();
    let good = judged(&library, &template(), &["POW"], Some(&recording));
    assert!(good.is_good(), "{}", good.text());
    let profile = without_device(&recording);

    let path = judged(&changed(folder.path(), "/v1/power", "/v1/pouer"), &profile, &["POW-001"], None);
    let body = judged(&changed(folder.path(), "shutdown", "shutd0wn"), &profile, &["POW"], None);

    let misfit = "the recording does not fit: `GET /v1/pouer` was not recorded";
    assert_eq!(reason(&path, "POW-001"), (Outcome::Failed, misfit));
    let (outcome, said) = reason(&body, "POW-006");
    assert_eq!(outcome, Outcome::Failed);
    let expected = "`PUT /v1/power` with {\"state\":\"shutd0wn\"} was not recorded here, the next change was \
        `PUT /v1/power` with {\"state\":\"shutdown\"}";
    assert!(said.contains(expected), "{said}");
    assert_eq!(body.count(Outcome::Failed), 1, "{}", body.text());
}

#[test]
fn what_was_not_recorded_is_not_judged() {
    let folder = TempDir::new().unwrap();
    let recording = folder.path().join("acme-4000");
    let library = plugin::library("template").unwrap();
    judged(&library, &template(), &["POW-001"], Some(&recording));

    let report = judged(&library, &without_device(&recording), &["POW-00*"], None);

    assert_eq!(reason(&report, "POW-001").0, Outcome::Passed, "{}", report.text());
    let (outcome, said) = reason(&report, "POW-002");
    assert_eq!(outcome, Outcome::Skipped);
    assert!(said.ends_with("which made the recording, did not run this check"), "{said}");
}

#[test]
fn a_plugin_with_sockets_of_its_own_is_said_to_leave_nothing() {
    let folder = TempDir::new().unwrap();
    let recording = folder.path().join("wayward");
    let library = plugin::library("wayward").unwrap();
    let profile = rogues::profile("conformance.toml");

    let live = judged(&library, &profile, &["POW-001"], Some(&recording));
    let target = without_device(&recording).target;
    let replayed = judged(&library, &Profile { target, ..profile }, &["POW-001"], None);

    assert_eq!(reason(&live, "POW-001").0, Outcome::Passed, "{}", live.text());
    assert!(live.text().contains("note: the recording is empty"), "{}", live.text());
    let said = "this plugin did not talk through the host service `http`, nothing was recorded";
    assert_eq!(reason(&replayed, "POW-001"), (Outcome::Skipped, said));
}

#[test]
fn a_recording_that_cannot_be_made_or_used_is_an_error() {
    let folder = TempDir::new().unwrap();
    let recording = folder.path().join("acme-4000");
    let library = plugin::library("template").unwrap();
    let error = |library: &Path, profile: &Profile, record: Option<&Path>| {
        let mut options = rogues::options();
        options.filter = vec!["PKG-001".to_owned()];
        options.record = record.map(Path::to_owned);
        run(library, profile, &options).unwrap_err().to_string()
    };
    let absent = error(&library, &without_device(&recording), None);
    judged(&library, &template(), &["PKG-001"], Some(&recording));
    let replay = without_device(&recording);

    let taken = error(&library, &template(), Some(&recording));
    let no_machine = error(&library, &replay, Some(&folder.path().join("other")));
    let other = error(&plugin::library("wayward").unwrap(), &replay, None);
    let unnamed = TargetConfig { kind: TargetKind::Replay, ..TargetConfig::default() };
    let unnamed = error(&library, &Profile { target: unnamed, ..template() }, None);

    assert!(absent.ends_with("recording.json` cannot be read"), "{absent}");
    assert!(taken.contains("has a recording already"), "{taken}");
    assert!(no_machine.starts_with("there is nothing to record"), "{no_machine}");
    assert!(other.ends_with("is a recording of plugin `acme`, this one is `wayward`"), "{other}");
    assert!(unnamed.contains("name its directory with `--replay`"), "{unnamed}");
}
