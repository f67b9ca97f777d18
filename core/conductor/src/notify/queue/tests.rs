use proptest::prelude::*;

use super::*;

/// Longer than anything takes here.
const PATIENCE: Duration = Duration::from_secs(60);

const LIMITS: BatchLimits = BatchLimits { size: 3, bytes: 1000, interval: Duration::from_secs(1) };

fn queue(size_max: usize, bytes_max: usize) -> Queue {
    let config = NotificationConfig {
        queue_size_max: size_max,
        queue_bytes_max: bytes_max,
        ..NotificationConfig::default()
    };
    Queue::new("test", &config)
}

fn message(json: impl Into<String>) -> Arc<Message> {
    Arc::new(Message { event_type: "test".to_owned(), level: Level::Info, json: json.into() })
}

fn texts(batch: Option<Vec<Arc<Message>>>) -> Vec<String> {
    batch.unwrap().iter().map(|message| message.json.clone()).collect()
}

#[tokio::test(start_paused = true)]
async fn what_comes_soon_after_goes_into_the_same_batch() {
    let queue = Arc::new(queue(10, 1000));
    let taking = tokio::spawn({
        let queue = Arc::clone(&queue);
        async move { (texts(queue.batch(LIMITS).await), texts(queue.batch(LIMITS).await)) }
    });

    queue.push(message("a"));
    tokio::time::sleep(LIMITS.interval / 2).await;
    queue.push(message("b"));
    tokio::time::sleep(LIMITS.interval).await;
    queue.push(message("c"));

    let (first, second) = tokio::time::timeout(PATIENCE, taking).await.unwrap().unwrap();
    assert_eq!((first, second), (vec!["a".to_owned(), "b".to_owned()], vec!["c".to_owned()]));
}

#[tokio::test(start_paused = true)]
async fn a_full_batch_is_not_waited_for() {
    let queue = queue(10, 1000);
    "abcd".chars().for_each(|name| queue.push(message(name)));
    let start = tokio::time::Instant::now();

    assert_eq!(texts(queue.batch(LIMITS).await), ["a", "b", "c"]);

    assert_eq!(start.elapsed(), Duration::ZERO);
    assert_eq!(texts(queue.batch(LIMITS).await), ["d"]);
}

#[tokio::test(start_paused = true)]
async fn a_batch_has_no_more_bytes_than_allowed_unless_its_first_message_has() {
    let queue = queue(10, 10_000);
    for length in [600, 600, 2000, 1] {
        queue.push(message("x".repeat(length)));
    }

    let mut lengths = Vec::new();
    for _ in 0..4 {
        lengths.push(texts(queue.batch(LIMITS).await).iter().map(String::len).collect::<Vec<_>>());
    }

    assert_eq!(lengths, [[600], [600], [2000], [1]]);
}

#[tokio::test(start_paused = true)]
async fn the_oldest_go_when_there_are_too_many() {
    let queue = queue(2, 1000);

    "abcd".chars().for_each(|name| queue.push(message(name)));

    assert_eq!(texts(queue.batch(LIMITS).await), ["c", "d"]);
    assert_eq!(queue.counters(), Counters { sent: 0, dropped: 2 });
}

#[tokio::test(start_paused = true)]
async fn what_is_larger_than_the_queue_drops_nothing_else() {
    let queue = queue(10, 100);
    queue.push(message("a"));

    queue.push(message("x".repeat(101)));

    assert_eq!(texts(queue.batch(LIMITS).await), ["a"]);
    assert_eq!(queue.counters().dropped, 1);
}

#[tokio::test(start_paused = true)]
async fn a_closed_queue_gives_what_it_has_at_once_and_ends() {
    let queue = queue(10, 1000);
    queue.push(message("a"));
    queue.close();
    let start = tokio::time::Instant::now();

    queue.push(message("late"));

    assert_eq!(texts(queue.batch(LIMITS).await), ["a"]);
    assert!(queue.batch(LIMITS).await.is_none());
    assert_eq!(start.elapsed(), Duration::ZERO);
    assert_eq!(queue.counters().dropped, 1);
}

#[tokio::test(start_paused = true)]
async fn whoever_waits_for_the_first_message_is_told_of_the_end() {
    let queue = Arc::new(queue(10, 1000));
    let waiting = tokio::spawn({
        let queue = Arc::clone(&queue);
        async move { queue.batch(LIMITS).await.is_none() }
    });
    tokio::task::yield_now().await;

    queue.close();

    assert!(tokio::time::timeout(PATIENCE, waiting).await.unwrap().unwrap());
}

#[tokio::test(start_paused = true)]
async fn every_message_is_counted_once() {
    let queue = queue(3, 1000);
    "abcdefg".chars().for_each(|name| queue.push(message(name)));
    let one = BatchLimits { size: 1, ..LIMITS };
    let (first, second) = (queue.batch(one).await.unwrap(), queue.batch(one).await.unwrap());

    queue.sent(&first);
    queue.failed(&second, "refused");
    queue.close();
    queue.give_up();

    // Four were pushed out, one was refused, one was left.
    assert_eq!(queue.counters(), Counters { sent: 1, dropped: 6 });
}

#[tokio::test(start_paused = true)]
async fn a_batch_under_way_at_the_end_counts_as_dropped() {
    let queue = queue(3, 1000);
    queue.push(message("a"));
    let _batch = queue.batch(LIMITS).await;

    queue.give_up();

    assert_eq!(queue.counters(), Counters { sent: 0, dropped: 1 });
}

proptest! {
    #[test]
    fn a_queue_stays_within_its_limits(lengths in prop::collection::vec(0_usize..40, 0..60)) {
        let queue = queue(5, 64);

        for length in &lengths {
            queue.push(message("x".repeat(*length)));
            let state = queue.state();
            prop_assert!(state.waiting.len() <= 5 && state.bytes <= 64);
            prop_assert_eq!(state.bytes, state.waiting.iter().map(|message| message.json.len()).sum::<usize>());
        }

        let waiting = queue.state().waiting.len() as u64;
        prop_assert_eq!(queue.counters().dropped + waiting, lengths.len() as u64);
    }
}
