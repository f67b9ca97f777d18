//! The chassis of a machine: its power, and what it boots from.
//!
//! Source: IPMI 2.0, section 28.

pub mod boot;

use ipmi_rs::connection::{IpmiCommand, Message, NetFn};

use crate::command::{Command, Malformed, Repeat};

/// Asks for the state of the chassis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GetChassisStatus;

/// What a BMC says about its chassis.
///
/// Source: IPMI 2.0, section 28.2.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChassisStatus {
    /// Main power is on.
    pub power_on: bool,
    /// Main power was cut by an overload.
    pub power_overload: bool,
    /// Main power is held off by an interlock.
    pub power_interlock: bool,
    /// The main power subsystem reports a fault.
    pub power_fault: bool,
    /// The BMC could not switch main power.
    pub power_control_fault: bool,
}

impl From<GetChassisStatus> for Message {
    fn from(_: GetChassisStatus) -> Self {
        Self::new_request(NetFn::Chassis, 0x01, Vec::new())
    }
}

impl IpmiCommand for GetChassisStatus {
    type Output = ChassisStatus;
    type Error = Malformed;

    /// Reads the first byte; BMCs that leave the others out are understood too.
    fn parse_success_response(data: &[u8]) -> Result<ChassisStatus, Malformed> {
        let power = data.first().ok_or(Malformed)?;
        let bit = |number: u8| power >> number & 1 == 1;
        Ok(ChassisStatus {
            power_on: bit(0),
            power_overload: bit(1),
            power_interlock: bit(2),
            power_fault: bit(3),
            power_control_fault: bit(4),
        })
    }
}

impl Command for GetChassisStatus {
    const NAME: &'static str = "Get Chassis Status";

    fn repeat(&self) -> Repeat {
        Repeat::Freely
    }
}

/// Switches main power.
///
/// Source: IPMI 2.0, section 28.3.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ChassisControl {
    /// Cuts main power.
    Off,
    /// Turns main power on.
    On,
    /// Resets the running machine.
    Reset,
    /// Sends a diagnostic interrupt to the machine.
    DiagnosticInterrupt,
    /// Asks the operating system to switch off, as the power button does.
    SoftOff,
}

impl ChassisControl {
    /// What it does, for messages.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Off => "power off",
            Self::On => "power on",
            Self::Reset => "reset",
            Self::DiagnosticInterrupt => "diagnostic interrupt",
            Self::SoftOff => "soft power off",
        }
    }
}

impl From<ChassisControl> for Message {
    fn from(command: ChassisControl) -> Self {
        // 2, power cycle, is deliberately absent: it does nothing when power is off, and when its answer is
        // lost nobody can tell whether it happened.
        let action = match command {
            ChassisControl::Off => 0,
            ChassisControl::On => 1,
            ChassisControl::Reset => 3,
            ChassisControl::DiagnosticInterrupt => 4,
            ChassisControl::SoftOff => 5,
        };
        Self::new_request(NetFn::Chassis, 0x02, vec![action])
    }
}

impl IpmiCommand for ChassisControl {
    type Output = ();
    type Error = Malformed;

    fn parse_success_response(_: &[u8]) -> Result<(), Malformed> {
        Ok(())
    }
}

impl Command for ChassisControl {
    const NAME: &'static str = "Chassis Control";

    fn repeat(&self) -> Repeat {
        match self {
            Self::Off | Self::On => Repeat::Idempotent,
            Self::Reset | Self::SoftOff => Repeat::SameSession,
            Self::DiagnosticInterrupt => Repeat::Never,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn power_is_the_lowest_bit_whatever_follows() {
        assert!(GetChassisStatus::parse_success_response(&[0x21, 0x10, 0x60, 0x00]).unwrap().power_on);
        assert!(!GetChassisStatus::parse_success_response(&[0x60]).unwrap().power_on);
        assert_eq!(GetChassisStatus::parse_success_response(&[]), Err(Malformed));
    }

    #[test]
    fn controls_have_their_numbers() {
        let numbers: Vec<_> = [
            ChassisControl::Off,
            ChassisControl::On,
            ChassisControl::Reset,
            ChassisControl::DiagnosticInterrupt,
            ChassisControl::SoftOff,
        ]
        .map(|control| Message::from(control).data().to_vec())
        .concat();

        assert_eq!(numbers, [0, 1, 3, 4, 5]);
    }

    #[test]
    fn a_diagnostic_interrupt_is_never_repeated() {
        assert_eq!(ChassisControl::DiagnosticInterrupt.repeat(), Repeat::Never);
        assert_eq!(ChassisControl::Reset.repeat(), Repeat::SameSession);
    }
}
