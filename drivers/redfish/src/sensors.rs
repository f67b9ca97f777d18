//! Sensors: temperatures, fans, power supplies, drives.
//!
//! Readings stand in one resource for each kind on older BMCs (`Thermal`, `Power`), and in collections on newer
//! ones. Values are handed on as they were read; any part may be missing.

use farrier_sdk::prelude::warn;
use serde_json::{Map, Value, json};

use crate::client::error::Result;
use crate::client::operation::Operation;
use crate::discovery::Found;
use crate::resource::raw::Raw;

/// Most chassis of one machine that are read.
const CHASSIS_MAX: usize = 16;

/// Most sensors of one kind that are handed on.
const SENSORS_MAX: usize = 1000;

const TEMPERATURE: &str = "Temperature";
const FAN: &str = "Fan";
const POWER: &str = "Power";
const DRIVE: &str = "Drive";

/// What is handed on of a sensor: our name and where it stands.
type Column = (&'static str, &'static str);

/// Source: Ironic, `RedfishManagement.get_sensors_data`.
const TEMPERATURES: &[Column] = &[
    ("max_reading_range_temp", "MaxReadingRangeTemp"),
    ("min_reading_range_temp", "MinReadingRangeTemp"),
    ("reading_celsius", "ReadingCelsius"),
    ("physical_context", "PhysicalContext"),
    ("sensor_number", "SensorNumber"),
];
const FANS: &[Column] = &[
    ("max_reading_range", "MaxReadingRange"),
    ("min_reading_range", "MinReadingRange"),
    ("reading", "Reading"),
    ("reading_units", "ReadingUnits"),
    ("serial_number", "SerialNumber"),
    ("physical_context", "PhysicalContext"),
];
const SUPPLIES: &[Column] = &[
    ("last_power_output_watts", "LastPowerOutputWatts"),
    ("line_input_voltage", "LineInputVoltage"),
    ("maximum_frequency_hz", "MaximumFrequencyHz"),
    ("power_capacity_watts", "PowerCapacityWatts"),
    ("power_supply_type", "PowerSupplyType"),
    ("serial_number", "SerialNumber"),
];
const DRIVES: &[Column] =
    &[("model", "Model"), ("capacity_bytes", "CapacityBytes"), ("serial_number", "SerialNumber")];

/// Sensors that newer BMCs have as members of a collection.
struct Group {
    kind: &'static str,
    collection: &'static str,
    /// Only those that read this.
    only: Option<&'static str>,
    /// What older BMCs call a property, and where newer ones have it.
    renamed: &'static [(&'static str, &'static [&'static str])],
    /// What is so in all of them.
    fixed: &'static [(&'static str, &'static str)],
    columns: &'static [Column],
}

const NEWER_FANS: Group = Group {
    kind: FAN,
    collection: "Fans",
    only: None,
    renamed: &[("Reading", &["SpeedPercent", "Reading"])],
    fixed: &[("ReadingUnits", "Percent")],
    columns: FANS,
};
const NEWER_SUPPLIES: Group = Group {
    kind: POWER,
    collection: "PowerSupplies",
    only: None,
    renamed: &[],
    fixed: &[],
    columns: SUPPLIES,
};
const NEWER_TEMPERATURES: Group = Group {
    kind: TEMPERATURE,
    collection: "Sensors",
    only: Some("Temperature"),
    renamed: &[
        ("ReadingCelsius", &["Reading"]),
        ("MaxReadingRangeTemp", &["ReadingRangeMax"]),
        ("MinReadingRangeTemp", &["ReadingRangeMin"]),
    ],
    fixed: &[],
    columns: TEMPERATURES,
};

/// Readings by kind and then by sensor.
#[derive(Debug, Default)]
struct Readings(Map<String, Value>);

impl Readings {
    fn add(&mut self, kind: &str, name: String, sensor: &Raw, columns: &[Column]) {
        let mut reading = Map::new();
        let status = sensor.part("Status");
        reading.insert("identity".to_owned(), json!(name.split('@').next()));
        reading.insert("name".to_owned(), json!(sensor.text("Name")));
        reading.insert("state".to_owned(), json!(status.text("State")));
        reading.insert("health".to_owned(), json!(status.text("Health")));
        for (ours, theirs) in columns {
            reading.insert((*ours).to_owned(), sensor.value(theirs).cloned().unwrap_or_default());
        }
        self.put(kind, name, reading);
    }

    fn put(&mut self, kind: &str, name: String, reading: Map<String, Value>) {
        let of_kind = self.0.entry(kind).or_insert_with(|| json!({}));
        if let Some(of_kind) = of_kind.as_object_mut().filter(|of_kind| of_kind.len() < SENSORS_MAX) {
            of_kind.insert(name, Value::Object(reading));
        }
    }
}

impl Operation {
    /// Readings of all sensors of a machine; what cannot be read is left out.
    ///
    /// # Errors
    ///
    /// Those of a BMC that cannot be reached, or that refuses the account.
    pub async fn sensors(&self, found: &Found) -> Result<Map<String, Value>> {
        let expand = self.expands(found).await;
        let mut readings = Readings::default();
        for path in self.chassis(found).into_iter().take(CHASSIS_MAX) {
            let Some(chassis) = self.look(&path).await? else { continue };
            let name = chassis.id(&path);
            let thermal = self.of_chassis(&chassis, "Thermal").await?;
            let power = self.of_chassis(&chassis, "Power").await?;
            match &thermal {
                Some(thermal) => add_thermal(&mut readings, thermal, &name),
                None => {
                    let subsystem = self.of_chassis(&chassis, "ThermalSubsystem").await?;
                    self.add_members(&mut readings, subsystem.as_ref(), &name, expand, &NEWER_FANS).await?;
                    // Temperatures of BMCs that have every sensor in a resource of its own.
                    self.add_members(&mut readings, Some(&chassis), &name, expand, &NEWER_TEMPERATURES)
                        .await?;
                }
            }
            match &power {
                Some(power) => {
                    for (index, supply) in power.parts("PowerSupplies").iter().enumerate() {
                        let id = numbered(supply, index);
                        readings.add(POWER, format!("{id}@{name}"), supply, SUPPLIES);
                    }
                }
                None => {
                    let subsystem = self.of_chassis(&chassis, "PowerSubsystem").await?;
                    self.add_members(&mut readings, subsystem.as_ref(), &name, expand, &NEWER_SUPPLIES)
                        .await?;
                }
            }
        }
        self.add_drives(&mut readings, found, expand).await?;
        Ok(readings.0)
    }

    /// Adds sensors that are resources of their own, in a collection that `holder` names.
    async fn add_members(
        &self,
        readings: &mut Readings,
        holder: Option<&Raw>,
        chassis: &str,
        expand: bool,
        group: &Group,
    ) -> Result<()> {
        let Some(holder) = holder else { return Ok(()) };
        for (path, mut sensor) in self.collection(holder, group.collection, expand).await? {
            if group.only.is_some_and(|kind| sensor.text("ReadingType") != Some(kind)) {
                continue;
            }
            for (to, from) in group.renamed {
                let value = at(&sensor, from).cloned().unwrap_or_default();
                sensor.0.insert((*to).to_owned(), value);
            }
            for (name, text) in group.fixed {
                sensor.0.insert((*name).to_owned(), json!(text));
            }
            readings.add(group.kind, format!("{}@{chassis}", sensor.id(&path)), &sensor, group.columns);
        }
        Ok(())
    }

    async fn add_drives(&self, readings: &mut Readings, found: &Found, expand: bool) -> Result<()> {
        let system = self.seen(&found.path).await?;
        let name = system.id(&found.path);
        let simple = self.collection(&system, "SimpleStorage", expand).await?;
        for (path, storage) in &simple {
            for (index, device) in storage.parts("Devices").iter().enumerate() {
                let id = device.text("Name").map_or_else(|| index.to_string(), str::to_owned);
                readings.add(DRIVE, format!("{id}:{}@{name}", storage.id(path)), device, DRIVES);
            }
        }
        if readings.0.contains_key(DRIVE) {
            return Ok(());
        }
        for (path, storage) in self.collection(&system, "Storage", expand).await? {
            for link in storage.links("Drives").into_iter().filter_map(|link| self.link(link)) {
                let Some(drive) = self.look(&link).await? else { continue };
                let id = format!("{}:{}@{name}", drive.id(&link), storage.id(&path));
                readings.add(DRIVE, id, &drive, DRIVES);
            }
        }
        Ok(())
    }

    /// A resource that a chassis names; `None` when it does not, or when it cannot be read.
    async fn of_chassis(&self, chassis: &Raw, name: &str) -> Result<Option<Raw>> {
        match chassis.link(name).and_then(|link| self.link(link)) {
            Some(path) => self.look(&path).await,
            None => Ok(None),
        }
    }

    /// Members of a collection that a resource names; nothing when it does not, or when it cannot be read.
    pub(crate) async fn collection(
        &self,
        holder: &Raw,
        name: &str,
        expand: bool,
    ) -> Result<Vec<(String, Raw)>> {
        let Some(path) = holder.link(name).and_then(|link| self.link(link)) else { return Ok(Vec::new()) };
        match self.resources(&path, expand).await {
            Ok(members) => Ok(members),
            Err(error) if error.is_answer() => {
                warn!(collection = path, %error, "a collection is left out");
                Ok(Vec::new())
            }
            Err(error) => Err(error),
        }
    }

    /// A resource that nobody depends on; `None` when it cannot be read.
    pub(crate) async fn look(&self, path: &str) -> Result<Option<Raw>> {
        match self.read(path).await {
            Ok(raw) => Ok(Some(raw)),
            Err(error) if error.is_answer() => {
                if !error.is_missing() {
                    warn!(resource = path, %error, "a resource is left out");
                }
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }
}

fn add_thermal(readings: &mut Readings, thermal: &Raw, chassis: &str) {
    for (index, sensor) in thermal.parts("Temperatures").iter().enumerate() {
        readings.add(TEMPERATURE, format!("{}@{chassis}", numbered(sensor, index)), sensor, TEMPERATURES);
    }
    for (index, fan) in thermal.parts("Fans").iter().enumerate() {
        readings.add(FAN, format!("{}@{chassis}", numbered(fan, index)), fan, FANS);
    }
}

/// A property of a part of a part of a sensor.
fn at<'a>(sensor: &'a Raw, path: &[&str]) -> Option<&'a Value> {
    let (first, rest) = path.split_first()?;
    rest.iter().try_fold(sensor.value(first)?, |value, name| value.get(name))
}

/// A member's identifier, else its place in the list.
fn numbered(member: &Raw, index: usize) -> String {
    member.text("MemberId").or_else(|| member.text("Id")).map_or_else(|| index.to_string(), str::to_owned)
}
