//! Every query of Farrier, on SQLite and PostgreSQL.
//!
//! [`Store::open`] takes the URL of a database and brings its schema up to date. Both databases are spoken to
//! through one code path: one SQL text, and the few differences in one module.
//!
//! - Methods are named after their record: [`Store::node_reserve`], [`Store::ports_by_node`].
//! - Reads are single statements. What reads and then writes is one write transaction; on SQLite all writes
//!   go through one connection, so that its `database is locked` never reaches a caller.
//! - Records go in and out whole. An update compares the record as it was read with the record as it should be,
//!   and writes what differs.
//!
//! **Invariant:** no other crate contains SQL, and no error of this crate shows the database library's types.

mod bios;
mod conductor;
mod config;
mod dialect;
mod error;
mod firmware;
mod history;
mod inventory;
mod listener;
mod node;
mod page;
mod pool;
mod port;
mod portgroup;
mod probe;
mod record;
mod schema;
mod statement;
mod store;
#[cfg(test)]
mod suite;
mod volume;
mod writer;

pub use conductor::Registration;
pub use config::StoreConfig;
pub use error::{DatabaseError, DuplicateField, RecordKind, StoreError};
pub use node::{Admission, Children, Gone, HandOver, NodeBrief, NodeFilter, NodeSummary, Releases};
pub use page::{Page, SortDirection};
pub use port::{PortFilter, PortSummary};
pub use portgroup::PortgroupFilter;
pub use probe::Probe;
pub use store::Store;
pub use volume::VolumeFilter;
