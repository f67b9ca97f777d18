//! What differs from the recordings, and why.

use std::collections::BTreeSet;

use super::recording::{CLEAN, DISCOVERY, ERRORS, NODES, POWER, SDK};

/// Paths that are not offered yet, as method, path and reason; they answer 404.
pub(super) const NOT_OFFERED: &[(&str, &str, &str)] = &[
    // next path above this line
];

/// Differences that are meant.
struct Deliberate {
    recording: &'static str,
    /// The steps that have them, each all of them.
    steps: &'static [usize],
    differences: &'static [&'static str],
}

/// Every difference that is meant in a recording, with its step.
pub(super) fn deliberate(recording: &str) -> BTreeSet<(usize, String)> {
    let of_recording = DELIBERATE.iter().filter(|deliberate| deliberate.recording == recording);
    let steps = of_recording.flat_map(|deliberate| {
        let texts = deliberate.differences.iter().map(|text| (*text).to_owned());
        texts.flat_map(|text| deliberate.steps.iter().map(move |step| (*step, text.clone())))
    });
    steps.collect()
}

/// Who the service says it is.
#[rustfmt::skip]
const OTHER_SERVICE: &[&str] = &[
    r#"/description is "Manages bare metal machines; compatible with the Ironic API.", recorded "Ironic is an OpenStack project which enables the provision and management of baremetal machines.""#,
    r#"/name is "Farrier", recorded "OpenStack Ironic API""#,
];

/// The table; the reason stands above each row.
#[rustfmt::skip]
const DELIBERATE: &[Deliberate] = &[
    // We are another service.
    Deliberate { recording: DISCOVERY, steps: &[0], differences: OTHER_SERVICE },
    Deliberate { recording: SDK, steps: &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10], differences: OTHER_SERVICE },
    // There is no public page that describes our API.
    Deliberate { recording: DISCOVERY, steps: &[1, 2, 3], differences: &["/links/describedby is missing"] },
    Deliberate {
        recording: SDK,
        steps: &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10],
        differences: &["/links/describedby is missing"],
    },
    // These collections are not offered yet.
    Deliberate { recording: DISCOVERY, steps: &[1, 2, 3], differences: &["/chassis is missing"] },
    Deliberate {
        recording: SDK,
        steps: &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10],
        differences: &["/chassis is missing"],
    },
    Deliberate {
        recording: DISCOVERY,
        steps: &[3],
        differences: &[
            "/allocations is missing", "/deploy_templates is missing", "/events is missing", "/portgroups is missing",
            "/volume is missing",
        ],
    },
    // One driver alone can be linked into a test; the others are asked for where plugins are loaded. There is no
    // `manual-management`.
    Deliberate {
        recording: DISCOVERY,
        steps: &[11, 12, 13, 14, 26],
        differences: &[
            "/drivers/ipmi is missing", "/drivers/manual-management is missing", "/drivers/redfish is missing",
        ],
    },
    Deliberate {
        recording: SDK,
        steps: &[9],
        differences: &[
            "/drivers/ipmi is missing", "/drivers/manual-management is missing", "/drivers/redfish is missing",
        ],
    },
    Deliberate {
        recording: DISCOVERY,
        steps: &[25],
        differences: &[
            "/conductors/127.0.0.1/drivers/ipmi is missing",
            "/conductors/127.0.0.1/drivers/manual-management is missing",
            "/conductors/127.0.0.1/drivers/redfish is missing",
        ],
    },
    Deliberate { recording: DISCOVERY, steps: &[17, 20, 21], differences: &["status 404, recorded 200"] },
    // We have no implementations for the deploy agent and for network boot, and our fake driver takes `noop` too.
    Deliberate {
        recording: DISCOVERY,
        steps: &[13],
        differences: &[
            "/drivers/fake-hardware/enabled_boot_interfaces/ipxe is missing",
            "/drivers/fake-hardware/enabled_boot_interfaces/noop is new",
            "/drivers/fake-hardware/enabled_boot_interfaces/pxe is missing",
            "/drivers/fake-hardware/enabled_deploy_interfaces/custom-agent is missing",
            "/drivers/fake-hardware/enabled_deploy_interfaces/direct is missing",
            "/drivers/fake-hardware/enabled_deploy_interfaces/noop is new",
            "/drivers/fake-hardware/enabled_deploy_interfaces/ramdisk is missing",
            "/drivers/fake-hardware/enabled_inspect_interfaces/agent is missing",
            "/drivers/fake-hardware/enabled_raid_interfaces/agent is missing",
            "/drivers/fake-hardware/enabled_rescue_interfaces/agent is missing",
        ],
    },
    Deliberate {
        recording: DISCOVERY,
        steps: &[16],
        differences: &[
            "/enabled_boot_interfaces/ipxe is missing", "/enabled_boot_interfaces/noop is new",
            "/enabled_boot_interfaces/pxe is missing", "/enabled_deploy_interfaces/custom-agent is missing",
            "/enabled_deploy_interfaces/direct is missing", "/enabled_deploy_interfaces/noop is new",
            "/enabled_deploy_interfaces/ramdisk is missing", "/enabled_inspect_interfaces/agent is missing",
            "/enabled_raid_interfaces/agent is missing", "/enabled_rescue_interfaces/agent is missing",
        ],
    },
    Deliberate {
        recording: SDK,
        steps: &[9],
        differences: &[
            "/enabled_boot_interfaces/ipxe is missing", "/enabled_boot_interfaces/noop is new",
            "/enabled_boot_interfaces/pxe is missing", "/enabled_deploy_interfaces/custom-agent is missing",
            "/enabled_deploy_interfaces/direct is missing", "/enabled_deploy_interfaces/noop is new",
            "/enabled_deploy_interfaces/ramdisk is missing", "/enabled_inspect_interfaces/agent is missing",
            "/enabled_raid_interfaces/agent is missing", "/enabled_rescue_interfaces/agent is missing",
        ],
    },
    // Without authentication everybody may give a node an owner.
    Deliberate { recording: NODES, steps: &[4], differences: &["status 201, recorded 400"] },
    // A defect of the reference whose request makes sense: the member is null again.
    Deliberate { recording: NODES, steps: &[26], differences: &["status 200, recorded 400"] },
    // There are neither `direct` nor `agent`.
    Deliberate { recording: NODES, steps: &[28], differences: &["status 400, recorded 200"] },
    Deliberate {
        recording: NODES,
        steps: &[29],
        differences: &[
            r#"/deploy_interface is "fake", recorded "direct""#, r#"/inspect_interface is "fake", recorded "agent""#,
        ],
    },
    // There is no `manual-management`, so the node keeps its driver.
    Deliberate { recording: NODES, steps: &[33], differences: &["status 400, recorded 200"] },
    Deliberate {
        recording: NODES,
        steps: &[34],
        differences: &[
            r#"/bios_interface is "fake", recorded "no-bios""#, r#"/boot_interface is "fake", recorded "ipxe""#,
            r#"/console_interface is "fake", recorded "no-console""#,
            r#"/deploy_interface is "fake", recorded "direct""#,
            r#"/driver is "fake-hardware", recorded "manual-management""#,
            r#"/firmware_interface is "fake", recorded "no-firmware""#,
            r#"/inspect_interface is "fake", recorded "agent""#,
            r#"/management_interface is "fake", recorded "noop""#, r#"/power_interface is "fake", recorded "agent""#,
            r#"/raid_interface is "fake", recorded "no-raid""#, r#"/rescue_interface is "fake", recorded "no-rescue""#,
            r#"/vendor_interface is "fake", recorded "no-vendor""#,
        ],
    },
    // A patch that changes nothing touches nothing.
    Deliberate {
        recording: ERRORS,
        steps: &[39],
        differences: &["/updated_at is null, recorded a text"],
    },
    // The path does not have the method, and the answer says so.
    Deliberate { recording: ERRORS, steps: &[49, 50], differences: &["status 405, recorded 400"] },
    // There are no implementations for the deploy agent to choose from.
    Deliberate {
        recording: ERRORS,
        steps: &[3],
        differences: &[
            "the error says: Could not find the following interface in the 'ironic.hardware.interfaces.deploy' entrypoint: nosuch. Valid interfaces are ['fake', 'noop']. -- recorded: Could not find the following interface in the 'ironic.hardware.interfaces.deploy' entrypoint: nosuch. Valid interfaces are ['custom-agent', 'direct', 'fake', 'noop', 'ramdisk'].",
        ],
    },
    // The text is the driver's.
    Deliberate {
        recording: POWER,
        steps: &[19],
        differences: &["the error says: Invalid boot device `disk`, expected `pxe` -- recorded: Invalid boot device disk specified."],
    },
    // The text of an error that stays on the node is our own.
    Deliberate {
        recording: CLEAN,
        steps: &[8],
        differences: &[
            r#"/last_error is "Node a1b2c3d4-0001-4000-8000-000000000001 has no clean steps to run: node does not support this clean step: bios.nosuch", recorded "Cannot clean node a1b2c3d4-0001-4000-8000-000000000001: node does not support this clean step: {'interface': 'bios', 'step': 'nosuch'}""#,
        ],
    },
    // next difference above this line
];
