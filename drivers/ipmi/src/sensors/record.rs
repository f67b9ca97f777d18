//! Sensor data records: which sensors there are.
//!
//! Source: IPMI 2.0, section 43.

use super::scale::{Scale, take_factors};
use crate::command::sensor::RECORD_HEADER_SIZE;
use crate::packet::reader::Reader;

/// Types of records that describe sensors one can ask.
mod record_type {
    pub(super) const FULL: u8 = 0x01;
    pub(super) const COMPACT: u8 = 0x02;
}

/// Letters in the alphabet that shared sensors are lettered with.
const ALPHABET: u16 = 26;

/// A sensor as its record describes it.
#[derive(Debug, Clone, PartialEq)]
pub struct Sensor {
    /// Its name; may be empty, and need not be the only one of that name.
    pub name: String,
    /// Address of the controller it belongs to.
    pub owner: u8,
    /// Channel that leads to that controller.
    pub channel: u8,
    /// Unit of the controller it belongs to.
    pub unit: u8,
    /// Its number there.
    pub number: u8,
    /// What it is attached to: kind and number.
    pub entity: (u8, u8),
    /// What it measures.
    pub kind: u8,
    /// What its states mean: 01h thresholds, 6Fh as its kind says, others generic.
    pub event_type: u8,
    /// How its raw reading becomes a value, if it does.
    pub scale: Option<Scale>,
    /// Its unit of measurement: three bytes of the record.
    pub units: [u8; 3],
    /// Thresholds in the record: which can be read, then upper non-recoverable, critical and non-critical, then
    /// the lower ones in the same order.
    pub thresholds: Option<(u8, [u8; 6])>,
}

impl Sensor {
    /// Whether its states are thresholds.
    #[must_use]
    pub const fn has_thresholds(&self) -> bool {
        self.event_type == 0x01
    }
}

/// The sensors a record describes: one, several that share it, or none for other records and for those that
/// are too short.
#[must_use]
pub fn sensors(record: &[u8]) -> Vec<Sensor> {
    let Some((header, body)) = record.split_first_chunk::<RECORD_HEADER_SIZE>() else { return Vec::new() };
    let [_, _, _, kind, _] = *header;
    let parsed = match kind {
        record_type::FULL => full(body).map(|sensor| vec![sensor]),
        record_type::COMPACT => compact(body),
        _ => None,
    };
    parsed.unwrap_or_default()
}

/// What full and compact records begin with, and the first of the sensors' units.
fn common(reader: &mut Reader<'_>) -> Option<Sensor> {
    let [owner, channel_unit, number, entity, instance] = reader.array()?;
    let _initialization = reader.byte()?;
    let _capabilities = reader.byte()?;
    let [kind, event_type] = reader.array()?;
    let _events = reader.take(4)?;
    let [thresholds_readable, _settable] = reader.array()?;
    let units = reader.array()?;
    Some(Sensor {
        name: String::new(),
        // Bit 0 says that the owner is software, which does not answer.
        owner,
        channel: channel_unit >> 4,
        unit: channel_unit & 0x03,
        number,
        entity: (entity, instance & 0x7F),
        kind,
        event_type: event_type & 0x7F,
        scale: None,
        units,
        thresholds: Some((thresholds_readable, [0; 6])),
    })
}

fn full(body: &[u8]) -> Option<Sensor> {
    let mut reader = Reader::new(body);
    let mut sensor = common(&mut reader)?;
    let linearization = reader.byte()?;
    let factors = take_factors(&mut reader)?;
    let [units, ..] = sensor.units;
    sensor.scale = Scale::parse(units, linearization, factors);
    let _analog_flags_and_limits = reader.take(6)?;
    let limits = reader.array()?;
    sensor.thresholds = sensor.thresholds.map(|(readable, _)| (readable & 0x3F, limits));
    let _hysteresis = reader.take(5)?;
    sensor.name = trimmed(&name(&mut reader)?);
    Some(sensor)
}

fn compact(body: &[u8]) -> Option<Vec<Sensor>> {
    let mut reader = Reader::new(body);
    let mut sensor = common(&mut reader)?;
    sensor.thresholds = None;
    let [sharing, modifier] = reader.array()?;
    let _hysteresis = reader.take(6)?;
    let name = name(&mut reader)?;
    let count = sharing & 0x0F;
    if count < 2 {
        return Some(vec![Sensor { name: trimmed(&name), ..sensor }]);
    }
    let lettered = sharing >> 4 & 0x03 == 1;
    let (offset, instances_differ) = (modifier & 0x7F, modifier & 0x80 != 0);
    let one = |index: u8| {
        let mut one = sensor.clone();
        one.number = one.number.wrapping_add(index);
        if instances_differ {
            one.entity.1 = one.entity.1.wrapping_add(index) & 0x7F;
        }
        one.name = trimmed(&format!("{name}{}", modified(lettered, u16::from(offset) + u16::from(index))));
        one
    };
    Some((0..count).map(one).collect())
}

/// What tells the names of sensors apart that share a record: a number, or letters as in a spreadsheet.
fn modified(lettered: bool, number: u16) -> String {
    if !lettered {
        return number.to_string();
    }
    let letter = |index: u16| char::from(b'A' + u8::try_from(index % ALPHABET).unwrap_or_default());
    match number / ALPHABET {
        0 => letter(number).to_string(),
        tens => [letter(tens - 1), letter(number)].iter().collect(),
    }
}

/// Takes a name: a byte with encoding and length, then the name itself.
fn name(reader: &mut Reader<'_>) -> Option<String> {
    let head = reader.byte()?;
    let size = usize::from(head & 0x1F);
    // Some say more than they write.
    let bytes = reader.take(size).unwrap_or_else(|| reader.rest());
    Some(match head >> 6 {
        1 => bcd_plus(bytes),
        2 => six_bit(bytes),
        // In practice both are what terminals show: ASCII, or Latin-1. NULs fill up.
        _ => bytes.iter().filter(|byte| **byte != 0).copied().map(char::from).collect(),
    })
}

/// A name without the blanks around it.
fn trimmed(name: &str) -> String {
    name.trim_matches(|sign: char| sign.is_whitespace() || sign.is_control()).to_owned()
}

/// Two signs in a byte: digits, space, hyphen, point.
fn bcd_plus(bytes: &[u8]) -> String {
    let sign = |nibble: u8| match nibble {
        0..=9 => char::from(b'0' + nibble),
        0xB => '-',
        0xC => '.',
        _ => ' ',
    };
    bytes.iter().flat_map(|byte| [sign(byte >> 4), sign(byte & 0x0F)]).collect()
}

/// Four signs in three bytes, low bits first, counted from the space.
fn six_bit(bytes: &[u8]) -> String {
    let mut text = String::new();
    for group in bytes.chunks(3) {
        let bits = group.iter().rev().fold(0u32, |bits, byte| bits << 8 | u32::from(*byte));
        let signs = group.len() * 8 / 6;
        for place in 0..signs {
            let six = u8::try_from(bits >> (6 * place) & 0x3F).unwrap_or_default();
            text.push(char::from(six + b' '));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use farrier_sim::sensors::Inventory;
    use proptest::prelude::*;

    use super::*;

    fn named(bytes: &[u8]) -> String {
        trimmed(&name(&mut Reader::new(bytes)).unwrap())
    }

    #[test]
    fn names_are_read_in_every_encoding() {
        assert_eq!(named(&[0x84, 0x70, 0x24, 0xD9, 0x00]), "P12V");
        assert_eq!(named(&[0x83, 0x70, 0x24, 0xD9]), "P12V");
        assert_eq!(named(&[0x43, 0x12, 0xB3, 0xC4]), "12-3.4");
        assert_eq!(named(&[0xC4, b'F', b'a', b'n', b'1']), "Fan1");
        assert_eq!(named(&[0xC5, b' ', b'A', 0xE9, 0, 0]), "Aé");
        assert_eq!(named(&[0xC0]), "");
        assert_eq!(named(&[0xDF, b'A']), "A");
    }

    #[test]
    fn shared_records_are_several_sensors() {
        let all: Vec<Sensor> =
            Inventory::thorough().records.iter().flat_map(|record| sensors(record)).collect();
        let of = |kind| {
            let found = all.iter().filter(|sensor| sensor.kind == kind);
            found.map(|sensor| (sensor.name.as_str(), sensor.number)).collect::<Vec<_>>()
        };

        assert_eq!(of(0x0C), [("DIMM 1", 40), ("DIMM 2", 41), ("DIMM 3", 42)]);
        assert_eq!(of(0x07), [("CPU A", 43), ("CPU B", 44)]);
    }

    #[test]
    fn letters_go_on_after_the_last() {
        assert_eq!(
            (modified(true, 25), modified(true, 26), modified(true, 53)),
            ("Z".into(), "AA".into(), "BB".into())
        );
        assert_eq!(modified(false, 12), "12");
    }

    #[test]
    fn other_records_are_no_sensors() {
        for record in Inventory::thorough().records.iter().filter(|record| !matches!(record[3], 1 | 2)) {
            assert_eq!(sensors(record), []);
        }
    }

    proptest! {
        #[test]
        fn no_record_panics(kind in 0u8..4, body in proptest::collection::vec(any::<u8>(), 0..80)) {
            let record = [&[1, 0, 0x51, kind, 0][..], &body].concat();
            prop_assert!(sensors(&record).len() < 16);
        }

        #[test]
        fn no_cut_record_panics(index in 0usize..36, size in 0usize..64) {
            let records = Inventory::thorough().records;
            if let Some(record) = records.get(index) {
                let cut = record.get(..size.min(record.len())).unwrap_or_default();
                prop_assert!(sensors(cut).len() < 16);
            }
        }
    }
}
