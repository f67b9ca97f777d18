use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use farrier_host::{Builtin, Plugin};
use farrier_model::node::{Interfaces, Node};
use farrier_sdk::interface::InterfaceType;
use farrier_sdk::prelude::{DriverError, DriverTask, InspectInterface, NoInfo, StepOutcome, interface};
use farrier_store::NodeFilter;
use tokio::sync::Notify;
use uuid::Uuid;

use super::*;
use crate::config::DriverConfig;
use crate::log_capture::LogCapture;
use crate::task::Acquire;
use crate::task::tests::{Fixture, fake_drivers, quick};

/// Collects what a pass came to.
#[derive(Default)]
struct Visited(Mutex<Vec<Uuid>>);

impl Visited {
    fn add(&self, node: &Node) {
        self.0.lock().unwrap().push(node.uuid);
    }

    fn take(&self) -> Vec<Uuid> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

async fn ten_nodes(fixture: &Fixture) -> Vec<Node> {
    let mut nodes = Vec::new();
    for _ in 0..10 {
        nodes.push(fixture.node().await);
    }
    nodes
}

/// A pass over all nodes that answers `outcome` for each.
async fn shared_pass(fixture: &Fixture, pass: &NodePass<'_>, outcome: Outcome) -> (Vec<Uuid>, usize) {
    let visited = Visited::default();
    let acted = pass
        .run_shared(&Pass::new(&fixture.conductor), async |task| {
            visited.add(task.node());
            Ok(outcome)
        })
        .await
        .unwrap();
    (visited.take(), acted)
}

fn all_nodes() -> NodePass<'static> {
    NodePass::new("testing", NodeFilter::default())
}

#[tokio::test]
async fn row_nodetask_each_node_is_visited_under_a_shared_task() {
    let fixture = Fixture::new(quick()).await;
    let nodes = ten_nodes(&fixture).await;
    let held = fixture.tasks().acquire_exclusive(&nodes[3], Acquire::default()).await.unwrap();

    let (visited, acted) = shared_pass(&fixture, &all_nodes(), Outcome::Acted).await;

    assert_eq!(visited, nodes.iter().map(|node| node.uuid).collect::<Vec<_>>());
    assert_eq!(acted, 10);
    held.finish().await.unwrap();
}

#[tokio::test]
async fn row_nodetask_unknown_and_locked_nodes_are_skipped_with_one_info_line_each() {
    let fixture = Fixture::new(quick()).await;
    let nodes = ten_nodes(&fixture).await;
    let held = fixture.tasks().acquire_exclusive(&nodes[4], Acquire::default()).await.unwrap();
    let (visited, store, gone) = (Visited::default(), fixture.store.clone(), nodes[7].id);
    let log = LogCapture::start();

    let pass = all_nodes();
    let acted = pass
        .run_exclusive(&Pass::new(&fixture.conductor), async |task| {
            visited.add(task.node());
            if visited.0.lock().unwrap().len() == 1 {
                store.node_destroy(gone).await?;
            }
            task.finish().await?;
            Ok(Outcome::Acted)
        })
        .await
        .unwrap();

    let skipped = [nodes[4].uuid, nodes[7].uuid];
    let rest: Vec<_> = nodes.iter().map(|node| node.uuid).filter(|uuid| !skipped.contains(uuid)).collect();
    assert_eq!(visited.take(), rest);
    assert_eq!(acted, 8);
    for (node, text) in [(&nodes[4], "node is locked, skipped"), (&nodes[7], "node is gone, skipped")] {
        let lines = log.lines(|line| line.contains(&node.uuid.to_string()) && line.contains(text));
        assert_eq!(lines.len(), 1, "{lines:?}");
        assert!(lines[0].starts_with("INFO "), "{lines:?}");
    }
    held.finish().await.unwrap();
}

#[tokio::test]
async fn row_nodetask_the_exclusive_variant_holds_the_lock_during_the_work() {
    let fixture = Fixture::new(quick()).await;
    let node = fixture.node().await;
    let (store, seen) = (fixture.store.clone(), Mutex::new(None));

    all_nodes()
        .run_exclusive(&Pass::new(&fixture.conductor), async |task| {
            let stored = store.node_get(task.node().id).await?;
            *seen.lock().unwrap() = Some((stored.reservation, stored.reservation_purpose));
            task.finish().await?;
            Ok(Outcome::Acted)
        })
        .await
        .unwrap();

    let seen = seen.into_inner().unwrap().unwrap();
    assert_eq!(seen, (Some("host-1".to_owned()), Some("testing".to_owned())));
    assert_eq!(fixture.stored(&node).await.reservation, None);
}

#[tokio::test]
async fn row_nodetask_a_node_that_the_predicate_refuses_is_not_locked() {
    let fixture = Fixture::new(quick()).await;
    let nodes = ten_nodes(&fixture).await;
    let wanted = nodes[2].uuid;
    let locked = fixture.store.probe().count("node_reserve");
    let seen = Mutex::new(Vec::new());

    let predicate = |node: &Node| node.uuid == wanted;
    NodePass { predicate: Some(&predicate), ..all_nodes() }
        .run_exclusive(&Pass::new(&fixture.conductor), async |task| {
            seen.lock().unwrap().push(task.node().uuid);
            task.finish().await?;
            Ok(Outcome::Acted)
        })
        .await
        .unwrap();

    assert_eq!(seen.into_inner().unwrap(), [wanted]);
    assert_eq!(fixture.store.probe().count("node_reserve"), locked + 1);
}

#[tokio::test]
async fn row_nodetask_a_limit_of_three_ends_after_three_nodes_that_were_acted_on() {
    let fixture = Fixture::new(quick()).await;
    let nodes = ten_nodes(&fixture).await;
    let pass = NodePass { limit: Some(3), ..all_nodes() };
    let (uninteresting, visited) = ([nodes[0].uuid, nodes[2].uuid], Visited::default());

    let (first, acted) = shared_pass(&fixture, &pass, Outcome::Acted).await;
    let (all, none) = shared_pass(&fixture, &pass, Outcome::Nothing).await;
    let some = pass
        .run_shared(&Pass::new(&fixture.conductor), async |task| {
            visited.add(task.node());
            let nothing = uninteresting.contains(&task.node().uuid);
            Ok(if nothing { Outcome::Nothing } else { Outcome::Acted })
        })
        .await
        .unwrap();

    assert_eq!((first.len(), acted), (3, 3));
    assert_eq!((all.len(), none), (10, 0));
    assert_eq!((visited.take().len(), some), (5, 3));
}

#[tokio::test]
async fn row_nodetask_a_stop_after_the_first_ends_after_one() {
    let fixture = Fixture::new(quick()).await;
    let nodes = ten_nodes(&fixture).await;

    let (visited, _) = shared_pass(&fixture, &all_nodes(), Outcome::Stop).await;

    assert_eq!(visited, [nodes[0].uuid]);
}

#[tokio::test]
async fn row_nodetask_a_stop_of_the_conductor_ends_the_pass_at_the_next_node() {
    let fixture = Fixture::new(quick()).await;
    ten_nodes(&fixture).await;
    let (visited, pass) = (Visited::default(), Pass::new(&fixture.conductor));

    all_nodes()
        .run_shared(&pass, async |task| {
            visited.add(task.node());
            fixture.tasks().shared().workers.stopping().cancel();
            Ok(Outcome::Acted)
        })
        .await
        .unwrap();

    assert_eq!(visited.take().len(), 1);
}

/// A conductor with the inspect interfaces `fake`, `no-inspect` and `acme`, which also answers to `acme-base`.
async fn fixture_with_inspect_interfaces() -> Fixture {
    let drivers = DriverConfig {
        enabled_inspect_interfaces: ["fake", "no-inspect", "acme"].map(str::to_owned).to_vec(),
        ..fake_drivers()
    };
    let acme = Plugin::builtin("acme", vec![Builtin::new(|| AcmeInspect)]).unwrap();
    Fixture::with_drivers(quick(), drivers, vec![acme]).await
}

/// What the reference would write as a subclass: it stands in for another implementation, but is not that one.
struct AcmeInspect;

#[interface(inspect, name = "acme", aliases = ["acme-base"])]
impl InspectInterface for AcmeInspect {
    type Info = NoInfo;

    async fn inspect_hardware(&self, _task: &DriverTask<NoInfo>) -> Result<StepOutcome, DriverError> {
        Ok(StepOutcome::Done)
    }
}

async fn with_inspect_interface(fixture: &Fixture, name: &str) -> Uuid {
    let interfaces: Interfaces = [(InterfaceType::Inspect, name.to_owned())].into_iter().collect();
    fixture.enrol(Node { interfaces, ..Node::new(Uuid::new_v4(), "fake-hardware") }).await.uuid
}

fn of_inspect_interface(name: &str) -> NodePass<'_> {
    NodePass { implementation: Some((InterfaceType::Inspect, name)), ..all_nodes() }
}

#[tokio::test]
async fn row_nodetask_nodes_with_another_implementation_are_skipped() {
    let fixture = fixture_with_inspect_interfaces().await;
    let fake = with_inspect_interface(&fixture, "fake").await;
    let none = with_inspect_interface(&fixture, "no-inspect").await;

    let (of_fake, _) = shared_pass(&fixture, &of_inspect_interface("fake"), Outcome::Acted).await;
    let (of_none, _) = shared_pass(&fixture, &of_inspect_interface("no-inspect"), Outcome::Acted).await;

    assert_eq!(of_fake, [fake]);
    assert_eq!(of_none, [none]);
}

#[tokio::test]
async fn row_nodetask_a_subtype_is_skipped_by_the_base_task() {
    let fixture = fixture_with_inspect_interfaces().await;
    let acme = with_inspect_interface(&fixture, "acme-base").await;

    let (of_base, _) = shared_pass(&fixture, &of_inspect_interface("acme-base"), Outcome::Acted).await;
    let (of_acme, _) = shared_pass(&fixture, &of_inspect_interface("acme"), Outcome::Acted).await;

    assert_eq!(of_base, [] as [Uuid; 0]);
    assert_eq!(of_acme, [acme]);
}

#[tokio::test]
async fn row_nodetask_other_errors_end_the_pass() {
    let fixture = Fixture::new(quick()).await;
    ten_nodes(&fixture).await;
    let visited = Visited::default();

    let ended = all_nodes()
        .run_shared(&Pass::new(&fixture.conductor), async |task| {
            visited.add(task.node());
            Err(ConductorError::invalid_parameter("out of luck"))
        })
        .await;

    assert!(matches!(ended, Err(ConductorError::InvalidParameter { .. })), "{ended:?}");
    assert_eq!(visited.take().len(), 1);
}

#[tokio::test]
async fn nodes_of_other_groups_and_unknown_drivers_are_not_ours() {
    let fixture = Fixture::new(quick()).await;
    let ours = fixture.node().await;
    let elsewhere =
        Node { conductor_group: "rack-9".to_owned(), ..Node::new(Uuid::new_v4(), "fake-hardware") };
    let unknown = Node::new(Uuid::new_v4(), "unheard-of");
    for node in [&elsewhere, &unknown] {
        fixture.store.node_create(node).await.unwrap();
    }

    let (visited, _) = shared_pass(&fixture, &all_nodes(), Outcome::Acted).await;

    assert_eq!(visited, [ours.uuid]);
}

/// A task that counts its runs and waits in each for a word.
struct Counted {
    begun: Arc<AtomicUsize>,
    go_on: Arc<Notify>,
}

fn counted() -> (Counted, Run) {
    let counted = Counted { begun: Arc::default(), go_on: Arc::default() };
    let (begun, go_on) = (Arc::clone(&counted.begun), Arc::clone(&counted.go_on));
    let run = move || {
        let (begun, go_on) = (Arc::clone(&begun), Arc::clone(&go_on));
        async move {
            begun.fetch_add(1, Ordering::Relaxed);
            go_on.notified().await;
            Ok(())
        }
        .boxed()
    };
    (counted, Box::new(run))
}

/// Moves the paused clock; everything that is due then has run.
async fn advance(seconds: f64) {
    tokio::time::sleep(Duration::from_secs_f64(seconds)).await;
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(start_paused = true)]
async fn the_first_run_comes_after_one_interval_and_none_joins_it() {
    let workers = Workers::new(&quick()).unwrap();
    let (counted, run) = counted();
    let begun = || counted.begun.load(Ordering::Relaxed);
    start(&workers, vec![PeriodicTask { name: "counting", interval: 10.0, run }]);

    advance(9.9).await;
    assert_eq!(begun(), 0);
    advance(0.2).await;
    assert_eq!(begun(), 1);
    advance(50.0).await;
    assert_eq!(begun(), 1);
    counted.go_on.notify_one();
    advance(10.1).await;
    assert_eq!(begun(), 2);
    counted.go_on.notify_one();
    assert!(workers.stop(Some(Duration::from_secs(1))).await);
    advance(100.0).await;
    assert_eq!(begun(), 2);
}

#[tokio::test(start_paused = true)]
async fn zero_and_less_mean_never() {
    let workers = Workers::new(&quick()).unwrap();
    for interval in [0.0, -1.0] {
        let (counted, run) = counted();
        start(&workers, vec![PeriodicTask { name: "never", interval, run }]);

        advance(100_000.0).await;

        assert_eq!(counted.begun.load(Ordering::Relaxed), 0, "{interval}");
    }
}

#[tokio::test]
async fn a_run_without_a_worker_is_left_out_and_logged() {
    let workers = Workers::new(&quick()).unwrap();
    let (counted, run) = counted();
    let task = PeriodicTask { name: "crowded-out", interval: 10.0, run };
    let held: Vec<_> = std::iter::from_fn(|| workers.acquire_normal().ok()).collect();
    let log = LogCapture::start();

    let crowded = task.run(&workers).await;

    assert_eq!(crowded, Ran::NoWorker);
    assert_eq!(counted.begun.load(Ordering::Relaxed), 0);
    assert_eq!(log.lines(|line| line.starts_with("WARN ") && line.contains("crowded-out")).len(), 1);
    drop(held);
    counted.go_on.notify_one();
    assert_eq!(task.run(&workers).await, Ran::Ended);
}

#[tokio::test]
async fn a_run_that_fails_or_panics_is_logged_and_gives_its_worker_back() {
    let workers = Workers::new(&quick()).unwrap();
    let fails: Run = Box::new(|| async { Err(ConductorError::invalid_parameter("out of luck")) }.boxed());
    let panics: Run = Box::new(|| async { panic!("never mind, this is a test") }.boxed());
    let log = LogCapture::start();

    for (name, run) in [("failing", fails), ("panicking", panics)] {
        let task = PeriodicTask { name, interval: 1.0, run };

        assert_eq!(task.run(&workers).await, Ran::Failed);

        assert_eq!(log.lines(|line| line.starts_with("ERROR ") && line.contains(name)).len(), 1);
    }
    let free: Vec<_> = std::iter::from_fn(|| workers.acquire_normal().ok()).collect();
    assert_eq!(free.len(), workers.normal_size());
}

/// Differs: drivers have no periodic tasks. What a driver does for long is a step that waits, which the conductor calls
/// again; so nothing is collected, from interfaces no more than from hardware types.
#[tokio::test]
async fn row_c8_what_runs_at_intervals_is_the_conductor_s_own_whatever_drivers_there_are() {
    let names = async |drivers| {
        let fixture = Fixture::with_drivers(quick(), drivers, Vec::new()).await;
        tasks(&fixture.conductor).iter().map(|task| task.name).collect::<Vec<_>>()
    };
    let more = DriverConfig {
        enabled_bios_interfaces: vec!["fake".to_owned(), "no-bios".to_owned()],
        enabled_raid_interfaces: vec!["fake".to_owned(), "no-raid".to_owned()],
        enabled_inspect_interfaces: vec!["fake".to_owned(), "no-inspect".to_owned()],
        ..fake_drivers()
    };

    let (few, many) = (names(fake_drivers()).await, names(more).await);

    assert!(few.contains(&"power sync"), "{few:?}");
    assert_eq!(few, many);
}
