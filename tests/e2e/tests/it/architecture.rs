//! The rules a reader of the workspace may rely on: who depends on whom, where `unsafe` is, how long files are.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// Which crate may have which others in its `[dependencies]`, all without their prefix `farrier-`.
///
/// A crate without a row may have none. The picture is in the manual's page on the architecture.
#[rustfmt::skip]
const MAY_DEPEND_ON: &[(&str, &[&str])] = &[
    // the contract with plugins
    ("abi",        &[]),
    ("sdk-macros", &[]),
    ("sdk",        &["abi", "sdk-macros"]),
    // plugins: the contract alone
    ("fake",       &["sdk"]),
    ("ipmi",       &["sdk"]),
    ("redfish",    &["sdk"]),
    ("template",   &["sdk"]),
    ("rogue",      &["sdk"]),
    ("wayward",    &["sdk"]),
    // the conductor's half of the boundary
    ("host",       &["abi", "sdk"]),
    ("loader",     &["abi", "host", "sdk"]),
    // the conductor
    ("model",      &["sdk"]),
    ("store",      &["model", "sdk"]),
    ("conductor",  &["host", "model", "sdk", "store"]),
    // its two faces
    ("api",        &[]),
    ("cli",        &["api", "host", "loader", "sdk"]),
    ("server",     &["api", "conductor", "host", "loader", "model", "sdk", "store"]),
    // what judges all of it
    ("sim",        &[]),
    ("conformance", &["host", "loader", "sdk", "sim"]),
    ("e2e",        &["sim"]),
    ("kept",       &["host", "loader", "sdk"]),
    ("xtask",      &["e2e", "sim"]),
    // next crate above this line
];

/// Crates of the product that a crate's own tests may have besides those above.
const TESTS_MAY_DEPEND_ON: &[(&str, &[&str])] = &[
    ("conductor", &["fake"]),
    // measured from outside of the boundary
    ("ipmi", &["host"]),
    ("redfish", &["host"]),
    ("server", &["fake"]),
    // next crate above this line
];

/// Where unsafe code may be written by hand: at the boundary, in the expansion of `export_plugin!`, and in the
/// plugin that shows what happens when a vendor writes it.
const UNSAFE: &[&str] = &["plugins/abi", "plugins/loader", "plugins/sdk-macros", "tests/rogue"];

/// A longer file has more than one subject.
const LINES_MAX: usize = 800;

/// A crate of the workspace.
struct Member {
    /// Its name without `farrier-`.
    name: String,
    /// Its folder, from the root.
    folder: String,
    /// Members in its `[dependencies]` and `[build-dependencies]`.
    uses: BTreeSet<String>,
    /// Members in its `[dev-dependencies]`.
    tests_use: BTreeSet<String>,
}

/// The root of the workspace.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

fn members() -> Vec<Member> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--format-version", "1"])
        .current_dir(root())
        .output()
        .unwrap();
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let members: Vec<Member> = metadata["packages"].as_array().unwrap().iter().map(member).collect();
    assert!(members.len() > 10, "the workspace has more crates than {}", members.len());
    members
}

fn member(package: &Value) -> Member {
    let manifest = Path::new(package["manifest_path"].as_str().unwrap());
    let folder = manifest.parent().unwrap().strip_prefix(root()).unwrap();
    let mut member = Member {
        name: short(&package["name"]).unwrap(),
        folder: folder.to_str().unwrap().to_owned(),
        uses: BTreeSet::new(),
        tests_use: BTreeSet::new(),
    };
    for dependency in package["dependencies"].as_array().unwrap() {
        let Some(name) = short(&dependency["name"]) else { continue };
        let edges = if dependency["kind"] == "dev" { &mut member.tests_use } else { &mut member.uses };
        edges.insert(name);
    }
    member
}

/// The name of one of our crates without its prefix.
fn short(name: &Value) -> Option<String> {
    name.as_str()?.strip_prefix("farrier-").map(str::to_owned)
}

fn allowed<'a>(table: &[(&'a str, &'a [&'a str])], name: &str) -> BTreeSet<&'a str> {
    table.iter().filter(|(row, _)| *row == name).flat_map(|(_, names)| names.iter().copied()).collect()
}

/// Every file that ends in `.rs` below a member's folder.
fn sources(member: &Member) -> Vec<PathBuf> {
    let mut folders = vec![root().join(&member.folder)];
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files.push(path);
            }
        }
    }
    files
}

/// `path` as it is shown: from the root.
fn shown(path: &Path) -> String {
    path.strip_prefix(root()).unwrap().display().to_string()
}

#[test]
fn crates_depend_only_on_those_below_them() {
    let mut wrong = Vec::new();

    for member in members() {
        let allowed = allowed(MAY_DEPEND_ON, &member.name);
        let forbidden = member.uses.iter().filter(|name| !allowed.contains(name.as_str()));
        wrong.extend(forbidden.map(|name| format!("{} -> {name}", member.name)));
    }

    assert!(wrong.is_empty(), "no rule allows these dependencies: {wrong:?}");
}

#[test]
fn tests_of_a_crate_depend_only_on_those_below_it_and_the_simulators() {
    let mut wrong = Vec::new();

    for member in members() {
        let mut allowed = allowed(MAY_DEPEND_ON, &member.name);
        allowed.extend(self::allowed(TESTS_MAY_DEPEND_ON, &member.name));
        allowed.insert("sim");
        let forbidden = member.tests_use.iter().filter(|name| !allowed.contains(name.as_str()));
        wrong.extend(forbidden.map(|name| format!("{} -> {name}", member.name)));
    }

    assert!(wrong.is_empty(), "no rule allows tests these dependencies: {wrong:?}");
}

#[test]
fn nothing_depends_on_what_judges_it() {
    let members = members();
    let judges: BTreeMap<&str, &str> = members
        .iter()
        .filter(|member| member.folder.starts_with("tests/"))
        .map(|member| (member.name.as_str(), member.folder.as_str()))
        .collect();

    let wrong: Vec<String> = members
        .iter()
        .filter(|member| !member.folder.starts_with("tests/"))
        .flat_map(|member| {
            member.uses.iter().filter_map(|name| {
                judges.get(name.as_str()).map(|folder| format!("{} -> {folder}", member.folder))
            })
        })
        .collect();

    assert!(wrong.is_empty(), "{wrong:?}");
}

#[test]
fn nothing_links_two_plugins() {
    let members = members();
    let plugin = |name: &String| {
        let folder = members.iter().find(|member| member.name == *name).map(|member| member.folder.as_str());
        folder.is_some_and(|folder| folder.starts_with("drivers/") || folder == "plugins/template")
    };

    let wrong: Vec<&str> = members
        .iter()
        .filter(|member| member.uses.union(&member.tests_use).filter(|name| plugin(name)).count() > 1)
        .map(|member| member.name.as_str())
        .collect();

    assert!(wrong.is_empty(), "each plugin exports the same symbol; two do not link: {wrong:?}");
}

#[test]
fn every_crate_has_a_row_and_every_row_a_crate() {
    let members: BTreeSet<String> = members().into_iter().map(|member| member.name).collect();
    let rows: BTreeSet<String> = MAY_DEPEND_ON.iter().map(|(name, _)| (*name).to_owned()).collect();

    assert_eq!(rows, members);
}

#[test]
fn unsafe_code_is_written_in_few_places() {
    let words = ["unsafe {", "unsafe fn ", "unsafe impl ", "unsafe extern ", "unsafe("];
    let mut wrong = Vec::new();

    for member in members() {
        if UNSAFE.contains(&member.folder.as_str()) {
            continue;
        }
        for path in sources(&member) {
            // This file has to say what it looks for.
            if path.ends_with("architecture.rs") {
                continue;
            }
            let text = fs::read_to_string(&path).unwrap();
            let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
            if code.into_iter().any(|line| words.iter().any(|word| line.contains(word))) {
                wrong.push(shown(&path));
            }
        }
    }

    assert!(wrong.is_empty(), "unsafe code outside of {UNSAFE:?}: {wrong:?}");
}

#[test]
fn no_file_is_longer_than_its_subject() {
    let mut wrong = Vec::new();

    for path in members().iter().flat_map(sources) {
        let lines = fs::read_to_string(&path).unwrap().lines().count();
        if lines >= LINES_MAX {
            wrong.push(format!("{} has {lines} lines", shown(&path)));
        }
    }

    assert!(wrong.is_empty(), "split at {LINES_MAX} lines, along nouns: {wrong:?}");
}

#[test]
fn every_crate_follows_the_lints_of_the_workspace() {
    let wrong: Vec<String> = members()
        .into_iter()
        .filter(|member| {
            let manifest = fs::read_to_string(root().join(&member.folder).join("Cargo.toml")).unwrap();
            !manifest.contains("[lints]\nworkspace = true")
        })
        .map(|member| member.folder)
        .collect();

    assert!(wrong.is_empty(), "these lack `[lints] workspace = true`: {wrong:?}");
}

#[test]
fn no_folder_hides_its_module_in_mod_rs() {
    let wrong: Vec<String> = members()
        .iter()
        .flat_map(sources)
        .filter(|path| path.ends_with("mod.rs"))
        .map(|path| shown(&path))
        .collect();

    assert!(wrong.is_empty(), "{wrong:?}");
}
