//! Parts of a machine: processors, disks, network cards and what they are plugged into.

use farrier_sdk::prelude::Map;
use serde_json::{Value, json};

use super::survey::Survey;
use crate::client::error::Result;
use crate::management::mac;
use crate::resource::raw::Raw;

/// The smallest disk that can hold an instance.
const DISK_SIZE_MIN: u64 = 4 << 30;

const GIB: u64 = 1 << 30;

/// Names of instruction sets here and there.
const ARCHITECTURES: [(&str, &str); 5] =
    [("x86-64", "x86_64"), ("ARM-A64", "aarch64"), ("x86", "i686"), ("IA-64", "ia64"), ("MIPS64", "mips64")];

/// The same for families of processors, where the instruction set is not told.
const FAMILIES: [(&str, &str); 5] =
    [("x86", "x86_64"), ("ARM", "aarch64"), ("IA-64", "ia64"), ("MIPS", "mips64"), ("Power", "ppc64le")];

/// What a switch says of itself: our names and the standard's.
///
/// Source: DSP0268, `Port`, `LLDPReceive`; Ironic, `parsed_lldp`.
const NEIGHBOR: [(&str, &str); 6] = [
    ("switch_chassis_id", "ChassisId"),
    ("switch_port_id", "PortId"),
    ("switch_system_name", "SystemName"),
    ("switch_port_management_vlan_id", "ManagementVlanId"),
    ("switch_mgmt_address_ipv4", "ManagementAddressIPv4"),
    ("switch_mgmt_address_ipv6", "ManagementAddressIPv6"),
];

/// All processors of a machine.
#[derive(Debug, Default)]
pub(super) struct Processors {
    pub(super) architecture: Option<String>,
    model: Option<String>,
    speed: Option<f64>,
    threads: u64,
    sockets: usize,
}

impl Processors {
    pub(super) fn value(&self) -> Value {
        json!({"architecture": self.architecture, "model_name": self.model, "frequency": self.speed,
            "count": self.threads, "socket_count": self.sockets})
    }
}

/// All disks of a machine.
#[derive(Debug, Default)]
pub(super) struct Disks {
    pub(super) list: Vec<Value>,
    pub(super) controllers: Vec<Value>,
    /// Size of the smallest disk that can hold an instance, a little less for the partition table.
    pub(super) local_gib: Option<u64>,
}

impl Survey<'_> {
    pub(super) async fn processors(&mut self, system: &Raw) -> Result<Processors> {
        let mut all = Processors::default();
        for (_, processor) in self.members(system, "Processors").await? {
            let kind = processor.text("ProcessorType").unwrap_or("CPU");
            if kind != "CPU" || !processor.is_enabled() {
                continue;
            }
            all.sockets += 1;
            let threads = processor.count("TotalThreads").or_else(|| processor.count("TotalCores"));
            all.threads = all.threads.saturating_add(threads.unwrap_or(0));
            if all.architecture.is_none() {
                all.architecture = architecture_of(&processor);
                all.model = processor.text("Model").map(str::to_owned);
                all.speed = processor.number("MaxSpeedMHz").or_else(|| processor.number("OperatingSpeedMHz"));
            }
        }
        let summary = system.part("ProcessorSummary");
        if all.threads == 0 {
            all.threads =
                summary.count("LogicalProcessorCount").or_else(|| summary.count("Count")).unwrap_or(0);
        }
        if all.model.is_none() {
            all.model = summary.text("Model").map(str::to_owned);
        }
        Ok(all)
    }

    pub(super) async fn interfaces(&mut self, system: &Raw) -> Result<Vec<Value>> {
        let mut list: Vec<Value> = Vec::new();
        for (path, card) in self.members(system, "EthernetInterfaces").await? {
            let address = card.text("MACAddress").or_else(|| card.text("PermanentMACAddress")).and_then(mac);
            let Some(address) = address else { continue };
            let name = card.id(&path);
            if list.iter().any(|known| known.get("mac_address").and_then(Value::as_str) == Some(&address)) {
                continue;
            }
            list.push(json!({"mac_address": address, "name": name, "speed_mbps": card.count("SpeedMbps"),
                "has_carrier": card.text("LinkStatus").map(|status| status == "LinkUp")}));
        }
        Ok(list)
    }

    pub(super) async fn disks(&mut self, system: &Raw) -> Result<Disks> {
        let mut disks = Disks::default();
        let mut sizes = Vec::new();
        for (_, storage) in self.members(system, "Storage").await? {
            disks.controllers.extend(self.controllers(&storage).await?.iter().map(controller));
            for (path, drive) in self.linked(&storage, "Drives").await? {
                let Some(size) = drive.count("CapacityBytes") else { continue };
                sizes.push(size);
                disks.list.push(
                    json!({"name": drive.text("Name").map_or_else(|| drive.id(&path), str::to_owned),
                    "size": size, "model": drive.text("Model"), "serial": drive.text("SerialNumber"),
                    "vendor": drive.text("Manufacturer"),
                    "rotational": drive.text("MediaType").map(|media| media == "HDD")}),
                );
            }
            for (_, volume) in self.members(&storage, "Volumes").await? {
                sizes.extend(volume.count("CapacityBytes"));
            }
        }
        if disks.list.is_empty() {
            for (_, storage) in self.members(system, "SimpleStorage").await? {
                for device in storage.parts("Devices") {
                    let Some(size) = device.count("CapacityBytes") else { continue };
                    sizes.push(size);
                    disks.list.push(
                        json!({"name": device.text("Name"), "size": size, "model": device.text("Model"),
                        "vendor": device.text("Manufacturer")}),
                    );
                }
            }
        }
        let smallest = sizes.into_iter().filter(|size| *size >= DISK_SIZE_MIN).min();
        disks.local_gib = smallest.map(|size| size / GIB - 1);
        Ok(disks)
    }

    /// Controllers of one storage: in a list, or in a collection on newer BMCs.
    async fn controllers(&mut self, storage: &Raw) -> Result<Vec<Raw>> {
        let list = storage.parts("StorageControllers");
        if !list.is_empty() {
            return Ok(list);
        }
        Ok(self
            .members(storage, "Controllers")
            .await?
            .into_iter()
            .map(|(_, controller)| controller)
            .collect())
    }

    /// Functions of PCIe devices that have numbers: those that the System names, else those of its devices.
    pub(super) async fn cards(&mut self, system: &Raw) -> Result<Vec<Value>> {
        let mut functions = self.linked(system, "PCIeFunctions").await?;
        if functions.is_empty() {
            for (_, device) in self.linked(system, "PCIeDevices").await? {
                let own = self.members(&device, "PCIeFunctions").await?;
                let own = if own.is_empty() {
                    self.linked(&device.part("Links"), "PCIeFunctions").await?
                } else {
                    own
                };
                functions.extend(own);
            }
        }
        Ok(functions.iter().filter_map(|(_, function)| card(function)).collect())
    }

    /// What the switches say that the ports of these chassis are plugged into: by the name of the interface where the
    /// port tells its address, else by adapter and port.
    pub(super) async fn neighbors(
        &mut self,
        chassis: Vec<String>,
        interfaces: &[Value],
    ) -> Result<Map<String, Value>> {
        let mut neighbors = Map::new();
        for (_, chassis) in self.read_all(chassis).await? {
            for (at, adapter) in self.members(&chassis, "NetworkAdapters").await? {
                for (path, port) in self.members(&adapter, "Ports").await? {
                    let ethernet = port.part("Ethernet");
                    let Some(neighbor) = neighbor(&ethernet.part("LLDPReceive")) else { continue };
                    let own = || format!("{}:{}", adapter.id(&at), port.id(&path));
                    neighbors.insert(interface_of(&ethernet, interfaces).unwrap_or_else(own), neighbor);
                }
            }
        }
        Ok(neighbors)
    }
}

fn controller(controller: &Raw) -> Value {
    json!({"name": controller.text("Name"), "manufacturer": controller.text("Manufacturer"),
        "model": controller.text("Model"), "serial_number": controller.text("SerialNumber")})
}

fn card(function: &Raw) -> Option<Value> {
    let number = |name: &str| Some(function.text(name)?.trim_start_matches("0x").to_lowercase());
    Some(json!({"vendor_id": number("VendorId")?, "product_id": number("DeviceId")?,
        "class": function.text("ClassCode"), "revision": function.text("RevisionId")}))
}

/// What a switch says; `None` when there is none that says which it is.
fn neighbor(received: &Raw) -> Option<Value> {
    let told = NEIGHBOR.iter().filter_map(|(ours, theirs)| {
        let value = received.value(theirs).filter(|value| value.as_str() != Some(""))?;
        Some(((*ours).to_owned(), value.clone()))
    });
    let told: Map<String, Value> = told.collect();
    let is_named = told.contains_key("switch_chassis_id") || told.contains_key("switch_port_id");
    is_named.then_some(Value::Object(told))
}

/// The interface whose address a port has.
fn interface_of(ethernet: &Raw, interfaces: &[Value]) -> Option<String> {
    let addresses = ethernet.value("AssociatedMACAddresses")?.as_array()?;
    let own: Vec<String> = addresses.iter().filter_map(Value::as_str).filter_map(mac).collect();
    let member = |interface: &Value, name: &str| interface.get(name)?.as_str().map(str::to_owned);
    let found = interfaces
        .iter()
        .find(|interface| member(interface, "mac_address").is_some_and(|address| own.contains(&address)));
    member(found?, "name")
}

/// Memory in MiB; nothing for none and for what cannot be.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the range is checked")]
pub(super) fn mib_of(gib: f64) -> Option<u64> {
    const GIB_MAX: f64 = 1e9;
    let mib = gib * 1024.0;
    (1.0..=GIB_MAX * 1024.0).contains(&mib).then_some(mib as u64)
}

fn architecture_of(processor: &Raw) -> Option<String> {
    let named = |table: &[(&str, &str)], name: &str| {
        table.iter().find(|(theirs, _)| theirs.eq_ignore_ascii_case(name)).map(|(_, ours)| (*ours).to_owned())
    };
    let set = processor.text("InstructionSet").and_then(|set| named(&ARCHITECTURES, set));
    set.or_else(|| named(&FAMILIES, processor.text("ProcessorArchitecture")?))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn raw(value: Value) -> Raw {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn architectures_have_our_names() {
        let of = |value: Value| architecture_of(&raw(value));

        assert_eq!(of(json!({"InstructionSet": "x86-64"})).as_deref(), Some("x86_64"));
        assert_eq!(
            of(json!({"InstructionSet": null, "ProcessorArchitecture": "ARM"})).as_deref(),
            Some("aarch64")
        );
        assert_eq!(
            of(json!({"InstructionSet": "OEM", "ProcessorArchitecture": "IA-64"})).as_deref(),
            Some("ia64")
        );
        assert_eq!(of(json!({"InstructionSet": "PDP-11"})), None);
    }

    #[test]
    fn memory_is_whole_and_more_than_none() {
        assert_eq!(
            (mib_of(96.0), mib_of(0.5), mib_of(0.0), mib_of(-1.0), mib_of(1e300)),
            (Some(98_304), Some(512), None, None, None)
        );
    }

    #[test]
    fn a_switch_counts_that_says_which_it_is() {
        let told = |value: Value| neighbor(&raw(value));

        assert_eq!(told(json!({})), None);
        assert_eq!(told(json!({"ChassisId": "", "PortId": null, "SystemName": "s1"})), None);
        assert_eq!(
            told(json!({"ChassisId": "c1", "PortId": "Eth1/7", "ManagementVlanId": 4})),
            Some(
                json!({"switch_chassis_id": "c1", "switch_port_id": "Eth1/7", "switch_port_management_vlan_id": 4})
            )
        );
    }
}
