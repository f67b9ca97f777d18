//! Ports as lists show them.

use farrier_model::port::Port;
use uuid::Uuid;

use super::PortFilter;
use crate::error::{RecordKind, StoreError};
use crate::page::Page;
use crate::record::{Assignment, Record, SortKind, select};
use crate::statement::Row;
use crate::store::Store;

/// What the short form of lists shows of a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PortSummary {
    /// Its UUID.
    pub uuid: Uuid,
    /// Its MAC address, in lower case.
    pub address: String,
}

impl Store {
    /// The ports that `filter` lets through, as lists show them.
    ///
    /// # Errors
    ///
    /// As [`Store::port_list`].
    pub async fn port_summary_list(
        &self,
        filter: &PortFilter,
        page: &Page,
    ) -> Result<Vec<PortSummary>, StoreError> {
        const OPERATION: &str = "port_summary_list";
        let mut statement = select::<PortSummary>(OPERATION);
        filter.push(&mut statement);
        self.list(OPERATION, statement, page).await
    }
}

impl Record for PortSummary {
    const KIND: RecordKind = Port::KIND;
    const TABLE: &'static str = Port::TABLE;
    const COLUMNS: &'static str = "uuid, address";
    const SORT: &'static [(&'static str, SortKind)] = Port::SORT;

    fn values(&self) -> Vec<Assignment> {
        // Nobody writes a port through this.
        Vec::new()
    }

    fn read(row: &Row) -> Result<Self, StoreError> {
        Ok(Self { uuid: row.parsed("uuid")?, address: row.text("address")? })
    }
}
