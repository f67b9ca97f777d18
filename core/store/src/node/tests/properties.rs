//! Locks under every order of events, with several conductors, crashes and calls that are dropped.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use farrier_model::node::{Node, NodeId};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use tokio::runtime::Runtime;
use tokio::time::timeout;

use crate::error::StoreError;
use crate::store::Store;
use crate::suite::TestDatabase;

const HOSTS: [&str; 3] = ["host-1", "host-2", "host-3"];
const NODES: usize = 3;
const PATIENCE: Duration = Duration::from_secs(60);

/// What somebody does; nodes and conductors by their place.
#[derive(Debug, Clone, Copy)]
enum Deed {
    Reserve(usize, usize),
    /// Asks for the lock and goes away after so many steps.
    ReserveAndVanish(usize, usize, usize),
    Release(usize, usize),
    /// Writes the node as the holder last saw it.
    Write(usize, usize),
    /// Dies with all it holds, and starts again: it clears its locks.
    Crash(usize),
    Destroy(usize),
}

fn deed() -> impl Strategy<Value = Deed> {
    let (node, host) = (0..NODES, 0..HOSTS.len());
    prop_oneof![
        6 => (node.clone(), host.clone()).prop_map(|(node, host)| Deed::Reserve(node, host)),
        2 => (node.clone(), host.clone(), 0..6_usize)
            .prop_map(|(node, host, steps)| Deed::ReserveAndVanish(node, host, steps)),
        5 => (node.clone(), host.clone()).prop_map(|(node, host)| Deed::Release(node, host)),
        3 => (node.clone(), host.clone()).prop_map(|(node, host)| Deed::Write(node, host)),
        1 => host.prop_map(Deed::Crash),
        1 => node.prop_map(Deed::Destroy),
    ]
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Outcome {
    Done,
    Locked(String),
    NotLocked,
    NotFound,
}

fn outcome<T>(result: Result<T, StoreError>) -> Outcome {
    match result {
        Ok(_) => Outcome::Done,
        Err(StoreError::NodeLocked { holder, .. }) => Outcome::Locked(holder),
        Err(StoreError::NodeNotLocked { .. }) => Outcome::NotLocked,
        Err(StoreError::NodeNotFound { .. }) => Outcome::NotFound,
        Err(error) => panic!("{error:?}"),
    }
}

/// What must be true: who holds which node, and how often it was written. A node that is gone is not there.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Model(BTreeMap<usize, (Option<usize>, u64)>);

impl Model {
    fn new() -> Self {
        Self((0..NODES).map(|node| (node, (None, 0))).collect())
    }

    fn apply(&mut self, deed: Deed) -> Outcome {
        let (Deed::Reserve(node, _)
        | Deed::ReserveAndVanish(node, _, _)
        | Deed::Release(node, _)
        | Deed::Write(node, _)
        | Deed::Destroy(node)) = deed
        else {
            return self.crash(deed);
        };
        let Some((holder, writes)) = self.0.get_mut(&node) else {
            // Nobody hears what became of a call that was dropped.
            let vanished = matches!(deed, Deed::ReserveAndVanish(..));
            return if vanished { Outcome::Done } else { Outcome::NotFound };
        };
        match (deed, *holder) {
            (Deed::Destroy(_), _) => {
                self.0.remove(&node);
            }
            (Deed::ReserveAndVanish(..), _) => {}
            (Deed::Reserve(_, host), None) => *holder = Some(host),
            (Deed::Release(_, host), Some(held)) if held == host => *holder = None,
            (Deed::Write(_, host), Some(held)) if held == host => *writes += 1,
            (Deed::Release(..) | Deed::Write(..), None) => return Outcome::NotLocked,
            (_, Some(held)) => return Outcome::Locked(HOSTS[held].to_owned()),
            (Deed::Crash(_), None) => {}
        }
        Outcome::Done
    }

    fn crash(&mut self, deed: Deed) -> Outcome {
        if let Deed::Crash(host) = deed {
            self.0.values_mut().filter(|state| state.0 == Some(host)).for_each(|state| state.0 = None);
        }
        Outcome::Done
    }
}

/// The same in a database, through a store for each conductor.
struct Database {
    stores: [Store; 3],
    nodes: Vec<NodeId>,
}

impl Database {
    async fn start(database: &TestDatabase) -> Self {
        let mut nodes = Vec::new();
        for _ in 0..NODES {
            nodes.push(database.node().await.id);
        }
        let stores = [database.store.clone(), database.another().await, database.another().await];
        Self { stores, nodes }
    }

    /// Closes what only this has opened.
    async fn close(&self) {
        for store in &self.stores[1..] {
            store.close().await;
        }
    }

    async fn apply(&self, deed: Deed) -> Outcome {
        match deed {
            Deed::Reserve(node, host) => {
                outcome(self.stores[host].node_reserve(self.nodes[node], HOSTS[host], "test").await)
            }
            Deed::ReserveAndVanish(node, host, steps) => {
                self.reserve_and_vanish(node, host, steps).await;
                Outcome::Done
            }
            Deed::Release(node, host) => {
                outcome(self.stores[host].node_release(self.nodes[node], HOSTS[host]).await)
            }
            Deed::Write(node, host) => self.write(node, host).await,
            Deed::Crash(host) => outcome(self.stores[host].node_reservations_clear(HOSTS[host]).await),
            Deed::Destroy(node) => outcome(self.stores[0].node_destroy(self.nodes[node]).await),
        }
    }

    async fn reserve_and_vanish(&self, node: usize, host: usize, steps: usize) {
        let (store, id) = (&self.stores[host], self.nodes[node]);
        let mut call = Box::pin(store.node_reserve(id, HOSTS[host], "test"));
        for _ in 0..steps {
            match poll_once(&mut call).await {
                Poll::Pending => tokio::task::yield_now().await,
                // The lock was there before he vanished, so he gives it back.
                Poll::Ready(Ok(_)) => return store.node_release(id, HOSTS[host]).await.unwrap(),
                Poll::Ready(Err(_)) => return,
            }
        }
    }

    /// Counts a write in the node, as a task does that was given the lock.
    async fn write(&self, node: usize, host: usize) -> Outcome {
        let store = &self.stores[host];
        let mut before = match store.node_get(self.nodes[node]).await {
            Ok(node) => node,
            Err(error) => return outcome::<()>(Err(error)),
        };
        before.reservation = Some(HOSTS[host].to_owned());
        let mut after = before.clone();
        after.extra.insert("writes".to_owned(), (writes(&before) + 1).into());
        outcome(store.node_update(&before, &after).await)
    }

    /// Waits until the database is as the model says: what was under way when somebody vanished is undone later.
    async fn settle(&self, model: &Model) {
        let wait = async {
            while self.state().await != *model {
                tokio::task::yield_now().await;
            }
        };
        if timeout(PATIENCE, wait).await.is_err() {
            assert_eq!(self.state().await, *model);
        }
    }

    async fn state(&self) -> Model {
        let mut state = BTreeMap::new();
        for (place, id) in self.nodes.iter().enumerate() {
            if let Ok(node) = self.stores[0].node_get(*id).await {
                let holder = node.reservation.as_deref();
                let host = holder.map(|name| HOSTS.iter().position(|host| *host == name).unwrap());
                state.insert(place, (host, writes(&node)));
            }
        }
        Model(state)
    }
}

fn writes(node: &Node) -> u64 {
    node.extra.get("writes").and_then(serde_json::Value::as_u64).unwrap_or_default()
}

async fn poll_once<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
    poll_fn(|context| Poll::Ready(Pin::new(&mut *future).poll(context))).await
}

/// Does one thing after the other and compares each time.
async fn in_sequence(deeds: Vec<Deed>) {
    let memory = TestDatabase::memory().await;
    let (database, mut model) = (Database::start(&memory).await, Model::new());
    for deed in deeds {
        let expected = model.apply(deed);

        let outcome = database.apply(deed).await;

        assert_eq!(outcome, expected, "{deed:?}");
        database.settle(&model).await;
    }
}

/// Whether two things can happen at the same time: a conductor does not work on one node twice at once.
fn can_meet(first: Deed, second: Deed) -> bool {
    let place = |deed| match deed {
        Deed::Reserve(node, host) | Deed::Release(node, host) | Deed::Write(node, host) => Some((node, host)),
        Deed::ReserveAndVanish(..) | Deed::Crash(_) | Deed::Destroy(_) => None,
    };
    let vanishes = |deed| matches!(deed, Deed::ReserveAndVanish(..));
    !vanishes(first) && !vanishes(second) && (place(first).is_none() || place(first) != place(second))
}

/// Does two things at once, through two stores, and looks whether one of the two orders explains what came of it.
async fn in_pairs(shared: &TestDatabase, deeds: Vec<(Deed, Deed)>) {
    let (database, mut model) = (Database::start(shared).await, Model::new());
    for (first, second) in deeds.into_iter().filter(|(first, second)| can_meet(*first, *second)) {
        let (mut one, mut other) = (model.clone(), model.clone());
        let of_one = (one.apply(first), one.apply(second));
        let (later, earlier) = (other.apply(second), other.apply(first));
        let of_other = (earlier, later);

        let outcomes = tokio::join!(database.apply(first), database.apply(second));
        let state = database.state().await;

        let explained = (outcomes == of_one && state == one) || (outcomes == of_other && state == other);
        assert!(explained, "{first:?} with {second:?} on {model:?}: {outcomes:?}, then {state:?}");
        model = state;
    }
    database.close().await;
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, ..ProptestConfig::default() })]

    #[test]
    fn never_two_holders_and_only_the_holder_writes_and_releases(
        deeds in prop::collection::vec(deed(), 1..60),
    ) {
        Runtime::new().unwrap().block_on(in_sequence(deeds));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

    #[test]
    fn what_two_conductors_do_at_once_has_an_order(
        deeds in prop::collection::vec((deed(), deed()), 1..40),
    ) {
        Runtime::new().unwrap().block_on(async {
            let file = TestDatabase::sqlite().await;
            in_pairs(&file, deeds).await;
            file.store.close().await;
        });
    }
}

/// The same where nothing but the database keeps the conductors apart. All cases share one schema, which takes long to
/// make; each has nodes of its own.
#[test]
fn what_two_conductors_do_at_once_on_postgres_has_an_order() {
    let runtime = Runtime::new().unwrap();
    let database = runtime.block_on(TestDatabase::postgres());
    let mut runner = TestRunner::new(ProptestConfig { cases: 20, ..ProptestConfig::default() });

    let ran = runner.run(&prop::collection::vec((deed(), deed()), 1..40), |deeds| {
        runtime.block_on(in_pairs(&database, deeds));
        Ok(())
    });

    runtime.block_on(database.store.close());
    ran.unwrap();
}
