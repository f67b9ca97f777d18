//! A virtual machine with a BMC of its own, from the labs: power, reset, power button and serial port are real.
//!
//! QEMU without KVM runs a guest of 512 bytes that greets and echoes on its serial port and powers off when its
//! power button is pressed. `ipmi_sim` is its BMC.

use std::env;
use std::ffi::OsString;
use std::fs::{self, Permissions};
use std::net::{Ipv4Addr, SocketAddr};
use std::ops::Range;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::error::SimError;
use crate::labs;
use crate::port::{free_ports_in, take};
use crate::process::{Process, run};
use crate::program;

/// Name of the administrator its BMC knows.
pub const USER: &str = "admin";
/// That user's password.
pub const PASSWORD: &str = "secret";

/// What its guest prints when it has started.
pub const GREETING: &str = "lab-guest: up, echoing";
/// What its guest prints when its power button is pressed.
pub const FAREWELL: &str = "lab-guest: power button, off";

const START_PATIENCE: Duration = Duration::from_secs(120);

/// What the lab takes TCP ports from.
const PORTS: Range<u16> = 20_000..30_000;

/// How far the UDP port of the BMC is below its first TCP port.
const PORTS_APART: u16 = 10_000;

/// Pairs of TCP ports tried: as many as there are.
const PAIRS_MAX: u16 = 5_000;

/// Stands in for `timeout`, by which the lab gives QEMU two seconds to hear of a reset or the power button: on a busy
/// machine it does not, and the order is lost without a word. This tells it until it has heard.
const TELL_UNTIL_HEARD: &str = r#"#!/bin/sh
shift
orders=$(cat)
for attempt in 1 2 3 4 5 6 7 8 9 10; do
    printf '%s\n' "$orders" | "$@" && exit
done
exit 1
"#;

/// A machine, off at first. Dropping it stops it and its BMC.
#[derive(Debug)]
pub struct LabVm {
    address: SocketAddr,
    directory: PathBuf,
    script: PathBuf,
    // Dropped last: the programs are stopped by the script before.
    _process: Process,
}

impl LabVm {
    /// Starts its BMC; all its files are in `directory`, which must exist.
    ///
    /// # Errors
    ///
    /// [`NoLabs`](SimError::NoLabs) without the labs, [`Missing`](SimError::Missing) without the programs, and
    /// those of [`Process`].
    pub fn start(directory: &Path) -> Result<Self, SimError> {
        for (name, package) in
            [("ipmi_sim", "openipmi"), ("qemu-system-x86_64", "qemu-system-x86"), ("xxd", "xxd")]
        {
            program::find(name, &format!("install the package `{package}`"))?;
        }
        let script = labs::directory()?.join("ipmi/start-ipmi-sim");
        let port = port()?;
        let mut command = Command::new(program::find("sh", "")?);
        // It leaves its programs in the background, so somebody has to stay for them.
        command.args(["-c", "\"$0\" \"$@\" && echo started && exec sleep infinity"]).arg(&script);
        command.args(["-u", USER, "-w", PASSWORD, "-m", "vm", "-p", &port.to_string(), "-s"]).arg(directory);
        command.env("PATH", path_with(&directory.join("bin"))?);
        let log = directory.join("log");
        let mut process = Process::start("start-ipmi-sim", command, &log)?;
        process.wait_until("it is started", START_PATIENCE, || {
            fs::read_to_string(&log).ok().filter(|text| text.contains("started"))
        })?;
        let address = (Ipv4Addr::LOCALHOST, port).into();
        Ok(Self { address, directory: directory.to_owned(), script, _process: process })
    }

    /// Where its BMC listens, on UDP.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Whether the guest's process runs.
    #[must_use]
    pub fn is_running(&self) -> bool {
        let id = fs::read_to_string(self.directory.join("bmc0/ctl/vm.pid")).unwrap_or_default();
        !id.trim().is_empty() && Path::new("/proc").join(id.trim()).exists()
    }

    /// Every change its BMC was asked for, in order: `power 1`, `reset 1`, `shutdown 1`.
    #[must_use]
    pub fn actions(&self) -> Vec<String> {
        let text = fs::read_to_string(self.directory.join("bmc0/ctl/actions")).unwrap_or_default();
        // Each line begins with the time.
        text.lines().filter_map(|line| line.split_once(' ')).map(|(_, action)| action.to_owned()).collect()
    }
}

impl Drop for LabVm {
    fn drop(&mut self) {
        let mut stop = Command::new(&self.script);
        stop.arg("-x").arg("-s").arg(&self.directory);
        // What is left is killed with the process group.
        run(stop).map(drop).unwrap_or_default();
    }
}

/// The search path with a directory before all others, in which is what the lab's programs find in place of others.
fn path_with(bin: &Path) -> Result<OsString, SimError> {
    let tool = bin.join("timeout");
    fs::create_dir_all(bin).map_err(SimError::io("make a directory for programs"))?;
    fs::write(&tool, TELL_UNTIL_HEARD).map_err(SimError::io("write a program"))?;
    fs::set_permissions(&tool, Permissions::from_mode(0o755))
        .map_err(SimError::io("make a program executable"))?;
    let mut path = bin.as_os_str().to_owned();
    path.push(":");
    path.push(env::var_os("PATH").unwrap_or_default());
    Ok(path)
}

/// A UDP port for the BMC. The lab takes two TCP ports that follow from it: its last four digits after a 2, and the
/// next one; so those are chosen, and all three are claimed.
fn port() -> Result<u16, SimError> {
    for _ in 0..PAIRS_MAX {
        let port = free_ports_in(PORTS, 2)? - PORTS_APART;
        if take(port) {
            return Ok(port);
        }
    }
    Err(SimError::NoPort { first: PORTS.start - PORTS_APART, last: PORTS.end - PORTS_APART - 1 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_three_ports_of_a_machine_are_its_own() {
        let port = port().unwrap();

        // As the lab works them out.
        let first = 20_000 + port % 10_000;
        assert!((10_000..20_000).contains(&port), "{port}");
        assert!([port, first, first + 1].into_iter().all(|port| !take(port)), "{port}");
    }
}
