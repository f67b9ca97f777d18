//! Sensor records, sensors, event log and inventory.
//!
//! Source: IPMI 2.0, sections 31, 33, 34 and 35.

use super::code;
use crate::inject::take_one;
use crate::ipmi::controller::Controller;
use crate::ipmi::packet::Bytes;
use crate::sensors::Sensor;

/// Size of the header of a record.
const HEADER: usize = 5;
/// "The whole record".
const WHOLE: u8 = 0xFF;
/// "No further record", or "the last one".
const LAST: u16 = 0xFFFF;

impl Controller {
    pub(super) fn storage_command(&mut self, cmd: u8, data: &[u8]) -> Vec<u8> {
        match (cmd, data) {
            (0x10, [0]) => {
                let [low, high] = u16::try_from(fru().len()).unwrap_or_default().to_le_bytes();
                vec![code::OK, low, high, 0]
            }
            (0x11, [0, low, high, count]) => read_fru(u16::from_le_bytes([*low, *high]), *count),
            (0x10 | 0x11, _) => vec![code::NOT_PRESENT],
            (0x20, []) => self.repository_info(),
            (0x22, []) => {
                self.reservation = self.reservation.wrapping_add(1).max(1);
                [&[code::OK][..], &self.reservation.to_le_bytes()].concat()
            }
            (0x23, data) => self.record(data).unwrap_or_else(|| vec![code::LENGTH]),
            (0x40, []) => {
                let [low, high] = u16::try_from(self.machine.events.len()).unwrap_or(u16::MAX).to_le_bytes();
                vec![code::OK, 0x51, low, high, 0, 0x10, 0, 0, 0, 0x20, 0, 0, 0, 0, 0x02]
            }
            (0x42, []) => vec![code::OK, 1, 0],
            (0x43, data) => self.event(data).unwrap_or_else(|| vec![code::LENGTH]),
            (0x47, [_, _, b'C', b'L', b'R', order]) => {
                if *order == 0xAA {
                    self.machine.events.clear();
                }
                vec![code::OK, 0x01]
            }
            (0x20 | 0x22 | 0x40 | 0x42 | 0x47, _) => vec![code::LENGTH],
            _ => vec![code::INVALID_COMMAND],
        }
    }

    fn repository_info(&self) -> Vec<u8> {
        let records = u16::try_from(self.machine.inventory.records.len()).unwrap_or(u16::MAX);
        let [low, high] = self.trouble.records.count.unwrap_or(records).to_le_bytes();
        // Bit 1 of the last byte: reservations are supported.
        vec![code::OK, 0x51, low, high, 0xFF, 0xFF, 1, 0, 0, 0x60, 1, 0, 0, 0x60, 0x02]
    }

    /// Get SDR; `None` when the request is too short.
    fn record(&mut self, data: &[u8]) -> Option<Vec<u8>> {
        let mut bytes = Bytes(data);
        let (reservation, wanted) = (bytes.word()?, bytes.word()?);
        let [offset, count] = bytes.array()?;
        if offset != 0 && take_one(&mut self.trouble.records.lost_reservations) {
            self.reservation = self.reservation.wrapping_add(1).max(1);
        }
        if (offset != 0 || reservation != 0) && reservation != self.reservation {
            return Some(vec![code::RESERVATION]);
        }
        let trouble = &self.trouble.records;
        if let Some((most, refusal)) = trouble.chunk
            && most < count
        {
            return Some(vec![refusal]);
        }
        let records = &self.machine.inventory.records;
        let total = records.len();
        let index = match wanted {
            0 => 0,
            LAST => total.checked_sub(1)?,
            id => usize::from(id) - 1,
        };
        let real = if trouble.boundless { index.checked_rem(total)? } else { index };
        let Some(record) = records.get(real) else { return Some(vec![code::NOT_PRESENT]) };
        let mut record = record.clone();
        for (to, from) in record.iter_mut().zip(u16::try_from(index + 1).ok()?.to_le_bytes()) {
            *to = from;
        }
        record.resize(record.len() + trouble.padding, 0);
        let next = match index + 1 {
            next if trouble.boundless => u16::try_from(next + 1).ok()?.min(LAST - 1),
            next if next < total => u16::try_from(next + 1).ok()?,
            _ if trouble.endless => 1,
            _ => LAST,
        };
        let Some(rest) = record.get(usize::from(offset)..) else { return Some(vec![code::RANGE]) };
        let size = if count == WHOLE { rest.len() } else { usize::from(count) };
        let Some(part) = rest.get(..size.min(rest.len())) else { return Some(vec![code::RANGE]) };
        if size > rest.len() && usize::from(offset) < HEADER {
            return Some(vec![code::CANNOT_RETURN_SO_MANY]);
        }
        Some([&[code::OK][..], &next.to_le_bytes(), part].concat())
    }

    pub(super) fn sensor_command(&mut self, cmd: u8, lun: u8, data: &[u8]) -> Vec<u8> {
        let [number, rest @ ..] = data else { return vec![code::LENGTH] };
        let sensors = &self.machine.inventory.sensors;
        let found = sensors.iter().find(|sensor| (sensor.lun, sensor.number) == (lun, *number));
        let Some(sensor) = found else { return vec![code::NOT_PRESENT] };
        match (cmd, rest) {
            (0x2D, []) => {
                let [low, high] = sensor.states.to_le_bytes();
                vec![code::OK, sensor.reading, sensor.flags, low, high | 0x80]
            }
            (0x27, []) => match sensor.thresholds {
                Some(thresholds) => [&[code::OK][..], &thresholds].concat(),
                None => vec![code::OK, 0, 0, 0, 0, 0, 0, 0],
            },
            (0x23, [reading]) => factors(sensor, *reading),
            _ => vec![code::INVALID_COMMAND],
        }
    }

    /// Get SEL Entry.
    fn event(&self, data: &[u8]) -> Option<Vec<u8>> {
        let mut bytes = Bytes(data);
        let (_reservation, wanted) = (bytes.word()?, bytes.word()?);
        let [offset, count] = bytes.array()?;
        let events = &self.machine.events;
        let index = match wanted {
            0 => 0,
            LAST => events.len().wrapping_sub(1),
            id => usize::from(id) - 1,
        };
        let Some(event) = events.get(index) else { return Some(vec![code::NOT_PRESENT]) };
        let next = if index + 1 < events.len() { u16::try_from(index + 2).ok()? } else { LAST };
        let rest = event.get(usize::from(offset)..)?;
        let size = if count == WHOLE { rest.len() } else { usize::from(count).min(rest.len()) };
        Some([&[code::OK][..], &next.to_le_bytes(), rest.get(..size)?].concat())
    }
}

/// Factors of a sensor that is not linear: M is 3 everywhere.
fn factors(_sensor: &Sensor, reading: u8) -> Vec<u8> {
    vec![code::OK, reading.saturating_add(1), 3, 0, 0, 0, 0, 0]
}

fn read_fru(offset: u16, count: u8) -> Vec<u8> {
    let all = fru();
    let Some(rest) = all.get(usize::from(offset)..) else { return vec![code::RANGE] };
    let size = usize::from(count).min(rest.len());
    let part = rest.get(..size).unwrap_or_default();
    [&[code::OK, u8::try_from(size).unwrap_or_default()], part].concat()
}

/// Inventory data: a header and an area about the product.
///
/// Source: Platform Management FRU Information Storage Definition 1.0.
fn fru() -> Vec<u8> {
    let mut area = vec![0x01, 0, 0x19];
    for text in ["Farrier", "Simulated machine", "FS-1", "1", "SN0001", "", ""] {
        area.push(0xC0 | u8::try_from(text.len()).unwrap_or_default());
        area.extend(text.as_bytes());
    }
    area.push(0xC1);
    area.resize((area.len() + 1).next_multiple_of(8) - 1, 0);
    let size = u8::try_from((area.len() + 1) / 8).unwrap_or_default();
    if let Some(field) = area.get_mut(1) {
        *field = size;
    }
    area.push(checksum(&area));
    let mut all = vec![0x01, 0, 0, 0, 1, 0, 0];
    all.push(checksum(&all));
    all.extend(area);
    all
}

fn checksum(bytes: &[u8]) -> u8 {
    bytes.iter().fold(0u8, |sum, byte| sum.wrapping_add(*byte)).wrapping_neg()
}
