//! A simulated BMC that speaks Redfish: `sushy-emulator` with a machine that exists in its memory only.
//!
//! Plain HTTP with basic authentication; no sessions, no tasks, no ETags, and a connection per request.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};

use crate::error::SimError;
use crate::http;
use crate::port::free_port;
use crate::process::Process;
use crate::venv;

/// Name of the administrator it knows.
pub const USER: &str = "admin";
/// That user's password.
pub const PASSWORD: &str = "correct-horse";
/// The path of its one machine.
pub const SYSTEM: &str = "/redfish/v1/Systems/6661727a-6965-4072-8000-000000000001";

/// The two above as it reads them from a file: the password by bcrypt, cheaply.
pub(crate) const LOGINS: &str = "admin:$2b$04$BNrpxFKfMwrqJ5D0OrNSIeoFmRiDKwJ58DeN50tJ.PsCz55kVcJxC\n";
/// And as a request carries them.
pub(crate) const AUTHORIZATION: &str = "Basic YWRtaW46Y29ycmVjdC1ob3JzZQ==";
/// It is a Python program that imports a good deal.
const START_PATIENCE: Duration = Duration::from_secs(60);

/// Runs it with a power delay that is set and not random; the delay in seconds is the first argument.
const RUN: &str = "\
import random, sys
delay = int(sys.argv.pop(1))
random.randint = lambda low, high: delay
from sushy_tools.emulator.main import main
sys.exit(main())
";

/// A running BMC with its machine, which is off at first. Dropping it stops it.
#[derive(Debug)]
pub struct Sushy {
    process: Process,
    address: SocketAddr,
}

impl Sushy {
    /// Starts one on a free port of 127.0.0.1; all its files are in `directory`, which must exist.
    ///
    /// A power change shows `power_delay` after it was accepted, in whole seconds and up to one less.
    ///
    /// # Errors
    ///
    /// [`Missing`](SimError::Missing) without the Python programs, and those of [`Process`].
    pub fn start(directory: &Path, power_delay: Duration) -> Result<Self, SimError> {
        let python = venv::find("python")?;
        venv::find("sushy-emulator")?;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()?));
        for (name, text) in [("emulator.conf", config(directory, address)), ("logins", LOGINS.into())] {
            let file = directory.join(name);
            fs::write(&file, text).map_err(SimError::io(format!("write `{}`", file.display())))?;
        }
        fs::create_dir_all(directory.join("state")).map_err(SimError::io("make a state directory"))?;

        let mut command = Command::new(python);
        command.args(["-c", RUN, &power_delay.as_secs().to_string(), "--config"]);
        command.arg(directory.join("emulator.conf")).current_dir(directory);
        let mut process = Process::start("sushy-emulator", command, &directory.join("log"))?;
        process.wait_until("it answers", START_PATIENCE, || {
            http::get(address, "/redfish/v1/").ok().filter(|response| response.status == 200)
        })?;
        Ok(Self { process, address })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its process, to stop it.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// Its machine, as it describes it.
    ///
    /// # Errors
    ///
    /// As [`http::request`].
    pub fn system(&self) -> Result<Value, SimError> {
        let headers = [("Authorization", AUTHORIZATION)];
        Ok(http::request(self.address, "GET", SYSTEM, &headers, None)?.json())
    }

    /// Whether the machine is on.
    ///
    /// # Errors
    ///
    /// As [`http::request`].
    pub fn is_on(&self) -> Result<bool, SimError> {
        Ok(self.system()?.get("PowerState").is_some_and(|state| state == "On"))
    }
}

impl Sushy {
    /// What is in the CD drive of its machine.
    ///
    /// # Errors
    ///
    /// As [`http::request`].
    pub fn medium(&self) -> Result<Option<String>, SimError> {
        let headers = [("Authorization", AUTHORIZATION)];
        let path = format!("{SYSTEM}/VirtualMedia/Cd");
        let drive = http::request(self.address, "GET", &path, &headers, None)?.json();
        let inserted = drive.get("Inserted").and_then(Value::as_bool).unwrap_or_default();
        Ok(drive.get("Image").and_then(Value::as_str).filter(|_| inserted).map(str::to_owned))
    }
}

/// Its configuration: Python, in which JSON's strings, numbers, lists and objects mean themselves.
fn config(directory: &Path, address: SocketAddr) -> String {
    let file = |name: &str| json!(directory.join(name));
    let uuid = SYSTEM.rsplit('/').next().unwrap_or_default();
    let nics = json!([{ "mac": "52:54:00:00:00:01", "ip": "127.0.0.1" }]);
    format!(
        "SUSHY_EMULATOR_LISTEN_IP = \"{}\"\n\
         SUSHY_EMULATOR_LISTEN_PORT = {}\n\
         SUSHY_EMULATOR_STATE_DIR = {}\n\
         SUSHY_EMULATOR_AUTH_FILE = {}\n\
         SUSHY_EMULATOR_FEATURE_SET = \"full\"\n\
         SUSHY_EMULATOR_FAKE_DRIVER = True\n\
         SUSHY_EMULATOR_FAKE_SYSTEMS = [{{\"uuid\": \"{uuid}\", \"name\": \"machine\", \
         \"power_state\": \"Off\", \"external_notifier\": False, \"nics\": {nics}}}]\n",
        address.ip(),
        address.port(),
        file("state"),
        file("logins"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wait::wait_for;

    #[test]
    fn a_reset_changes_the_machine_and_only_with_the_password() {
        let directory = tempfile::tempdir().unwrap();
        let sushy = Sushy::start(directory.path(), Duration::ZERO).unwrap();
        let reset = format!("{SYSTEM}/Actions/ComputerSystem.Reset");
        let on = json!({ "ResetType": "On" });
        let post =
            |headers| http::request(sushy.address(), "POST", &reset, headers, Some(&on)).unwrap().status;

        assert_eq!(post(&[]), 401);
        assert!(!sushy.is_on().unwrap());
        assert_eq!(post(&[("Authorization", AUTHORIZATION)]), 204);
        wait_for("power on", START_PATIENCE, || sushy.is_on().unwrap().then_some(())).unwrap();
    }
}
