//! A simulated BMC that speaks IPMI: OpenIPMI's `ipmi_sim`.
//!
//! Somebody else's implementation of the protocol, which is the point: cipher suites 0 to 3, one power
//! state and one boot device that live in files, and a log of every change it was asked for.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use rustix::process::Signal;

use crate::error::SimError;
use crate::port::free_port;
use crate::process::Process;
use crate::program;

/// Name of the administrator it knows.
pub const USER: &str = "admin";
/// That user's password; the simulator takes none with a space.
pub const PASSWORD: &str = "correct-horse";

const REMEDY: &str = "install the package `openipmi`";
const START_PATIENCE: Duration = Duration::from_secs(60);
/// How long one readiness question waits for its answer.
const ANSWER_PATIENCE: Duration = Duration::from_millis(200);

/// Get Channel Authentication Capabilities, outside of a session: the question every client begins with.
///
/// Source: IPMI 2.0, sections 13.6 and 22.13.
pub(crate) const HELLO: [u8; 23] = [
    0x06, 0x00, 0xff, 0x07, // RMCP, class IPMI
    0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x09, // no session, nine bytes follow
    0x20, 0x18, 0xc8, 0x81, 0x00, 0x38, 0x8e, 0x04, 0xb5,
];

/// Its management controller: an address, identification, no sensors.
const CONTROLLER: &str = "\
mc_setbmc 0x20
mc_add 0x20 0 no-device-sdrs 0x23 9 8 0x9f 0x1291 0xf02
mc_enable 0x20
";

/// What it runs, in its own directory, to read (`get NAME...`) and change (`set NAME VALUE...`) the machine.
/// Each value is a file; `actions` records the changes; a file `stuck` makes power changes have no effect,
/// `nosoft` only the polite ones.
const CHASSIS: &str = r#"
verb=$1
shift
if [ "$verb" = get ]; then
    for name; do
        value=
        [ -e "$name" ] && read -r value <"$name"
        if [ "$name" = boot ]; then echo "boot:${value:-none}"; else echo "$name:${value:-0}"; fi
    done
    exit 0
fi
while [ $# -ge 2 ]; do
    name=$1 value=$2
    shift 2
    echo "$name $value" >>actions
    case $name in
        power) [ -e stuck ] || echo "$value" >power ;;
        shutdown) [ -e stuck ] || [ -e nosoft ] || echo 0 >power ;;
        boot) echo "$value" >boot ;;
    esac
done
"#;

/// A running BMC with its machine, which is off at first. Dropping it stops it.
#[derive(Debug)]
pub struct IpmiSim {
    process: Process,
    address: SocketAddr,
    directory: PathBuf,
}

impl IpmiSim {
    /// Starts one on a free port of 127.0.0.1; all its files are in `directory`, which must exist.
    ///
    /// # Errors
    ///
    /// [`Missing`](SimError::Missing) without the package, and those of [`Process`].
    pub fn start(directory: &Path) -> Result<Self, SimError> {
        let program = program::find("ipmi_sim", REMEDY)?;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()?));
        for (name, text) in
            [("lan.conf", lan(address)), ("controller", CONTROLLER.into()), ("chassis", CHASSIS.into())]
        {
            let file = directory.join(name);
            fs::write(&file, text).map_err(SimError::io(format!("write `{}`", file.display())))?;
        }
        fs::create_dir_all(directory.join("state")).map_err(SimError::io("make a state directory"))?;

        let mut command = Command::new(program);
        command.args(["-c", "lan.conf", "-f", "controller", "-s", "state", "-n"]).current_dir(directory);
        let mut process = Process::start("ipmi_sim", command, &directory.join("log"))?;
        process.wait_until("it answers", START_PATIENCE, || answers(address))?;
        Ok(Self { process, address, directory: directory.to_owned() })
    }

    /// Where it listens, on UDP.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its process, to stop it (deaf with SIGSTOP, gone with [`stop`](Process::stop)).
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// Whether the machine is on.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.read("power") == "1"
    }

    /// The boot device in force, in the simulator's words (`pxe`, `default`, ...); empty when none was set.
    #[must_use]
    pub fn boot_device(&self) -> String {
        self.read("boot")
    }

    /// Every change it was asked for, in order: `power 1`, `boot pxe`, `reset 1`, `shutdown 1`.
    #[must_use]
    pub fn actions(&self) -> Vec<String> {
        self.read("actions").lines().map(str::to_owned).collect()
    }

    /// From now on it accepts power changes and does nothing.
    ///
    /// # Errors
    ///
    /// [`Io`](SimError::Io).
    pub fn get_stuck(&self) -> Result<(), SimError> {
        self.flag("stuck")
    }

    /// From now on the machine ignores polite requests to power off.
    ///
    /// # Errors
    ///
    /// [`Io`](SimError::Io).
    pub fn ignore_soft_power(&self) -> Result<(), SimError> {
        self.flag("nosoft")
    }

    /// From now on it receives and answers nothing, with its port still open.
    ///
    /// # Errors
    ///
    /// [`Io`](SimError::Io).
    pub fn go_deaf(&mut self) -> Result<(), SimError> {
        self.process.signal(Signal::STOP)
    }

    /// Ends [`go_deaf`](Self::go_deaf): what arrived meanwhile is answered now.
    ///
    /// # Errors
    ///
    /// [`Io`](SimError::Io).
    pub fn hear_again(&mut self) -> Result<(), SimError> {
        self.process.signal(Signal::CONT)
    }

    fn flag(&self, name: &str) -> Result<(), SimError> {
        fs::write(self.directory.join(name), "").map_err(SimError::io(format!("write the flag `{name}`")))
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.directory.join(name)).unwrap_or_default().trim().to_owned()
    }
}

/// The file with its network side. Without a GUID it refuses every RMCP+ session.
fn lan(address: SocketAddr) -> String {
    let levels = ["callback", "user", "operator", "admin"];
    let logins: Vec<String> = levels.iter().map(|level| format!("    allowed_auths_{level} md5")).collect();
    format!(
        "name \"bmc\"\n\
         set_working_mc 0x20\n  \
         startlan 1\n    \
         addr {} {}\n    \
         priv_limit admin\n{}\n    \
         guid 6661727269657200000000000000{:04x}\n  \
         endlan\n  \
         chassis_control \"/bin/sh ./chassis\"\n  \
         startnow false\n  \
         user 1 false \"\" \"\" user 10 md5\n  \
         user 2 true \"{USER}\" \"{PASSWORD}\" admin 10 md5\n",
        address.ip(),
        address.port(),
        logins.join("\n"),
        address.port(),
    )
}

/// `Some` when it answers the first question of a client.
fn answers(address: SocketAddr) -> Option<()> {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).ok()?;
    socket.set_read_timeout(Some(ANSWER_PATIENCE)).ok()?;
    socket.connect(address).ok()?;
    socket.send(&HELLO).ok()?;
    socket.recv(&mut [0; 64]).ok().map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::run;

    fn ipmitool(sim: &IpmiSim, words: &[&str]) -> Result<String, SimError> {
        let mut command = Command::new(program::find("ipmitool", "install the package `ipmitool`")?);
        command.args(["-I", "lanplus", "-C", "3", "-H", "127.0.0.1", "-U", USER, "-P", PASSWORD]);
        command.args(["-p", &sim.address().port().to_string()]).args(words);
        run(command)
    }

    #[test]
    fn power_and_boot_device_change_for_another_client() {
        let directory = tempfile::tempdir().unwrap();
        let sim = IpmiSim::start(directory.path()).unwrap();
        assert!(ipmitool(&sim, &["power", "status"]).unwrap().contains("is off"));

        ipmitool(&sim, &["power", "on"]).unwrap();
        ipmitool(&sim, &["chassis", "bootdev", "pxe"]).unwrap();

        assert!(sim.is_on());
        assert!(ipmitool(&sim, &["power", "status"]).unwrap().contains("is on"));
        assert_eq!(sim.boot_device(), "pxe");
        assert_eq!(sim.actions(), ["power 1", "boot pxe"]);
    }

    #[test]
    fn a_stuck_machine_takes_orders_and_does_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let sim = IpmiSim::start(directory.path()).unwrap();
        sim.get_stuck().unwrap();

        ipmitool(&sim, &["power", "on"]).unwrap();

        assert!(!sim.is_on());
        assert_eq!(sim.actions(), ["power 1"]);
    }

    #[test]
    fn a_deaf_one_does_not_answer() {
        let directory = tempfile::tempdir().unwrap();
        let mut sim = IpmiSim::start(directory.path()).unwrap();

        sim.go_deaf().unwrap();

        assert_eq!(answers(sim.address()), None);
    }
}
