//! Sensors: what a machine measures of itself.
//!
//! [`record`] says which there are, [`scale`] what their readings mean.

pub mod record;
mod repository;
pub mod scale;
mod text;

use farrier_sdk::prelude::*;
use serde_json::json;

use crate::command::completion::CompletionCode;
use crate::command::sensor::{GetReadingFactors, GetSensorReading, SensorReading};
use crate::shared::Bmc;
use crate::transport::error::TransportError;
use record::Sensor;
pub(crate) use repository::Repositories;

/// Address of the BMC on its own bus.
const BMC_ADDRESS: u8 = 0x20;

/// Reads all sensors of a BMC, by kind and then by name.
///
/// Shape and texts are those of Ironic. A sensor without a reading is left out, and so is one that cannot be
/// read: it does not keep the others from being read.
///
/// # Errors
///
/// [`Protocol`](ErrorKind::Protocol) when no sensor has a reading; those of the BMC when it falls silent.
pub(crate) async fn read(repositories: &Repositories, bmc: &Bmc<'_>) -> Result<Map<String, Value>> {
    let sensors = repositories.sensors(bmc).await?;
    let mut all = Map::new();
    for sensor in sensors.iter() {
        if let Some((id, fields)) = entry(bmc, sensor).await? {
            let kind = text::kind(sensor.kind).split(' ').next().unwrap_or_default();
            let of_kind = all.entry(kind).or_insert_with(|| Value::Object(Map::new()));
            if let Some(of_kind) = of_kind.as_object_mut() {
                of_kind.insert(free_name(of_kind, id), Value::Object(fields));
            }
        }
    }
    if all.is_empty() {
        let text = format!("no sensor of `{}` has a reading", bmc.endpoint());
        return Err(DriverError::protocol(text));
    }
    Ok(all)
}

/// A name nobody has: two units of a controller may have sensors of one name and number.
fn free_name(taken: &Map<String, Value>, name: String) -> String {
    if !taken.contains_key(&name) {
        return name;
    }
    let numbered = |number: u32| format!("{name} #{number}");
    (2..).map(numbered).find(|name| !taken.contains_key(name)).unwrap_or(name)
}

/// What is told about one sensor: its ID and fields; `None` without a reading.
async fn entry(bmc: &Bmc<'_>, sensor: &Sensor) -> Result<Option<(String, Map<String, Value>)>> {
    // Asking the BMC would be asking another sensor.
    if sensor.owner != BMC_ADDRESS && bmc.target().route.is_none() {
        return Ok(None);
    }
    let Some(reading) = reading(bmc, sensor).await? else { return Ok(None) };
    let value = match sensor.scale {
        None => None,
        Some(scale) if scale.is_uneven() => {
            let ask = GetReadingFactors { unit: sensor.unit, number: sensor.number, raw: reading.raw };
            let factors = tolerate(bmc, sensor, bmc.look(ask).await)?;
            factors.and_then(|factors| scale.with_factors(factors).value(reading.raw))
        }
        Some(scale) => scale.value(reading.raw),
    };
    if sensor.scale.is_some() && value.is_none() {
        return Ok(None);
    }
    let id = format!("{} (0x{:x})", sensor.name, sensor.number);
    Ok(Some((id.clone(), fields(sensor, &id, reading, value))))
}

async fn reading(bmc: &Bmc<'_>, sensor: &Sensor) -> Result<Option<SensorReading>> {
    let ask = GetSensorReading { unit: sensor.unit, number: sensor.number };
    let reading = tolerate(bmc, sensor, bmc.look(ask).await)?;
    Ok(reading.filter(SensorReading::is_valid))
}

/// Leaves out what one sensor has refused; only a BMC that does not answer is an error.
fn tolerate<T>(bmc: &Bmc<'_>, sensor: &Sensor, result: Result<T, TransportError>) -> Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        // It is not there at present.
        Err(error) if error.completion_code() == Some(CompletionCode::NOT_PRESENT) => Ok(None),
        Err(error @ (TransportError::Completion { .. } | TransportError::Malformed { .. })) => {
            let (bmc, sensor) = (bmc.endpoint(), sensor.name.as_str());
            debug!(bmc, sensor, error = %Chain(&error), "a sensor cannot be read");
            Ok(None)
        }
        Err(error) => Err(error.into()),
    }
}

fn fields(sensor: &Sensor, id: &str, reading: SensorReading, value: Option<f64>) -> Map<String, Value> {
    let (entity, instance) = sensor.entity;
    let kind = format!("{} (0x{:02x})", text::kind(sensor.kind), sensor.kind);
    let mut fields = Map::new();
    fields.insert("Sensor ID".to_owned(), json!(id));
    fields.insert("Entity ID".to_owned(), json!(format!("{entity}.{instance} ({})", text::entity(entity))));
    if sensor.has_thresholds() {
        fields.insert("Sensor Type (Threshold)".to_owned(), json!(kind));
        fields.insert("Status".to_owned(), json!(text::crossed(reading.states)));
    } else {
        let states = text::states(sensor.kind, sensor.event_type, reading.states);
        fields.insert("Sensor Type (Discrete)".to_owned(), json!(kind));
        fields.insert("States Asserted".to_owned(), json!(states.join(", ")));
        fields.insert("Status".to_owned(), json!("ok"));
    }
    match (value, sensor.scale) {
        (Some(value), Some(scale)) => {
            let unit = text::unit(sensor.units);
            let text = format!("{} (+/- {}) {unit}", number(value), number(scale.tolerance()));
            fields.insert("Sensor Reading".to_owned(), json!(text));
            fields.extend(thresholds(sensor));
        }
        _ => {
            fields.insert("Sensor Reading".to_owned(), json!(format!("{:x}h", reading.raw)));
        }
    }
    fields
}

/// The thresholds of a sensor that its record tells.
fn thresholds(sensor: &Sensor) -> Vec<(String, Value)> {
    // Name, bit that says it can be read, place in the record.
    #[rustfmt::skip]
    const THRESHOLDS: [(&str, u8, usize); 6] = [
        ("Upper non-recoverable", 5, 0),
        ("Upper critical",        4, 1),
        ("Upper non-critical",    3, 2),
        ("Lower non-recoverable", 2, 3),
        ("Lower critical",        1, 4),
        ("Lower non-critical",    0, 5),
    ];
    let (Some((readable, limits)), Some(scale)) = (sensor.thresholds, sensor.scale) else {
        return Vec::new();
    };
    THRESHOLDS
        .into_iter()
        .filter(|(_, bit, _)| readable >> bit & 1 == 1)
        .filter_map(|(name, _, place)| {
            let value = scale.value(*limits.get(place)?)?;
            Some((name.to_owned(), json!(format!("{value:.3}"))))
        })
        .collect()
}

/// A whole number as it is, another with three decimals.
fn number(value: f64) -> String {
    let value = if value == 0.0 { 0.0 } else { value };
    if value.fract() == 0.0 { format!("{value}") } else { format!("{value:.3}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_look_as_others_print_them() {
        assert_eq!(number(42.0), "42");
        assert_eq!(number(-5.0), "-5");
        assert_eq!(number(12.06), "12.060");
        assert_eq!(number(-0.0), "0");
    }

    #[test]
    fn names_that_are_taken_are_numbered() {
        let mut taken = Map::new();
        for expected in ["Fan (0x1)", "Fan (0x1) #2", "Fan (0x1) #3"] {
            let name = free_name(&taken, "Fan (0x1)".to_owned());
            assert_eq!(name, expected);
            taken.insert(name, Value::Null);
        }
    }
}
