//! Parts of a machine: processors, network cards, disks.

use farrier_sdk::prelude::warn;
use serde_json::{Value, json};

use crate::client::error::Result;
use crate::client::operation::Operation;
use crate::management::mac;
use crate::resource::raw::Raw;

/// Most requests of one inspection; the parts after them are left out.
const REQUESTS_MAX: usize = 300;

/// The smallest disk that can hold an instance.
const DISK_SIZE_MIN: u64 = 4 << 30;

const GIB: u64 = 1 << 30;

/// Names of instruction sets here and there.
const ARCHITECTURES: [(&str, &str); 5] =
    [("x86-64", "x86_64"), ("ARM-A64", "aarch64"), ("x86", "i686"), ("IA-64", "ia64"), ("MIPS64", "mips64")];

/// The same for families of processors, where the instruction set is not told.
const FAMILIES: [(&str, &str); 3] = [("x86", "x86_64"), ("ARM", "aarch64"), ("Power", "ppc64le")];

/// Reads the parts of one machine, as many as may be.
pub(super) struct Survey<'a> {
    operation: &'a Operation,
    expand: bool,
    requests: usize,
}

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

impl<'a> Survey<'a> {
    pub(super) fn new(operation: &'a Operation, expand: bool) -> Self {
        Self { operation, expand, requests: 0 }
    }

    /// Members of a collection; nothing when too much was asked already.
    async fn members(&mut self, holder: &Raw, name: &str) -> Result<Vec<(String, Raw)>> {
        if self.requests >= REQUESTS_MAX {
            warn!(collection = name, "the machine has too many parts; these are left out");
            return Ok(Vec::new());
        }
        let members = self.operation.collection(holder, name, self.expand).await?;
        self.requests += 1 + if self.expand { 0 } else { members.len() };
        Ok(members)
    }

    async fn look(&mut self, link: &str) -> Result<Option<(String, Raw)>> {
        let Some(path) = self.operation.link(link).filter(|_| self.requests < REQUESTS_MAX) else {
            return Ok(None);
        };
        self.requests += 1;
        Ok(self.operation.look(&path).await?.map(|raw| (path, raw)))
    }

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
            for controller in storage.parts("StorageControllers") {
                disks.controllers.push(
                    json!({"name": controller.text("Name"), "manufacturer": controller.text("Manufacturer"),
                    "model": controller.text("Model"), "serial_number": controller.text("SerialNumber")}),
                );
            }
            for link in storage.links("Drives") {
                let Some((path, drive)) = self.look(link).await? else { continue };
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

    /// Functions of PCIe devices that have numbers.
    pub(super) async fn cards(&mut self, system: &Raw) -> Result<Vec<Value>> {
        let mut list = Vec::new();
        for link in system.links("PCIeFunctions") {
            let Some((_, function)) = self.look(link).await? else { continue };
            let (Some(vendor), Some(product)) = (function.text("VendorId"), function.text("DeviceId")) else {
                continue;
            };
            let number = |text: &str| text.trim_start_matches("0x").to_lowercase();
            list.push(json!({"vendor_id": number(vendor), "product_id": number(product),
                "class": function.text("ClassCode"), "revision": function.text("RevisionId")}));
        }
        Ok(list)
    }
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

    #[test]
    fn architectures_have_our_names() {
        let of = |value: Value| architecture_of(&serde_json::from_value(value).unwrap());

        assert_eq!(of(json!({"InstructionSet": "x86-64"})).as_deref(), Some("x86_64"));
        assert_eq!(
            of(json!({"InstructionSet": null, "ProcessorArchitecture": "ARM"})).as_deref(),
            Some("aarch64")
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
}
