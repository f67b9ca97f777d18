//! Options of the store.

use std::fmt;
use std::time::Duration;

use farrier_sdk::secret::Secret;
use serde::{Deserialize, Deserializer};

/// Table `[database]`.
#[derive(Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StoreConfig {
    /// `sqlite://PATH`, `sqlite::memory:` or `postgres://USER:PASSWORD@HOST/DATABASE`. A file that does not exist
    /// is made; a PostgreSQL database is not.
    pub connection: Secret<String>,
    /// How many connections read at the same time: SQLite has one more that writes, PostgreSQL uses these for
    /// both.
    pub max_pool_size: u32,
    /// How long to wait for a free connection, in seconds.
    #[serde(rename = "pool_timeout", deserialize_with = "seconds")]
    pub pool_timeout: Duration,
    /// How long to wait for another process that writes to the same SQLite file, in seconds. Ironic's name.
    #[serde(rename = "sqlite_max_wait_for_retry", deserialize_with = "seconds")]
    pub sqlite_max_wait_for_retry: Duration,
    /// How many characters of `last_error` and `maintenance_reason` are kept. Ironic's name.
    pub log_in_db_max_size: usize,
}

impl StoreConfig {
    /// The defaults with another database.
    #[must_use]
    pub fn new(connection: impl Into<String>) -> Self {
        Self { connection: Secret::new(connection.into()), ..Self::default() }
    }
}

impl Default for StoreConfig {
    fn default() -> Self {
        Self {
            connection: Secret::new("sqlite:///var/lib/farrier/farrier.db".to_owned()),
            max_pool_size: 8,
            pool_timeout: Duration::from_secs(30),
            sqlite_max_wait_for_retry: Duration::from_secs(10),
            log_in_db_max_size: 4096,
        }
    }
}

/// Without the connection, which may hold a password.
impl fmt::Debug for StoreConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoreConfig")
            .field("max_pool_size", &self.max_pool_size)
            .field("pool_timeout", &self.pool_timeout)
            .field("sqlite_max_wait_for_retry", &self.sqlite_max_wait_for_retry)
            .field("log_in_db_max_size", &self.log_in_db_max_size)
            .finish_non_exhaustive()
    }
}

/// Reads a duration from a number of seconds.
fn seconds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    u64::deserialize(deserializer).map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_read_by_their_names() {
        let json = r#"{"connection": "sqlite://x", "pool_timeout": 3, "sqlite_max_wait_for_retry": 1}"#;

        let config: StoreConfig = serde_json::from_str(json).unwrap();

        assert_eq!(config.connection.expose(), "sqlite://x");
        assert_eq!(config.pool_timeout, Duration::from_secs(3));
        assert_eq!(config.sqlite_max_wait_for_retry, Duration::from_secs(1));
        assert_eq!(config.log_in_db_max_size, 4096);
    }

    #[test]
    fn an_option_that_does_not_exist_is_refused() {
        assert!(serde_json::from_str::<StoreConfig>(r#"{"conection": "sqlite://x"}"#).is_err());
    }

    #[test]
    fn debug_shows_no_password() {
        let config = StoreConfig::new("postgres://user:canary@localhost/farrier");

        assert!(!format!("{config:?}").contains("canary"));
    }
}
