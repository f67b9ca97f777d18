//! What differs between SQLite and PostgreSQL.
//!
//! **Invariant:** no query asks which database it is for; what differs comes from here. Besides that, `pool.rs`
//! knows how connections are made and `schema.rs` which migrations there are.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

use crate::config::StoreConfig;
use crate::error::StoreError;
use crate::listener::CHANNEL;
use crate::writer::LOG_PAGES_MAX;

/// The database behind a URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// SQLite in a file.
    SqliteFile,
    /// SQLite in memory, gone with its connection.
    SqliteMemory,
    /// PostgreSQL.
    Postgres,
}

impl Dialect {
    /// Tells the database from its URL.
    pub(crate) fn of(url: &str) -> Result<Self, StoreError> {
        let invalid = |reason: &str| Err(StoreError::InvalidUrl { reason: reason.to_owned() });
        match url.split_once(':') {
            Some(("postgres" | "postgresql", rest)) if rest.starts_with("//") => Ok(Self::Postgres),
            Some(("sqlite", ":memory:" | "//:memory:")) => Ok(Self::SqliteMemory),
            Some(("sqlite", rest)) if rest.contains("mode=memory") => {
                invalid("use `sqlite::memory:` for a database in memory")
            }
            Some(("sqlite", rest)) if !sqlite_path(rest).is_empty() => Ok(Self::SqliteFile),
            Some(("sqlite", _)) => invalid("`sqlite://` lacks the path of a file"),
            Some(_) => invalid("expected `sqlite://PATH`, `sqlite::memory:` or `postgres://...`"),
            None => invalid("it has no scheme; expected `sqlite://PATH` or `postgres://...`"),
        }
    }

    /// Whether all writes go through one connection.
    pub(crate) const fn has_one_writer(self) -> bool {
        matches!(self, Self::SqliteFile | Self::SqliteMemory)
    }

    /// Whether several conductors can share the database, so that they must tell each other that they live.
    pub(crate) const fn is_shared(self) -> bool {
        matches!(self, Self::Postgres)
    }

    /// The URL to connect to: a SQLite file is made when it does not exist.
    pub(crate) fn connection(self, url: &str) -> String {
        match self {
            Self::SqliteFile if url.contains("mode=") => url.to_owned(),
            Self::SqliteFile if url.contains('?') => format!("{url}&mode=rwc"),
            Self::SqliteFile => format!("{url}?mode=rwc"),
            Self::SqliteMemory => "sqlite::memory:".to_owned(),
            Self::Postgres => url.to_owned(),
        }
    }

    /// The URL as people may see it: a file, or a server without user, password and options.
    pub(crate) fn label(self, url: &str) -> String {
        let rest = url.split_once(':').map_or(url, |(_, rest)| rest);
        match self {
            Self::SqliteFile => sqlite_path(rest).to_owned(),
            Self::SqliteMemory => ":memory:".to_owned(),
            Self::Postgres => {
                let rest = rest.trim_start_matches('/');
                let rest = rest.split_once('?').map_or(rest, |(rest, _)| rest);
                let rest = rest.rsplit_once('@').map_or(rest, |(_, rest)| rest);
                format!("postgres://{rest}")
            }
        }
    }

    /// The file that has to be made if it does not exist, unless the URL says how it is to be opened.
    pub(crate) fn file(self, url: &str) -> Option<PathBuf> {
        if self != Self::SqliteFile || url.contains("mode=") {
            return None;
        }
        url.split_once(':').map(|(_, rest)| decoded(sqlite_path(rest)))
    }

    /// What is said on every new connection before anything else.
    ///
    /// The write-ahead log is a property of the file and is switched on by the writer alone.
    pub(crate) fn greeting(self, config: &StoreConfig, role: Role) -> String {
        let wait = config.sqlite_max_wait_for_retry.as_millis();
        match (self, role) {
            (Self::SqliteFile, Role::Writer) => format!(
                "PRAGMA busy_timeout = {wait}; PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; \
                 PRAGMA wal_autocheckpoint = {LOG_PAGES_MAX}; PRAGMA foreign_keys = ON;"
            ),
            (Self::SqliteFile, Role::Reader) => {
                format!("PRAGMA busy_timeout = {wait}; PRAGMA query_only = ON;")
            }
            (Self::SqliteMemory, _) => "PRAGMA foreign_keys = ON;".to_owned(),
            (Self::Postgres, _) => "SET application_name = 'farrier'".to_owned(),
        }
    }

    /// How a write transaction begins.
    ///
    /// SQLite must take its write lock at once: a transaction that reads first and writes later cannot wait for
    /// another writer and fails.
    pub(crate) const fn begin(self) -> &'static str {
        match self {
            Self::SqliteFile | Self::SqliteMemory => "BEGIN IMMEDIATE",
            Self::Postgres => "BEGIN",
        }
    }

    /// What a `SELECT` inside a write transaction ends with, so that nobody changes the row before we do.
    pub(crate) const fn for_update(self) -> &'static str {
        match self {
            Self::SqliteFile | Self::SqliteMemory => "",
            Self::Postgres => " FOR UPDATE",
        }
    }

    /// What a write transaction says to be the only one of its kind until it ends; nothing where it is anyway.
    ///
    /// The number means nothing: it is ours among the advisory locks of a database.
    pub(crate) const fn one_at_a_time(self) -> Option<&'static str> {
        match self {
            Self::SqliteFile | Self::SqliteMemory => None,
            Self::Postgres => Some("SELECT CAST(pg_advisory_xact_lock(7377287) AS TEXT) AS alone"),
        }
    }

    /// The update that releases the locks of the nodes that `condition` describes and returns their numbers.
    ///
    /// Where others may wait for one and have said so, it tells them as part of its transaction.
    pub(crate) fn release(self, condition: &str) -> String {
        const EMPTY: &str = "reservation = NULL, reservation_purpose = NULL, reserved_at = NULL, \
                             reservation_wanted = NULL";
        match self {
            Self::SqliteFile | Self::SqliteMemory => {
                format!("UPDATE nodes SET {EMPTY} WHERE {condition} RETURNING id, uuid")
            }
            Self::Postgres => format!(
                "UPDATE nodes SET {EMPTY} FROM (SELECT id AS held, reservation_wanted AS wanted FROM nodes \
                 WHERE {condition} FOR UPDATE) AS holding WHERE id = held RETURNING id, uuid, {}",
                told("wanted")
            ),
        }
    }

    /// What a statement that deletes nodes ends with; it returns their numbers and tells whoever waits for one.
    pub(crate) fn returning_deleted(self) -> String {
        match self {
            Self::SqliteFile | Self::SqliteMemory => " RETURNING id".to_owned(),
            Self::Postgres => format!(" RETURNING id, {}", told("reservation_wanted")),
        }
    }

    /// A text column to compare and sort by its bytes, as SQLite does by itself.
    pub(crate) fn by_bytes(self, column: &str) -> String {
        match self {
            Self::SqliteFile | Self::SqliteMemory => column.to_owned(),
            Self::Postgres => format!("{column} COLLATE \"C\""),
        }
    }
}

/// Tells of a release if the column `wanted` of the row is set.
fn told(wanted: &str) -> String {
    format!(
        "CASE WHEN {wanted} IS NOT NULL THEN CAST(pg_notify('{CHANNEL}', CAST(id AS TEXT)) AS TEXT) END AS told"
    )
}

/// What a connection is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// Everything.
    Writer,
    /// Reading only.
    Reader,
}

/// The path in what follows `sqlite:` in a URL.
fn sqlite_path(rest: &str) -> &str {
    let path = rest.strip_prefix("//").unwrap_or(rest);
    path.split_once('?').map_or(path, |(path, _)| path)
}

/// A path with its `%20` and the like turned into what they stand for.
fn decoded(path: &str) -> PathBuf {
    let mut bytes = Vec::with_capacity(path.len());
    let mut rest = path.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        let code = match (byte, after) {
            (b'%', [high, low, ..]) => std::str::from_utf8(&[*high, *low])
                .ok()
                .and_then(|digits| u8::from_str_radix(digits, 16).ok()),
            _ => None,
        };
        bytes.push(code.unwrap_or(byte));
        rest = if code.is_some() { after.get(2..).unwrap_or_default() } else { after };
    }
    PathBuf::from(OsString::from_vec(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_url_names_the_database() {
        for (url, dialect) in [
            ("sqlite:///var/lib/farrier/farrier.db", Dialect::SqliteFile),
            ("sqlite://farrier.db", Dialect::SqliteFile),
            ("sqlite:farrier.db", Dialect::SqliteFile),
            ("sqlite::memory:", Dialect::SqliteMemory),
            ("sqlite://:memory:", Dialect::SqliteMemory),
            ("postgres://farrier@localhost/farrier", Dialect::Postgres),
            ("postgresql://localhost", Dialect::Postgres),
        ] {
            assert_eq!(Dialect::of(url).unwrap(), dialect, "{url}");
        }
    }

    #[test]
    fn other_urls_are_refused_without_being_shown() {
        for url in
            ["mysql://canary@host", "canary", "sqlite://", "postgres:canary", "sqlite://canary?mode=memory"]
        {
            let error = Dialect::of(url).unwrap_err();
            assert!(matches!(error, StoreError::InvalidUrl { .. }), "{url}");
            assert!(!error.to_string().contains("canary"), "{error}");
        }
    }

    #[test]
    fn a_file_that_does_not_exist_is_made() {
        let dialect = Dialect::SqliteFile;

        assert_eq!(dialect.connection("sqlite://a.db"), "sqlite://a.db?mode=rwc");
        assert_eq!(dialect.connection("sqlite://a.db?cache=private"), "sqlite://a.db?cache=private&mode=rwc");
        assert_eq!(dialect.connection("sqlite://a.db?mode=ro"), "sqlite://a.db?mode=ro");
    }

    #[test]
    fn the_file_is_known_by_its_real_name() {
        let file = |url| Dialect::SqliteFile.file(url);

        assert_eq!(file("sqlite:///srv/a%20b.db?cache=private"), Some(PathBuf::from("/srv/a b.db")));
        assert_eq!(file("sqlite:100%.db"), Some(PathBuf::from("100%.db")));
        assert_eq!(file("sqlite://%zz%2"), Some(PathBuf::from("%zz%2")));
        assert_eq!(file("sqlite://a.db?mode=ro"), None);
    }

    #[test]
    fn labels_hold_no_credentials() {
        let url = "postgres://user:p@ss@db.example:5432/farrier?sslpassword=canary";

        assert_eq!(Dialect::Postgres.label(url), "postgres://db.example:5432/farrier");
        assert_eq!(Dialect::SqliteFile.label("sqlite:///srv/a.db?mode=rwc"), "/srv/a.db");
    }
}
