//! Sensors as the conductor collects them.

use std::sync::Arc;

use farrier_sdk::prelude::*;
use farrier_sdk::serde_json::json;
use farrier_sim::inject::RecordTrouble;
use farrier_sim::ipmi::{self, Bmc, Satellite, Settings};
use farrier_sim::sensors::Inventory;

use crate::bench::{Bench, Task, task};
use crate::ipmitool::ipmitool;
use crate::{bmc, bmc_with};

const GET_RECORD: (u8, u8) = (0x0A, 0x23);
const GET_READING: (u8, u8) = (0x04, 0x2D);

fn on(bmc: &Bmc) -> Task {
    task(bmc.address(), ipmi::USER, ipmi::PASSWORD, &json!({"ipmi_cipher_suite": 17}))
}

async fn read(bench: &Bench, bmc: &Bmc) -> Map<String, Value> {
    bench.management.get_sensors_data(&on(bmc)).await.unwrap()
}

/// The reading of one sensor.
fn reading<'a>(all: &'a Map<String, Value>, kind: &str, id: &str) -> Option<&'a str> {
    all.get(kind)?.get(id)?.get("Sensor Reading")?.as_str()
}

#[tokio::test]
async fn every_kind_of_record_name_and_number_is_read() {
    let bmc = bmc();

    let all = read(&Bench::new(), &bmc).await;

    for (kind, id, expected) in [
        ("Temperature", "Board Temp (0x1)", "42 (+/- 0) degrees C"),
        ("Fan", "Fan1 (0x2)", "4800 (+/- 0) RPM"),
        ("Voltage", "P12V (0x3)", "12.060 (+/- 0) Volts"),
        ("Temperature", "Inlet Temp (0x4)", "-5 (+/- 0) degrees C"),
        ("Temperature", "Margin (0x7)", "70 (+/- 0) degrees C"),
        ("Temperature", "Exhaust (0x8)", "-5 (+/- 0) degrees C"),
        ("Voltage", "P7V (0x9)", "7 (+/- 0) Volts"),
        ("Other", "Load (0xa)", "55 (+/- 0) percent"),
        ("Other", "Ln (0xb)", "4.605 (+/- 0) unspecified"),
        ("Other", "Cbrt (0x15)", "3 (+/- 0) unspecified"),
        ("Other", "Uneven (0x16)", "27 (+/- 0) unspecified"),
        ("Temperature", "12-3.4 (0x33)", "20 (+/- 0) degrees C"),
        ("Temperature", "Plain Name (0x34)", "21 (+/- 0) degrees C"),
        ("Temperature", " (0x35)", "22 (+/- 0) degrees C"),
        ("Temperature", "Unit One (0x1)", "77 (+/- 0) degrees C"),
        ("Other", "No Number (0x38)", "1h"),
    ] {
        assert_eq!(reading(&all, kind, id), Some(expected), "{id}");
    }
}

#[tokio::test]
async fn a_sensor_has_the_fields_of_the_reference() {
    let bmc = bmc();

    let all = read(&Bench::new(), &bmc).await;

    assert_eq!(
        all["Temperature"]["Board Temp (0x1)"],
        json!({
            "Sensor ID": "Board Temp (0x1)",
            "Entity ID": "7.1 (System Board)",
            "Sensor Type (Threshold)": "Temperature (0x01)",
            "Sensor Reading": "42 (+/- 0) degrees C",
            "Status": "ok",
            "Upper non-recoverable": "0.000", "Upper critical": "0.000", "Upper non-critical": "0.000",
            "Lower non-recoverable": "0.000", "Lower critical": "0.000", "Lower non-critical": "0.000",
        })
    );
    assert_eq!(
        all["Power"]["PSU1 (0x5)"],
        json!({
            "Sensor ID": "PSU1 (0x5)",
            "Entity ID": "7.1 (System Board)",
            "Sensor Type (Discrete)": "Power Supply (0x08)",
            "States Asserted": "Presence detected",
            "Sensor Reading": "0h",
            "Status": "ok",
        })
    );
}

#[tokio::test]
async fn sensors_without_a_reading_are_left_out_and_do_not_matter() {
    let bmc = bmc();
    bmc.state().trouble.refuse(GET_READING, 0xFF, 1);

    let all = read(&Bench::new(), &bmc).await;

    let names: Vec<&str> = all["Temperature"].as_object().unwrap().keys().map(String::as_str).collect();
    // The first one was refused, the others have no reading or belong to somebody else.
    for absent in ["Board Temp (0x1)", "Dead Temp (0x6)", "Foreign (0x1)", "Late Temp (0x36)", "Gone (0x37)"]
    {
        assert!(!names.contains(&absent), "{absent}");
    }
    assert_eq!(reading(&all, "Fan", "Fan1 (0x2)"), Some("4800 (+/- 0) RPM"));
}

#[tokio::test]
async fn shared_records_are_sensors_of_their_own() {
    let bmc = bmc();

    let all = read(&Bench::new(), &bmc).await;

    let states = |name: &str| all["Memory"][name]["States Asserted"].as_str().unwrap().to_owned();
    assert_eq!(states("DIMM 1 (0x28)"), "Presence Detected");
    assert_eq!(states("DIMM 2 (0x29)"), "Correctable ECC, Presence Detected");
    assert!(all["Processor"].get("CPU B (0x2c)").is_some());
}

#[tokio::test]
async fn a_number_in_a_discrete_sensor_is_read() {
    let bmc = bmc();
    let mut inventory = Inventory::thorough();
    // The kind of event in the record of the fan: states of its own kind, but still with a scale.
    let fan = inventory.records.iter_mut().find(|record| record[7] == 2).unwrap();
    fan[13] = 0x6F;
    bmc.state().machine.inventory = Arc::new(inventory);

    let all = read(&Bench::new(), &bmc).await;

    assert_eq!(all["Fan"]["Fan1 (0x2)"]["Sensor Type (Discrete)"], "Fan (0x04)");
    assert_eq!(reading(&all, "Fan", "Fan1 (0x2)"), Some("4800 (+/- 0) RPM"));
}

#[tokio::test]
async fn thresholds_that_are_crossed_show_in_the_status() {
    let bmc = bmc();
    let mut inventory = Inventory::thorough();
    inventory.sensors[0].states = 0x18;
    bmc.state().machine.inventory = Arc::new(inventory);

    let all = read(&Bench::new(), &bmc).await;

    assert_eq!(all["Temperature"]["Board Temp (0x1)"]["Status"], "Upper Critical");
}

#[tokio::test]
async fn other_clients_read_the_same_values() {
    let bmc = bmc();
    let all = read(&Bench::new(), &bmc).await;
    let address = bmc.address();

    let list =
        tokio::task::spawn_blocking(move || ipmitool(address, 17, &["sdr", "elist", "full"])).await.unwrap();

    let mut compared = 0;
    for row in list.lines() {
        let columns: Vec<&str> = row.split('|').map(str::trim).collect();
        let [name, number, _, _, value] = columns.as_slice() else { continue };
        let id = format!("{name} (0x{:x})", u8::from_str_radix(number.trim_end_matches('h'), 16).unwrap());
        let ours =
            all.values().find_map(|kind| kind.get(&id)).and_then(|fields| fields["Sensor Reading"].as_str());
        if let (Some(ours), Some(theirs)) =
            (ours, value.split(' ').next().unwrap_or_default().parse::<f64>().ok())
        {
            let ours: f64 = ours.split(' ').next().unwrap().parse().unwrap();
            assert!((ours - theirs).abs() < 0.01, "{id}: {ours} {theirs}");
            compared += 1;
        }
    }
    assert!(15 < compared, "{list}");
}

#[tokio::test]
async fn records_are_read_again_only_when_they_have_changed() {
    let bmc = bmc();
    let bench = Bench::new();
    read(&bench, &bmc).await;
    let first = bmc.count(GET_RECORD);

    read(&bench, &bmc).await;
    let second = bmc.count(GET_RECORD);
    bmc.state().trouble.records.count = Some(99);
    read(&bench, &bmc).await;
    let third = bmc.count(GET_RECORD);

    assert!(0 < first);
    assert_eq!((second, third), (first, first * 2));
}

#[tokio::test]
async fn records_come_in_pieces_as_small_as_the_bmc_likes() {
    let whole = read(&Bench::new(), &bmc()).await;
    for code in [0xCA, 0xC7, 0xC8, 0xFF, 0xC3] {
        for most in [16, 8] {
            let bmc = bmc_with(|trouble| trouble.records.chunk = Some((most, code)));

            assert_eq!(read(&Bench::new(), &bmc).await, whole, "{code:02x} {most}");
        }
    }
}

#[tokio::test]
async fn padded_records_and_lost_reservations_do_no_harm() {
    let whole = read(&Bench::new(), &bmc()).await;
    let padded = bmc_with(|trouble| trouble.records.padding = 7);
    let hasty = bmc_with(|trouble| trouble.records.lost_reservations = 3);

    assert_eq!(read(&Bench::new(), &padded).await, whole);
    assert_eq!(read(&Bench::new(), &hasty).await, whole);
}

#[tokio::test]
async fn records_that_never_end_are_read_once() {
    let whole = read(&Bench::new(), &bmc()).await;
    let circle = bmc_with(|trouble| trouble.records.endless = true);

    assert_eq!(read(&Bench::new(), &circle).await, whole);
    assert!(circle.count(GET_RECORD) < 200);
}

#[tokio::test]
async fn records_without_number_are_bounded() {
    let records = RecordTrouble { boundless: true, count: Some(u16::MAX), ..RecordTrouble::default() };
    let bmc = bmc_with(|trouble| trouble.records = records);
    // One short record, again and again under new numbers.
    bmc.state().machine.inventory =
        Arc::new(Inventory { records: vec![vec![1, 0, 0x51, 0xC0, 0]], sensors: Vec::new() });

    let error = Bench::new().management.get_sensors_data(&on(&bmc)).await.unwrap_err();

    assert_eq!(error.kind(), ErrorKind::Protocol);
    assert!(error.message().ends_with("has a reading"), "{error}");
    assert!(bmc.state().datagrams < 5000);
}

#[tokio::test]
async fn no_reading_at_all_is_an_error_that_says_so() {
    let bmc = bmc();
    let mut inventory = Inventory::thorough();
    inventory.sensors.clear();
    bmc.state().machine.inventory = Arc::new(inventory);

    let error = Bench::new().management.get_sensors_data(&on(&bmc)).await.unwrap_err();

    assert_eq!(error.message(), format!("no sensor of `{}` has a reading", bmc.address()));
}

#[tokio::test]
async fn a_bmc_that_falls_silent_is_an_error_of_its_own() {
    let bmc = bmc();
    bmc.state().trouble.ignore.insert(GET_READING, u32::MAX);
    let bench = Bench::with(&json!({"command_retry_timeout": 1}));

    let error = bench.management.get_sensors_data(&on(&bmc)).await.unwrap_err();

    assert_eq!(error.kind(), ErrorKind::Unreachable);
}

#[tokio::test]
async fn sensors_of_a_controller_behind_are_its_own() {
    let satellite = Satellite { channel: 7, address: 0x72, behind: None };
    let bmc = Bmc::start(Settings { satellite: Some(satellite), ..Settings::default() }).unwrap();
    let info = json!({
        "ipmi_bridging": "single", "ipmi_target_channel": 7, "ipmi_target_address": "0x72", "ipmi_cipher_suite": 17,
    });

    let error = Bench::new()
        .management
        .get_sensors_data(&task(bmc.address(), ipmi::USER, ipmi::PASSWORD, &info))
        .await
        .unwrap_err();

    assert!(error.message().contains("refused Get SDR Repository Info: invalid command"), "{error}");
}
