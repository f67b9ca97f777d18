use farrier_model::provision::ProvisionState as S;

use super::*;
use crate::script::{self, Script};
use crate::task::Acquire;
use crate::task::tests::{Fixture, quick};

/// A conductor and an active node whose console is to be on.
async fn active() -> (Fixture, Script, ExclusiveTask) {
    let (fixture, script) = script::fixture(quick()).await;
    let node = script::node_in(&fixture, S::Active).await;
    let mut task = fixture.tasks().acquire_exclusive(&node, Acquire::new("test")).await.unwrap();
    task.node_mut().console_enabled = true;
    task.save().await.unwrap();
    (fixture, script, task)
}

#[tokio::test]
async fn a_takeover_restarts_the_console() {
    let (fixture, script, mut task) = active().await;
    let mut told = fixture.tasks().shared().notifier.subscribe();

    take_over(&mut task).await.unwrap();

    let node = fixture.stored(task.node()).await;
    assert!(node.console_enabled);
    assert_eq!(node.last_error, None);
    assert_eq!(node.conductor_affinity, Some(fixture.store.conductor_get("host-1").await.unwrap().id));
    assert_eq!(script.asked(), ["deploy.prepare", "deploy.take_over", "console.start_console"]);
    assert_eq!(told.recv().await.unwrap().event_type, "baremetal.node.console_restore.start");
    assert_eq!(told.recv().await.unwrap().event_type, "baremetal.node.console_restore.end");
}

#[tokio::test]
async fn a_console_that_does_not_start_is_switched_off_and_the_node_taken_over_all_the_same() {
    let (fixture, script, mut task) = active().await;
    let mut told = fixture.tasks().shared().notifier.subscribe();
    script.will_fail("console.start_console", "port is taken");

    take_over(&mut task).await.unwrap();

    let node = fixture.stored(task.node()).await;
    assert!(!node.console_enabled);
    assert!(node.last_error.unwrap().contains("port is taken"));
    assert!(node.conductor_affinity.is_some());
    assert_eq!(told.recv().await.unwrap().event_type, "baremetal.node.console_restore.start");
    assert_eq!(told.recv().await.unwrap().event_type, "baremetal.node.console_restore.error");
}

#[tokio::test]
async fn a_failed_takeover_leaves_the_node_with_whoever_had_it() {
    let (fixture, script, mut task) = active().await;
    script.will_fail("deploy.prepare", "no space");

    let error = take_over(&mut task).await.unwrap_err();

    assert!(Chain(&error).to_string().contains("no space"), "{error}");
    assert_eq!(fixture.stored(task.node()).await.conductor_affinity, None);
    assert_eq!(script.asked(), ["deploy.prepare"]);
}
