//! The schema that the migrations make, compared with what was reviewed.

use crate::config::StoreConfig;
use crate::error::StoreError;
use crate::statement::Statement;
use crate::store::Store;
use crate::suite::TestDatabase;

/// Everything SQLite knows about the schema.
const SQLITE: &str = "SELECT type || ' ' || name || ' ' || COALESCE(sql, 'implied') AS line FROM sqlite_schema \
    WHERE tbl_name NOT LIKE '\\_sqlx%' ESCAPE '\\' AND name NOT LIKE 'sqlite\\_seq%' ESCAPE '\\' \
    ORDER BY tbl_name, type DESC, name";

/// Columns, constraints and indexes of PostgreSQL's schema.
const POSTGRES: &str = "SELECT line FROM (\
    SELECT table_name::text || ' column ' || column_name || ' ' || data_type \
        || CASE is_nullable WHEN 'NO' THEN ' not null' ELSE '' END \
        || COALESCE(' default ' || column_default, '') \
        || CASE is_identity WHEN 'YES' THEN ' identity' ELSE '' END AS line, \
        table_name::text AS tbl, 1 AS kind, ordinal_position::bigint AS place, '' AS name \
    FROM information_schema.columns WHERE table_schema = CURRENT_SCHEMA \
    UNION ALL \
    SELECT rel.relname::text || ' constraint ' || con.conname || ' ' || pg_get_constraintdef(con.oid), \
        rel.relname::text, 2, 0, con.conname::text \
    FROM pg_constraint con JOIN pg_class rel ON rel.oid = con.conrelid \
        JOIN pg_namespace space ON space.oid = rel.relnamespace \
    WHERE space.nspname = CURRENT_SCHEMA AND con.contype <> 'n' \
    UNION ALL \
    SELECT tablename::text || ' index ' || REPLACE(indexdef, CURRENT_SCHEMA || '.', ''), \
        tablename::text, 3, 0, indexname::text \
    FROM pg_indexes WHERE schemaname = CURRENT_SCHEMA \
    ) AS lines WHERE tbl NOT LIKE '\\_sqlx%' ORDER BY tbl COLLATE \"C\", kind, place, name COLLATE \"C\"";

async fn dump(store: &Store, sql: &'static str) -> String {
    let rows = store.pools().read(Statement::new("dump", sql)).await.unwrap();
    let lines: Vec<_> = rows.iter().map(|row| row.text("line").unwrap()).collect();
    lines.join("\n")
}

#[tokio::test]
async fn the_schema_of_sqlite_is_the_reviewed_one() {
    let database = TestDatabase::sqlite().await;

    insta::assert_snapshot!("sqlite", dump(&database.store, SQLITE).await);
}

#[tokio::test]
async fn the_schema_of_postgres_is_the_reviewed_one() {
    let database = TestDatabase::postgres().await;

    insta::assert_snapshot!("postgres", dump(&database.store, POSTGRES).await);
}

/// Tables and columns, in the same words for both.
async fn columns(store: &Store, sql: &'static str) -> Vec<String> {
    let rows = store.pools().read(Statement::new("columns", sql)).await.unwrap();
    let mut columns: Vec<_> = rows.iter().map(|row| row.text("name").unwrap()).collect();
    columns.sort_unstable();
    columns
}

#[tokio::test]
async fn both_schemas_have_the_same_columns() {
    let sqlite = TestDatabase::sqlite().await;
    let postgres = TestDatabase::postgres().await;

    let of_sqlite = columns(
        &sqlite.store,
        "SELECT tab.name || '.' || col.name || CASE WHEN col.\"notnull\" + col.pk > 0 THEN ' not null' ELSE '' END \
         AS name FROM sqlite_schema tab JOIN pragma_table_info(tab.name) col \
         WHERE tab.type = 'table' AND tab.name NOT LIKE 'sqlite%' AND tab.name NOT LIKE '\\_sqlx%' ESCAPE '\\'",
    )
    .await;
    let of_postgres = columns(
        &postgres.store,
        "SELECT table_name || '.' || column_name || CASE is_nullable WHEN 'NO' THEN ' not null' ELSE '' END AS name \
         FROM information_schema.columns \
         WHERE table_schema = CURRENT_SCHEMA AND table_name NOT LIKE '\\_sqlx%'",
    )
    .await;

    assert_eq!(of_sqlite, of_postgres);
}

#[tokio::test]
async fn a_schema_of_a_newer_release_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let config = StoreConfig::new(format!("sqlite://{}", directory.path().join("farrier.db").display()));
    let store = Store::open(&config).await.unwrap();
    let sql = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
               VALUES (9999, 'from the future', 1, x'00', 0)";
    store.pools().write(Statement::new("future", sql)).await.unwrap();
    store.close().await;

    let error = Store::open(&config).await.unwrap_err();

    assert!(matches!(error, StoreError::Migration { .. }), "{error:?}");
    assert!(error.to_string().contains("9999"), "{error}");
}
