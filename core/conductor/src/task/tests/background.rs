//! Jobs and the end of a scope: rows T23 to T30 and T42 to T45 of the reference's tests of its task manager.

use std::sync::Mutex;

use farrier_model::node::Node;
use farrier_model::provision::{Event, ProvisionState};
use farrier_sdk::interface::power::PowerState;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::oneshot;
use uuid::Uuid;

use super::super::*;
use super::{Calls, Fixture, quick, three_workers};
use crate::log_capture::LogCapture;
use crate::workers::Permit;

/// A conductor whose three workers are busy.
async fn busy() -> (Fixture, Vec<Permit>) {
    let config = three_workers();
    let fixture = Fixture::new(config).await;
    let workers = fixture.all_workers(3).await;
    (fixture, workers)
}

fn is_without_worker(result: &Result<(), ConductorError>) -> bool {
    matches!(result, Err(ConductorError::NoFreeConductorWorker { size: 3 }))
}

/// A job that is over at once.
fn nothing() -> Job {
    Job::new("nothing", |_| Box::pin(async { Ok(()) }))
}

/// A job that fails.
fn fiasco() -> Job {
    Job::new("fiasco_job", |_| Box::pin(async { Err(ConductorError::invalid_parameter("fiasco").into()) }))
}

#[tokio::test]
async fn row_t23_a_job_gets_what_it_was_made_with_and_has_the_lock_until_it_ends() {
    let fixture = Fixture::new(quick()).await;
    let node = fixture.node().await;
    let mut notifications = fixture.tasks().shared().notifier.subscribe();
    let (go, wait) = oneshot::channel::<&str>();
    let mut task = fixture.tasks().acquire_exclusive(&node, Acquire::default()).await.unwrap();
    let job = Job::new("describe", move |task| {
        Box::pin(async move {
            task.node_mut().description = Some(wait.await.unwrap().to_owned());
            Ok(task.save().await?)
        })
    });
    task.process_event(Event::Manage, ProcessEvent { job: Some(job), ..ProcessEvent::default() })
        .await
        .unwrap();

    task.finish().await.unwrap();

    assert!(fixture.stored(&node).await.is_reserved());
    assert_eq!(notifications.try_recv().unwrap().event_type, "baremetal.node.provision_set.start");
    assert!(notifications.try_recv().is_err());
    go.send("done").unwrap();
    assert_eq!(fixture.unlocked(&node).await.description.as_deref(), Some("done"));
}

#[tokio::test]
async fn a_second_job_takes_the_place_of_the_first() {
    let fixture = Fixture::new(quick()).await;
    let node = fixture.node().await;
    let mut task = fixture.tasks().acquire_exclusive(&node, Acquire::default()).await.unwrap();
    task.spawn_after(fiasco());
    task.spawn_after(nothing());

    task.finish().await.unwrap();

    assert_eq!(fixture.unlocked(&node).await.last_error, None);
}

#[tokio::test]
async fn row_t24_after_an_error_of_the_body_no_job_starts() {
    let fixture = Fixture::new(quick()).await;
    let node = fixture.node().await;
    let calls = Calls::from_now_on(&fixture.store);
    let (started, watch) = oneshot::channel::<()>();
    let mut task = fixture.tasks().acquire_exclusive(&node, Acquire::default()).await.unwrap();
    task.set_spawn_error_hook(Box::new(|_, _| panic!("the job is not even tried")));
    task.spawn_after(Job::new("job", move |_| {
        Box::pin(async move {
            started.send(()).unwrap();
            Ok(())
        })
    }));

    task.abandon().await;

    assert_eq!(fixture.stored(&node).await.reservation, None);
    assert!(watch.await.is_err(), "the job was dropped unstarted");
    assert_eq!(calls.of("node_release"), 1);
}

#[tokio::test]
async fn row_t25_a_job_without_a_worker_is_refused_and_nothing_is_told() {
    let (fixture, _busy) = busy().await;
    let node = fixture.node().await;
    let mut notifications = fixture.tasks().shared().notifier.subscribe();
    let calls = Calls::from_now_on(&fixture.store);
    let mut task = fixture.tasks().acquire_exclusive(&node, Acquire::default()).await.unwrap();
    let options = ProcessEvent { job: Some(nothing()), ..ProcessEvent::default() };
    task.process_event(Event::Manage, options).await.unwrap();

    let refused = task.finish().await;

    assert!(is_without_worker(&refused), "{refused:?}");
    assert_eq!(calls.of("node_release"), 1);
    assert!(!fixture.stored(&node).await.is_reserved());
    assert!(notifications.try_recv().is_err());
}

/// Does something in a runtime that is then shut down under it. What the log says of jobs that are cut off.
async fn on_another_runtime(work: impl FnOnce(&Runtime) + Send + 'static) -> Vec<String> {
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let done = tokio::task::spawn_blocking(move || {
        let log = LogCapture::start();
        work(&runtime);
        runtime.shutdown_background();
        log.lines(|line| line.contains("a job was cut off"))
    });
    done.await.unwrap()
}

/// Differs: a job that has its worker is started in one step that cannot fail half way. What can happen is that the
/// process goes down before the job's first step.
#[tokio::test]
async fn row_t26_a_job_that_never_got_to_its_first_step_gives_the_lock_back() {
    let fixture = Fixture::new(quick()).await;
    let node = fixture.node().await;
    let calls = Calls::from_now_on(&fixture.store);
    let mut task = fixture.tasks().acquire_exclusive(&node, Acquire::default()).await.unwrap();
    let (started, watch) = oneshot::channel::<()>();
    task.spawn_after(Job::new("job", move |_| {
        Box::pin(async move {
            started.send(()).unwrap();
            Ok(())
        })
    }));

    on_another_runtime(move |runtime| {
        let _entered = runtime.enter();
        // Starting the job is the first thing that happens, and nothing is awaited.
        assert!(futures_util::FutureExt::now_or_never(task.finish()).unwrap().is_ok());
    })
    .await;

    assert!(watch.await.is_err(), "the job did not start");
    fixture.unlocked(&node).await;
    assert_eq!(calls.of("node_release"), 1);
}

#[tokio::test]
async fn row_t27_the_hook_hears_why_the_job_did_not_start_while_the_lock_is_held() {
    let (fixture, _busy) = busy().await;
    let node = fixture.node().await;
    let heard = Arc::new(Mutex::new(Vec::new()));
    let mut task = fixture.tasks().acquire_exclusive(&node, Acquire::default()).await.unwrap();
    task.spawn_after(nothing());
    let (hears, argument) = (Arc::clone(&heard), "argument");
    task.set_spawn_error_hook(Box::new(move |error, task| {
        Box::pin(async move {
            let stored = task.shared().store.node_get(task.node().id).await?;
            hears.lock().unwrap().push((error.to_string(), argument, stored.is_reserved()));
            Ok(())
        })
    }));

    let refused = task.finish().await;

    assert!(is_without_worker(&refused), "{refused:?}");
    let error = refused.unwrap_err().to_string();
    assert_eq!(*heard.lock().unwrap(), [(error, "argument", true)]);
    assert!(!fixture.stored(&node).await.is_reserved());
}

#[tokio::test]
async fn row_t28_a_hook_that_fails_does_not_hide_why_the_job_did_not_start() {
    let (fixture, _busy) = busy().await;
    let node = fixture.node().await;
    let (calls, log) = (Calls::from_now_on(&fixture.store), LogCapture::start());
    let mut task = fixture.tasks().acquire_exclusive(&node, Acquire::default()).await.unwrap();
    task.spawn_after(nothing());
    task.set_spawn_error_hook(Box::new(|_, _| {
        Box::pin(async { Err(ConductorError::invalid_parameter("the hook's own trouble")) })
    }));

    let refused = task.finish().await;

    assert!(is_without_worker(&refused), "{refused:?}");
    assert_eq!(
        log.lines(|line| line.starts_with("WARN") && line.contains("the hook's own trouble")).len(),
        1
    );
    assert_eq!(calls.of("node_release"), 1);
}

#[tokio::test]
async fn row_t29_the_machine_of_a_task_stands_where_the_locked_node_is() {
    let fixture = Fixture::new(quick()).await;
    let waiting = Node {
        provision_state: ProvisionState::CleanWait,
        target_provision_state: Some(ProvisionState::Manageable),
        ..Node::new(Uuid::new_v4(), "fake-hardware")
    };
    let (waiting, other) = (fixture.enrol(waiting).await, fixture.node().await);

    let task = fixture.tasks().acquire_exclusive(&waiting, Acquire::default()).await.unwrap();
    let mut moved = fixture.tasks().acquire_exclusive(&other, Acquire::default()).await.unwrap();
    moved.process_event(Event::Manage, ProcessEvent::default()).await.unwrap();

    let machine = task.machine();
    assert_eq!(machine.current(), ProvisionState::CleanWait);
    assert_eq!(machine.target(), Some(ProvisionState::Manageable));
}

/// Differs: which node it was stays known, for the log; nothing can be done with it.
#[tokio::test]
async fn row_t30_a_released_task_has_nothing_left() {
    let fixture = Fixture::new(quick()).await;
    let node = fixture.node().await;
    let mut task = fixture.tasks().acquire_exclusive(&node, Acquire::default()).await.unwrap();
    task.ports().await.unwrap();
    let power = task.power().unwrap();

    task.release().await.unwrap();

    let over = |result: Result<(), ConductorError>| matches!(result, Err(ConductorError::Released { .. }));
    assert!(task.driver().is_none());
    assert!(over(task.load_driver()));
    assert!(over(task.power().map(drop)));
    assert!(over(task.ports().await.map(drop)));
    assert!(over(task.portgroups().await.map(drop)));
    assert!(over(task.volume_connectors().await.map(drop)));
    assert!(over(task.volume_targets().await.map(drop)));
    assert!(over(task.process_event(Event::Manage, ProcessEvent::default()).await));
    assert!(over(task.save().await));
    let late = power.get_power_state().await.unwrap_err();
    assert_eq!(late.kind(), farrier_sdk::error::ErrorKind::TaskClosed, "{late}");
    task.release().await.unwrap();
    assert!(over(task.downgrade().await.map(drop)));
}

#[tokio::test]
async fn row_t42_a_failed_job_leaves_its_name_and_its_error() {
    let fixture = Fixture::new(quick()).await;
    let node = fixture.node().await;
    let calls = Calls::from_now_on(&fixture.store);
    let mut task = fixture.tasks().acquire_exclusive(&node, Acquire::default()).await.unwrap();
    task.spawn_after(fiasco());

    task.finish().await.unwrap();

    let error = fixture.unlocked(&node).await.last_error.unwrap();
    assert_eq!(error, "Async execution of fiasco_job failed with error: fiasco");
    assert_eq!(calls.of("node_update"), 1);
}

#[tokio::test]
async fn row_t43_an_error_that_the_job_has_left_itself_stays() {
    let fixture = Fixture::new(quick()).await;
    let node = fixture.node().await;
    let calls = Calls::from_now_on(&fixture.store);
    let mut task = fixture.tasks().acquire_exclusive(&node, Acquire::default()).await.unwrap();
    task.spawn_after(Job::new("job", |task| {
        Box::pin(async move {
            task.node_mut().last_error = Some("oops".to_owned());
            task.save().await?;
            Err(ConductorError::invalid_parameter("fiasco").into())
        })
    }));

    task.finish().await.unwrap();

    assert_eq!(fixture.unlocked(&node).await.last_error.as_deref(), Some("oops"));
    assert_eq!(calls.of("node_update"), 1, "the job's own");
}

#[tokio::test]
async fn row_t44_a_job_that_went_well_leaves_nothing() {
    let fixture = Fixture::new(quick()).await;
    let node = fixture.node().await;
    let calls = Calls::from_now_on(&fixture.store);
    let mut task = fixture.tasks().acquire_exclusive(&node, Acquire::default()).await.unwrap();
    task.spawn_after(nothing());

    task.finish().await.unwrap();

    assert_eq!(fixture.unlocked(&node).await.last_error, None);
    assert_eq!(calls.of("node_update"), 0);
    assert_eq!(calls.of("node_release"), 1);
}

/// Differs: nothing cancels a job but the end of the process, so there is no trace to log.
#[tokio::test]
async fn row_t45_a_job_that_is_cut_off_writes_nothing_and_says_so() {
    let fixture = Fixture::new(quick()).await;
    let node = fixture.node().await;
    let calls = Calls::from_now_on(&fixture.store);
    let mut task = fixture.tasks().acquire_exclusive(&node, Acquire::default()).await.unwrap();
    let (started, starts) = oneshot::channel::<()>();
    task.spawn_after(Job::new("endless", move |_| {
        Box::pin(async move {
            started.send(()).unwrap();
            std::future::pending().await
        })
    }));

    let log = on_another_runtime(move |runtime| {
        runtime.block_on(async {
            task.finish().await.unwrap();
            starts.await.unwrap();
        });
    })
    .await;

    assert_eq!(log.len(), 1);
    let stored = fixture.unlocked(&node).await;
    assert_eq!(stored.last_error, None);
    assert_eq!(calls.of("node_update"), 0);
    assert_eq!(calls.of("node_release"), 1);
}

#[tokio::test]
async fn a_job_that_releases_its_task_early_ends_well() {
    let fixture = Fixture::new(quick()).await;
    let node = fixture.node().await;
    let calls = Calls::from_now_on(&fixture.store);
    let mut task = fixture.tasks().acquire_exclusive(&node, Acquire::default()).await.unwrap();
    let (done, ended) = oneshot::channel();
    task.spawn_after(Job::new("job", |task| {
        Box::pin(async move {
            task.release().await?;
            done.send(()).unwrap();
            Err(ConductorError::invalid_parameter("too late to be recorded").into())
        })
    }));

    task.finish().await.unwrap();

    ended.await.unwrap();
    assert_eq!(fixture.unlocked(&node).await.last_error, None);
    assert_eq!(calls.of("node_release"), 1);
}

#[tokio::test]
async fn a_panicking_job_leaves_its_error_and_no_lock() {
    let fixture = Fixture::new(quick()).await;
    let node = fixture.node().await;
    let mut task = fixture.tasks().acquire_exclusive(&node, Acquire::default()).await.unwrap();
    task.spawn_after(Job::new("job", |_| Box::pin(async { panic!("out of luck") })));

    task.finish().await.unwrap();

    let error = fixture.unlocked(&node).await.last_error.unwrap();
    assert!(error.contains("out of luck"), "{error}");
}

#[tokio::test]
async fn a_panicking_power_job_leaves_nothing_on_its_way() {
    let fixture = Fixture::new(quick()).await;
    let node = fixture.node().await;
    let mut task = fixture.tasks().acquire_exclusive(&node, Acquire::default()).await.unwrap();
    task.node_mut().target_power_state = Some(PowerState::On);
    task.save().await.unwrap();
    task.spawn_after(Job::new("node_power_action", |_| panic!("before its first step")));

    task.finish().await.unwrap();

    let stored = fixture.unlocked(&node).await;
    assert_eq!(stored.target_power_state, None);
    assert!(stored.last_error.unwrap().contains("before its first step"));
}

#[tokio::test]
async fn no_job_starts_once_the_conductor_stops() {
    let fixture = Fixture::new(quick()).await;
    let node = fixture.node().await;
    let mut task = fixture.tasks().acquire_exclusive(&node, Acquire::default()).await.unwrap();
    task.spawn_after(Job::new("late", |_| Box::pin(async { Ok(()) })));
    fixture.tasks().shared().workers.stop(Some(Duration::ZERO)).await;

    let refused = task.finish().await;

    assert!(matches!(refused, Err(ConductorError::NoFreeConductorWorker { .. })), "{refused:?}");
    assert_eq!(fixture.stored(&node).await.reservation, None);
}
