//! The queue of a node, under every order of events: a scheduler of our own polls one waiter at a time.

use std::collections::{BTreeMap, VecDeque};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use proptest::prelude::*;
use proptest::sample::Index;

use super::super::*;

/// What happens next.
#[derive(Debug, Clone)]
enum Event {
    /// Somebody comes to the gate and takes his place in the queue.
    Arrive,
    /// Somebody asks who would not wait.
    Ask,
    /// One of those who were woken runs.
    Run(Index),
    /// One who waits is polled although nobody woke him.
    Disturb(Index),
    /// One who waits gives up, woken or not.
    Cancel(Index),
    /// Whoever is in leaves.
    Leave,
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        3 => Just(Event::Arrive),
        1 => Just(Event::Ask),
        3 => any::<Index>().prop_map(Event::Run),
        1 => any::<Index>().prop_map(Event::Disturb),
        2 => any::<Index>().prop_map(Event::Cancel),
        3 => Just(Event::Leave),
    ]
}

#[derive(Debug, Default)]
struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::SeqCst);
    }
}

struct Waiter {
    future: Pin<Box<dyn Future<Output = Option<GateGuard>>>>,
    woken: Arc<Woken>,
}

/// A gate and all who are at it.
#[derive(Default)]
struct Scheduler {
    gates: Arc<Gates>,
    waiters: BTreeMap<usize, Waiter>,
    arrived: usize,
    /// Who has to be let in, in this order.
    queue: VecDeque<usize>,
    inside: Option<GateGuard>,
}

impl Scheduler {
    fn happen(&mut self, event: &Event) -> Result<(), TestCaseError> {
        match event {
            Event::Arrive => self.arrive()?,
            Event::Ask => self.ask()?,
            Event::Run(index) => {
                let woken = self.waiters(true);
                if !woken.is_empty() {
                    self.poll(*index.get(&woken))?;
                }
            }
            Event::Disturb(index) => {
                let waiting = self.waiters(false);
                if !waiting.is_empty() {
                    self.poll(*index.get(&waiting))?;
                }
            }
            Event::Cancel(index) => {
                let waiting = self.waiters(false);
                if !waiting.is_empty() {
                    let number = *index.get(&waiting);
                    self.waiters.remove(&number);
                    self.queue.retain(|other| *other != number);
                }
            }
            Event::Leave => self.inside = None,
        }
        self.check()
    }

    fn arrive(&mut self) -> Result<(), TestCaseError> {
        let (number, gates) = (self.arrived, Arc::clone(&self.gates));
        self.arrived += 1;
        let future = Box::pin(async move { gates.enter(NodeId(1), None).await });
        self.waiters.insert(number, Waiter { future, woken: Arc::default() });
        self.queue.push_back(number);
        self.poll(number)
    }

    fn ask(&mut self) -> Result<(), TestCaseError> {
        let gates = Arc::clone(&self.gates);
        let answer = futures_util::FutureExt::now_or_never(gates.enter(NodeId(1), Some(Duration::ZERO)));
        let guard = answer.expect("who would not wait is answered at once");
        let free = self.inside.is_none() && self.queue.is_empty();
        prop_assert_eq!(guard.is_some(), free, "nobody goes past the queue");
        if guard.is_some() {
            self.inside = guard;
        }
        Ok(())
    }

    /// Who waits; with `woken` only those who were woken.
    fn waiters(&self, woken: bool) -> Vec<usize> {
        let woken = |waiter: &Waiter| !woken || waiter.woken.0.load(Ordering::SeqCst);
        self.waiters.iter().filter(|(_, waiter)| woken(waiter)).map(|(number, _)| *number).collect()
    }

    fn poll(&mut self, number: usize) -> Result<(), TestCaseError> {
        let waiter = self.waiters.get_mut(&number).expect("it waits");
        waiter.woken.0.store(false, Ordering::SeqCst);
        let waker = Waker::from(Arc::clone(&waiter.woken));
        if let Poll::Ready(guard) = waiter.future.as_mut().poll(&mut Context::from_waker(&waker)) {
            prop_assert!(self.inside.is_none(), "never two inside");
            prop_assert_eq!(self.queue.pop_front(), Some(number), "first come, first served");
            prop_assert!(guard.is_some());
            self.inside = guard;
            self.waiters.remove(&number);
        }
        Ok(())
    }

    /// Whoever is next at a free gate knows it.
    fn check(&self) -> Result<(), TestCaseError> {
        if let (None, Some(next)) = (&self.inside, self.queue.front()) {
            prop_assert!(self.waiters(true).contains(next), "a wake-up was lost");
        }
        Ok(())
    }

    /// Lets everybody in who is still there.
    fn drain(mut self) -> Result<(), TestCaseError> {
        while !self.queue.is_empty() {
            self.happen(&Event::Leave)?;
            let woken = self.waiters(true);
            self.poll(*woken.first().expect("the next one was woken"))?;
        }
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, ..ProptestConfig::default() })]

    #[test]
    fn one_is_inside_in_order_and_nobody_is_forgotten(events in prop::collection::vec(event(), 1..80)) {
        let mut scheduler = Scheduler::default();
        for event in &events {
            scheduler.happen(event)?;
        }
        scheduler.drain()?;
    }
}

#[tokio::test]
async fn waiting_at_the_gate_ends_with_the_patience() {
    let gates = Gates::default();
    let held = gates.enter(NodeId(1), None).await.unwrap();

    assert!(gates.enter(NodeId(1), Some(Duration::from_millis(1))).await.is_none());

    drop(held);
    assert!(gates.enter(NodeId(1), Some(Duration::from_millis(1))).await.is_some());
}

#[tokio::test]
async fn every_node_has_a_gate_of_its_own_that_goes_with_its_last_visitor() {
    let gates = Gates::default();

    let _one = gates.enter(NodeId(1), None).await.unwrap();
    for id in 2..100 {
        assert!(gates.enter(NodeId(id), Some(Duration::ZERO)).await.is_some());
    }

    assert!(gates.gates.lock().unwrap().len() <= 2);
}
