//! A BMC of OpenIPMI's with the sensors of the labs, through the loaded plugin.

use farrier_sim::lab_vm::{LabVm, PASSWORD, USER};

use crate::sensors::{Collection, reading, readings};

#[test]
fn what_its_machine_measures_reaches_whoever_is_told() {
    let room = tempfile::tempdir().unwrap();
    let machine = LabVm::start(room.path()).unwrap();
    let collection = Collection::start("");
    let node = collection.enroll("lab", machine.address(), USER, PASSWORD);

    let told = collection.wait_for(&node, "its readings", |_| true);

    for (kind, sensor, expected) in [
        ("Temperature", "Board Temp (0x1)", "42 (+/- 0) degrees C"),
        ("Fan", "Fan1 (0x2)", "4800 (+/- 0) RPM"),
        ("Voltage", "P12V (0x3)", "12.060 (+/- 0) Volts"),
        ("Temperature", "Inlet Temp (0x4)", "-5 (+/- 0) degrees C"),
    ] {
        assert_eq!(reading(&told, kind, sensor), expected, "{sensor}");
    }
    assert_eq!(readings(&told)["Power"]["PSU1 (0x5)"]["States Asserted"], "Presence detected");
    assert!(!told.to_string().contains("Dead Temp"), "it has no reading");
}
