//! What the machine is made of.
//!
//! Source: DSP0268, Processor, EthernetInterface, Storage and Drive.

use serde_json::json;

use super::{Response, collection, found};

pub(super) const PROCESSORS: &str = "/redfish/v1/Systems/1/Processors";
pub(super) const CARDS: &str = "/redfish/v1/Systems/1/EthernetInterfaces";
pub(super) const STORAGE: &str = "/redfish/v1/Systems/1/Storage";
const PROCESSOR: &str = "/redfish/v1/Systems/1/Processors/1";
const CARD: [&str; 2] =
    ["/redfish/v1/Systems/1/EthernetInterfaces/1", "/redfish/v1/Systems/1/EthernetInterfaces/2"];
const CONTROLLER: &str = "/redfish/v1/Systems/1/Storage/1";
const DRIVE: &str = "/redfish/v1/Systems/1/Storage/1/Drives/1";

/// Memory of the machine.
pub(super) const MEMORY_GIB: u32 = 64;

pub(super) fn answer(method: &str, path: &str) -> Option<Response> {
    let [first, second] = CARD;
    let card = |name: &str, address: &str| {
        found(&json!({"@odata.id": path, "Id": name, "MACAddress": address, "SpeedMbps": 10_000,
            "LinkStatus": "LinkUp"}))
    };
    Some(match path {
        _ if method != "GET" => return None,
        PROCESSORS => collection(path, &[PROCESSOR.to_owned()]),
        PROCESSOR => found(&json!({"@odata.id": path, "Id": "1", "ProcessorType": "CPU", "Model": "Kit 8",
            "InstructionSet": "x86-64", "TotalCores": 8, "TotalThreads": 16, "Status": {"State": "Enabled"}})),
        CARDS => collection(path, &CARD.map(str::to_owned)),
        _ if path == first => card("1", "52:54:00:0A:00:01"),
        _ if path == second => card("2", "52:54:00:0A:00:02"),
        STORAGE => collection(path, &[CONTROLLER.to_owned()]),
        CONTROLLER => found(&json!({"@odata.id": path, "Id": "1", "Drives": [{"@odata.id": DRIVE}]})),
        DRIVE => found(&json!({"@odata.id": path, "Id": "1", "Name": "sda", "MediaType": "SSD",
            "CapacityBytes": 480_103_981_056_u64, "SerialNumber": "KIT-DRIVE-1"})),
        _ => return None,
    })
}
