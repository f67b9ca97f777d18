//! Machines' deviations from the standard that nothing shows but the name of the maker.
//!
//! What a BMC shows by a property or a message is handled where it shows, for all makers.

use crate::resource::root::Root;
use crate::resource::system::System;

/// A habit of a maker's BMCs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Habit {
    /// The virtual CD drive is the boot target `UsbCd`, where that is allowed; `Cd` is a real drive.
    CdromIsUsbCd,
    /// A boot target alone is refused or ignored: `BootSourceOverrideEnabled` goes with it even if it is the same.
    EnabledAlways,
    /// Target, enabled and mode are only taken all together.
    BootWhole,
    /// The boot mode falls back when the boot device is set.
    ModeResets,
    /// Older versions boot virtual media in a way of their own.
    OwnDiscBoot,
    /// Members of an expanded collection lack properties.
    ExpandLoses,
}

/// How a maker is recognized in the texts it puts into its resources.
#[derive(Debug, Clone, Copy)]
enum Maker {
    /// The text contains it.
    Contains(&'static str),
    /// It is one word of the text.
    Word(&'static str),
}

/// Makers in lower case, their habits, and where that is known from.
#[rustfmt::skip]
const QUIRKS: &[(Maker, Habit, &str)] = &[
    (Maker::Contains("supermicro"),         Habit::CdromIsUsbCd,  "X10 to X13, allowed boot targets; Ironic, redfish management"),
    (Maker::Contains("supermicro"),         Habit::EnabledAlways, "X11, X12; Ironic, redfish management"),
    (Maker::Contains("supermicro"),         Habit::ModeResets,    "X11, X12; Ironic, redfish management"),
    (Maker::Word("dell"),                   Habit::OwnDiscBoot,   "iDRAC before 6.00, iDRAC10; Ironic, idrac-redfish-virtual-media"),
    (Maker::Word("ami"),                    Habit::BootWhole,     "MegaRAC SP-X; Ironic, redfish management"),
    (Maker::Word("ami"),                    Habit::ExpandLoses,   "MegaRAC SP-X, members of expanded collections; answers of a Gigabyte board"),
    (Maker::Contains("asrockrack"),         Habit::BootWhole,     "MegaRAC SP-X; Ironic, redfish management"),
    (Maker::Contains("redfish_compatible"), Habit::BootWhole,     "unbranded MegaRAC SP-X; Ironic, redfish management"),
    // next quirk above this line
];

/// The habits of one BMC.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Habits(Vec<Habit>);

impl Habits {
    /// The habits of the maker that root and System name.
    #[must_use]
    pub fn of(root: Option<&Root>, system: &System) -> Self {
        let texts = [root.and_then(|root| root.vendor.as_deref()), system.manufacturer.as_deref()];
        let texts: Vec<String> = texts.into_iter().flatten().map(str::to_lowercase).collect();
        let shown = |maker: Maker| texts.iter().any(|text| maker.is_in(text));
        Self(QUIRKS.iter().filter(|(maker, _, _)| shown(*maker)).map(|(_, habit, _)| *habit).collect())
    }

    /// Whether the BMC has this habit.
    #[must_use]
    pub fn has(&self, habit: Habit) -> bool {
        self.0.contains(&habit)
    }
}

impl Maker {
    fn is_in(self, text: &str) -> bool {
        match self {
            Self::Contains(name) => text.contains(name),
            Self::Word(name) => text.split(|c: char| !c.is_alphanumeric()).any(|word| word == name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn habits(vendor: Option<&str>, manufacturer: &str) -> Habits {
        let root = Root { vendor: vendor.map(str::to_owned), ..Root::default() };
        let system = System { manufacturer: Some(manufacturer.to_owned()), ..System::default() };
        Habits::of(Some(&root), &system)
    }

    #[test]
    fn makers_are_known_by_root_or_system() {
        assert!(habits(None, "Supermicro").has(Habit::CdromIsUsbCd));
        assert!(habits(Some("AMI"), "GIGABYTE").has(Habit::BootWhole));
        assert!(habits(None, "ASRockRack").has(Habit::BootWhole));
    }

    #[test]
    fn a_part_of_a_word_is_no_maker() {
        assert_eq!(habits(Some("General Dynamics"), "Miami Systems"), Habits::default());
    }
}
