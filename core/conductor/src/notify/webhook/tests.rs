//! Against a receiver on this machine.

use std::time::Instant;

use farrier_model::node::Node;
use farrier_model::notification::{Level, Status};
use farrier_sdk::interface::power::PowerState;
use farrier_sdk::secret::Secret;
use farrier_sim::port::free_port;
use farrier_sim::wait::wait_for;
use farrier_sim::webhook::{Habit, Webhook as Receiver};
use serde_json::{Value, json};
use uuid::Uuid;

use super::*;
use crate::config::VerifyCa;
use crate::notify::{Counters, Notifier};

/// How long a receiver may take to get what it waits for.
const PATIENCE: Duration = Duration::from_secs(60);

fn node() -> Node {
    Node::new(Uuid::from_u128(1), "fake-hardware")
}

/// Options that send to `url` without needless waiting, changed by `change`.
fn config(
    url: String,
    change: impl FnOnce(&mut NotificationConfig, &mut WebhookConfig),
) -> NotificationConfig {
    let mut webhook = WebhookConfig {
        batch_interval: 0.01,
        retry_interval: 0.01,
        retry_interval_max: 0.05,
        ..WebhookConfig::new(url)
    };
    let mut config = NotificationConfig {
        notification_level: Some(Level::Info),
        log: false,
        ..NotificationConfig::default()
    };
    change(&mut config, &mut webhook);
    config.webhook = Some(webhook);
    config
}

fn notifier(url: String, change: impl FnOnce(&mut NotificationConfig, &mut WebhookConfig)) -> Notifier {
    Notifier::start("host-1", &config(url, change), &[]).unwrap()
}

fn tell(notifier: &Notifier, times: usize) {
    for number in 0..times {
        let name = Some(format!("n{number}"));
        notifier.power_set(&Node { name, ..node() }, PowerState::On, Status::Start);
    }
}

fn names(notifications: &[Value]) -> Vec<String> {
    let name =
        |message: &Value| message["payload"]["ironic_object.data"]["name"].as_str().unwrap().to_owned();
    notifications.iter().map(name).collect()
}

fn numbered(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("n{number}")).collect()
}

/// Waits without keeping the runtime's thread from the sinks.
async fn received(receiver: &Arc<Receiver>, count: usize) -> Vec<Value> {
    let receiver = Arc::clone(receiver);
    tokio::task::spawn_blocking(move || receiver.wait_for(count, PATIENCE).unwrap()).await.unwrap()
}

async fn eventually(what: &'static str, is_so: impl Fn() -> bool + Send + 'static) {
    let wait = move || wait_for(what, PATIENCE, || is_so().then_some(())).unwrap();
    tokio::task::spawn_blocking(wait).await.unwrap();
}

fn counters(notifier: &Notifier) -> Counters {
    notifier.counters()[0].1
}

#[tokio::test]
async fn a_batch_is_an_array_with_its_topic_and_credentials() {
    let receiver = Arc::new(Receiver::start(Habit::Accept).unwrap());
    let notifier = notifier(receiver.url(), |config, webhook| {
        config.versioned_notifications_topics = vec!["one".to_owned(), "two".to_owned()];
        webhook.token = Some(Secret::new("t0ken".to_owned()));
        webhook.headers.insert("X-Farrier-Key".to_owned(), Secret::new("k3y".to_owned()));
    });

    tell(&notifier, 1);

    let told = received(&receiver, 2).await;
    let requests = receiver.requests();
    let topics: Vec<_> = requests.iter().map(|request| request.header(TOPIC).unwrap()).collect();
    assert_eq!(topics, ["one", "two"]);
    assert_eq!(requests[0].header("authorization"), Some("Bearer t0ken"));
    assert_eq!(requests[0].header("x-farrier-key"), Some("k3y"));
    assert_eq!(requests[0].header("content-type"), Some("application/json"));
    assert_eq!(told[0], told[1], "each topic gets a copy");
    assert_eq!(told[0]["publisher_id"], "ironic-conductor.host-1");
    assert_eq!(told[0]["event_type"], "baremetal.node.power_set.start");
    assert_eq!(told[0]["payload"]["ironic_object.name"], "NodeSetPowerStatePayload");
}

#[tokio::test]
async fn many_notifications_go_in_few_requests_and_keep_their_order() {
    let receiver = Arc::new(Receiver::start(Habit::Accept).unwrap());
    let notifier = notifier(receiver.url(), |_, webhook| webhook.batch_size_max = 40);

    tell(&notifier, 100);

    assert_eq!(names(&received(&receiver, 100).await), numbered(100));
    let sizes: Vec<_> =
        receiver.requests().iter().map(|request| request.body.as_array().unwrap().len()).collect();
    assert!(sizes.iter().all(|size| *size <= 40) && sizes.len() < 10, "{sizes:?}");
}

#[tokio::test]
async fn a_receiver_that_fails_gets_the_same_again_until_it_takes_it() {
    let receiver = Arc::new(Receiver::start(Habit::Answer(500)).unwrap());
    let notifier = notifier(receiver.url(), |_, webhook| webhook.attempts = 1_000_000);
    tell(&notifier, 3);
    let failing = Arc::clone(&receiver);
    eventually("third attempt", move || 3 <= failing.requests().len()).await;

    receiver.set(Habit::Accept);

    assert_eq!(names(&received(&receiver, 3).await), numbered(3));
    let first = &receiver.requests()[0].body;
    assert_eq!(receiver.requests().iter().filter(|request| request.accepted).count(), 1);
    assert!(receiver.requests().iter().all(|request| request.body == *first), "a batch stays as it is");
}

#[tokio::test]
async fn a_receiver_that_is_down_gets_everything_when_it_comes() {
    let port = free_port().unwrap();
    let notifier = notifier(format!("http://127.0.0.1:{port}/"), |_, webhook| webhook.attempts = 1_000_000);
    tell(&notifier, 5);

    let receiver = Arc::new(Receiver::start_on(port, Habit::Accept).unwrap());

    assert_eq!(names(&received(&receiver, 5).await), numbered(5));
}

#[tokio::test]
async fn after_the_last_attempt_a_batch_is_dropped_and_the_next_one_sent() {
    let receiver = Arc::new(Receiver::start(Habit::Answer(503)).unwrap());
    let notifier = notifier(receiver.url(), |_, webhook| webhook.attempts = 3);
    tell(&notifier, 2);
    let watched = notifier.clone();
    eventually("dropping", move || counters(&watched) == Counters { sent: 0, dropped: 2 }).await;
    assert_eq!(receiver.requests().len(), 3);

    receiver.set(Habit::Accept);
    tell(&notifier, 1);

    assert_eq!(received(&receiver, 1).await.len(), 1);
}

#[tokio::test]
async fn what_is_refused_for_good_is_not_sent_again() {
    let receiver = Arc::new(Receiver::start(Habit::Answer(403)).unwrap());
    let notifier = notifier(receiver.url(), |_, _| ());

    tell(&notifier, 2);

    let watched = notifier.clone();
    eventually("dropping", move || counters(&watched).dropped == 2).await;
    assert_eq!(receiver.requests().len(), 1);
}

#[tokio::test]
async fn publishing_never_waits_and_memory_is_bounded() {
    for habit in [Habit::Hold, Habit::Ignore, Habit::Answer(500)] {
        let receiver = Receiver::start(habit).unwrap();
        let notifier = notifier(receiver.url(), |config, webhook| {
            config.queue_size_max = 50;
            webhook.batch_size_max = 10;
            webhook.attempts = 1_000_000;
            webhook.timeout = 3600;
        });

        // In the one thread of this runtime nothing else can run until this ends.
        let start = Instant::now();
        tell(&notifier, 1000);
        let taken = start.elapsed();

        assert!(taken < Duration::from_secs(5), "{habit:?}: {taken:?}");
        assert_eq!(counters(&notifier), Counters { sent: 0, dropped: 950 }, "{habit:?}");
    }
}

#[tokio::test]
async fn a_request_that_is_never_read_is_given_up_after_its_time() {
    let receiver = Arc::new(Receiver::start(Habit::Ignore).unwrap());
    let notifier = notifier(receiver.url(), |_, webhook| {
        webhook.timeout = 1;
        webhook.attempts = 2;
    });

    tell(&notifier, 1);

    let watched = notifier.clone();
    eventually("giving up", move || counters(&watched).dropped == 1).await;
    // The system has taken them; the receiver may come to count them later.
    let counting = Arc::clone(&receiver);
    eventually("two attempts", move || counting.connections() == 2).await;
}

#[tokio::test]
async fn the_end_sends_what_waits() {
    let receiver = Arc::new(Receiver::start(Habit::Accept).unwrap());
    let notifier = notifier(receiver.url(), |_, webhook| webhook.batch_interval = 3600.0);
    tell(&notifier, 3);

    notifier.stop().await;

    assert_eq!(names(&receiver.notifications()), numbered(3));
    assert_eq!(counters(&notifier), Counters { sent: 3, dropped: 0 });
}

#[tokio::test]
async fn the_end_does_not_wait_longer_than_it_may() {
    let receiver = Receiver::start(Habit::Hold).unwrap();
    let notifier = notifier(receiver.url(), |config, webhook| {
        config.shutdown_timeout = 1;
        webhook.timeout = 3600;
    });
    tell(&notifier, 3);

    let stopped = tokio::time::timeout(PATIENCE, notifier.stop()).await;

    assert!(stopped.is_ok());
    assert_eq!(counters(&notifier), Counters { sent: 0, dropped: 3 });
}

#[test]
fn pauses_grow_to_the_longest_and_differ() {
    let config = WebhookConfig::new("http://localhost/");
    let webhook = Webhook::new(&config, &NotificationConfig::default()).unwrap();
    let seconds = |attempt| webhook.pause_after(attempt).as_secs_f64();

    for (attempt, longest) in [(1, 1.0), (2, 2.0), (3, 4.0), (6, 30.0), (u32::MAX, 30.0)] {
        let pauses: Vec<f64> = (0..20).map(|_| seconds(attempt)).collect();
        assert!(pauses.iter().all(|pause| (longest / 2.0..=longest).contains(pause)), "{pauses:?}");
        assert!(pauses.windows(2).any(|pair| pair[0] < pair[1]), "{pauses:?}");
    }
}

#[test]
fn what_can_never_work_is_told_without_the_address() {
    let common = NotificationConfig::default();
    let refused = |change: fn(&mut WebhookConfig)| {
        let mut config = WebhookConfig::new("https://CANARY/");
        change(&mut config);
        match Webhook::new(&config, &common) {
            Ok(_) => panic!("{config:?} is accepted"),
            Err(error) => error.to_string(),
        }
    };
    let errors = [
        refused(|config| config.url = Secret::new("ftp://CANARY/".to_owned())),
        refused(|config| config.url = Secret::new("http://u:CANARY@host/".to_owned())),
        refused(|config| config.url = Secret::new("CANARY".to_owned())),
        refused(|config| config.token = Some(Secret::new("CANARY\n".to_owned()))),
        refused(|config| config.verify_ca = VerifyCa::Path("/nonexistent".into())),
        refused(|config| {
            config.headers.insert("not a name".to_owned(), Secret::new("CANARY".to_owned()));
        }),
    ];

    for error in &errors {
        assert!(error.contains("notifications.webhook") && !error.contains("CANARY"), "{error}");
    }
}

#[test]
fn an_array_of_messages_is_json() {
    let message = |json: &str| {
        Arc::new(Message { event_type: String::new(), level: Level::Info, json: json.to_owned() })
    };

    let array = array(&[message("{\"a\":1}"), message("{\"b\":2}")]);

    assert_eq!(serde_json::from_str::<Value>(&array).unwrap(), json!([{"a": 1}, {"b": 2}]));
}
