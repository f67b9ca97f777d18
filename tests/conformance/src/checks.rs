//! The checks, a file for each subject.

mod bios;
mod boot;
mod console;
mod contract;
mod faults;
mod firmware;
mod inspect;
mod loading;
mod management;
mod others;
mod package;
mod power;
mod raid;
mod stand;
mod steps;
mod upgrade;
mod vendor;

use crate::check::Group;

/// All groups in the order in which they run.
pub(crate) const GROUPS: &[Group] = &[
    Group { id: "PKG", title: "package", checks: package::CHECKS },
    Group { id: "LOD", title: "loading", checks: loading::CHECKS },
    Group { id: "CON", title: "contract", checks: contract::CHECKS },
    Group { id: "FLT", title: "faults", checks: faults::CHECKS },
    Group { id: "POW", title: "power", checks: power::CHECKS },
    Group { id: "MGT", title: "management", checks: management::CHECKS },
    Group { id: "BIO", title: "BIOS settings", checks: bios::CHECKS },
    Group { id: "FRM", title: "firmware", checks: firmware::CHECKS },
    Group { id: "INS", title: "inspection", checks: inspect::CHECKS },
    Group { id: "VND", title: "vendor methods", checks: vendor::CHECKS },
    Group { id: "CNS", title: "consoles", checks: console::CHECKS },
    Group { id: "BOT", title: "boot", checks: boot::CHECKS },
    Group { id: "RAI", title: "RAID", checks: raid::CHECKS },
    Group { id: "IFC", title: "other interface types", checks: others::CHECKS },
    Group { id: "STP", title: "steps", checks: steps::CHECKS },
    Group { id: "UPG", title: "upgrade", checks: upgrade::CHECKS },
    // next group above this line
];
