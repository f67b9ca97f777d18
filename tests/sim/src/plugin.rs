//! Our plugins as the shared libraries that tests load.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;

use crate::error::SimError;
use crate::process;

/// What every plugin is built from, from the root.
const SHARED_SOURCES: [&str; 3] = ["plugins/abi", "plugins/sdk", "plugins/sdk-macros"];

/// What a library is made of, in the folder of a crate.
const SOURCES: [&str; 4] = ["src", "examples", "build.rs", "Cargo.toml"];

/// Folders that hold a plugin's own crate, from the root.
const FOLDERS: [&str; 3] = ["drivers", "plugins", "tests"];

/// The shared library of the plugin `farrier-NAME`.
///
/// From the directory `FARRIER_PLUGINS`, if that is set and has it; else from the target directory the running
/// test is in, where it is built first unless it is newer than its sources.
///
/// # Errors
///
/// [`Failed`](SimError::Failed): it does not build; [`Missing`](SimError::Missing): there is no such crate.
pub fn library(name: &str) -> Result<PathBuf, SimError> {
    let file = format!("libfarrier_{}.so", name.replace('-', "_"));
    let collected = env::var_os("FARRIER_PLUGINS").map(|directory| PathBuf::from(directory).join(&file));
    if let Some(collected) = collected.filter(|path| path.exists()) {
        return Ok(collected);
    }
    let profile = profile_directory()?;
    let built = profile.join(&file);
    if is_current(&built, name)? {
        return Ok(built);
    }
    build(name, &profile, &[])?;
    Ok(built)
}

/// The program `NAME` among the examples of the plugin `farrier-PLUGIN`, in the target directory of the running test; it
/// is built there unless it is newer than the plugin's sources.
///
/// # Errors
///
/// As [`library`].
pub fn example(plugin: &str, name: &str) -> Result<PathBuf, SimError> {
    let profile = profile_directory()?;
    let built = profile.join("examples").join(name);
    if !is_current(&built, plugin)? {
        build(plugin, &profile, &["--example", name])?;
    }
    Ok(built)
}

/// `target/debug` of the running test, which is in `target/debug/deps`.
fn profile_directory() -> Result<PathBuf, SimError> {
    let test = env::current_exe().map_err(SimError::io("find the running test"))?;
    let profile = test.ancestors().nth(2).unwrap_or(&test);
    Ok(profile.to_owned())
}

fn root() -> &'static Path {
    let crate_folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    crate_folder.ancestors().nth(2).unwrap_or(crate_folder)
}

/// Whether no source of the plugin has changed since it was built.
fn is_current(built: &Path, name: &str) -> Result<bool, SimError> {
    let Ok(built) = fs::metadata(built).and_then(|data| data.modified()) else { return Ok(false) };
    let own = FOLDERS.iter().map(|folder| root().join(folder).join(name)).find(|folder| folder.is_dir());
    let own = own.ok_or_else(|| SimError::Missing {
        program: format!("farrier-{name}"),
        remedy: "there is no crate of this name".to_owned(),
    })?;
    let crates = SHARED_SOURCES.iter().map(|folder| root().join(folder)).chain([own]);
    let sources = crates.flat_map(|folder| SOURCES.map(|source| folder.join(source)));
    let newest = sources.filter_map(|source| newest(&source)).max();
    Ok(newest.is_none_or(|newest| newest < built))
}

/// When a file, or the newest one in a folder, was changed.
fn newest(path: &Path) -> Option<SystemTime> {
    let data = fs::metadata(path).ok()?;
    if !data.is_dir() {
        return data.modified().ok();
    }
    fs::read_dir(path).ok()?.flatten().filter_map(|entry| newest(&entry.path())).max()
}

fn build(name: &str, profile: &Path, what: &[&str]) -> Result<(), SimError> {
    let directory = profile.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root()).args(["build", "--quiet", "--package", &format!("farrier-{name}")]);
    command.args(what);
    command.args(["--profile", if directory == "debug" { "dev" } else { &directory }]);
    if let Some(target) = profile.parent() {
        command.arg("--target-dir").arg(target);
    }
    process::run(command).map(drop)
}
