//! The schema and its history.

use sqlx::SqlSafeStr;
use sqlx::migrate::{Migration, MigrationType, Migrator};

use crate::dialect::Dialect;
use crate::error::StoreError;
use crate::pool::Pools;

/// A step in the history of the schema: version, what it does, and the same for either database.
type Step = (i64, &'static str, &'static str, &'static str);

/// Every step there ever was. One that was released is never edited.
const STEPS: &[Step] = &[
    (
        1,
        "initial",
        include_str!("../migrations/sqlite/0001_initial.sql"),
        include_str!("../migrations/postgres/0001_initial.sql"),
    ),
    (
        2,
        "BIOS and firmware",
        include_str!("../migrations/sqlite/0002_bios_firmware.sql"),
        include_str!("../migrations/postgres/0002_bios_firmware.sql"),
    ),
    (
        3,
        "inventory",
        include_str!("../migrations/sqlite/0003_inventory.sql"),
        include_str!("../migrations/postgres/0003_inventory.sql"),
    ),
    (
        4,
        "wanted locks",
        include_str!("../migrations/sqlite/0004_reservation_wanted.sql"),
        include_str!("../migrations/postgres/0004_reservation_wanted.sql"),
    ),
    // next migration above this line
];

/// Brings the schema up to date. Two processes may do it at the same time.
pub(crate) async fn migrate(pools: &Pools, label: &str) -> Result<(), StoreError> {
    let dialect = pools.dialect();
    let migrations = STEPS.iter().map(|&(version, description, sqlite, postgres)| {
        let sql = if dialect == Dialect::Postgres { postgres } else { sqlite };
        Migration::new(version, description.into(), MigrationType::Simple, sql.into_sql_str(), false)
    });
    let migrator = Migrator::with_migrations(migrations.collect());
    pools
        .migrate(&migrator)
        .await
        .map_err(|error| StoreError::Migration { database: label.to_owned(), reason: error.to_string() })
}

#[cfg(test)]
mod tests;
