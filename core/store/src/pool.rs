//! The connections to the database, and running statements on them.

use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use sqlx::any::{AnyConnectOptions, AnyPoolOptions};
use sqlx::migrate::{MigrateError, Migrator};
use sqlx::{Any, AnyPool, AssertSqlSafe, ConnectOptions, Connection, Transaction};
use tokio::time::Instant;

use crate::config::StoreConfig;
use crate::dialect::{Dialect, Role};
use crate::error::{DatabaseError, StoreError};
use crate::probe::Probe;
use crate::statement::{Row, Statement};
use crate::writer::Writer;

/// Pause between two attempts to get hold of a SQLite file that another process is just opening.
const OPEN_PAUSE: Duration = Duration::from_millis(20);

/// The two pools: one that writes and one that reads. On PostgreSQL they are the same, on SQLite the first has
/// a single connection, which stands behind a queue of its own when the database is a file.
#[derive(Debug)]
pub(crate) struct Pools {
    dialect: Dialect,
    writer: AnyPool,
    queue: Option<Writer>,
    reader: AnyPool,
    probe: Arc<Probe>,
}

impl Pools {
    /// Connects to the database of `config`.
    pub(crate) async fn open(config: &StoreConfig) -> Result<Self, StoreError> {
        sqlx::any::install_default_drivers();
        let url = config.connection.expose();
        let dialect = Dialect::of(url)?;
        let open =
            |error| StoreError::Open { database: dialect.label(url), source: DatabaseError::new(error) };
        let options = AnyConnectOptions::from_str(&dialect.connection(url)).map_err(open)?;
        if let Some(path) = dialect.file(url) {
            create_private(&path).map_err(|error| open(sqlx::Error::Io(error)))?;
        }
        if dialect == Dialect::SqliteFile {
            prepare(config, &options).await.map_err(open)?;
        }
        let writer = pool(config, dialect, Role::Writer).connect_with(options.clone()).await.map_err(open)?;
        let (reader, queue) = match dialect {
            Dialect::SqliteFile => {
                let reader = pool(config, dialect, Role::Reader).connect_with(options).await.map_err(open)?;
                let queue = Writer::new(writer.clone(), reader.clone(), config.pool_timeout);
                (reader, Some(queue))
            }
            Dialect::SqliteMemory | Dialect::Postgres => (writer.clone(), None),
        };
        Ok(Self { dialect, writer, queue, reader, probe: Arc::default() })
    }

    /// The database spoken to.
    pub(crate) const fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// What statements were run.
    pub(crate) fn probe(&self) -> &Probe {
        &self.probe
    }

    /// Runs a statement that reads.
    pub(crate) async fn read(&self, statement: Statement) -> Result<Vec<Row>, StoreError> {
        self.run(&self.reader, statement).await
    }

    /// Runs a single statement that writes; it is its own transaction.
    pub(crate) async fn write(&self, statement: Statement) -> Result<Vec<Row>, StoreError> {
        match &self.queue {
            Some(queue) => {
                self.probe.enter(statement.operation())?;
                queue.run(statement).await
            }
            None => self.run(&self.writer, statement).await,
        }
    }

    /// Begins a transaction that may read and write; dropped without [`WriteTransaction::commit`] it changes
    /// nothing.
    pub(crate) async fn begin(&self, operation: &'static str) -> Result<WriteTransaction, StoreError> {
        let begun = match &self.queue {
            Some(queue) => queue.begin(self.dialect.begin()).await,
            None => self.writer.begin_with(self.dialect.begin()).await,
        };
        let transaction = begun.map_err(|error| StoreError::database(operation, error))?;
        Ok(WriteTransaction { transaction, operation, probe: Arc::clone(&self.probe) })
    }

    /// Runs the migrations that are missing; other processes that do the same wait.
    ///
    /// On PostgreSQL the migrator takes a lock for that. On SQLite it takes none, so everything happens in one
    /// transaction.
    pub(crate) async fn migrate(&self, migrator: &Migrator) -> Result<(), MigrateError> {
        // `Migrator::run` says the same more politely, but makes a future that cannot be sent between threads.
        if !self.dialect.has_one_writer() {
            let mut connection = self.writer.acquire().await?;
            return migrator.run_direct(None, &mut *connection, false).await;
        }
        let mut transaction = self.writer.begin_with(self.dialect.begin()).await?;
        migrator.run_direct(None, &mut *transaction, false).await?;
        transaction.commit().await.map_err(MigrateError::from)
    }

    /// Waits until every connection is given back, and closes them.
    pub(crate) async fn close(&self) {
        self.reader.close().await;
        match &self.queue {
            Some(queue) => queue.close().await,
            None => self.writer.close().await,
        }
    }

    async fn run(&self, pool: &AnyPool, statement: Statement) -> Result<Vec<Row>, StoreError> {
        self.probe.enter(statement.operation())?;
        let acquired = pool.acquire().await;
        let mut connection = acquired.map_err(|error| StoreError::database(statement.operation(), error))?;
        statement.run(&mut connection).await
    }
}

/// A transaction that may read and write.
#[derive(Debug)]
pub(crate) struct WriteTransaction {
    transaction: Transaction<'static, Any>,
    operation: &'static str,
    probe: Arc<Probe>,
}

impl WriteTransaction {
    /// Runs a statement inside.
    pub(crate) async fn run(&mut self, statement: Statement) -> Result<Vec<Row>, StoreError> {
        self.probe.enter(statement.operation())?;
        statement.run(&mut self.transaction).await
    }

    /// Makes what it wrote permanent.
    pub(crate) async fn commit(self) -> Result<(), StoreError> {
        let operation = self.operation;
        self.transaction.commit().await.map_err(|error| StoreError::database(operation, error))
    }
}

/// How a pool of connections for `role` behaves.
fn pool(config: &StoreConfig, dialect: Dialect, role: Role) -> AnyPoolOptions {
    let greeting = dialect.greeting(config, role);
    let size = if dialect.has_one_writer() && role == Role::Writer { 1 } else { config.max_pool_size.max(1) };
    let options = AnyPoolOptions::new()
        .max_connections(size)
        .acquire_timeout(config.pool_timeout)
        .after_connect(move |connection, _| {
            let greeting = greeting.clone();
            Box::pin(
                async move { sqlx::raw_sql(AssertSqlSafe(greeting)).execute(connection).await.map(drop) },
            )
        });
    if dialect.has_one_writer() {
        // A file does not go away, and a database in memory must not.
        options.min_connections(1).test_before_acquire(false).idle_timeout(None).max_lifetime(None)
    } else {
        options
    }
}

/// Makes a file that only its owner can read, if there is none: the database holds passwords. SQLite gives its
/// other files the same mode.
fn create_private(path: &Path) -> io::Result<()> {
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}

/// Switches a SQLite file to the write-ahead log.
///
/// SQLite does not wait for other processes that do the same at this moment, so this does.
async fn prepare(config: &StoreConfig, options: &AnyConnectOptions) -> Result<(), sqlx::Error> {
    let deadline = Instant::now() + config.sqlite_max_wait_for_retry;
    loop {
        match switch_to_wal(config, options).await {
            Err(error) if StoreError::is_busy(&error) && Instant::now() < deadline => {
                tokio::time::sleep(OPEN_PAUSE).await;
            }
            other => return other,
        }
    }
}

async fn switch_to_wal(config: &StoreConfig, options: &AnyConnectOptions) -> Result<(), sqlx::Error> {
    let greeting = Dialect::SqliteFile.greeting(config, Role::Writer);
    let mut connection = options.connect().await?;
    let switched = sqlx::raw_sql(AssertSqlSafe(greeting)).execute(&mut connection).await;
    switched.map(drop).and(connection.close().await)
}
