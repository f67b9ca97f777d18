//! The checks, a file for each subject.

mod contract;
mod faults;
mod loading;
mod management;
mod package;
mod power;
mod steps;
mod upgrade;

use crate::check::Group;

/// All groups in the order in which they run.
pub(crate) const GROUPS: &[Group] = &[
    Group { id: "PKG", title: "package", checks: package::CHECKS },
    Group { id: "LOD", title: "loading", checks: loading::CHECKS },
    Group { id: "CON", title: "contract", checks: contract::CHECKS },
    Group { id: "FLT", title: "faults", checks: faults::CHECKS },
    Group { id: "POW", title: "power", checks: power::CHECKS },
    Group { id: "MGT", title: "management", checks: management::CHECKS },
    Group { id: "STP", title: "steps", checks: steps::CHECKS },
    Group { id: "UPG", title: "upgrade", checks: upgrade::CHECKS },
    // next group above this line
];
