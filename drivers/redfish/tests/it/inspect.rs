//! Inspection: what is found, and what may be missing.

use farrier_sdk::prelude::*;
use farrier_sdk::serde_json::{Value, json};

use crate::bench::{Bench, task};
use crate::bmc::{Bmc, Reply, SYSTEM};

/// A machine whose parts are these, in collections below its System.
fn bmc(parts: &[(&str, Vec<Value>)]) -> Bmc {
    let bmc = Bmc::start();
    for (name, members) in parts {
        let at = format!("{SYSTEM}/{name}");
        let mut system = Map::new();
        system.insert((*name).to_owned(), json!({"@odata.id": at}));
        bmc.change(SYSTEM, &Value::Object(system));
        let links: Vec<Value> =
            (0..members.len()).map(|n| json!({"@odata.id": format!("{at}/{n}")})).collect();
        bmc.change(&at, &json!({"Members": links}));
        for (n, member) in members.iter().enumerate() {
            bmc.change(&format!("{at}/{n}"), member);
        }
    }
    bmc
}

fn usual() -> Vec<(&'static str, Vec<Value>)> {
    vec![
        (
            "Processors",
            vec![
                json!({"InstructionSet": "x86-64", "TotalThreads": 32, "Model": "Xeon", "MaxSpeedMHz": 2100}),
                json!({"TotalThreads": "32"}),
                json!({"ProcessorType": "GPU", "TotalThreads": 9000}),
            ],
        ),
        (
            "EthernetInterfaces",
            vec![
                json!({"Id": "eth0", "MACAddress": "AA:BB:CC:00:11:22", "SpeedMbps": 10000}),
                json!({"MACAddress": ""}),
            ],
        ),
        (
            "SimpleStorage",
            vec![
                json!({"Devices": [{"Name": "sda", "CapacityBytes": 500_107_862_016_u64}, {"Name": "stick", "CapacityBytes": 1_000_000}, {"Name": "empty"}]}),
            ],
        ),
    ]
}

#[tokio::test]
async fn parts_become_inventory_and_properties() {
    let bmc = bmc(&usual());
    bmc.change(SYSTEM, &json!({"MemorySummary": {"TotalSystemMemoryGiB": 96}, "SerialNumber": "S1", "Model": "M1", "UUID": "u"}));

    let found = Bench::new().inspect.survey(&task(&bmc)).await.unwrap();

    let properties = Value::Object(found.properties);
    assert_eq!(
        properties,
        json!({"memory_mb": 98304, "cpu_arch": "x86_64", "local_gb": 464, "capabilities": "boot_mode:uefi"})
    );
    assert_eq!(found.inventory["cpu"]["count"], 64);
    assert_eq!(found.inventory["cpu"]["model_name"], "Xeon");
    assert_eq!(
        found.inventory["interfaces"],
        json!([{"mac_address": "aa:bb:cc:00:11:22", "name": "eth0", "speed_mbps": 10000, "has_carrier": null}])
    );
    assert_eq!(found.inventory["disks"].as_array().unwrap().len(), 2);
    assert_eq!(found.inventory["system_vendor"]["serial_number"], "S1");
    assert_eq!(found.inventory["boot"]["current_boot_mode"], "uefi");
    Bench::new().inspect.inspect_hardware(&task(&bmc)).await.unwrap();
}

#[tokio::test]
async fn drives_come_before_the_older_devices_and_volumes_count_for_the_size() {
    let mut parts = usual();
    parts.push((
        "Storage",
        vec![json!({"Drives": [{"@odata.id": "/redfish/v1/drive"}, {"@odata.id": "/redfish/v1/gone"}],
        "Volumes": {"@odata.id": "/redfish/v1/volumes"}, "StorageControllers": [{"Name": "RAID"}]})],
    ));
    let bmc = bmc(&parts);
    bmc.change(SYSTEM, &json!({"MemorySummary": {"TotalSystemMemoryGiB": "1.5"}}));
    bmc.change(
        "/redfish/v1/drive",
        &json!({"Name": "Disk 0", "CapacityBytes": 8_000_000_000_000_u64, "MediaType": "HDD"}),
    );
    bmc.change("/redfish/v1/volumes", &json!({"Members": [{"@odata.id": "/redfish/v1/volumes/1"}]}));
    bmc.change("/redfish/v1/volumes/1", &json!({"CapacityBytes": 107_374_182_400_u64}));

    let found = Bench::new().inspect.survey(&task(&bmc)).await.unwrap();

    assert_eq!(
        found.inventory["disks"],
        json!([{"name": "Disk 0", "size": 8_000_000_000_000_u64, "model": null, "serial": null, "vendor": null, "rotational": true}])
    );
    assert_eq!((&found.properties["local_gb"], &found.properties["memory_mb"]), (&json!(99), &json!(1536)));
}

#[tokio::test]
async fn what_cannot_be_read_is_left_out_and_what_is_essential_is_missed() {
    let bmc = bmc(&usual());
    bmc.change(SYSTEM, &json!({"MemorySummary": {"TotalSystemMemoryGiB": 96}}));
    bmc.rule(
        "GET",
        &format!("{SYSTEM}/EthernetInterfaces"),
        9,
        Reply::error(404, "Base.1.8.ResourceMissingAtURI", "no"),
    );
    let found = Bench::new().inspect.survey(&task(&bmc)).await.unwrap();
    assert_eq!(found.inventory["interfaces"], json!([]));

    bmc.rule("GET", &format!("{SYSTEM}/Processors"), 9, Reply::Answer(200, vec![], "[]".to_owned()));
    bmc.change(SYSTEM, &json!({"MemorySummary": null}));
    let error = Bench::new().inspect.inspect_hardware(&task(&bmc)).await.unwrap_err();

    assert_eq!(error.kind(), ErrorKind::Hardware);
    assert!(error.message().contains("does not tell `memory_mb`, `cpu_arch`"), "{error}");
}

#[tokio::test]
async fn a_part_that_never_answers_is_left_out_and_the_rest_is_told() {
    let bmc = bmc(&usual());
    bmc.change(SYSTEM, &json!({"MemorySummary": {"TotalSystemMemoryGiB": 96}}));
    bmc.rule("GET", &format!("{SYSTEM}/EthernetInterfaces/0"), 9, Reply::Drop);
    let bench = Bench::with(json!({"connection_attempts": 1}));

    let found = bench.inspect.survey(&task(&bmc)).await.unwrap();

    assert_eq!((&found.properties["local_gb"], &found.inventory["interfaces"]), (&json!(464), &json!([])));
    assert_eq!(bmc.count("GET", SYSTEM), 1, "the System is read once");
}

#[tokio::test]
async fn what_is_missing_because_the_bmc_went_away_is_not_missed() {
    let bmc = bmc(&usual());
    for part in ["Processors", "SimpleStorage", "EthernetInterfaces"] {
        bmc.rule("GET", &format!("{SYSTEM}/{part}"), 99, Reply::Drop);
    }
    let bench = Bench::with(json!({"connection_attempts": 1}));

    let error = bench.inspect.survey(&task(&bmc)).await.unwrap_err();

    assert_eq!((error.kind(), error.is_retryable()), (ErrorKind::Unreachable, true), "{error}");
}

#[tokio::test]
async fn no_inspection_asks_without_end() {
    let functions = |count| (0..count).map(|n| json!({"@odata.id": format!("/redfish/v1/f/{n}")})).collect();
    let links: Vec<Value> = functions(600);
    let bmc = bmc(&usual());
    bmc.change(SYSTEM, &json!({"MemorySummary": {"TotalSystemMemoryGiB": 96}, "PCIeFunctions": links}));
    for n in 0..600 {
        bmc.change(&format!("/redfish/v1/f/{n}"), &json!({"VendorId": "0x8086", "DeviceId": "0x1572"}));
    }

    let found = Bench::new().inspect.survey(&task(&bmc)).await.unwrap();

    let cards = found.inventory["pci_devices"].as_array().unwrap();
    assert!((200..300).contains(&cards.len()), "{}", cards.len());
    assert_eq!(cards[0], json!({"vendor_id": "8086", "product_id": "1572", "class": null, "revision": null}));
    assert!(bmc.asked().len() <= 310, "{}", bmc.asked().len());
}

#[tokio::test]
async fn ports_tell_what_they_are_plugged_into() {
    let bmc = bmc(&usual());
    let chassis = "/redfish/v1/Chassis/1";
    let (adapters, ports) =
        (format!("{chassis}/NetworkAdapters"), format!("{chassis}/NetworkAdapters/1/Ports"));
    bmc.change(
        SYSTEM,
        &json!({"MemorySummary": {"TotalSystemMemoryGiB": 96}, "Links": {"Chassis": [{"@odata.id": chassis}]}}),
    );
    bmc.change(chassis, &json!({"NetworkAdapters": {"@odata.id": adapters}}));
    bmc.change(&adapters, &json!({"Members": [{"@odata.id": format!("{adapters}/1")}]}));
    bmc.change(&format!("{adapters}/1"), &json!({"Id": "nic", "Ports": {"@odata.id": ports}}));
    let members: Vec<Value> = (1..=3).map(|n| json!({"@odata.id": format!("{ports}/{n}")})).collect();
    bmc.change(&ports, &json!({"Members": members}));
    let port = |macs: Value, received: Value| json!({"Ethernet": {"AssociatedMACAddresses": macs, "LLDPReceive": received}});
    bmc.change(
        &format!("{ports}/1"),
        &port(json!(["AA:BB:CC:00:11:22"]), json!({"ChassisId": "c1", "PortId": "Eth1/7"})),
    );
    bmc.change(&format!("{ports}/2"), &port(json!(null), json!({"ChassisId": "c2", "SystemName": "switch"})));
    bmc.change(&format!("{ports}/3"), &port(json!([]), json!({})));

    let found = Bench::new().inspect.survey(&task(&bmc)).await.unwrap();

    assert_eq!(
        found.plugin_data["parsed_lldp"],
        json!({"eth0": {"switch_chassis_id": "c1", "switch_port_id": "Eth1/7"},
            "nic:2": {"switch_chassis_id": "c2", "switch_system_name": "switch"}})
    );
}

#[tokio::test]
async fn newer_bmcs_have_collections_of_controllers_and_functions_and_links_to_parts() {
    let bmc = bmc(&[("Processors", vec![json!({"InstructionSet": "ARM-A64"})])]);
    let (storage, device) = ("/redfish/v1/Systems/1/Storage", "/redfish/v1/Devices/1");
    let collection = |at: &str, member: &Value| {
        bmc.change(at, &json!({"Members": [{"@odata.id": format!("{at}/1")}]}));
        bmc.change(&format!("{at}/1"), member);
    };
    bmc.change(
        SYSTEM,
        &json!({"MemorySummary": {"TotalSystemMemoryGiB": 1}, "Storage": {"@odata.id": storage},
        "PCIeDevices": [{"@odata.id": device}]}),
    );
    collection(
        storage,
        &json!({"Controllers": {"@odata.id": format!("{storage}/c")},
        "Drives": [{"@odata.id": "/redfish/v1/Backplane#/Drives/1"}, {"@odata.id": "/redfish/v1/Backplane#/Drives/7"}]}),
    );
    collection(&format!("{storage}/c"), &json!({"Name": "HBA", "Model": "9600"}));
    bmc.change(
        "/redfish/v1/Backplane",
        &json!({"CapacityBytes": 1, "Drives": [{}, {"Name": "d1", "CapacityBytes": 10_u64 << 30}]}),
    );
    bmc.change(device, &json!({"PCIeFunctions": {"@odata.id": format!("{device}/f")}}));
    collection(&format!("{device}/f"), &json!({"VendorId": "0x10DE", "DeviceId": "0x2330"}));

    let found = Bench::new().inspect.survey(&task(&bmc)).await.unwrap();

    assert_eq!(found.inventory["storage_controllers"][0]["model"], "9600");
    assert_eq!(found.inventory["pci_devices"][0]["vendor_id"], "10de");
    assert_eq!(
        (&found.inventory["disks"][0]["name"], &found.properties["local_gb"]),
        (&json!("d1"), &json!(9))
    );
    assert_eq!(bmc.count("GET", "/redfish/v1/Backplane"), 2, "the fragment is not sent");
}
