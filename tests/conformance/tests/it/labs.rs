//! Our `redfish` on BMCs that vendors made, played from what real ones answered.

use farrier_conformance::Verdict;
use farrier_conformance::report::Entry;
use serde_json::json;

use crate::ours::{judged, profile};

/// A vendor's BMC.
struct Bmc {
    /// The lab's name for it.
    name: &'static str,
    /// A BIOS setting of its machine, and a value that it does not have.
    setting: Option<(&'static str, &'static str)>,
    /// The version of its own firmware: what plays it takes updates and keeps its version.
    version: &'static str,
    /// What the machine does not have, and why.
    lacks: &'static [(&'static str, &'static str)],
    /// What is not as it is on the real one.
    waived: &'static [(&'static str, &'static str)],
}

/// What plays a BMC accepts this, and does nothing.
const NO_RESET: (&str, &str) =
    ("BIO-006", "what plays this BMC does not know the settings that it was made with");

/// What plays a BMC has nowhere to push an image to.
const NO_IMAGES: &str = "what plays this BMC takes no images";

impl Bmc {
    /// All that the kit looks at on a machine comes to the level that is aimed at.
    fn judge(&self) {
        let mut profile = profile("redfish");
        profile.target.emulator = Some(format!("mockup:{}", self.name));
        let owned = |(what, reason): &(&str, &str)| ((*what).to_owned(), (*reason).to_owned());
        profile.target.lacks.extend(self.lacks.iter().map(owned));
        profile.waive.extend(self.waived.iter().map(owned));
        profile.firmware_update.as_mut().unwrap().version = self.version.to_owned();
        profile.steps.clear();
        if let Some((name, value)) = self.setting {
            let settings = json!({"settings": [{"name": name, "value": value}]});
            profile
                .steps
                .insert("bios.apply_configuration".to_owned(), settings.as_object().unwrap().clone());
        }

        let groups = ["POW", "MGT", "BIO", "FRM", "INS", "VND", "BOT", "STP"];

        let report = judged("redfish", &profile, &groups);

        assert!(Verdict::Standard <= report.verdict, "{}", report.text());
        let untested: Vec<&Entry> = report.checks.iter().filter(|entry| entry.is_untested()).collect();
        for entry in &untested {
            let explained = self.lacks.iter().any(|lack| explains(lack, entry));
            assert!(explained, "{}: {}", entry.id, entry.reason);
        }
        for lack in self.lacks {
            let needed = untested.iter().any(|entry| explains(lack, entry));
            assert!(needed, "nothing was missed of `{}`: {}", lack.0, report.text());
        }
    }
}

/// Whether a check was not made because of what the machine is said to lack.
fn explains((what, reason): &(&str, &str), entry: &Entry) -> bool {
    let groups: &[&str] = match what.split('.').next().unwrap() {
        "bios" => &["BIO", "STP"],
        "inspect" => &["INS"],
        "vendor" => &["VND"],
        "boot" => &["BOT"],
        _ => &[],
    };
    groups.contains(&&*entry.group) && entry.reason.contains(reason)
}

#[test]
fn redfish_passes_on_a_bmc_of_dell() {
    let setting = Some(("AesNi", "Disabled"));
    Bmc { name: "dell-poweredge-r750", setting, version: "6.00.30.00", lacks: &[], waived: &[NO_RESET] }
        .judge();
}

#[test]
fn redfish_passes_on_a_bmc_of_hpe() {
    let setting = Some(("AccessControlService", "Disabled"));
    let lacks = &[("inspect", "this machine was recorded without its disks")];
    let waived = &[NO_RESET];
    Bmc { name: "hpe-dl325-gen10plus", setting, version: "iLO 5 v2.46", lacks, waived }.judge();
}

#[test]
fn redfish_passes_on_a_bmc_of_supermicro() {
    let setting = Some(("ADDDCSparing_3C3F", "Disabled"));
    let waived =
        &[NO_RESET, ("BIO-003", "this BMC was recorded without its registry, and refuses by itself")];
    Bmc { name: "supermicro-sys821ge", setting, version: "11.01.01", lacks: &[], waived }.judge();
}

#[test]
fn redfish_passes_on_a_bmc_of_openbmc() {
    let lacks = &[
        ("bios", "this machine has no BIOS settings"),
        ("inspect", "this machine was recorded without its parts"),
        ("vendor.eject_vmedia", "this BMC has no virtual media"),
        ("boot.prepare_ramdisk", "this BMC has no virtual media"),
    ];
    let waived = &[("FRM-005", NO_IMAGES), ("FRM-006", NO_IMAGES)];
    Bmc { name: "openbmc-stock", setting: None, version: "", lacks, waived }.judge();
}
