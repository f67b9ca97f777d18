//! For every check a plugin that fails it, and nothing else.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use farrier_conformance::check::checks;
use farrier_conformance::report::{Outcome, Report, Why};
use farrier_conformance::{Options, Profile, Program, Verdict, run};
use farrier_sim::plugin;
use serde_json::{Value, json};

use crate::patch;

/// How the plugin is made that fails a check.
enum How {
    /// By its option `rule`, which is the name of the check.
    Asked,
    /// The same, on a machine that speaks by datagrams.
    AskedByDatagram,
    /// By a change of its file.
    Changed(fn(&[u8]) -> Vec<u8>),
    /// It is as good as ever, and lacks what its profile wants.
    Unfit(fn(&mut Profile)),
    /// It is the release after one that had more.
    Poorer(fn(&[u8]) -> Vec<u8>),
}

/// One bad plugin.
struct Rogue {
    /// The check it fails.
    check: &'static str,
    how: How,
    /// Checks that have to fail with it, and why that is so is said beside.
    also: &'static [&'static str],
}

const fn asked(check: &'static str) -> Rogue {
    Rogue { check, how: How::Asked, also: &[] }
}

const fn by_datagram(check: &'static str, also: &'static [&'static str]) -> Rogue {
    Rogue { check, how: How::AskedByDatagram, also }
}

const fn changed(check: &'static str, change: fn(&[u8]) -> Vec<u8>) -> Rogue {
    Rogue { check, how: How::Changed(change), also: &[] }
}

/// Memory that no plugin needs, in bytes.
const MUCH: u64 = 512 * 1024 * 1024;

#[rustfmt::skip]
const ROGUES: &[Rogue] = &[
    changed("PKG-001", |file| patch::text(file, "libgcc_s.so.1", "libacm_s.so.1")),
    changed("PKG-002", |file| patch::exporting(file, "statx")),
    changed("PKG-003", |file| patch::text(file, "\0getcwd\0", "\0chdir\0\0")),
    changed("PKG-004", |file| patch::needing(file, "GLIBC_2.30", "GLIBC_2.36")),
    changed("PKG-005", |file| patch::taking(file, MUCH)),
    changed("PKG-006", |file| patch::json(file, "\"description\":\"Where the machine stands\"", "\"description\":\"\"")),
    changed("PKG-007", |file| patch::json(file, "\"doc\":\"Look at the machine for a while\"", "\"doc\":\"\"")),
    changed("PKG-008", |file| patch::text(file, "wayward_detail", "wayward_passwd")),
    changed("PKG-009", |file| patch::json(file, "\"license\":\"Apache-2.0\"", "\"license\":\"\"")),
    changed("PKG-010", |file| patch::json(file, "\"management\":[\"wayward\"],\"boot\"", "\"storage\":[\"wayward\"],\"boot\"")).with(
        // What no hardware type supports cannot be reached either.
        &["PKG-011"]),
    changed("PKG-011", |file| patch::text(file, "\"power\":[\"wayward\"]", "\"power\":[\"nothing\"]")),
    changed("PKG-012", |file| patch::text(file, "\"cpu\":[\"sse2\"]", "\"cpu\":[\"sse3\"]")),
    Rogue { check: "PKG-013", also: &[], how: How::Unfit(|profile| {
        profile.expect.insert("network".parse().unwrap(), vec!["vif_attach".to_owned()]);
    }) },
    asked("LOD-001"),
    asked("LOD-002"),
    asked("LOD-003").with(
        // It is still there after `close`.
        &["LOD-007"]),
    asked("LOD-004"),
    asked("LOD-005"),
    asked("LOD-006"),
    asked("LOD-007"),
    asked("CON-001"),
    asked("CON-002"),
    asked("CON-003"),
    asked("CON-004"),
    asked("CON-005"),
    asked("CON-006"),
    asked("CON-007"),
    asked("CON-008"),
    asked("CON-009"),
    asked("CON-010"),
    asked("CON-011"),
    asked("CON-012"),
    asked("CON-013"),
    asked("CON-014"),
    asked("CON-015"),
    asked("CON-016"),
    asked("FLT-001"),
    asked("FLT-002"),
    asked("FLT-003"),
    asked("FLT-004"),
    asked("FLT-005"),
    asked("FLT-006"),
    asked("FLT-007"),
    asked("FLT-008"),
    asked("FLT-009"),
    asked("FLT-010"),
    asked("FLT-011"),
    asked("FLT-012"),
    asked("FLT-013"),
    asked("FLT-014"),
    by_datagram("FLT-020", &[]),
    by_datagram("FLT-021", &[
        // What is overtaken comes only when something else is sent.
        "FLT-023"]),
    by_datagram("FLT-022", &[
        // A sequence number that is not looked at is of no use here either.
        "FLT-023"]),
    by_datagram("FLT-023", &[
        // Nor here.
        "FLT-022"]),
    by_datagram("FLT-024", &[]),
    by_datagram("FLT-025", &[]),
    asked("POW-001"),
    asked("POW-002"),
    asked("POW-003"),
    asked("POW-004"),
    asked("POW-005"),
    asked("POW-006"),
    asked("POW-007"),
    asked("POW-008"),
    asked("POW-009"),
    asked("MGT-001"),
    asked("MGT-002"),
    asked("MGT-003"),
    asked("MGT-004"),
    asked("MGT-005"),
    asked("MGT-006"),
    asked("BIO-001"),
    asked("BIO-002"),
    asked("BIO-003"),
    asked("BIO-004"),
    asked("BIO-005"),
    asked("BIO-006"),
    asked("FRM-001"),
    asked("FRM-002"),
    asked("FRM-003"),
    asked("FRM-004"),
    asked("FRM-005"),
    asked("FRM-006"),
    asked("INS-001"),
    asked("INS-002"),
    asked("INS-003"),
    asked("INS-004"),
    asked("INS-005"),
    asked("INS-006"),
    changed("VND-001", |file| patch::json(file, "\"http_methods\":[\"POST\"]", "\"http_methods\":[\"SEND\"]")),
    asked("VND-002"),
    asked("VND-003"),
    asked("VND-004"),
    asked("VND-005"),
    asked("VND-006"),
    asked("CNS-001"),
    asked("CNS-002"),
    asked("CNS-003"),
    asked("CNS-004"),
    asked("CNS-005"),
    asked("CNS-006"),
    asked("BOT-001"),
    asked("BOT-002"),
    asked("BOT-003"),
    asked("BOT-004"),
    asked("BOT-005"),
    asked("RAI-001"),
    asked("RAI-002"),
    asked("RAI-003"),
    asked("RAI-004"),
    asked("RAI-005"),
    asked("IFC-001"),
    asked("IFC-002"),
    asked("STP-001"),
    asked("STP-002"),
    changed("STP-003", |file| patch::json(file, "\"verify\",\"clean\"", "\"verify\",\"learn\"")),
    asked("STP-004"),
    asked("STP-005"),
    asked("STP-006"),
    asked("UPG-001"),
    // The release before had a property of another name.
    Rogue { check: "UPG-002", also: &[],
        how: How::Poorer(|file| patch::text(file, "wayward_detail", "wayward_former")) },
    // next bad plugin above this line
];

/// Groups about what single interface types do.
const BEHAVIOR: [&str; 11] =
    ["MGT", "BIO", "FRM", "INS", "VND", "CNS", "BOT", "RAI", "IFC", "STP", "CON-00*"];

impl Rogue {
    const fn with(mut self, also: &'static [&'static str]) -> Self {
        self.also = also;
        self
    }

    /// What is looked at: all, unless the plugin is not made to be looked at so.
    fn filter(&self) -> Vec<String> {
        let group = self.check.split('-').next().unwrap();
        let groups: &[&str] = match self.how {
            // What it does wrong is done by one interface type.
            How::Asked if BEHAVIOR.contains(&group) => &BEHAVIOR,
            How::Asked => &[],
            // It has nothing but power there.
            How::AskedByDatagram => &["FLT", "POW", "CON-009", "CON-015"],
            // Its code is the same.
            How::Changed(_) | How::Unfit(_) | How::Poorer(_) => {
                &["PKG", "LOD", "UPG", "CON-00*", "POW", "MGT", "VND", "STP"]
            }
        };
        groups.iter().map(|group| (*group).to_owned()).collect()
    }

    /// The report on it.
    fn judge(&self, folder: &Path) -> Report {
        let good = folder.join("good.so");
        let by_datagram = matches!(self.how, How::AskedByDatagram);
        let name = if by_datagram { "datagram.toml" } else { "conformance.toml" };
        let mut profile = profile(name);
        let mut options = options();
        options.filter = self.filter();
        let bytes = || fs::read(&good).unwrap();
        let made = |name: &str, bytes: &[u8]| -> PathBuf {
            let path = folder.join(format!("{}-{name}.so", self.check));
            fs::write(&path, bytes).unwrap();
            path
        };
        let library = match &self.how {
            How::Asked | How::AskedByDatagram => {
                let rule = Value::from(self.check);
                profile.options.insert("rule".to_owned(), rule);
                good
            }
            How::Changed(change) => made("changed", &change(&bytes())),
            How::Unfit(change) => {
                change(&mut profile);
                good
            }
            How::Poorer(change) => {
                options.previous = Some(made("previous", &change(&bytes())));
                good
            }
        };
        run(&library, &profile, &options).unwrap()
    }

    /// What is wrong with the report on it.
    fn complaint(&self, folder: &Path) -> Option<String> {
        let report = self.judge(folder);
        let bad = |outcome| !matches!(outcome, Outcome::Passed | Outcome::Skipped);
        let found: BTreeSet<&str> =
            report.checks.iter().filter(|entry| bad(entry.outcome)).map(|entry| entry.id.as_str()).collect();
        let expected: BTreeSet<&str> = self.also.iter().copied().chain([self.check]).collect();
        let wrong = found.difference(&expected).next().is_some() || !found.contains(self.check);
        wrong.then(|| format!("{}: {found:?} instead of {expected:?}\n{}", self.check, report.text()))
    }
}

pub(crate) fn profile(name: &str) -> Profile {
    Profile::from_file(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../wayward").join(name)).unwrap()
}

/// Options of a run in which most checks wait for something.
pub(crate) fn options() -> Options {
    let path = PathBuf::from(env!("CARGO_BIN_EXE_farrier-conformance"));
    Options { jobs: 6, program: Some(Program { path, arguments: Vec::new() }), ..Options::default() }
}

/// Copies a library without what debuggers need: it is loaded thousands of times.
fn strip(from: &Path, to: &Path) {
    let status = Command::new("strip").arg("-o").args([to, from]).status().unwrap();
    assert!(status.success());
}

/// Judges all bad plugins of some groups, some at once.
fn judge(groups: &[&str]) {
    let rogues: Vec<&Rogue> =
        ROGUES.iter().filter(|rogue| groups.iter().any(|group| rogue.check.starts_with(group))).collect();
    assert!(!rogues.is_empty());
    let folder = tempfile::tempdir().unwrap();
    strip(&plugin::library("wayward").unwrap(), &folder.path().join("good.so"));
    let (next, complaints) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                while let Some(rogue) = rogues.get(next.fetch_add(1, Ordering::Relaxed)) {
                    complaints.lock().unwrap().extend(rogue.complaint(folder.path()));
                }
            });
        }
    });
    let complaints = complaints.into_inner().unwrap();
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}

#[test]
fn every_check_has_a_plugin_that_fails_it() {
    let checks: BTreeSet<&str> = checks().map(|check| check.id).collect();
    let rogues: BTreeSet<&str> = ROGUES.iter().map(|rogue| rogue.check).collect();

    assert_eq!(rogues, checks);
}

/// A rogue that fails more than its check shows less about it.
#[test]
fn hardly_a_rogue_fails_more_than_its_check() {
    let more: Vec<&str> =
        ROGUES.iter().filter(|rogue| !rogue.also.is_empty()).map(|rogue| rogue.check).collect();

    assert_eq!(more, ["PKG-010", "LOD-003", "FLT-021", "FLT-022", "FLT-023"], "each of these says why");
}

#[test]
fn the_plugin_that_breaks_no_rule_reaches_the_highest_level() {
    let library = plugin::library("wayward").unwrap();
    let mut profile = profile("conformance.toml");
    profile.options.insert("spare".to_owned(), json!(4));

    let report = run(&library, &profile, &options()).unwrap();

    assert_eq!(report.verdict, Verdict::Full, "{}", report.text());
}

/// The report on a plugin that says of machines, where `rule` says so, that they have nothing of what it declares.
fn excused(rule: &str, change: impl FnOnce(&mut Profile)) -> Report {
    let mut profile = profile("conformance.toml");
    profile.options.insert("rule".to_owned(), rule.into());
    change(&mut profile);
    let mut options = options();
    options.filter = ["PKG", "CON-00*", "POW"].into_iter().chain(BEHAVIOR).map(str::to_owned).collect();
    run(&plugin::library("wayward").unwrap(), &profile, &options).unwrap()
}

fn outcome<'a>(report: &'a Report, id: &str) -> (Outcome, Why, &'a str) {
    let entry = report.checks.iter().find(|entry| entry.id == id).unwrap();
    (entry.outcome, entry.why, &entry.reason)
}

#[test]
fn who_does_nothing_of_what_it_declares_reaches_no_level() {
    let always = excused("has-nothing", |_| {});
    let where_it_matters = excused("finds-nothing", |_| {});

    assert_eq!(always.verdict, Verdict::None, "{}", always.text());
    assert_eq!(outcome(&always, "CON-001").0, Outcome::Failed);
    assert_eq!(where_it_matters.verdict, Verdict::None, "{}", where_it_matters.text());
    assert_eq!(outcome(&where_it_matters, "CON-001").0, Outcome::Passed);
    assert_eq!(outcome(&where_it_matters, "POW-002").0, Outcome::Failed);
}

#[test]
fn what_a_machine_is_said_to_lack_is_missing_unless_somebody_else_says_so_too() {
    let alone = excused("finds-little", |_| {});
    let reason = "this model has none";
    let vouched = excused("finds-little", |profile| {
        let lacks = ["bios", "firmware.update", "vendor"].map(|what| (what.to_owned(), reason.to_owned()));
        profile.target.lacks.extend(lacks);
        // Nobody can vouch for what is expected.
        profile.expect.insert("firmware".parse().unwrap(), vec!["update".to_owned()]);
    });

    assert_eq!(alone.verdict, Verdict::Basic, "{}", alone.text());
    let (outcome_alone, why, said) = outcome(&alone, "BIO-001");
    assert_eq!((outcome_alone, why), (Outcome::Skipped, Why::Lacking), "{said}");
    assert!(said.starts_with("not applicable: the plugin says that this machine lacks it"), "{said}");
    assert!(alone.missing.iter().any(|line| line.starts_with("BIO-001 skipped")), "{:?}", alone.missing);
    for id in
        ["BIO-001", "BIO-006", "FRM-005", "INS-001", "VND-006", "BOT-001", "CNS-001", "RAI-005", "IFC-001"]
    {
        assert!(alone.untested.iter().any(|untested| untested == id), "{id}: {:?}", alone.untested);
    }
    let (outcome_vouched, why, said) = outcome(&vouched, "BIO-001");
    assert_eq!((outcome_vouched, why), (Outcome::Skipped, Why::Absent), "{said}");
    assert!(said.starts_with("not applicable: this model has none; the plugin says: "), "{said}");
    assert_eq!(outcome(&vouched, "FRM-005").1, Why::Lacking);
    assert!(vouched.untested.iter().any(|untested| untested == "BIO-001"), "{:?}", vouched.untested);
    assert!(!vouched.missing.iter().any(|line| line.starts_with("BIO-")), "{:?}", vouched.missing);
    assert_eq!(vouched.verdict, Verdict::Basic, "{}", vouched.text());
}

#[test]
fn a_long_operation_counts_once_as_what_may_switch_a_machine_and_so_does_a_change_of_the_boot_mode() {
    let library = plugin::library("wayward").unwrap();
    let mut options = options();
    options.filter = ["POW-001", "FRM-005", "STP-004", "STP-005", "MGT-006"].map(str::to_owned).to_vec();

    let report = run(&library, &profile("conformance.toml"), &options).unwrap();

    assert_eq!(report.count(Outcome::Passed), 5, "{}", report.text());
    let switched = |id: &str| report.checks.iter().find(|entry| entry.id == id).unwrap().switched;
    assert_eq!(switched("POW-001"), 0, "it only asks");
    assert_eq!(switched("FRM-005"), 1, "an update, however often it is asked how it stands");
    assert_eq!(switched("STP-004"), 1, "a step that is begun and given up");
    assert_eq!(switched("STP-005"), 2, "a step that is begun, and taken up again");
    assert_eq!(switched("MGT-006"), 3, "two modes, and back");
}

#[test]
fn the_same_by_datagrams() {
    let library = plugin::library("wayward").unwrap();
    let mut options = options();
    options.filter = ["FLT", "POW", "CON-009", "CON-015"].map(str::to_owned).to_vec();

    let report = run(&library, &profile("datagram.toml"), &options).unwrap();

    assert!(report.is_good(), "{}", report.text());
    assert!(report.count(Outcome::Passed) > 15, "{}", report.text());
}

#[test]
fn bad_packages_are_noticed() {
    judge(&["PKG", "UPG"]);
}

#[test]
fn bad_starts_are_noticed() {
    judge(&["LOD"]);
}

#[test]
fn broken_contracts_are_noticed() {
    judge(&["CON"]);
}

#[test]
fn faults_that_are_told_wrongly_are_noticed() {
    judge(&["FLT"]);
}

#[test]
fn bad_steps_are_noticed() {
    judge(&["STP"]);
}

#[test]
fn bad_bios_settings_are_noticed() {
    judge(&["BIO"]);
}

#[test]
fn bad_firmware_is_noticed() {
    judge(&["FRM"]);
}

#[test]
fn bad_consoles_are_noticed() {
    judge(&["CNS"]);
}

#[test]
fn bad_boots_are_noticed() {
    judge(&["BOT"]);
}

#[test]
fn bad_raid_and_other_interface_types_are_noticed() {
    judge(&["RAI", "IFC"]);
}

#[test]
fn bad_inspections_are_noticed() {
    judge(&["INS"]);
}

#[test]
fn bad_vendor_methods_are_noticed() {
    judge(&["VND"]);
}

#[test]
fn bad_power_and_management_are_noticed() {
    judge(&["POW", "MGT"]);
}
