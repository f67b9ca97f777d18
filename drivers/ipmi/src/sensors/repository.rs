//! The sensors of a BMC, read from its records and remembered as long as those do not change.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use farrier_sdk::prelude::{debug, warn};

use super::record::{Sensor, sensors};
use crate::command::completion::CompletionCode;
use crate::command::sensor::{
    GetRecord, GetRepositoryInfo, RECORD_HEADER_SIZE, RecordPart, RepositoryInfo, ReserveRepository,
};
use crate::shared::Bmc;
use crate::target::{Endpoint, Route};
use crate::transport::error::TransportError;

/// Most records that are read: some BMCs lead in circles.
const RECORDS_MAX: usize = 4096;

/// Bytes of a record asked for at a time, at first.
const CHUNK_MAX: u8 = 32;

/// Fewest bytes asked for at a time.
const CHUNK_MIN: u8 = 8;

/// Most times a record is begun again because its reservation was lost.
const RESERVATIONS_MAX: u32 = 4;

/// Most BMCs whose sensors are remembered; a hundred sensors take some 15 KiB.
const REMEMBERED_MAX: usize = 2000;

/// Number after the last record.
const LAST: u16 = 0xFFFF;

/// A controller whose sensors are remembered.
type Key = (Endpoint, Option<Route>);

/// What was read, and what the BMC said about it then.
type Known = (RepositoryInfo, Arc<[Sensor]>);

/// The sensors of all BMCs asked so far.
#[derive(Debug, Default)]
pub(crate) struct Repositories(Mutex<HashMap<Key, Known>>);

impl Repositories {
    /// The sensors of a BMC; reads its records only when they have changed.
    pub(super) async fn sensors(&self, bmc: &Bmc<'_>) -> Result<Arc<[Sensor]>, TransportError> {
        let info = bmc.look(GetRepositoryInfo).await?;
        let key = (bmc.target().endpoint.clone(), bmc.target().route);
        if let Some(known) = self.known(&key, info) {
            return Ok(known);
        }
        let sensors: Arc<[Sensor]> = Reading::new(bmc).all().await?.into();
        let mut repositories = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if REMEMBERED_MAX <= repositories.len() {
            repositories.clear();
        }
        repositories.insert(key, (info, Arc::clone(&sensors)));
        Ok(sensors)
    }

    fn known(&self, key: &Key, info: RepositoryInfo) -> Option<Arc<[Sensor]>> {
        let repositories = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        repositories.get(key).filter(|(of, _)| *of == info).map(|(_, sensors)| Arc::clone(sensors))
    }
}

/// What became of a record.
enum Read {
    /// The sensors in it and the number of the next.
    Record(Vec<Sensor>, u16),
    /// It cannot be read; the next one is known if its header could.
    Skipped(Option<u16>),
}

/// Reading of all records of one BMC.
struct Reading<'a> {
    bmc: &'a Bmc<'a>,
    reservation: u16,
    chunk: u8,
}

impl<'a> Reading<'a> {
    fn new(bmc: &'a Bmc<'a>) -> Self {
        Self { bmc, reservation: 0, chunk: CHUNK_MAX }
    }

    async fn all(mut self) -> Result<Vec<Sensor>, TransportError> {
        let mut found = Vec::new();
        let (mut seen, mut next) = (HashSet::new(), 0);
        self.reserve().await?;
        while seen.len() < RECORDS_MAX && next != LAST {
            if !seen.insert(next) {
                warn!(bmc = self.bmc.endpoint(), record = next, "sensor records lead in a circle");
                break;
            }
            match self.record(next).await? {
                Read::Record(sensors, after) => {
                    found.extend(sensors);
                    next = after;
                }
                Read::Skipped(after) => {
                    warn!(bmc = self.bmc.endpoint(), record = next, "a sensor record cannot be read");
                    let Some(after) = after else { break };
                    next = after;
                }
            }
        }
        if seen.len() == RECORDS_MAX {
            warn!(bmc = self.bmc.endpoint(), "there are too many sensor records, the rest is left out");
        }
        debug!(bmc = self.bmc.endpoint(), records = seen.len(), sensors = found.len(), "sensor records read");
        Ok(found)
    }

    async fn reserve(&mut self) -> Result<(), TransportError> {
        match self.bmc.look(ReserveRepository).await {
            Ok(reservation) => self.reservation = reservation,
            // Some have no reservations and need none.
            Err(TransportError::Completion { .. }) => self.reservation = 0,
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// Reads one record, again from its beginning when the reservation was lost meanwhile.
    async fn record(&mut self, number: u16) -> Result<Read, TransportError> {
        for _ in 0..RESERVATIONS_MAX {
            match self.record_once(number).await {
                Err(error) if error.completion_code() == Some(CompletionCode::RESERVATION_LOST) => {
                    self.reserve().await?;
                }
                other => return other,
            }
        }
        Ok(Read::Skipped(None))
    }

    async fn record_once(&mut self, number: u16) -> Result<Read, TransportError> {
        let header_size = u8::try_from(RECORD_HEADER_SIZE).unwrap_or_default();
        let Some(header) = self.part(number, 0, header_size).await? else { return Ok(Read::Skipped(None)) };
        let mut record = header.bytes;
        let Some([low, high, _, _, size]) = record.first_chunk().copied() else {
            return Ok(Read::Skipped(Some(header.next)));
        };
        record.truncate(RECORD_HEADER_SIZE);
        // The first record is asked for by number 0; its own number is in its header.
        let own = if number == 0 { u16::from_le_bytes([low, high]) } else { number };
        let whole = RECORD_HEADER_SIZE + usize::from(size);
        while record.len() < whole {
            let Ok(offset) = u8::try_from(record.len()) else { break };
            let wanted = u8::try_from(whole - record.len()).unwrap_or(u8::MAX).min(self.chunk);
            let Some(part) = self.part(own, offset, wanted).await? else {
                return Ok(Read::Skipped(Some(header.next)));
            };
            if part.bytes.is_empty() {
                break;
            }
            // Some send more than was asked for.
            record.extend(part.bytes.into_iter().take(usize::from(wanted)));
        }
        Ok(Read::Record(sensors(&record), header.next))
    }

    /// Reads a part of a record in ever smaller pieces; `None` when the BMC does not have it.
    async fn part(
        &mut self,
        record: u16,
        offset: u8,
        count: u8,
    ) -> Result<Option<RecordPart>, TransportError> {
        let mut count = count;
        loop {
            let ask = GetRecord { reservation: self.reservation, record, offset, count };
            match self.bmc.look(ask).await {
                Ok(part) => return Ok(Some(part)),
                Err(TransportError::Completion { code, .. })
                    if GetRecord::TOO_MANY.contains(&code) && CHUNK_MIN < count =>
                {
                    count = (count / 2).max(CHUNK_MIN);
                    self.chunk = count;
                }
                Err(error @ TransportError::Completion { code: CompletionCode::RESERVATION_LOST, .. }) => {
                    return Err(error);
                }
                Err(TransportError::Completion { .. } | TransportError::Malformed { .. }) => return Ok(None),
                Err(error) => return Err(error),
            }
        }
    }
}
