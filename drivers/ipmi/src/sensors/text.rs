//! What numbers in records and readings mean, in words.
//!
//! Source: IPMI 2.0, tables 42-2 and 42-3, sections 43.14 and 43.17.

/// What sensors measure, by kind.
#[rustfmt::skip]
const KINDS: &[&str] = &[
    "Reserved", "Temperature", "Voltage", "Current", "Fan", "Physical Security", "Platform Security", "Processor",
    "Power Supply", "Power Unit", "Cooling Device", "Other", "Memory", "Drive Slot / Bay", "POST Memory Resize",
    "System Firmwares", "Event Logging Disabled", "Watchdog1", "System Event", "Critical Interrupt", "Button",
    "Module / Board", "Microcontroller", "Add-in Card", "Chassis", "Chip Set", "Other FRU", "Cable / Interconnect",
    "Terminator", "System Boot Initiated", "Boot Error", "OS Boot", "OS Critical Stop", "Slot / Connector",
    "System ACPI Power State", "Watchdog2", "Platform Alert", "Entity Presence", "Monitor ASIC", "LAN",
    "Management Subsys Health", "Battery", "Session Audit", "Version Change", "FRU State",
    // next kind above this line
];

/// What sensors are attached to, by kind of entity.
#[rustfmt::skip]
const ENTITIES: &[&str] = &[
    "Unspecified", "Other", "Unknown", "Processor", "Disk or Disk Bay", "Peripheral Bay", "System Management Module",
    "System Board", "Memory Module", "Processor Module", "Power Supply", "Add-in Card", "Front Panel Board",
    "Back Panel Board", "Power System Board", "Drive Backplane", "System Internal Expansion Board",
    "Other System Board", "Processor Board", "Power Unit", "Power Module", "Power Management",
    "Chassis Back Panel Board", "System Chassis", "Sub-Chassis", "Other Chassis Board", "Disk Drive Bay",
    "Peripheral Bay", "Device Bay", "Fan Device", "Cooling Unit", "Cable/Interconnect", "Memory Device",
    "System Management Software", "BIOS", "Operating System", "System Bus", "Group", "Remote Management Device",
    "External Environment", "Battery", "Processing Blade", "Connectivity Switch", "Processor/Memory Module",
    "I/O Module", "Processor/IO Module", "Management Controller Firmware", "IPMI Channel", "PCI Bus",
    "PCI Express Bus", "SCSI Bus", "SATA/SAS Bus", "Processor Front-Side Bus", "Real Time Clock", "Reserved",
    "Air Inlet", "Reserved", "Reserved", "Reserved", "Reserved", "Reserved", "Reserved", "Reserved", "Reserved",
    "Air Inlet", "Processor", "Baseboard/Main System Board",
    // next entity above this line
];

/// Units of measurement.
#[rustfmt::skip]
const UNITS: &[&str] = &[
    "unspecified", "degrees C", "degrees F", "degrees K", "Volts", "Amps", "Watts", "Joules", "Coulombs", "VA", "Nits",
    "lumen", "lux", "Candela", "kPa", "PSI", "Newton", "CFM", "RPM", "Hz", "microsecond", "millisecond", "second",
    "minute", "hour", "day", "week", "mil", "inches", "feet", "cu in", "cu feet", "mm", "cm", "m", "cu cm", "cu m",
    "liters", "fluid ounce", "radians", "steradians", "revolutions", "cycles", "gravities", "ounce", "pound", "ft-lb",
    "oz-in", "gauss", "gilberts", "henry", "millihenry", "farad", "microfarad", "ohms", "siemens", "mole",
    "becquerel", "PPM", "reserved", "Decibels", "DbA", "DbC", "gray", "sievert", "color temp deg K", "bit", "kilobit",
    "megabit", "gigabit", "byte", "kilobyte", "megabyte", "gigabyte", "word", "dword", "qword", "line", "hit", "miss",
    "retry", "reset", "overflow", "underrun", "collision", "packets", "messages", "characters", "error",
    "correctable error", "uncorrectable error", "fatal error", "grams",
    // next unit above this line
];

/// States that mean the same for all kinds of sensors, by event type.
#[rustfmt::skip]
const GENERIC: &[(u8, &[&str])] = &[
    (0x02, &["Transition to Idle", "Transition to Active", "Transition to Busy"]),
    (0x03, &["State Deasserted", "State Asserted"]),
    (0x04, &["Predictive Failure Deasserted", "Predictive Failure Asserted"]),
    (0x05, &["Limit Not Exceeded", "Limit Exceeded"]),
    (0x06, &["Performance Met", "Performance Lags"]),
    (0x07, &["Transition to OK", "Transition to Non-critical from OK", "Transition to Critical from less severe",
        "Transition to Non-recoverable from less severe", "Transition to Non-critical from more severe",
        "Transition to Critical from Non-recoverable", "Transition to Non-recoverable", "Monitor", "Informational"]),
    (0x08, &["Device Absent", "Device Present"]),
    (0x09, &["Device Disabled", "Device Enabled"]),
    (0x0A, &["Running", "In Test", "Power Off", "On Line", "Off Line", "Off Duty", "Degraded", "Power Save",
        "Install Error"]),
    (0x0B, &["Fully Redundant", "Redundancy Lost", "Redundancy Degraded", "Non-Redundant: Sufficient from Redundant",
        "Non-Redundant: Sufficient from Insufficient", "Non-Redundant: Insufficient Resources",
        "Redundancy Degraded from Fully Redundant", "Redundancy Degraded from Non-Redundant"]),
    (0x0C, &["D0 Power State", "D1 Power State", "D2 Power State", "D3 Power State"]),
];

/// States that mean something for one kind of sensor.
#[rustfmt::skip]
const SPECIFIC: &[(u8, &[&str])] = &[
    (0x05, &["General Chassis intrusion", "Drive Bay intrusion", "I/O Card area intrusion", "Processor area intrusion",
        "System unplugged from LAN", "Unauthorized dock", "FAN area intrusion"]),
    (0x06, &["Front Panel Lockout violation attempted", "Pre-boot password violation - user password",
        "Pre-boot password violation - setup password", "Pre-boot password violation - network boot password",
        "Other pre-boot password violation", "Out-of-band access password violation"]),
    (0x07, &["IERR", "Thermal Trip", "FRB1/BIST failure", "FRB2/Hang in POST failure",
        "FRB3/Processor startup/init failure", "Configuration Error", "SM BIOS Uncorrectable CPU-complex Error",
        "Presence detected", "Disabled", "Terminator presence detected", "Throttled", "Uncorrectable machine check exception",
        "Correctable machine check error"]),
    (0x08, &["Presence detected", "Failure detected", "Predictive failure", "Power Supply AC lost",
        "AC lost or out-of-range", "AC out-of-range, but present", "Config Error", "Power Supply Inactive"]),
    (0x09, &["Power off/down", "Power cycle", "240VA power down", "Interlock power down", "AC lost",
        "Soft-power control failure", "Failure detected", "Predictive failure"]),
    (0x0C, &["Correctable ECC", "Uncorrectable ECC", "Parity", "Memory Scrub Failed", "Memory Device Disabled",
        "Correctable ECC logging limit reached", "Presence Detected", "Configuration Error", "Spare", "Throttled",
        "Critical Overtemperature"]),
    (0x0D, &["Drive Present", "Drive Fault", "Predictive Failure", "Hot Spare", "Parity Check In Progress",
        "In Critical Array", "In Failed Array", "Rebuild In Progress", "Rebuild Aborted"]),
    (0x0F, &["System Firmware Error", "System Firmware Hang", "System Firmware Progress"]),
    (0x10, &["Correctable memory error logging disabled", "Event logging disabled", "Log area reset/cleared",
        "All event logging disabled", "Log full", "Log almost full", "Correctable machine check error logging disabled"]),
    (0x11, &["BIOS Reset", "OS Reset", "OS Shut Down", "OS Power Down", "OS Power Cycle", "OS NMI/Diag Interrupt",
        "OS Expired", "OS pre-timeout Interrupt"]),
    (0x12, &["System Reconfigured", "OEM System boot event", "Undetermined system hardware failure",
        "Entry added to auxiliary log", "PEF Action", "Timestamp Clock Sync"]),
    (0x13, &["NMI/Diag Interrupt", "Bus Timeout", "I/O Channel check NMI", "Software NMI", "PCI PERR", "PCI SERR",
        "EISA failsafe timeout", "Bus Correctable error", "Bus Uncorrectable error", "Fatal NMI", "Bus Fatal Error",
        "Bus Degraded"]),
    (0x14, &["Power Button pressed", "Sleep Button pressed", "Reset Button pressed", "FRU Latch",
        "FRU Service"]),
    (0x19, &["Soft Power Control Failure", "Thermal Trip"]),
    (0x1B, &["Connected", "Config Error"]),
    (0x1D, &["Initiated by power up", "Initiated by hard reset", "Initiated by warm reset",
        "User requested PXE boot", "Automatic boot to diagnostic", "OS initiated hard reset", "OS initiated warm reset",
        "System Restart"]),
    (0x1E, &["No bootable media", "Non-bootable disk in drive", "PXE server not found", "Invalid boot sector",
        "Timeout waiting for selection"]),
    (0x1F, &["A: boot completed", "C: boot completed", "PXE boot completed", "Diagnostic boot completed",
        "CD-ROM boot completed", "ROM boot completed", "boot completed - device not specified",
        "Installation started", "Installation completed", "Installation aborted", "Installation failed"]),
    (0x20, &["Error during system startup", "Run-time critical stop", "OS graceful stop", "OS graceful shutdown",
        "PEF initiated soft shutdown", "Agent not responding"]),
    (0x21, &["Fault Status", "Identify Status", "Device Installed", "Ready for Device Installation",
        "Ready for Device Removal", "Slot Power is Off", "Device Removal Request", "Interlock", "Slot is Disabled",
        "Spare Device"]),
    (0x22, &["S0/G0: working", "S1: sleeping with system hw & processor context maintained",
        "S2: sleeping, processor context lost", "S3: sleeping, processor & hw context lost, memory retained",
        "S4: non-volatile sleep/suspend-to-disk", "S5/G2: soft-off", "S4/S5: soft-off", "G3: mechanical off",
        "Sleeping in S1/S2/S3 state", "G1: sleeping", "S5: entered by override", "Legacy ON state",
        "Legacy OFF state", "Unknown"]),
    (0x23, &["Timer expired", "Hard reset", "Power down", "Power cycle", "reserved", "reserved", "reserved", "reserved",
        "Timer interrupt"]),
    (0x24, &["Platform generated page", "Platform generated LAN alert", "Platform Event Trap generated",
        "Platform generated SNMP trap, OEM format"]),
    (0x25, &["Present", "Absent", "Disabled"]),
    (0x27, &["Heartbeat Lost", "Heartbeat"]),
    (0x28, &["Sensor access degraded or unavailable", "Controller access degraded or unavailable",
        "Management controller off-line", "Management controller unavailable", "Sensor failure", "FRU failure"]),
    (0x29, &["Low", "Failed", "Presence Detected"]),
    (0x2A, &["Activated", "Deactivated", "Invalid Username or Password", "Invalid password disable"]),
    (0x2B, &["Hardware change detected", "Firmware or software change detected", "Hardware incompatibility detected",
        "Firmware or software incompatibility detected", "Invalid or unsupported hardware version",
        "Invalid or unsupported firmware or software version", "Hardware change success", "Firmware or software change success"]),
    (0x2C, &["Not Installed", "Inactive", "Activation Requested", "Activation in Progress", "Active",
        "Deactivation Requested", "Deactivation in Progress", "Communication lost"]),
    // next kind above this line
];

/// Thresholds by bit of the states.
const CROSSED: [&str; 6] = [
    "Lower Non-Critical",
    "Lower Critical",
    "Lower Non-Recoverable",
    "Upper Non-Critical",
    "Upper Critical",
    "Upper Non-Recoverable",
];

/// What a sensor measures.
pub(super) fn kind(kind: u8) -> &'static str {
    let known = KINDS.get(usize::from(kind)).copied();
    known.unwrap_or(if kind < 0xC0 { "Unknown" } else { "OEM" })
}

/// What a sensor is attached to.
pub(super) fn entity(kind: u8) -> &'static str {
    ENTITIES.get(usize::from(kind)).copied().unwrap_or("Unknown")
}

/// The unit of measurement of three bytes of a record.
pub(super) fn unit([flags, base, modifier]: [u8; 3]) -> String {
    let name = |unit: u8| UNITS.get(usize::from(unit)).copied().unwrap_or("unspecified");
    let (percent, unit) = (flags & 1 == 1, name(base));
    let whole = match flags >> 1 & 0x03 {
        1 => format!("{unit}/{}", name(modifier)),
        2 => format!("{unit} * {}", name(modifier)),
        _ => unit.to_owned(),
    };
    match (percent, base) {
        (true, 0) => "percent".to_owned(),
        (true, _) => format!("% {whole}"),
        (false, _) => whole,
    }
}

/// The states of a sensor in words; `State 9` where there are none.
pub(super) fn states(kind: u8, event_type: u8, states: u16) -> Vec<String> {
    let table = match event_type {
        0x6F => SPECIFIC.iter().find(|row| row.0 == kind),
        generic => GENERIC.iter().find(|row| row.0 == generic),
    };
    let names = table.map_or(&[][..], |row| row.1);
    let name = |bit: usize| names.get(bit).map_or_else(|| format!("State {bit}"), |name| (*name).to_owned());
    (0..15).filter(|bit| states >> bit & 1 == 1).map(name).collect()
}

/// The thresholds that are crossed, worst first; `ok` for none.
pub(super) fn crossed(states: u16) -> &'static str {
    let worst_first: [usize; 6] = [2, 5, 1, 4, 0, 3];
    let worst = worst_first.into_iter().find(|bit| states >> bit & 1 == 1);
    worst.and_then(|bit| CROSSED.get(bit)).copied().unwrap_or("ok")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_words() {
        assert_eq!(
            (kind(0x01), kind(0x08), kind(0x7F), kind(0xC1)),
            ("Temperature", "Power Supply", "Unknown", "OEM")
        );
        assert_eq!(
            (kind(0x29), kind(0x2C), entity(7), entity(64)),
            ("Battery", "FRU State", "System Board", "Air Inlet")
        );
    }

    #[test]
    fn units_are_put_together() {
        assert_eq!(unit([0, 1, 0]), "degrees C");
        assert_eq!(unit([0, 18, 0]), "RPM");
        assert_eq!(unit([0x02, 34, 22]), "m/second");
        assert_eq!(unit([0x04, 4, 5]), "Volts * Amps");
        assert_eq!(unit([0x01, 0, 0]), "percent");
        assert_eq!(unit([0, 255, 0]), "unspecified");
        assert_eq!(UNITS.len(), 93);
    }

    #[test]
    fn states_are_named_by_kind_or_in_general() {
        assert_eq!(states(0x08, 0x6F, 0b11), ["Presence detected", "Failure detected"]);
        assert_eq!(states(0x08, 0x03, 0b10), ["State Asserted"]);
        assert_eq!(states(0x08, 0x6F, 1 << 12), ["State 12"]);
        assert_eq!(states(0xC0, 0x70, 1), ["State 0"]);
    }

    #[test]
    fn the_worst_threshold_is_named() {
        assert_eq!((crossed(0), crossed(0b1000)), ("ok", "Upper Non-Critical"));
        assert_eq!(crossed(0b11_1000), "Upper Non-Recoverable");
    }
}
