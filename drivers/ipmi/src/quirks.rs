//! Deviations of machines from the protocol, as far as they need knowledge of the machine.
//!
//! What any BMC may do differently is survived where it happens: short refusals and tag 0 in
//! [`session`](crate::session), wrong checksums and lost sessions in [`transport`](crate::transport).

use farrier_sdk::prelude::*;

use crate::chassis::boot::selector;
use crate::command::completion::CompletionCode;
use crate::crypto::CipherSuite;

/// Machines that want another selector for a boot device.
///
/// Vendor as in `properties.vendor`, folded; boot mode; device; selector.
#[rustfmt::skip]
const SELECTORS: &[(&str, BootMode, BootDevice, u8)] = &[
    // Supermicro X10 and later boot the disk in UEFI mode only so. Source: Ironic `ipmitool`.
    ("supermicro", BootMode::Uefi, BootDevice::Disk, selector::SUPERMICRO_UEFI_DISK),
    // next selector above this line
];

/// Devices that some machines take only with every bit of the first byte of the boot flags; the others, and those
/// machines as far as they can, take the bits that are meant.
///
/// Vendor as in `properties.vendor`, folded; device.
#[rustfmt::skip]
const ALL_FLAGS: &[(&str, BootDevice)] = &[
    // Source: `AllFlags` of `chassis/boot.rs`.
    ("supermicro", BootDevice::Bios),
    // next device above this line
];

/// Completion codes of BMCs that cannot keep boot flags beyond 60 seconds: OpenBMC refuses the parameter, others
/// the value, the length, the command or the user. The flags themselves work all the same.
const FLAGS_NOT_KEPT: [CompletionCode; 5] = [
    CompletionCode(0x80),
    CompletionCode::INVALID_COMMAND,
    CompletionCode::INVALID_LENGTH,
    CompletionCode::INVALID_FIELD,
    CompletionCode::INSUFFICIENT_PRIVILEGE,
];

/// The selector a machine of this vendor wants, if it differs from the usual one.
pub(crate) fn boot_selector(vendor: Option<&str>, mode: BootMode, device: &BootDevice) -> Option<u8> {
    let vendor = fold(vendor?);
    SELECTORS
        .iter()
        .find(|(of, in_mode, wanted, _)| vendor.contains(of) && *in_mode == mode && wanted == device)
        .map(|(_, _, _, selector)| *selector)
}

/// Whether a machine of this vendor that has refused a device may take it with all flags.
pub(crate) fn takes_all_flags(vendor: Option<&str>, device: &BootDevice, refusal: CompletionCode) -> bool {
    let vendor = vendor.map(fold).unwrap_or_default();
    refusal == CompletionCode::INVALID_FIELD
        && ALL_FLAGS.iter().any(|(of, wanted)| vendor.contains(of) && wanted == device)
}

/// Whether this refusal to keep boot flags may be ignored.
pub(crate) fn keeps_no_flags(code: CompletionCode) -> bool {
    FLAGS_NOT_KEPT.contains(&code)
}

/// Whether a BMC that has agreed to this suite may be told that a login is given up before it has answered RAKP 1.
///
/// pyghmi's BMC, and with it virtualbmc, dies of that. It agrees to suite 3 whatever it is asked for, so whoever
/// agrees to anything newer is somebody else. The others keep a place for the login a little longer.
pub(crate) const fn takes_early_farewells(suite: CipherSuite) -> bool {
    matches!(suite, CipherSuite::Sha256Login | CipherSuite::Sha256Plain | CipherSuite::Sha256)
}

/// Letters and digits in lower case: `Super Micro Computer Inc.` and `supermicro` begin alike.
fn fold(vendor: &str) -> String {
    vendor.chars().filter(char::is_ascii_alphanumeric).map(|letter| letter.to_ascii_lowercase()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn supermicro_is_known_by_all_its_names() {
        for vendor in ["supermicro", "Supermicro", "Super Micro Computer Inc.", "super micro"] {
            let found = boot_selector(Some(vendor), BootMode::Uefi, &BootDevice::Disk);
            assert_eq!(found, Some(selector::SUPERMICRO_UEFI_DISK), "{vendor}");
        }
    }

    #[test]
    fn other_machines_modes_and_devices_have_the_usual_selector() {
        assert_eq!(boot_selector(Some("dell"), BootMode::Uefi, &BootDevice::Disk), None);
        assert_eq!(boot_selector(None, BootMode::Uefi, &BootDevice::Disk), None);
        assert_eq!(boot_selector(Some("supermicro"), BootMode::Bios, &BootDevice::Disk), None);
        assert_eq!(boot_selector(Some("supermicro"), BootMode::Uefi, &BootDevice::Pxe), None);
    }
}
