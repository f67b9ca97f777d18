//! The machines of the demonstration: what the nodes are enrolled for.

use std::fs;
use std::path::Path;
use std::time::Duration;

use farrier_sim::ipmi_sim::{self, IpmiSim};
use farrier_sim::sushy::{self, Sushy};
use serde_json::{Value, json};

use super::left::Left;
use crate::error::TaskError;

/// How long after accepting it the Redfish machine shows a power change; real ones take longer.
const REDFISH_DELAY: Duration = Duration::from_secs(1);

/// A machine and the node that is enrolled for it.
#[derive(Debug)]
pub(super) struct Machine {
    /// Name of the node.
    pub(super) node: String,
    /// Hardware type of the node.
    pub(super) driver: &'static str,
    /// Where its BMC is and how to log in.
    pub(super) driver_info: Value,
    bmc: Bmc,
}

#[derive(Debug)]
enum Bmc {
    Fake,
    Ipmi(IpmiSim),
    Redfish(Sushy),
}

/// One machine of each kind.
#[derive(Debug)]
pub(super) struct Machines(Vec<Machine>);

impl Machines {
    /// Starts the simulated BMCs; their files go below `directory`.
    pub(super) fn start(directory: &Path, left: &Left) -> Result<Self, TaskError> {
        let room = |name: &str| {
            let room = directory.join(name);
            fs::create_dir_all(&room).map_err(TaskError::io(format!("make `{}`", room.display())))?;
            Ok::<_, TaskError>(room)
        };
        let mut ipmi = IpmiSim::start(&room("ipmi")?)?;
        left.note("ipmi_sim", ipmi.process().id())?;
        println!("BMC: ipmi_sim at udp {}", ipmi.address());
        let mut redfish = Sushy::start(&room("redfish")?, REDFISH_DELAY)?;
        left.note("sushy-emulator", redfish.process().id())?;
        println!("BMC: sushy-emulator at http://{}", redfish.address());
        Ok(Self(vec![fake(), ipmi_machine(ipmi), redfish_machine(redfish)]))
    }

    /// All of them.
    pub(super) fn all(&self) -> &[Machine] {
        &self.0
    }
}

impl Machine {
    /// What the BMC itself says about power, asked without Farrier; `None` when there is no BMC.
    pub(super) fn power(&self) -> Option<String> {
        let on = match &self.bmc {
            Bmc::Fake => return None,
            Bmc::Ipmi(sim) => sim.is_on(),
            Bmc::Redfish(sushy) => sushy.is_on().ok()?,
        };
        Some(if on { "on" } else { "off" }.to_owned())
    }
}

fn fake() -> Machine {
    Machine { node: "demo-fake".to_owned(), driver: "fake-hardware", driver_info: json!({}), bmc: Bmc::Fake }
}

fn ipmi_machine(sim: IpmiSim) -> Machine {
    Machine {
        node: "demo-ipmi".to_owned(),
        driver: "ipmi",
        driver_info: json!({
            "ipmi_address": sim.address().ip().to_string(),
            "ipmi_port": sim.address().port(),
            "ipmi_username": ipmi_sim::USER,
            "ipmi_password": ipmi_sim::PASSWORD,
            "ipmi_cipher_suite": 3,
        }),
        bmc: Bmc::Ipmi(sim),
    }
}

fn redfish_machine(sushy: Sushy) -> Machine {
    Machine {
        node: "demo-redfish".to_owned(),
        driver: "redfish",
        driver_info: json!({
            "redfish_address": format!("http://{}", sushy.address()),
            "redfish_system_id": sushy::SYSTEM,
            "redfish_username": sushy::USER,
            "redfish_password": sushy::PASSWORD,
        }),
        bmc: Bmc::Redfish(sushy),
    }
}
