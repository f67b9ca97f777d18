//! Moving through the state machine: rows T31 to T37 of the reference's tests of its task manager.

use std::sync::Mutex;

use farrier_model::node::Node;
use farrier_model::provision::machine::TRANSITIONS;
use farrier_model::provision::{Event, ProvisionState, STABLE};
use uuid::Uuid;

use super::super::*;
use super::{Calls, Fixture, quick, three_workers};
use crate::log_capture::LogCapture;

fn nothing() -> Job {
    Job::new("nothing", |_| Box::pin(async { Ok(()) }))
}

/// An exclusive task on a node that is where the test wants it.
async fn task_at(fixture: &Fixture, state: ProvisionState, target: Option<ProvisionState>) -> ExclusiveTask {
    let node = Node::new(Uuid::new_v4(), "fake-hardware");
    let last_error = Some("earlier".to_owned());
    let node = Node { provision_state: state, target_provision_state: target, last_error, ..node };
    let node = fixture.enrol(node).await;
    fixture.tasks().acquire_exclusive(&node, Acquire::default()).await.unwrap()
}

#[tokio::test]
async fn row_t31_an_event_that_leads_nowhere_changes_nothing() {
    let fixture = Fixture::new(quick()).await;
    let mut task = task_at(&fixture, ProvisionState::Enroll, None).await;
    let (node, calls) = (task.node().clone(), Calls::from_now_on(&fixture.store));
    let options = ProcessEvent {
        job: Some(nothing()),
        last_error: Some("later".to_owned()),
        ..ProcessEvent::default()
    };

    let refused = task.process_event(Event::Deploy, options).await;

    assert!(matches!(refused, Err(ConductorError::InvalidState(_))), "{refused:?}");
    assert!(*task.node() == node);
    assert!(task.job.is_none());
    assert_eq!(task.machine().current(), ProvisionState::Enroll);
    assert_eq!(calls.all(), []);
}

#[tokio::test]
async fn a_target_that_is_not_stable_changes_nothing() {
    let fixture = Fixture::new(quick()).await;
    let mut task = task_at(&fixture, ProvisionState::Enroll, None).await;
    let calls = Calls::from_now_on(&fixture.store);
    let options = ProcessEvent {
        job: Some(nothing()),
        target: Some(ProvisionState::Deploying),
        ..ProcessEvent::default()
    };

    let refused = task.process_event(Event::Manage, options).await;

    assert!(matches!(refused, Err(ConductorError::InvalidState(_))), "{refused:?}");
    assert_eq!(task.node().provision_state, ProvisionState::Enroll);
    assert!(task.job.is_none());
    assert_eq!(calls.all(), []);
}

#[tokio::test]
async fn row_t32_an_event_with_a_job_is_saved_once_and_forgets_the_last_error() {
    let fixture = Fixture::new(quick()).await;
    let mut task = task_at(&fixture, ProvisionState::Enroll, None).await;
    let calls = Calls::from_now_on(&fixture.store);

    let options = ProcessEvent { job: Some(nothing()), ..ProcessEvent::default() };
    task.process_event(Event::Manage, options).await.unwrap();

    let stored = fixture.stored(task.node()).await;
    assert_eq!(stored.provision_state, ProvisionState::Verifying);
    assert_eq!(stored.target_provision_state, Some(ProvisionState::Manageable));
    assert_eq!(stored.last_error, None);
    assert!(task.job.is_some());
    assert_eq!(calls.of("node_update"), 1);
}

#[tokio::test]
async fn without_a_job_the_last_error_stays_unless_another_is_given() {
    let fixture = Fixture::new(quick()).await;
    let mut task = task_at(&fixture, ProvisionState::Manageable, None).await;

    task.process_event(Event::Provide, ProcessEvent::default()).await.unwrap();
    assert_eq!(task.node().last_error.as_deref(), Some("earlier"));

    let options = ProcessEvent { last_error: Some("later".to_owned()), ..ProcessEvent::default() };
    task.process_event(Event::Fail, options).await.unwrap();
    assert_eq!(fixture.stored(task.node()).await.last_error.as_deref(), Some("later"));
}

#[tokio::test]
async fn row_t33_the_error_handler_gets_the_state_and_the_target_before() {
    let config = three_workers();
    let fixture = Fixture::new(config).await;
    let _busy = fixture.all_workers(3).await;
    let (before, target) = (ProvisionState::CleanWait, Some(ProvisionState::Manageable));
    let mut task = task_at(&fixture, before, target).await;
    let node = task.node().clone();
    let heard = Arc::new(Mutex::new(Vec::new()));
    let hears = Arc::clone(&heard);
    let options = ProcessEvent {
        job: Some(nothing()),
        error_handler: Some(Box::new(move |error, task, state, target| {
            hears.lock().unwrap().push((task.node().uuid, task.node().provision_state, state, target));
            Box::pin(async move {
                let node = task.node_mut();
                (node.provision_state, node.target_provision_state) = (state, target);
                node.last_error = Some(error.to_string());
                task.save().await
            })
        })),
        ..ProcessEvent::default()
    };
    task.process_event(Event::Resume, options).await.unwrap();

    assert!(task.finish().await.is_err());

    assert_eq!(*heard.lock().unwrap(), [(node.uuid, ProvisionState::Cleaning, before, target)]);
    let stored = fixture.stored(&node).await;
    assert_eq!((stored.provision_state, stored.target_provision_state), (before, target));
    assert_eq!(stored.reservation, None);
    assert!(stored.last_error.unwrap().contains("busy"));
}

#[tokio::test]
async fn row_t34_an_explicit_target_is_taken() {
    let fixture = Fixture::new(quick()).await;
    let mut task = task_at(&fixture, ProvisionState::CleanWait, Some(ProvisionState::Manageable)).await;
    let calls = Calls::from_now_on(&fixture.store);

    let options = ProcessEvent { target: Some(ProvisionState::Manageable), ..ProcessEvent::default() };
    task.process_event(Event::Resume, options).await.unwrap();

    let stored = fixture.stored(task.node()).await;
    assert_eq!(stored.provision_state, ProvisionState::Cleaning);
    assert_eq!(stored.target_provision_state, Some(ProvisionState::Manageable));
    assert_eq!(calls.of("node_update"), 1);
}

/// A move into every stable state, with another stable state as its target.
fn moves_into_stable_states() -> Vec<(ProvisionState, Event, ProvisionState)> {
    let into = |stable| TRANSITIONS.iter().copied().find(|&(_, _, to)| to == stable);
    STABLE.iter().map(|&stable| into(stable).expect("every stable state can be reached")).collect()
}

#[tokio::test]
async fn row_t35_with_a_job_a_stable_state_keeps_its_target() {
    let fixture = Fixture::new(quick()).await;
    for (from, event, to) in moves_into_stable_states() {
        let mut task = task_at(&fixture, from, None).await;
        let target = Some(ProvisionState::Rescue);

        let options = ProcessEvent { job: Some(nothing()), target, ..ProcessEvent::default() };
        task.process_event(event, options).await.unwrap();

        let stored = fixture.stored(task.node()).await;
        assert_eq!((stored.provision_state, stored.target_provision_state), (to, target), "`{event}`");
    }
}

#[tokio::test]
async fn row_t36_without_a_job_a_stable_state_has_no_target() {
    let fixture = Fixture::new(quick()).await;
    for (from, event, to) in moves_into_stable_states() {
        let mut task = task_at(&fixture, from, None).await;

        let options = ProcessEvent { target: Some(ProvisionState::Rescue), ..ProcessEvent::default() };
        task.process_event(event, options).await.unwrap();

        let stored = fixture.stored(task.node()).await;
        assert_eq!((stored.provision_state, stored.target_provision_state), (to, None), "`{event}`");
    }
}

#[tokio::test]
async fn row_t37_without_a_job_the_change_is_told_at_once_and_once() {
    let fixture = Fixture::new(quick()).await;
    let mut notifications = fixture.tasks().shared().notifier.subscribe();
    let mut task = task_at(&fixture, ProvisionState::Available, None).await;

    task.process_event(Event::Manage, ProcessEvent::default()).await.unwrap();

    let told = notifications.try_recv().unwrap();
    assert_eq!(told.event_type, "baremetal.node.provision_set.success");
    task.finish().await.unwrap();
    assert!(notifications.try_recv().is_err());
}

#[tokio::test]
async fn the_start_is_told_before_the_job_can_tell_anything() {
    let fixture = Fixture::new(quick()).await;
    let node = fixture.node().await;
    let mut notifications = fixture.tasks().shared().notifier.subscribe();
    let mut task = fixture.tasks().acquire_exclusive(&node, Acquire::default()).await.unwrap();
    let job = Job::new("verify", |task| {
        Box::pin(async move { Ok(task.process_event(Event::Done, ProcessEvent::default()).await?) })
    });
    task.process_event(Event::Manage, ProcessEvent { job: Some(job), ..ProcessEvent::default() })
        .await
        .unwrap();

    task.finish().await.unwrap();

    let (start, end) = (notifications.recv().await.unwrap(), notifications.recv().await.unwrap());
    assert_eq!(start.event_type, "baremetal.node.provision_set.start");
    assert_eq!(start.payload["provision_state"], "verifying");
    assert_eq!(end.event_type, "baremetal.node.provision_set.end");
    let stored = fixture.unlocked(&node).await;
    assert_eq!((stored.provision_state, stored.target_provision_state), (ProvisionState::Manageable, None));
}

#[tokio::test]
async fn a_failure_is_logged_as_an_error_and_the_rest_as_news() {
    let fixture = Fixture::new(quick()).await;
    let log = LogCapture::start();
    let mut task = task_at(&fixture, ProvisionState::Manageable, None).await;

    task.process_event(Event::Provide, ProcessEvent::default()).await.unwrap();
    task.process_event(Event::Fail, ProcessEvent::default()).await.unwrap();

    let levels = log.lines(|line| line.contains("node changed its provision state"));
    let levels: Vec<&str> = levels.iter().filter_map(|line| line.split(' ').next()).collect();
    assert_eq!(levels, ["INFO", "ERROR"]);
}
