//! Hearing of releases: by other processes, which share a PostgreSQL.

use std::time::Duration;

use farrier_model::node::Node;
use farrier_sim::postgres::Postgres;
use tokio::time::timeout;

use crate::config::StoreConfig;
use crate::node::{Release, Releases};
use crate::statement::Statement;
use crate::store::Store;
use crate::suite::TestDatabase;

const PATIENCE: Duration = Duration::from_secs(60);

/// A PostgreSQL of its own: what is done to its connections must not disturb other tests.
struct Server {
    one: Store,
    two: Store,
    _postgres: Postgres,
}

impl Server {
    async fn start() -> Self {
        let postgres = tokio::task::spawn_blocking(|| Postgres::start().unwrap()).await.unwrap();
        let config = StoreConfig::new(postgres.url());
        let (one, two) = (Store::open(&config).await.unwrap(), Store::open(&config).await.unwrap());
        Self { one, two, _postgres: postgres }
    }

    async fn node(&self) -> Node {
        self.one.node_create(&TestDatabase::new_node()).await.unwrap()
    }

    /// What `one` is told from now on; both listen.
    async fn heard(&self) -> Releases {
        eventually("both listen", async || self.listeners().await.len() == 2).await;
        self.one.node_releases()
    }

    /// The connections that listen.
    async fn listeners(&self) -> Vec<String> {
        let sql = "SELECT CAST(pid AS TEXT) AS pid FROM pg_stat_activity WHERE query LIKE 'LISTEN %'";
        let rows = self.one.pools().read(Statement::new("listeners", sql)).await.unwrap();
        rows.iter().map(|row| row.text("pid").unwrap()).collect()
    }

    /// Ends them, and waits until others have taken their place.
    async fn kill_listeners(&self) {
        let before = self.listeners().await;
        assert_eq!(before.len(), 2, "each store has one connection that listens");
        for pid in &before {
            let sql = format!("SELECT CAST(pg_terminate_backend({pid}) AS TEXT) AS ended");
            self.one.pools().read(Statement::new("kill", sql)).await.unwrap();
        }
        eventually("others listen", async || {
            let now = self.listeners().await;
            now.len() == 2 && now.iter().all(|pid| !before.contains(pid))
        })
        .await;
    }
}

async fn eventually(what: &str, reached: impl AsyncFn() -> bool) {
    let wait = async {
        while !reached().await {
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, wait).await.unwrap_or_else(|_| panic!("{what}"));
}

async fn next(releases: &mut Releases) -> Release {
    timeout(PATIENCE, releases.next()).await.expect("something is told")
}

/// What is told next of a node.
async fn next_node(releases: &mut Releases) -> Release {
    loop {
        let told = next(releases).await;
        if told != Release::Missed {
            return told;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_release_by_another_process_is_told_to_whoever_waits_and_to_nobody_else() {
    let server = Server::start().await;
    let (unwanted, wanted) = (server.node().await, server.node().await);
    let mut heard = server.heard().await;
    for node in [&unwanted, &wanted] {
        server.two.node_reserve(node.id, "host-2", "test").await.unwrap();
    }
    assert!(server.one.node_want(wanted.id, "host-1").await.unwrap());

    server.two.node_release(unwanted.id, "host-2").await.unwrap();
    server.two.node_release(wanted.id, "host-2").await.unwrap();

    assert_eq!(next_node(&mut heard).await, Release::Node(wanted.id));
}

#[tokio::test(flavor = "multi_thread")]
async fn locks_that_are_cleared_and_nodes_that_are_deleted_are_told_too() {
    let server = Server::start().await;
    let (cleared, deleted) = (server.node().await, server.node().await);
    let mut heard = server.heard().await;
    for node in [&cleared, &deleted] {
        server.two.node_reserve(node.id, "host-2", "test").await.unwrap();
        assert!(server.one.node_want(node.id, "host-1").await.unwrap());
    }

    server.two.node_destroy(deleted.id).await.unwrap();
    server.two.node_reservations_clear("HOST-2").await.unwrap();

    assert_eq!(next_node(&mut heard).await, Release::Node(deleted.id));
    assert_eq!(next_node(&mut heard).await, Release::Node(cleared.id));
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_waits_for_a_lock_that_is_free() {
    let server = Server::start().await;
    let node = server.node().await;

    assert!(!server.one.node_want(node.id, "host-1").await.unwrap());

    server.two.node_reserve(node.id, "host-2", "test").await.unwrap();
    assert!(server.one.node_want(node.id, "host-1").await.unwrap());
    server.two.node_release(node.id, "host-2").await.unwrap();
    assert!(!server.one.node_want(node.id, "host-1").await.unwrap(), "what was said is forgotten");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_connection_is_made_again_and_whoever_waits_told_to_look() {
    let server = Server::start().await;
    let node = server.node().await;
    let mut heard = server.heard().await;
    server.two.node_reserve(node.id, "host-2", "test").await.unwrap();
    assert!(server.one.node_want(node.id, "host-1").await.unwrap());

    server.kill_listeners().await;

    assert_eq!(next(&mut heard).await, Release::Missed);
    server.two.node_release(node.id, "host-2").await.unwrap();
    assert_eq!(next_node(&mut heard).await, Release::Node(node.id));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_closed_store_listens_no_more() {
    let server = Server::start().await;
    drop(server.heard().await);

    server.two.close().await;

    eventually("its connection is closed", async || server.listeners().await.len() == 1).await;
}
