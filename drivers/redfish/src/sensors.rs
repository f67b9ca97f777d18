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
                None => self.add_thermal_subsystem(&mut readings, &chassis, &name, expand).await?,
            }
            match &power {
                Some(power) => {
                    for (index, supply) in power.parts("PowerSupplies").iter().enumerate() {
                        let id = numbered(supply, index);
                        readings.add(POWER, format!("{id}@{name}"), supply, SUPPLIES);
                    }
                }
                None => self.add_power_subsystem(&mut readings, &chassis, &name, expand).await?,
            }
            if thermal.is_none() {
                self.add_plain_sensors(&mut readings, &chassis, &name, expand).await?;
            }
        }
        self.add_drives(&mut readings, found, expand).await?;
        Ok(readings.0)
    }

    async fn add_thermal_subsystem(
        &self,
        readings: &mut Readings,
        chassis: &Raw,
        name: &str,
        expand: bool,
    ) -> Result<()> {
        let Some(subsystem) = self.of_chassis(chassis, "ThermalSubsystem").await? else { return Ok(()) };
        for (path, fan) in self.collection(&subsystem, "Fans", expand).await? {
            let speed = fan.part("SpeedPercent");
            let mut fan = fan;
            fan.0.insert("Reading".to_owned(), speed.value("Reading").cloned().unwrap_or_default());
            fan.0.insert("ReadingUnits".to_owned(), json!("Percent"));
            readings.add(FAN, format!("{}@{name}", fan.id(&path)), &fan, FANS);
        }
        Ok(())
    }

    async fn add_power_subsystem(
        &self,
        readings: &mut Readings,
        chassis: &Raw,
        name: &str,
        expand: bool,
    ) -> Result<()> {
        let Some(subsystem) = self.of_chassis(chassis, "PowerSubsystem").await? else { return Ok(()) };
        for (path, supply) in self.collection(&subsystem, "PowerSupplies", expand).await? {
            readings.add(POWER, format!("{}@{name}", supply.id(&path)), &supply, SUPPLIES);
        }
        Ok(())
    }

    /// Temperatures of BMCs that have every sensor in a resource of its own.
    async fn add_plain_sensors(
        &self,
        readings: &mut Readings,
        chassis: &Raw,
        name: &str,
        expand: bool,
    ) -> Result<()> {
        for (path, sensor) in self.collection(chassis, "Sensors", expand).await? {
            if sensor.text("ReadingType") != Some("Temperature") {
                continue;
            }
            let mut sensor = sensor;
            let rename = [
                ("ReadingCelsius", "Reading"),
                ("MaxReadingRangeTemp", "ReadingRangeMax"),
                ("MinReadingRangeTemp", "ReadingRangeMin"),
            ];
            for (to, from) in rename {
                let value = sensor.value(from).cloned().unwrap_or_default();
                sensor.0.insert(to.to_owned(), value);
            }
            readings.add(TEMPERATURE, format!("{}@{name}", sensor.id(&path)), &sensor, TEMPERATURES);
        }
        Ok(())
    }

    async fn add_drives(&self, readings: &mut Readings, found: &Found, expand: bool) -> Result<()> {
        let Some(system) = self.look(&found.path).await? else { return Ok(()) };
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

/// A member's identifier, else its place in the list.
fn numbered(member: &Raw, index: usize) -> String {
    member.text("MemberId").or_else(|| member.text("Id")).map_or_else(|| index.to_string(), str::to_owned)
}
