//! One body of tests for both databases.
//!
//! [`store_suite`] makes three tests of each function it names: on SQLite in a file, on SQLite in memory, and on
//! PostgreSQL. Which PostgreSQL is said by `FARRIER_TEST_POSTGRES`, the URL of a role that may create schemas;
//! without it one is started from the distribution's package. A test that finds neither fails.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use farrier_model::node::Node;
use farrier_sim::postgres::Postgres;
use sqlx::any::AnyConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection};
use tempfile::TempDir;
use uuid::Uuid;

use crate::config::StoreConfig;
use crate::store::Store;

/// Environment variable that names the PostgreSQL to test with.
const POSTGRES: &str = "FARRIER_TEST_POSTGRES";

/// Makes a test per database of each function; a function takes `&TestDatabase`.
macro_rules! store_suite {
    ($($name:ident),* $(,)?) => {
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $name() {
                let database = $crate::suite::TestDatabase::sqlite().await;
                super::$name(&database).await;
                database.store.close().await;
            })*
        }

        mod memory {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $name() {
                let database = $crate::suite::TestDatabase::memory().await;
                super::$name(&database).await;
                database.store.close().await;
            })*
        }

        mod postgres {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $name() {
                let database = $crate::suite::TestDatabase::postgres().await;
                super::$name(&database).await;
                database.store.close().await;
            })*
        }
    };
}
pub(crate) use store_suite;

/// A database that only one test knows.
pub(crate) struct TestDatabase {
    /// The database, open.
    pub(crate) store: Store,
    config: StoreConfig,
    in_memory: bool,
    // What must outlive the store.
    _directory: Option<TempDir>,
    _server: Option<Arc<Postgres>>,
}

impl TestDatabase {
    /// SQLite in a file.
    pub(crate) async fn sqlite() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}", directory.path().join("farrier.db").display());
        Self { _directory: Some(directory), ..Self::open(StoreConfig::new(url)).await }
    }

    /// SQLite in memory.
    pub(crate) async fn memory() -> Self {
        Self { in_memory: true, ..Self::open(StoreConfig::new("sqlite::memory:")).await }
    }

    /// A schema of its own in PostgreSQL.
    pub(crate) async fn postgres() -> Self {
        let schema = Self::postgres_schema().await;
        Self { _server: schema.server, ..Self::open(schema.config).await }
    }

    /// A schema of its own in PostgreSQL, empty.
    pub(crate) async fn postgres_schema() -> PostgresSchema {
        let (url, server) = match std::env::var(POSTGRES) {
            Ok(url) => (url, None),
            Err(_) => {
                let server = tokio::task::spawn_blocking(shared_server).await.unwrap();
                (server.url(), Some(server))
            }
        };
        sqlx::any::install_default_drivers();
        let options: AnyConnectOptions = url.parse().unwrap();
        let mut connection = options.connect().await.expect("FARRIER_TEST_POSTGRES must name a PostgreSQL");
        let schema = format!("farrier_{}", Uuid::new_v4().simple());
        let statement = AssertSqlSafe(format!("CREATE SCHEMA {schema}"));
        sqlx::raw_sql(statement).execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
        let separator = if url.contains('?') { '&' } else { '?' };
        let url = format!("{url}{separator}options=-c%20search_path%3D{schema}");
        PostgresSchema { config: StoreConfig::new(url), server }
    }

    async fn open(config: StoreConfig) -> Self {
        let store = Store::open(&config).await.unwrap();
        Self { store, config, in_memory: false, _directory: None, _server: None }
    }

    /// The same database opened once more, as another process would; in memory there is only the one.
    pub(crate) async fn another(&self) -> Store {
        if self.in_memory { self.store.clone() } else { Store::open(&self.config).await.unwrap() }
    }

    /// A node that nobody has enrolled yet.
    pub(crate) fn new_node() -> Node {
        Node::new(Uuid::new_v4(), "fake-hardware")
    }

    /// A node that is enrolled.
    pub(crate) async fn node(&self) -> Node {
        self.store.node_create(&Self::new_node()).await.unwrap()
    }
}

/// A schema that is still empty.
pub(crate) struct PostgresSchema {
    /// How it is opened.
    pub(crate) config: StoreConfig,
    // What must outlive whoever opens it.
    server: Option<Arc<Postgres>>,
}

/// The PostgreSQL of this process: started by the first test that needs it, stopped by the last.
fn shared_server() -> Arc<Postgres> {
    static SERVER: Mutex<Weak<Postgres>> = Mutex::new(Weak::new());
    let mut shared = SERVER.lock().unwrap_or_else(PoisonError::into_inner);
    shared.upgrade().unwrap_or_else(|| {
        let server = Postgres::start();
        let server = server.unwrap_or_else(|error| {
            panic!("tests need PostgreSQL: {error}; or name one in `{POSTGRES}`");
        });
        let server = Arc::new(server);
        *shared = Arc::downgrade(&server);
        server
    })
}
