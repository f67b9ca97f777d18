//! What can go wrong in the store.

use std::fmt;

use uuid::Uuid;

/// A query could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// There is no such node.
    #[error("node `{node}` could not be found")]
    NodeNotFound {
        /// How it was named.
        node: String,
    },
    /// The lock of the node is held by somebody else.
    #[error("node {node} is locked by conductor `{holder}`")]
    NodeLocked {
        /// The node.
        node: Uuid,
        /// The tag of whoever holds it.
        holder: String,
    },
    /// The lock of the node is not held at all.
    #[error("node {node} is not locked")]
    NodeNotLocked {
        /// The node.
        node: Uuid,
    },
    /// As many nodes as allowed are in the states that were to be entered.
    #[error("{running} nodes are being worked on, at most {most} may be")]
    LimitReached {
        /// How many there are.
        running: i64,
        /// How many there may be.
        most: u32,
    },
    /// `driver_internal_info` was written by somebody else in between.
    #[error("`driver_internal_info` of node {node} is at revision {found}, expected {expected}")]
    InternalInfoConflict {
        /// The node.
        node: Uuid,
        /// The revision the caller had seen.
        expected: i64,
        /// The revision it has.
        found: i64,
    },
    /// There is no such conductor.
    #[error("conductor `{hostname}` could not be found")]
    ConductorNotFound {
        /// Its name.
        hostname: String,
    },
    /// A conductor of this name is online.
    #[error("conductor `{hostname}` is registered and online")]
    ConductorAlreadyRegistered {
        /// Its name.
        hostname: String,
    },
    /// The conductor has registered such an interface already.
    #[error("conductor {conductor} has registered one of these hardware interfaces already")]
    ConductorHardwareInterfacesAlreadyRegistered {
        /// The store's number of the conductor.
        conductor: i64,
    },
    /// There is no such record; nodes and conductors have errors of their own.
    #[error("{record} `{ident}` could not be found")]
    NotFound {
        /// What was looked for.
        record: RecordKind,
        /// How it was named.
        ident: String,
    },
    /// A value that must be unique is taken.
    #[error("a {record} with {field} `{value}` exists already")]
    Duplicate {
        /// What was to be written.
        record: RecordKind,
        /// Which of its fields.
        field: DuplicateField,
        /// The value.
        value: String,
    },
    /// The port group still has members.
    #[error("port group `{portgroup}` has ports")]
    PortgroupNotEmpty {
        /// The port group.
        portgroup: Uuid,
    },
    /// Lists cannot be sorted by this.
    #[error("lists of {record}s can not be sorted by `{key}`")]
    InvalidSortKey {
        /// What was to be listed.
        record: RecordKind,
        /// The key asked for.
        key: String,
    },
    /// The database was busy for too long. Trying again may help.
    #[error("the database is too busy for `{operation}`")]
    Busy {
        /// What was attempted.
        operation: &'static str,
        /// What the database said, if it said anything.
        #[source]
        source: Option<DatabaseError>,
    },
    /// The database failed.
    #[error("the database failed at `{operation}`")]
    Database {
        /// What was attempted.
        operation: &'static str,
        /// What the database said.
        #[source]
        source: DatabaseError,
    },
    /// A row holds what cannot have been written by us.
    #[error("column `{column}` holds a value that can not be read: {reason}")]
    Corrupt {
        /// The column.
        column: &'static str,
        /// What is wrong with it; never the value of a mapping, which may hold secrets.
        reason: String,
    },
    /// The database could not be opened.
    #[error("database `{database}` could not be opened")]
    Open {
        /// Its URL without credentials, or its file.
        database: String,
        /// What the database said.
        #[source]
        source: DatabaseError,
    },
    /// The URL is of no database we can use.
    #[error("database URL is not valid: {reason}")]
    InvalidUrl {
        /// What is wrong with it; never the URL itself, which may hold a password.
        reason: String,
    },
    /// The schema could not be brought up to date.
    #[error("schema of database `{database}` could not be brought up to date: {reason}")]
    Migration {
        /// Its URL without credentials, or its file.
        database: String,
        /// What is wrong.
        reason: String,
    },
    /// The store's background work ended before it could answer: the process is shutting down.
    #[error("`{operation}` was given up because the process is shutting down")]
    ShuttingDown {
        /// What was attempted.
        operation: &'static str,
    },
}

impl StoreError {
    /// Whether the same call may succeed a little later without anything else being done.
    #[must_use]
    pub const fn is_retryable(&self) -> bool {
        matches!(self, Self::NodeLocked { .. } | Self::Busy { .. })
    }

    /// Sorts an error of the database library.
    pub(crate) fn database(operation: &'static str, error: sqlx::Error) -> Self {
        if Self::is_busy(&error) {
            Self::Busy { operation, source: Some(DatabaseError(error)) }
        } else {
            Self::Database { operation, source: DatabaseError(error) }
        }
    }

    /// Whether another writer, or too many readers, were in the way.
    pub(crate) fn is_busy(error: &sqlx::Error) -> bool {
        let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code);
        matches!(error, sqlx::Error::PoolTimedOut) || code.is_some_and(|code| is_busy(&code))
    }

    /// Whether the database refused because a value that must be unique is taken.
    pub(crate) fn is_unique_violation(&self) -> bool {
        self.source_error().is_some_and(sqlx::error::DatabaseError::is_unique_violation)
    }

    /// Whether the database refused because a record that is referred to does not exist, or still is.
    pub(crate) fn is_foreign_key_violation(&self) -> bool {
        self.source_error().is_some_and(sqlx::error::DatabaseError::is_foreign_key_violation)
    }

    fn source_error(&self) -> Option<&dyn sqlx::error::DatabaseError> {
        let Self::Database { source: DatabaseError(error), .. } = self else { return None };
        error.as_database_error()
    }
}

/// Whether a code means that another writer is in the way: SQLite's BUSY and LOCKED with whatever they are
/// extended by, PostgreSQL's serialization failure, deadlock and lock timeout.
fn is_busy(code: &str) -> bool {
    const BUSY: u32 = 5;
    const LOCKED: u32 = 6;
    const PRIMARY: u32 = 0xff;
    matches!(code, "40001" | "40P01" | "55P03")
        || (code.len() < 5 && code.parse().is_ok_and(|code: u32| matches!(code & PRIMARY, BUSY | LOCKED)))
}

/// What the database library said.
///
/// It is text only: `Debug` is as terse as `Display`, because the library's own shows the values of the row.
pub struct DatabaseError(sqlx::Error);

impl DatabaseError {
    pub(crate) const fn new(error: sqlx::Error) -> Self {
        Self(error)
    }
}

impl fmt::Debug for DatabaseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DatabaseError({self})")
    }
}

impl fmt::Display for DatabaseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for DatabaseError {}

/// A kind of record, for messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RecordKind {
    /// A node.
    Node,
    /// A port.
    Port,
    /// A port group.
    Portgroup,
    /// A volume connector.
    VolumeConnector,
    /// A volume target.
    VolumeTarget,
    /// A conductor.
    Conductor,
    /// A history entry.
    HistoryEntry,
    /// What an inspection found.
    Inventory,
}

impl fmt::Display for RecordKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Node => "node",
            Self::Port => "port",
            Self::Portgroup => "port group",
            Self::VolumeConnector => "volume connector",
            Self::VolumeTarget => "volume target",
            Self::Conductor => "conductor",
            Self::HistoryEntry => "history entry",
            Self::Inventory => "inventory",
        })
    }
}

/// A field whose values are unique.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DuplicateField {
    /// The UUID of any record.
    Uuid,
    /// The name of a node or port group.
    Name,
    /// The MAC address of a port or port group.
    Address,
    /// The instance of a node.
    InstanceUuid,
    /// Type and identifier of a volume connector.
    ConnectorId,
    /// The boot index of a volume target, unique on its node.
    BootIndex,
}

impl fmt::Display for DuplicateField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Uuid => "UUID",
            Self::Name => "name",
            Self::Address => "MAC address",
            Self::InstanceUuid => "instance UUID",
            Self::ConnectorId => "connector id",
            Self::BootIndex => "boot index",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_of_a_writer_in_the_way_are_known() {
        // SQLite: BUSY, LOCKED, BUSY_SNAPSHOT; PostgreSQL: serialization failure, deadlock, lock not available.
        for code in ["5", "6", "517", "40001", "40P01", "55P03"] {
            assert!(is_busy(code), "{code}");
        }
    }

    #[test]
    fn other_codes_are_failures() {
        // SQLite: ERROR, CONSTRAINT_UNIQUE; PostgreSQL: unique violation, syntax error, and one that looks like 5.
        for code in ["1", "2067", "23505", "42601", "00005", ""] {
            assert!(!is_busy(code), "{code}");
        }
    }
}
