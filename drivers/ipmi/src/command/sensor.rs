//! Sensors and the records that describe them.
//!
//! Source: IPMI 2.0, sections 33 and 35.

use ipmi_rs::connection::{IpmiCommand, Message, NetFn};

use super::completion::CompletionCode;
use super::{Command, Malformed, Repeat};
use crate::packet::reader::Reader;

/// Bytes of the header of a record.
pub const RECORD_HEADER_SIZE: usize = 5;

/// Asks how many records there are and when they last changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GetRepositoryInfo;

/// What a BMC says about its records; equal values mean equal records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RepositoryInfo {
    /// Version of the commands, 51h or 01h.
    pub version: u8,
    /// Number of records.
    pub count: u16,
    /// When the last record was added, in the BMC's time.
    pub last_added: u32,
    /// When the last record was removed.
    pub last_erased: u32,
}

impl From<GetRepositoryInfo> for Message {
    fn from(_: GetRepositoryInfo) -> Self {
        Self::new_request(NetFn::Storage, 0x20, Vec::new())
    }
}

impl IpmiCommand for GetRepositoryInfo {
    type Output = RepositoryInfo;
    type Error = Malformed;

    fn parse_success_response(data: &[u8]) -> Result<RepositoryInfo, Malformed> {
        let mut reader = Reader::new(data);
        let version = reader.byte().ok_or(Malformed)?;
        let count = reader.word().ok_or(Malformed)?;
        // Free space; what follows is missing from some.
        let _free = reader.word();
        let last_added = reader.double().unwrap_or_default();
        let last_erased = reader.double().unwrap_or_default();
        Ok(RepositoryInfo { version, count, last_added, last_erased })
    }
}

impl Command for GetRepositoryInfo {
    const NAME: &'static str = "Get SDR Repository Info";

    fn repeat(&self) -> Repeat {
        Repeat::Freely
    }
}

/// Asks for a reservation, which reading parts of records needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReserveRepository;

impl From<ReserveRepository> for Message {
    fn from(_: ReserveRepository) -> Self {
        Self::new_request(NetFn::Storage, 0x22, Vec::new())
    }
}

impl IpmiCommand for ReserveRepository {
    /// The reservation.
    type Output = u16;
    type Error = Malformed;

    fn parse_success_response(data: &[u8]) -> Result<u16, Malformed> {
        Reader::new(data).word().ok_or(Malformed)
    }
}

impl Command for ReserveRepository {
    const NAME: &'static str = "Reserve SDR Repository";

    fn repeat(&self) -> Repeat {
        Repeat::Freely
    }
}

/// Asks for a part of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GetRecord {
    /// The reservation.
    pub reservation: u16,
    /// Which record; 0 for the first.
    pub record: u16,
    /// Where in the record.
    pub offset: u8,
    /// How many bytes.
    pub count: u8,
}

/// A part of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordPart {
    /// The record after this one; FFFFh after the last.
    pub next: u16,
    /// Its bytes; may be more or fewer than asked for.
    pub bytes: Vec<u8>,
}

impl GetRecord {
    /// Completion codes after which fewer bytes may be had.
    pub const TOO_MANY: [CompletionCode; 5] = [
        CompletionCode::TIMEOUT,
        CompletionCode::INVALID_LENGTH,
        CompletionCode(0xC8),
        CompletionCode(0xCA),
        CompletionCode(0xFF),
    ];
}

impl From<GetRecord> for Message {
    fn from(command: GetRecord) -> Self {
        let mut data = command.reservation.to_le_bytes().to_vec();
        data.extend_from_slice(&command.record.to_le_bytes());
        data.extend_from_slice(&[command.offset, command.count]);
        Self::new_request(NetFn::Storage, 0x23, data)
    }
}

impl IpmiCommand for GetRecord {
    type Output = RecordPart;
    type Error = Malformed;

    fn parse_success_response(data: &[u8]) -> Result<RecordPart, Malformed> {
        let mut reader = Reader::new(data);
        let next = reader.word().ok_or(Malformed)?;
        Ok(RecordPart { next, bytes: reader.rest().to_vec() })
    }
}

impl Command for GetRecord {
    const NAME: &'static str = "Get SDR";
    // Some run out of time when too many bytes are asked for at once; fewer help, waiting does not.
    const HANDLED: &'static [CompletionCode] = &[CompletionCode::TIMEOUT];

    fn repeat(&self) -> Repeat {
        Repeat::Freely
    }
}

/// Asks what a sensor reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GetSensorReading {
    /// Unit of the controller the sensor belongs to.
    pub unit: u8,
    /// Its number there.
    pub number: u8,
}

/// What a sensor reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SensorReading {
    /// The raw number; means nothing for sensors that have states only.
    pub raw: u8,
    /// The sensor is looked at.
    pub scanned: bool,
    /// There is no reading yet.
    pub unavailable: bool,
    /// States that are asserted, or thresholds that are crossed, by bit.
    pub states: u16,
}

impl SensorReading {
    /// Whether it means anything.
    #[must_use]
    pub fn is_valid(&self) -> bool {
        self.scanned && !self.unavailable
    }
}

impl From<GetSensorReading> for Message {
    fn from(command: GetSensorReading) -> Self {
        Self::new_request(NetFn::SensorEvent, 0x2D, vec![command.number])
    }
}

impl IpmiCommand for GetSensorReading {
    type Output = SensorReading;
    type Error = Malformed;

    /// Reads two to four bytes: the states are missing from some answers, and the second half from others.
    fn parse_success_response(data: &[u8]) -> Result<SensorReading, Malformed> {
        let mut reader = Reader::new(data);
        let raw = reader.byte().ok_or(Malformed)?;
        let flags = reader.byte().ok_or(Malformed)?;
        let low = reader.byte().unwrap_or_default();
        // Bit 15 has no state and is always set.
        let high = reader.byte().unwrap_or_default() & 0x7F;
        Ok(SensorReading {
            raw,
            scanned: flags & 0x40 != 0,
            unavailable: flags & 0x20 != 0,
            states: u16::from_le_bytes([low, high]),
        })
    }
}

impl Command for GetSensorReading {
    const NAME: &'static str = "Get Sensor Reading";

    fn repeat(&self) -> Repeat {
        Repeat::Freely
    }

    fn unit(&self) -> u8 {
        self.unit
    }
}

/// Asks a sensor that is not linear how to convert one reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GetReadingFactors {
    /// Unit of the controller the sensor belongs to.
    pub unit: u8,
    /// Its number there.
    pub number: u8,
    /// The raw reading.
    pub raw: u8,
}

impl From<GetReadingFactors> for Message {
    fn from(command: GetReadingFactors) -> Self {
        Self::new_request(NetFn::SensorEvent, 0x23, vec![command.number, command.raw])
    }
}

impl IpmiCommand for GetReadingFactors {
    /// The six bytes of a record with M, tolerance, B, accuracy and exponents.
    type Output = [u8; 6];
    type Error = Malformed;

    fn parse_success_response(data: &[u8]) -> Result<[u8; 6], Malformed> {
        let mut reader = Reader::new(data);
        let _next_reading = reader.byte().ok_or(Malformed)?;
        reader.array().ok_or(Malformed)
    }
}

impl Command for GetReadingFactors {
    const NAME: &'static str = "Get Sensor Reading Factors";

    fn repeat(&self) -> Repeat {
        Repeat::Freely
    }

    fn unit(&self) -> u8 {
        self.unit
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_reading_is_valid_when_it_is_scanned_and_available() {
        let read = |data: &[u8]| GetSensorReading::parse_success_response(data).unwrap();

        assert!(read(&[42, 0xC0, 0x00, 0x80]).is_valid());
        assert!(!read(&[42, 0x80]).is_valid());
        assert!(!read(&[42, 0xE0, 0]).is_valid());
        assert_eq!(read(&[0, 0xC0, 0x01, 0x82]).states, 0x0201);
    }

    #[test]
    fn a_part_of_a_record_is_asked_for_by_reservation() {
        let message = Message::from(GetRecord { reservation: 0x0102, record: 0x0304, offset: 5, count: 32 });

        assert_eq!(message.data(), [0x02, 0x01, 0x04, 0x03, 5, 32]);
    }

    proptest! {
        #[test]
        fn no_answer_panics(data in proptest::collection::vec(any::<u8>(), 0..40)) {
            prop_assert_eq!(GetRepositoryInfo::parse_success_response(&data).is_ok(), 3 <= data.len());
            prop_assert_eq!(ReserveRepository::parse_success_response(&data).is_ok(), 2 <= data.len());
            prop_assert_eq!(GetRecord::parse_success_response(&data).is_ok(), 2 <= data.len());
            prop_assert_eq!(GetSensorReading::parse_success_response(&data).is_ok(), 2 <= data.len());
            prop_assert_eq!(GetReadingFactors::parse_success_response(&data).is_ok(), 7 <= data.len());
        }
    }
}
