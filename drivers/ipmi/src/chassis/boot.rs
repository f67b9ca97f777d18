//! Boot options: what the machine boots from next.
//!
//! Source: IPMI 2.0, sections 28.12 to 28.14.

use ipmi_rs::connection::{IpmiCommand, Message, NetFn};

use crate::command::{Command, Malformed, Repeat};
use crate::packet::reader::Reader;

/// Parameter 0: whether somebody is changing boot options.
const SET_IN_PROGRESS: u8 = 0;

/// Parameter 3: when the BMC forgets boot flags by itself.
const VALID_BIT_CLEARING: u8 = 3;

/// Parameter 5: boot flags.
const BOOT_FLAGS: u8 = 5;

/// Changes one boot option.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SetBootOption {
    /// Ends a change of boot options, also somebody else's that never ended.
    EndChange,
    /// Keeps the BMC from forgetting boot flags when no power command follows within 60 seconds.
    KeepFlags,
    /// Sets the boot flags.
    Flags(BootFlags),
    /// Sets this selector, with every bit of the first byte of the boot flags.
    ///
    /// Source: what Supermicro's own tool sends; reported in metal-core issue 19.
    AllFlags {
        /// Which device; see [`selector`].
        selector: u8,
    },
}

impl SetBootOption {
    /// Completion code: somebody else is changing boot options.
    pub const CHANGE_IN_PROGRESS: u8 = 0x81;
}

impl From<SetBootOption> for Message {
    fn from(command: SetBootOption) -> Self {
        let data = match command {
            SetBootOption::EndChange => vec![SET_IN_PROGRESS, 0x00],
            SetBootOption::KeepFlags => vec![VALID_BIT_CLEARING, 0x08],
            SetBootOption::Flags(flags) => {
                let [first, second] = flags.to_bytes();
                vec![BOOT_FLAGS, first, second, 0, 0, 0]
            }
            SetBootOption::AllFlags { selector } => vec![BOOT_FLAGS, 0xFF, selector << 2, 0, 0, 0],
        };
        Self::new_request(NetFn::Chassis, 0x08, data)
    }
}

impl IpmiCommand for SetBootOption {
    type Output = ();
    type Error = Malformed;

    fn parse_success_response(_: &[u8]) -> Result<(), Malformed> {
        Ok(())
    }
}

impl Command for SetBootOption {
    const NAME: &'static str = "Set System Boot Options";

    fn repeat(&self) -> Repeat {
        Repeat::Idempotent
    }
}

/// Asks for the boot flags.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GetBootFlags;

impl From<GetBootFlags> for Message {
    fn from(_: GetBootFlags) -> Self {
        Self::new_request(NetFn::Chassis, 0x09, vec![BOOT_FLAGS, 0, 0])
    }
}

impl IpmiCommand for GetBootFlags {
    type Output = BootFlags;
    type Error = Malformed;

    fn parse_success_response(data: &[u8]) -> Result<BootFlags, Malformed> {
        let mut reader = Reader::new(data);
        let (Some(_version), Some(parameter), Some(first), Some(second)) =
            (reader.byte(), reader.byte(), reader.byte(), reader.byte())
        else {
            return Err(Malformed);
        };
        if parameter & 0x7F != BOOT_FLAGS {
            return Err(Malformed);
        }
        let mut flags = BootFlags::from_bytes([first, second]);
        let parameter_invalid = parameter & 0x80 != 0;
        flags.valid &= !parameter_invalid;
        Ok(flags)
    }
}

impl Command for GetBootFlags {
    const NAME: &'static str = "Get System Boot Options";

    fn repeat(&self) -> Repeat {
        Repeat::Freely
    }
}

/// Device, lifetime and firmware type of the next boot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BootFlags {
    /// Whether the flags count at all.
    pub valid: bool,
    /// Whether they hold for all boots, not only the next.
    pub persistent: bool,
    /// Whether the machine is to boot in UEFI mode.
    pub uefi: bool,
    /// Which device, 4 bits; see [`selector`].
    pub selector: u8,
}

impl BootFlags {
    fn to_bytes(self) -> [u8; 2] {
        let bit = |set: bool, number: u8| u8::from(set) << number;
        [bit(self.valid, 7) | bit(self.persistent, 6) | bit(self.uefi, 5), (self.selector & 0x0F) << 2]
    }

    fn from_bytes([first, second]: [u8; 2]) -> Self {
        let bit = |number: u8| first >> number & 1 == 1;
        Self { valid: bit(7), persistent: bit(6), uefi: bit(5), selector: second >> 2 & 0x0F }
    }
}

/// Device selectors of the boot flags.
pub mod selector {
    /// No device is forced.
    pub const NONE: u8 = 0x0;
    /// Network.
    pub const PXE: u8 = 0x1;
    /// Default hard disk.
    pub const DISK: u8 = 0x2;
    /// Default hard disk, safe mode.
    pub const SAFE: u8 = 0x3;
    /// CD or DVD.
    pub const CDROM: u8 = 0x5;
    /// Firmware setup.
    pub const BIOS: u8 = 0x6;
    /// Hard disk in UEFI mode on Supermicro boards.
    pub const SUPERMICRO_UEFI_DISK: u8 = 0x9;
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sent(valid: bool, persistent: bool, uefi: bool, selector: u8) -> Vec<u8> {
        Message::from(SetBootOption::Flags(BootFlags { valid, persistent, uefi, selector })).data().to_vec()
    }

    #[test]
    fn flags_have_the_bytes_of_the_specification() {
        assert_eq!(sent(true, false, false, selector::PXE), [5, 0x80, 0x04, 0, 0, 0]);
        assert_eq!(sent(true, true, false, selector::DISK), [5, 0xC0, 0x08, 0, 0, 0]);
        assert_eq!(sent(true, false, true, selector::CDROM), [5, 0xA0, 0x14, 0, 0, 0]);
        assert_eq!(sent(true, true, true, selector::BIOS), [5, 0xE0, 0x18, 0, 0, 0]);
        assert_eq!(sent(true, false, false, selector::SAFE), [5, 0x80, 0x0C, 0, 0, 0]);
        assert_eq!(sent(true, false, true, selector::SUPERMICRO_UEFI_DISK), [5, 0xA0, 0x24, 0, 0, 0]);
    }

    #[test]
    fn an_invalid_parameter_makes_its_flags_invalid() {
        let flags = GetBootFlags::parse_success_response(&[1, 0x85, 0xE0, 0x04, 0, 0, 0]).unwrap();

        assert_eq!(flags, BootFlags { valid: false, persistent: true, uefi: true, selector: selector::PXE });
    }

    #[test]
    fn another_parameter_is_malformed() {
        assert_eq!(GetBootFlags::parse_success_response(&[1, 0x04, 0xE0, 0x04, 0]), Err(Malformed));
        assert_eq!(GetBootFlags::parse_success_response(&[1, 0x05, 0xE0]), Err(Malformed));
    }

    proptest! {
        #[test]
        fn flags_are_read_back(valid: bool, persistent: bool, uefi: bool, selector in 0u8..16) {
            let mut data = vec![1];
            data.extend(sent(valid, persistent, uefi, selector));

            let flags = GetBootFlags::parse_success_response(&data).unwrap();

            prop_assert_eq!(flags, BootFlags { valid, persistent, uefi, selector });
        }

        #[test]
        fn no_answer_panics(data in proptest::collection::vec(any::<u8>(), 0..20)) {
            let parsed = GetBootFlags::parse_success_response(&data);
            prop_assert!(parsed.is_err() || data.len() >= 4);
        }
    }
}
