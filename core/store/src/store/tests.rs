//! Opening, and many users at once.

use std::os::unix::fs::MetadataExt;
use std::time::Duration;

use farrier_model::node::Node;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::Store;
use crate::conductor::Registration;
use crate::config::StoreConfig;
use crate::error::StoreError;
use crate::node::NodeFilter;
use crate::page::Page;
use crate::statement::Statement;
use crate::suite::{TestDatabase, store_suite};

store_suite! {
    opening_again_keeps_the_records,
    a_busy_database_is_never_the_caller_s_trouble,
    dropped_calls_leave_the_store_usable,
    a_transaction_that_is_not_committed_changes_nothing,
    a_closed_store_refuses,
}

async fn opening_again_keeps_the_records(database: &TestDatabase) {
    let node = database.node().await;

    let again = database.another().await;

    assert!(again.node_get(node.id).await.unwrap() == node);
}

/// Locks, writes and reads what it wrote, many times.
async fn work(store: Store, host: String, rounds: usize) -> Result<(), StoreError> {
    let mut node = store.node_create(&TestDatabase::new_node()).await?;
    for round in 0..rounds {
        let before = store.node_reserve(node.id, &host, "working").await?;
        let mut after = before.clone();
        after.description = Some(format!("round {round}"));
        after.driver_internal_info.insert("round".to_owned(), round.into());
        store.node_update(&before, &after).await?;
        store.node_traits_set(node.id, &[format!("CUSTOM_{round}")]).await?;
        store.node_release(node.id, &host).await?;
        node = store.node_get(node.uuid).await?;
        assert_eq!((node.description, node.reservation), (after.description, None));
        assert_eq!(
            (node.driver_internal_info, node.traits),
            (after.driver_internal_info, vec![format!("CUSTOM_{round}")])
        );
        store.conductor_touch("host-1").await?;
        let page = Page { limit: Some(10), ..Page::default() };
        assert!(!store.node_list(&NodeFilter::default(), &page).await?.is_empty());
    }
    store.node_destroy(node.id).await
}

async fn a_busy_database_is_never_the_caller_s_trouble(database: &TestDatabase) {
    let other = database.another().await;
    let registration = Registration {
        hostname: "host-1".to_owned(),
        conductor_group: String::new(),
        drivers: Vec::new(),
        replace_online: false,
    };
    database.store.conductor_register(&registration).await.unwrap();
    let mut jobs = JoinSet::new();
    for number in 0..48 {
        let store = if number % 2 == 0 { database.store.clone() } else { other.clone() };
        jobs.spawn(work(store, format!("host-{number}"), 15));
    }

    let results = jobs.join_all().await;

    for result in results {
        result.unwrap();
    }
    assert_eq!(database.store.node_count(&NodeFilter::default()).await.unwrap(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_whole_after_many_have_worked_on_it() {
    let database = TestDatabase::sqlite().await;
    let pragma = async |name: &'static str| {
        let rows = database.store.pools().read(Statement::new("pragma", name)).await.unwrap();
        rows.first().unwrap().text("answer").unwrap()
    };

    a_busy_database_is_never_the_caller_s_trouble(&database).await;

    assert_eq!(pragma("SELECT journal_mode AS answer FROM pragma_journal_mode").await, "wal");
    assert_eq!(pragma("SELECT integrity_check AS answer FROM pragma_integrity_check").await, "ok");
}

async fn dropped_calls_leave_the_store_usable(database: &TestDatabase) {
    let store = &database.store;
    let node = database.node().await;
    for patience in (0..1500).step_by(7).map(Duration::from_micros) {
        let mut after = node.clone();
        after.driver_internal_info.insert("patience".to_owned(), patience.subsec_micros().into());
        timeout(patience, store.node_update(&node, &after)).await.ok();
        timeout(patience, store.node_traits_set(node.id, &["CUSTOM_A".to_owned()])).await.ok();
    }

    let before = timeout(Duration::from_secs(60), store.node_get(node.id)).await.unwrap().unwrap();
    let after = Node { owner: Some("alice".to_owned()), ..before.clone() };
    let node = timeout(Duration::from_secs(60), store.node_update(&before, &after)).await.unwrap().unwrap();
    assert_eq!(node.owner.as_deref(), Some("alice"));
}

async fn a_transaction_that_is_not_committed_changes_nothing(database: &TestDatabase) {
    let node = database.node().await;

    let mut transaction = database.store.pools().begin("test").await.unwrap();
    transaction.run(Statement::new("test", "DELETE FROM nodes")).await.unwrap();
    drop(transaction);

    assert!(database.store.node_get(node.id).await.unwrap() == node);
}

async fn a_closed_store_refuses(database: &TestDatabase) {
    let node = database.node().await;

    database.store.close().await;

    let error = database.store.node_get(node.id).await.unwrap_err();
    assert!(matches!(error, StoreError::Database { .. }), "{error:?}");
}

fn file(directory: &tempfile::TempDir, name: &str) -> StoreConfig {
    StoreConfig::new(format!("sqlite://{}", directory.path().join(name).display()))
}

#[tokio::test]
async fn only_the_owner_can_read_the_files() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(&file(&directory, "farrier.db")).await.unwrap();
    store.node_create(&TestDatabase::new_node()).await.unwrap();

    let mut files: Vec<_> = std::fs::read_dir(directory.path()).unwrap().map(Result::unwrap).collect();
    files.sort_by_key(std::fs::DirEntry::file_name);

    let modes: Vec<_> = files
        .iter()
        .map(|file| (file.file_name().into_string().unwrap(), file.metadata().unwrap().mode() & 0o777))
        .collect();
    let expected = ["farrier.db", "farrier.db-shm", "farrier.db-wal"].map(|name| (name.to_owned(), 0o600));
    assert_eq!(modes, expected);
}

#[tokio::test]
async fn a_file_with_an_unusual_name_is_found_again() {
    let directory = tempfile::tempdir().unwrap();
    let config = file(&directory, "a%20b%3F.db");
    let store = Store::open(&config).await.unwrap();
    let node = store.node_create(&TestDatabase::new_node()).await.unwrap();
    store.close().await;

    assert!(directory.path().join("a b?.db").exists());
    let store = Store::open(&config).await.unwrap();
    assert!(store.node_get(node.id).await.unwrap() == node);
}

#[tokio::test]
async fn a_file_that_another_process_keeps_busy_can_be_read_and_tried_again() {
    let directory = tempfile::tempdir().unwrap();
    let impatient =
        StoreConfig { sqlite_max_wait_for_retry: Duration::ZERO, ..file(&directory, "farrier.db") };
    let (busy, store) = (Store::open(&impatient).await.unwrap(), Store::open(&impatient).await.unwrap());
    let node = store.node_create(&TestDatabase::new_node()).await.unwrap();
    let transaction = busy.pools().begin("test").await.unwrap();

    let read = store.node_get(node.id).await.unwrap();
    let error = store.node_reserve(node.id, "r1", "test").await.unwrap_err();
    transaction.commit().await.unwrap();

    assert!(read == node);
    assert!(matches!(error, StoreError::Busy { operation: "node_reserve", .. }), "{error:?}");
    assert!(error.is_retryable());
    store.node_reserve(node.id, "r1", "test").await.unwrap();
}

#[tokio::test]
async fn a_file_in_a_directory_that_does_not_exist_is_named() {
    let directory = tempfile::tempdir().unwrap();

    let error = Store::open(&file(&directory, "nosuch/farrier.db")).await.unwrap_err();

    assert!(matches!(error, StoreError::Open { .. }), "{error:?}");
    assert!(error.to_string().contains("nosuch/farrier.db"), "{error}");
}

#[tokio::test]
async fn a_file_that_is_no_database_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("farrier.db"), "this is no database".repeat(100)).unwrap();

    let error = Store::open(&file(&directory, "farrier.db")).await.unwrap_err();

    assert!(matches!(error, StoreError::Open { .. }), "{error:?}");
}

#[tokio::test]
async fn a_server_that_is_not_there_is_named_without_its_password() {
    let config = StoreConfig {
        pool_timeout: Duration::from_millis(200),
        // Nothing listens on the discard port of this address.
        ..StoreConfig::new("postgres://user:canary@127.9.9.9:9/farrier")
    };

    let error = Store::open(&config).await.unwrap_err();

    let text = format!("{error} {error:?}");
    assert!(text.contains("postgres://127.9.9.9:9/farrier"), "{text}");
    assert!(!text.contains("canary"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_file_can_be_opened_by_many_at_once() {
    let directory = tempfile::tempdir().unwrap();
    let config = file(&directory, "farrier.db");
    let mut jobs = JoinSet::new();
    for _ in 0..8 {
        let config = config.clone();
        jobs.spawn(async move {
            let store = Store::open(&config).await?;
            let node = store.node_create(&TestDatabase::new_node()).await;
            store.close().await;
            node
        });
    }

    for node in jobs.join_all().await {
        node.unwrap();
    }

    let store = Store::open(&config).await.unwrap();
    assert_eq!(store.node_count(&NodeFilter::default()).await.unwrap(), 8);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_schema_can_be_opened_by_many_at_once() {
    let schema = TestDatabase::postgres_schema().await;
    let mut jobs = JoinSet::new();
    for _ in 0..8 {
        let config = schema.config.clone();
        jobs.spawn(async move { Store::open(&config).await.map(drop) });
    }

    for result in jobs.join_all().await {
        result.unwrap();
    }
}

#[tokio::test]
async fn a_database_in_memory_lives_as_long_as_its_store() {
    let config = StoreConfig { max_pool_size: 8, ..StoreConfig::new("sqlite::memory:") };
    let store = Store::open(&config).await.unwrap();
    let mut jobs = JoinSet::new();
    for _ in 0..16 {
        let store = store.clone();
        jobs.spawn(async move { store.node_create(&TestDatabase::new_node()).await });
    }
    for node in jobs.join_all().await {
        node.unwrap();
    }

    assert_eq!(store.node_count(&NodeFilter::default()).await.unwrap(), 16);
    let other = Store::open(&config).await.unwrap();
    assert_eq!(other.node_count(&NodeFilter::default()).await.unwrap(), 0);
}
