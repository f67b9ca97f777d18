//! Our drivers as shared libraries, in one directory the loader trusts.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::command::run as run_command;
use crate::error::TaskError;
use crate::install;
use crate::workspace::Workspace;

/// The driver crates; a package is `farrier-x`, its library `libfarrier_x.so`.
pub(crate) const DRIVERS: [&str; 3] = ["fake", "ipmi", "redfish"];
/// Mode of the directory and the libraries: only the owner writes.
const MODE: u32 = 0o755;

/// Options of `plugins`.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Optimized, as packages contain them
    #[arg(long)]
    release: bool,
}

/// Builds the drivers and collects them.
pub(crate) fn run(workspace: &Workspace, options: &Options) -> Result<(), TaskError> {
    install::for_building()?;
    let profile = if options.release { "release" } else { "dev" };
    let mut build = workspace.cargo(["build", "--profile", profile]);
    for driver in DRIVERS {
        build.args(["--package", &format!("farrier-{driver}")]);
    }
    run_command(build)?;
    collect(workspace, profile)?;
    println!("{}", workspace.plugins().display());
    Ok(())
}

/// Copies the libraries that `cargo build --profile PROFILE` made.
///
/// Each is replaced in one step: a conductor may be running from the old file.
pub(crate) fn collect(workspace: &Workspace, profile: &str) -> Result<(), TaskError> {
    let directory = workspace.plugins();
    fs::create_dir_all(&directory)
        .and_then(|()| restrict(&directory))
        .map_err(TaskError::io(format!("make `{}`", directory.display())))?;
    for driver in DRIVERS {
        let name = format!("libfarrier_{driver}.so");
        let built = workspace.target.join(output(profile)).join(&name);
        let new = directory.join(format!(".{name}.new"));
        fs::copy(&built, &new)
            .and_then(|_| restrict(&new))
            .and_then(|()| fs::rename(&new, directory.join(&name)))
            .map_err(TaskError::io(format!("copy `{}`", built.display())))?;
    }
    Ok(())
}

/// The directory of a profile in the target directory.
pub(crate) fn output(profile: &str) -> &str {
    if profile == "dev" { "debug" } else { profile }
}

fn restrict(path: &Path) -> std::io::Result<()> {
    fs::set_permissions(path, fs::Permissions::from_mode(MODE))
}
