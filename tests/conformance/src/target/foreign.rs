//! Simulators that others wrote: they do not know what this kit expects.

use std::path::Path;
use std::time::Duration;

use farrier_sim::error::SimError;
use farrier_sim::ipmi_sim::{self, IpmiSim};
use farrier_sim::mockup::{self, Mockup};
use farrier_sim::pyghmi::{self, Pyghmi};
use farrier_sim::sushy::{self, Sushy};

use super::{Control, HttpFault, HttpPeer, Peer, no_peer};
use crate::bench::Bench;
use crate::check::{Finding, not_run};

/// What the name of a vendor's BMC begins with; the name of the lab's bundle follows.
const MOCKUP: &str = "mockup:";

/// Their names; those of vendors' BMCs are as many as the labs have.
const NAMES: [&str; 3] = ["sushy", "ipmi_sim", "pyghmi"];

/// Habits of a vendor's BMC: it is up at once.
const HABITS: [&str; 4] = ["--post-seconds", "0", "--power-delay", "0"];

/// Vendors whose BMCs do not care for capitals in paths, and rely on that.
const WITHOUT_CAPITALS: &str = "hpe-";

/// Who wrote it. It can be looked at, and no more.
pub(crate) enum Foreign {
    /// OpenStack's, of Redfish.
    Sushy {
        /// It.
        sushy: Box<Sushy>,
        /// Where it fetches images.
        _images: HttpPeer,
    },
    /// A vendor's BMC that speaks Redfish, played from what a real one answered.
    Mockup {
        /// It.
        mockup: Box<Mockup>,
        /// The path of its machine.
        system: String,
    },
    /// OpenIPMI's, of IPMI.
    IpmiSim(Box<IpmiSim>),
    /// Pyghmi's, of IPMI: that of virtual machines.
    Pyghmi(Box<Pyghmi>),
}

/// Whether an emulator is one of these.
pub(super) fn is_foreign(name: &str) -> bool {
    NAMES.contains(&name) || name.starts_with(MOCKUP)
}

impl Foreign {
    /// Whether the machine is on.
    pub(super) fn is_on(&self) -> Option<bool> {
        match self {
            Self::Sushy { sushy, .. } => sushy.is_on().ok(),
            Self::Mockup { mockup, system } => {
                let answer = mockup.request("GET", system, None).ok()?.json();
                answer.get("PowerState").map(|state| state == "On")
            }
            Self::IpmiSim(sim) => Some(sim.is_on()),
            Self::Pyghmi(bmc) => Some(bmc.is_on()),
        }
    }
}

impl Peer {
    /// One of these; `number` tells it from others of the same check.
    pub(super) fn foreign(bench: &Bench, name: &str, number: usize) -> Result<Self, Finding> {
        let directory = bench.directory().join(format!("foreign-{number}"));
        std::fs::create_dir_all(&directory).map_err(no_peer)?;
        let started = match name {
            "sushy" => Self::sushy(&directory),
            "ipmi_sim" => Self::ipmi_sim(&directory),
            "pyghmi" => Self::pyghmi(&directory),
            other => match other.strip_prefix(MOCKUP) {
                Some(bundle) => Self::mockup(&directory, bundle),
                None => {
                    return not_run(format!(
                        "`{other}` is none of the emulators redfish, ipmi, datagram, {}, {MOCKUP}NAME",
                        NAMES.join(", ")
                    ));
                }
            },
        };
        started.or_else(|error| not_run(format!("no emulator: {}", farrier_sdk::error::Chain(&error))))
    }

    fn sushy(directory: &Path) -> Result<Self, SimError> {
        let sushy = Sushy::start(directory, Duration::ZERO)?;
        let images = HttpPeer::with(HttpFault::Status(200, Vec::new(), "an image".to_owned()))
            .map_err(SimError::io("serve an image"))?;
        let (address, image) = (sushy.address(), format!("http://{}/agent.iso", images.address()));
        let foreign = Foreign::Sushy { sushy: Box::new(sushy), _images: images };
        let mut peer = Self::new(address, Control::Foreign(foreign));
        peer.set_all(&[("user", sushy::USER), ("password", sushy::PASSWORD), ("system", sushy::SYSTEM)]);
        peer.set("image", &image);
        Ok(peer)
    }

    fn ipmi_sim(directory: &Path) -> Result<Self, SimError> {
        let sim = IpmiSim::start(directory)?;
        let mut peer = Self::new(sim.address(), Control::Foreign(Foreign::IpmiSim(Box::new(sim))));
        peer.set_all(&[("user", ipmi_sim::USER), ("password", ipmi_sim::PASSWORD)]);
        Ok(peer)
    }

    fn pyghmi(directory: &Path) -> Result<Self, SimError> {
        let bmc = Pyghmi::start(directory)?;
        let mut peer = Self::new(bmc.address(), Control::Foreign(Foreign::Pyghmi(Box::new(bmc))));
        peer.set_all(&[("user", pyghmi::USER), ("password", pyghmi::PASSWORD)]);
        Ok(peer)
    }

    fn mockup(directory: &Path, bundle: &str) -> Result<Self, SimError> {
        let capitals = bundle.starts_with(WITHOUT_CAPITALS).then_some("--case-insensitive");
        let habits: Vec<&str> = HABITS.into_iter().chain(capitals).collect();
        let mockup = Mockup::start(&format!("{bundle}.json"), directory, &habits)?;
        let (address, system) = (mockup.address(), mockup.first_system()?);
        let foreign = Foreign::Mockup { mockup: Box::new(mockup), system: system.clone() };
        let mut peer = Self::new(address, Control::Foreign(foreign));
        peer.set_all(&[("user", mockup::USER), ("password", mockup::PASSWORD), ("system", &system)]);
        Ok(peer)
    }
}
