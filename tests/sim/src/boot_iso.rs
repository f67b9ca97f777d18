//! A CD that a machine boots, with BIOS or UEFI, and that says so on the first serial port.
//!
//! | module | what |
//! |---|---|
//! | `guest` | the program that runs, in 512 bytes and without an operating system |
//! | `efi` | that program as UEFI wants it: a PE file in a FAT file system |
//! | `disc` | the CD around both |
//!
//! The guest greets, waits for its power button, says good-bye and switches the machine off.

mod disc;
mod efi;
mod guest;

use std::fs;
use std::path::Path;

use crate::error::SimError;

/// How a machine starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Firmware {
    /// Legacy BIOS.
    Bios,
    /// UEFI.
    Uefi,
}

impl Firmware {
    /// Its name, as in the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Bios => "bios",
            Self::Uefi => "uefi",
        }
    }
}

/// Longest marker: greeting and farewell have to fit into the guest.
const MARKER_LENGTH_MAX: usize = 64;

/// What the guest prints when it has started.
#[must_use]
pub fn greeting(marker: &str, firmware: Firmware) -> String {
    format!("boot-iso: up, marker={marker} firmware={}", firmware.as_str())
}

/// What the guest prints when its power button is pressed.
pub const FAREWELL: &str = "boot-iso: power button, off";

/// Makes the CD; `marker` tells it from others, and is cut to 64 characters.
#[must_use]
pub fn image(marker: &str) -> Vec<u8> {
    let marker: String = marker.chars().filter(char::is_ascii_graphic).take(MARKER_LENGTH_MAX).collect();
    let bios = guest::bios(&greeting(&marker, Firmware::Bios));
    let uefi = guest::uefi(&greeting(&marker, Firmware::Uefi));
    disc::image(&bios, &efi::file_system(&efi::program(&uefi)))
}

/// Writes the CD into a file.
///
/// # Errors
///
/// [`Io`](SimError::Io).
pub fn write(file: &Path, marker: &str) -> Result<(), SimError> {
    fs::write(file, image(marker)).map_err(SimError::io(format!("write `{}`", file.display())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cd_says_what_it_is_where_firmware_looks() {
        let image = image("here");

        assert_eq!(image.len() % 2048, 0);
        assert_eq!(image.get(0x8001..0x8006), Some(&b"CD001"[..]));
        assert_eq!(image.get(0x8807..0x881e), Some(&b"EL TORITO SPECIFICATION"[..]));
        let text = String::from_utf8_lossy(&image).into_owned();
        for firmware in [Firmware::Bios, Firmware::Uefi] {
            assert!(text.contains(&greeting("here", firmware)), "{firmware:?}");
        }
    }

    #[test]
    fn a_long_marker_is_cut_so_that_the_guest_fits() {
        let image = image(&"x".repeat(10_000));

        let text = String::from_utf8_lossy(&image).into_owned();
        assert!(text.contains(&format!("marker={} ", "x".repeat(MARKER_LENGTH_MAX))));
    }
}
