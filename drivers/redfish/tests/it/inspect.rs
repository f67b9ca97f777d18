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
