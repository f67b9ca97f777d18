mod catalogue;

use std::sync::Arc;

use farrier_model::node::Node;
use farrier_model::notification::node::ConsoleAction;
use farrier_model::notification::{Level, Notification, Status};
use farrier_model::provision::{Event, ProvisionState};
use farrier_sdk::interface::power::PowerState;
use farrier_sim::webhook::{Habit, Webhook};
use serde_json::{Value, json};
use tokio::sync::broadcast;
use uuid::Uuid;

use super::Notifier;
use crate::config::{DriverConfig, NotificationConfig, WebhookConfig};
use crate::operation::power;
use crate::service::Conductor;
use crate::task::tests::{Fixture, fake_drivers, quick, three_workers};
use crate::task::{Acquire, ExclusiveTask, Job, ProcessEvent, RequestContext};

/// What was told until now.
fn told(heard: &mut broadcast::Receiver<Notification>) -> Vec<Notification> {
    std::iter::from_fn(|| heard.try_recv().ok()).collect()
}

/// Event types without what all have, and levels.
fn kinds(told: &[Notification]) -> Vec<(String, Level)> {
    let short = |told: &Notification| told.event_type.trim_start_matches("baremetal.node.").to_owned();
    told.iter().map(|told| (short(told), told.level)).collect()
}

fn kind(name: &str, level: Level) -> (String, Level) {
    (name.to_owned(), level)
}

/// A node in `state` under its lock, and whoever hears what is told of it.
async fn task_in(
    fixture: &Fixture,
    state: ProvisionState,
    target: Option<ProvisionState>,
) -> (ExclusiveTask, broadcast::Receiver<Notification>) {
    let node = Node {
        provision_state: state,
        target_provision_state: target,
        ..Node::new(Uuid::new_v4(), "fake-hardware")
    };
    let node = fixture.enrol(node).await;
    let task = fixture.tasks().acquire_exclusive(&node, Acquire::default()).await.unwrap();
    (task, fixture.tasks().shared().notifier.subscribe())
}

/// What is told of `event` on a node in `state`.
async fn told_of(state: ProvisionState, event: Event) -> Notification {
    let fixture = Fixture::new(quick()).await;
    let (mut task, mut heard) = task_in(&fixture, state, None).await;

    task.process_event(event, ProcessEvent::default()).await.unwrap();

    let mut told = told(&mut heard);
    assert_eq!(told.len(), 1, "{told:?}");
    told.remove(0)
}

fn job() -> Job {
    Job::new("job", |_| Box::pin(async { Ok(()) }))
}

#[tokio::test]
async fn row_t46_without_a_processed_event_nothing_is_told() {
    let fixture = Fixture::new(quick()).await;
    let (mut task, mut heard) = task_in(&fixture, ProvisionState::Available, None).await;

    task.publish_pending();

    assert_eq!(told(&mut heard), []);
}

#[tokio::test]
async fn row_t47_a_failure_is_told_as_an_error_with_what_was_before() {
    let fixture = Fixture::new(quick()).await;
    let target = Some(ProvisionState::Manageable);
    let (mut task, mut heard) = task_in(&fixture, ProvisionState::Cleaning, target).await;

    task.process_event(Event::Fail, ProcessEvent::default()).await.unwrap();
    task.publish_pending();

    let told = told(&mut heard);
    assert_eq!(kinds(&told), [kind("provision_set.error", Level::Error)]);
    let payload = &told[0].payload;
    assert_eq!((payload.name(), payload.version()), ("NodeSetProvisionStatePayload", "1.18"));
    assert_eq!(payload["event"], "fail");
    assert_eq!(payload["previous_provision_state"], "cleaning");
    assert_eq!(payload["previous_target_provision_state"], "manageable");
    assert_eq!(payload["provision_state"], "clean failed");
}

#[tokio::test]
async fn row_t48_between_two_unstable_states_an_event_is_a_success() {
    let told = told_of(ProvisionState::DeployWait, Event::Resume).await;

    assert_eq!(kinds(&[told]), [kind("provision_set.success", Level::Info)]);
}

#[tokio::test]
async fn row_t49_into_an_unstable_state_an_event_is_a_start() {
    let told = told_of(ProvisionState::Available, Event::Deploy).await;

    assert_eq!(kinds(&[told]), [kind("provision_set.start", Level::Info)]);
}

#[tokio::test]
async fn row_t50_out_of_an_unstable_state_an_event_is_an_end() {
    let told = told_of(ProvisionState::Deploying, Event::Done).await;

    assert_eq!(kinds(&[told]), [kind("provision_set.end", Level::Info)]);
}

#[tokio::test]
async fn row_t51_between_two_stable_states_an_event_is_a_success() {
    let told = told_of(ProvisionState::Available, Event::Manage).await;

    assert_eq!(kinds(&[told]), [kind("provision_set.success", Level::Info)]);
}

/// A job may give the lock back before the event that started it is told.
#[tokio::test]
async fn row_t52_after_the_task_was_released_the_remembered_node_is_told() {
    let fixture = Fixture::new(quick()).await;
    let (mut task, mut heard) = task_in(&fixture, ProvisionState::Available, None).await;
    let with_job = ProcessEvent { job: Some(job()), ..ProcessEvent::default() };
    task.process_event(Event::Deploy, with_job).await.unwrap();
    task.release().await.unwrap();

    task.publish_pending();

    let told = told(&mut heard);
    assert_eq!(kinds(&told), [kind("provision_set.start", Level::Info)]);
    assert_eq!(told[0].payload["uuid"], json!(task.node().uuid));
    assert_eq!(told[0].payload["provision_state"], "deploying");
}

#[tokio::test]
async fn row_t53_an_event_is_told_once_however_often_that_is_asked_for() {
    let fixture = Fixture::new(quick()).await;
    let (mut task, mut heard) = task_in(&fixture, ProvisionState::Available, None).await;
    let with_job = ProcessEvent { job: Some(job()), ..ProcessEvent::default() };
    task.process_event(Event::Deploy, with_job).await.unwrap();

    task.publish_pending();
    task.publish_pending();

    assert_eq!(told(&mut heard).len(), 1);
}

/// The reference builds it from the live node, which the job already changes.
#[tokio::test]
async fn the_start_of_a_job_shows_the_node_as_it_was_saved_with_the_event() {
    let fixture = Fixture::new(quick()).await;
    let (mut task, mut heard) = task_in(&fixture, ProvisionState::Available, None).await;
    let job = Job::new("job", |task| {
        Box::pin(async move {
            task.node_mut().description = Some("by the job".to_owned());
            Ok(task.process_event(Event::Done, ProcessEvent::default()).await?)
        })
    });
    let with_job = ProcessEvent { job: Some(job), ..ProcessEvent::default() };
    task.process_event(Event::Deploy, with_job).await.unwrap();
    task.node_mut().description = Some("before the job".to_owned());
    let node = task.node().clone();

    task.finish().await.unwrap();
    fixture.unlocked(&node).await;

    let told = told(&mut heard);
    let shown: Vec<_> = told.iter().map(|told| told.payload["description"].clone()).collect();
    assert_eq!(
        kinds(&told),
        [kind("provision_set.start", Level::Info), kind("provision_set.end", Level::Info)]
    );
    assert_eq!(shown, [Value::Null, json!("by the job")]);
}

/// The reference sends the start alone and leaves a target behind.
#[tokio::test]
async fn a_forbidden_power_off_is_told_as_an_error_and_leaves_no_target() {
    let fixture = Fixture::new(quick()).await;
    let (mut task, mut heard) = task_in(&fixture, ProvisionState::Active, None).await;
    task.node_mut().disable_power_off = true;
    task.node_mut().target_power_state = Some(PowerState::Off);
    task.save().await.unwrap();

    power::action(&mut task, PowerState::SoftOff, None).await.unwrap_err();

    let told = told(&mut heard);
    assert_eq!(kinds(&told), [kind("power_set.start", Level::Info), kind("power_set.error", Level::Error)]);
    let payload = &told[1].payload;
    assert_eq!(payload["to_power"], "soft power off");
    assert_eq!((&payload["target_power_state"], &payload["power_state"]), (&Value::Null, &Value::Null));
    assert_eq!(fixture.stored(task.node()).await.target_power_state, None);
}

#[tokio::test]
async fn a_power_action_without_a_worker_is_not_told() {
    let config = three_workers();
    let fixture = Fixture::new(config).await;
    let node = fixture.node().await;
    let mut heard = fixture.tasks().shared().notifier.subscribe();
    let workers = &fixture.tasks().shared().workers;
    let busy: Vec<_> = std::iter::from_fn(|| workers.acquire().ok()).collect();

    let context = RequestContext::default();
    let refused = fixture.conductor.change_power(context, &node.uuid.into(), PowerState::On, None).await;

    assert!(refused.is_err());
    assert_eq!(told(&mut heard), []);
    drop(busy);
}

#[tokio::test]
async fn a_machine_that_is_there_already_is_told_from_start_to_end() {
    let fixture = Fixture::new(quick()).await;
    let (mut task, mut heard) = task_in(&fixture, ProvisionState::Active, None).await;
    task.node_mut().power_state = Some(PowerState::On);
    task.save().await.unwrap();

    power::action(&mut task, PowerState::On, None).await.unwrap();

    let told = told(&mut heard);
    assert_eq!(kinds(&told), [kind("power_set.start", Level::Info), kind("power_set.end", Level::Info)]);
    assert_eq!((told[1].payload.name(), told[1].payload.version()), ("NodeSetPowerStatePayload", "1.17"));
}

/// What is told of a node with this console being deleted.
async fn told_of_deleting(console: &str, console_enabled: bool) -> Vec<(String, Level)> {
    let drivers = DriverConfig { enabled_console_interfaces: vec![console.to_owned()], ..fake_drivers() };
    let fixture = Fixture::with_drivers(quick(), drivers, Vec::new()).await;
    let node = Node { console_enabled, ..Node::new(Uuid::new_v4(), "fake-hardware") };
    let node = fixture.enrol(node).await;
    let mut heard = fixture.tasks().shared().notifier.subscribe();

    fixture.conductor.node_delete(RequestContext::default(), &node.uuid.into()).await.unwrap();

    kinds(&told(&mut heard))
}

#[tokio::test]
async fn a_console_that_goes_with_its_node_is_told() {
    let (start, end) = (kind("console_set.start", Level::Info), kind("console_set.end", Level::Info));

    assert_eq!(told_of_deleting("fake", true).await, [start, end]);
    assert_eq!(told_of_deleting("fake", false).await, []);
}

#[tokio::test]
async fn a_console_that_does_not_stop_does_not_keep_its_node() {
    let (start, error) = (kind("console_set.start", Level::Info), kind("console_set.error", Level::Error));

    assert_eq!(told_of_deleting("no-console", true).await, [start, error]);
}

#[tokio::test]
async fn keys_that_drivers_declare_secret_are_masked() {
    let notifier = Notifier::start("host-1", &NotificationConfig::default(), &["pin"]).unwrap();
    let mut heard = notifier.subscribe();
    let mut node = Node::new(Uuid::from_u128(1), "fake-hardware");
    node.driver_info.insert("pin".to_owned(), json!("1234"));

    notifier.changed(&node, "update", Status::End);

    assert_eq!(told(&mut heard)[0].payload["driver_info"], json!({"pin": "******"}));
}

fn config(receiver: &Webhook, level: Option<Level>) -> NotificationConfig {
    NotificationConfig {
        notification_level: level,
        webhook: Some(WebhookConfig { batch_interval: 0.01, ..WebhookConfig::new(receiver.url()) }),
        ..NotificationConfig::default()
    }
}

fn sent_to(receiver: &Webhook, level: Option<Level>) -> Notifier {
    Notifier::start("host-1", &config(receiver, level), &[]).unwrap()
}

#[tokio::test]
async fn what_matters_less_than_configured_is_not_sent() {
    let node = Node::new(Uuid::from_u128(1), "fake-hardware");
    for (level, expected) in [
        (None, vec![]),
        (Some(Level::Debug), vec!["start", "error"]),
        (Some(Level::Info), vec!["start", "error"]),
        (Some(Level::Warning), vec!["error"]),
        (Some(Level::Error), vec!["error"]),
        (Some(Level::Critical), vec![]),
    ] {
        let receiver = Webhook::start(Habit::Accept).unwrap();
        let notifier = sent_to(&receiver, level);

        notifier.power_set(&node, PowerState::On, Status::Start);
        notifier.power_set(&node, PowerState::On, Status::Error);
        notifier.stop().await;

        let sent = receiver.notifications();
        let statuses: Vec<_> = sent
            .iter()
            .map(|told| told["event_type"].as_str().unwrap().rsplit('.').next().unwrap())
            .collect();
        assert_eq!(statuses, expected, "{level:?}");
    }
}

#[tokio::test]
async fn sensor_data_is_sent_as_what_matters_as_information() {
    let node = Node::new(Uuid::from_u128(1), "fake-hardware");
    let Value::Object(readings) = json!({"Fan": {"Fan 1": {"Sensor Reading": "2100 RPM"}}}) else {
        unreachable!()
    };
    for (level, expected) in [(None, 0), (Some(Level::Info), 1), (Some(Level::Warning), 0)] {
        let receiver = Webhook::start(Habit::Accept).unwrap();
        let notifier = sent_to(&receiver, level);

        notifier.sensors(&node, &readings);
        notifier.stop().await;

        let sent = receiver.notifications();
        assert_eq!(sent.len(), expected, "{level:?}");
        for told in sent {
            assert_eq!(told["publisher_id"], "ironic-conductor.host-1");
            assert_eq!(told["event_type"], "hardware.fake-hardware.metrics");
            assert_eq!(told["payload"]["payload"], json!(readings));
        }
    }
}

#[tokio::test]
async fn conductor_and_api_have_names_of_their_own() {
    let receiver = Webhook::start(Habit::Accept).unwrap();
    let notifier = sent_to(&receiver, Some(Level::Info));
    let node = Node::new(Uuid::from_u128(1), "fake-hardware");

    notifier.console(&node, ConsoleAction::Stop, Status::End);
    notifier.of_api().maintenance_set(&node, Status::Start);
    notifier.power_state_corrected(&node, Some(PowerState::On));
    notifier.stop().await;

    let sent = receiver.notifications();
    let told: Vec<_> = sent.iter().map(|told| (&told["publisher_id"], &told["event_type"])).collect();
    assert_eq!(
        json!(told),
        json!([
            ["ironic-conductor.host-1", "baremetal.node.console_stop.end"],
            ["ironic-api.host-1", "baremetal.node.maintenance_set.start"],
            ["ironic-conductor.host-1", "baremetal.node.power_state_corrected.success"],
        ])
    );
    let ids: std::collections::BTreeSet<_> = sent.iter().map(|told| told["message_id"].to_string()).collect();
    assert_eq!(ids.len(), 3, "each has an id of its own");
}

#[tokio::test]
async fn a_receiver_that_never_reads_holds_no_task() {
    let receiver = Webhook::start(Habit::Ignore).unwrap();
    let fixture = Fixture::new(quick()).await;
    let node = fixture.node().await;
    let registry = Arc::clone(fixture.conductor.registry());
    let mut telling = config(&receiver, Some(Level::Info));
    // Whoever waited for it would wait longer than this test.
    telling.webhook.as_mut().unwrap().timeout = 3600;
    let conductor =
        Conductor::start_with(quick(), &telling, fixture.store.clone(), registry, None).await.unwrap();

    for state in [PowerState::On, PowerState::Off, PowerState::Reboot] {
        let context = RequestContext::default();
        conductor.change_power(context, &node.uuid.into(), state, None).await.unwrap();
        assert_eq!(fixture.unlocked(&node).await.last_error, None);
    }

    assert_eq!(receiver.requests().len(), 0, "it has read nothing");
}
