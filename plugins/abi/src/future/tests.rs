use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Wake;

use super::*;

struct CountWakes(AtomicUsize);

impl Wake for CountWakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

fn counting() -> (Arc<CountWakes>, Waker) {
    let count = Arc::new(CountWakes(AtomicUsize::new(0)));
    (Arc::clone(&count), Waker::from(count))
}

/// Pending `left` times, keeping the waker it was polled with.
struct Yield {
    left: usize,
    kept: Arc<Mutex<Option<Waker>>>,
}

impl Future for Yield {
    type Output = usize;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<usize> {
        *self.kept.lock().unwrap() = Some(context.waker().clone());
        if self.left == 0 {
            return Poll::Ready(7);
        }
        self.left -= 1;
        Poll::Pending
    }
}

struct PanicsOnDrop;

impl Drop for PanicsOnDrop {
    fn drop(&mut self) {
        panic!("destructor");
    }
}

#[test]
fn a_value_arrives_after_the_waker_was_called_from_another_thread() {
    let kept = Arc::new(Mutex::new(None));
    let mut future = std::pin::pin!(BFuture::new(Yield { left: 1, kept: Arc::clone(&kept) }).into_future());
    let (count, waker) = counting();
    assert!(future.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());

    let foreign: Waker = kept.lock().unwrap().take().unwrap();
    std::thread::spawn(move || foreign.wake()).join().unwrap();

    assert_eq!(count.0.load(Ordering::SeqCst), 1);
    assert_eq!(future.as_mut().poll(&mut Context::from_waker(&waker)), Poll::Ready(Ok(7)));
}

#[test]
fn a_waker_outlives_its_future() {
    let kept = Arc::new(Mutex::new(None));
    let (count, waker) = counting();
    {
        let mut future =
            std::pin::pin!(BFuture::new(Yield { left: 9, kept: Arc::clone(&kept) }).into_future());
        assert!(future.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    }

    let foreign: Waker = kept.lock().unwrap().take().unwrap();
    foreign.wake_by_ref();
    drop(foreign.clone());
    drop(foreign);

    assert_eq!(count.0.load(Ordering::SeqCst), 1);
}

#[test]
fn the_last_waker_is_the_one_that_is_woken() {
    let kept = Arc::new(Mutex::new(None));
    let mut future = std::pin::pin!(BFuture::new(Yield { left: 2, kept: Arc::clone(&kept) }).into_future());
    let (first, first_waker) = counting();
    let (second, second_waker) = counting();
    assert!(future.as_mut().poll(&mut Context::from_waker(&first_waker)).is_pending());
    let early: Waker = kept.lock().unwrap().take().unwrap();
    assert!(future.as_mut().poll(&mut Context::from_waker(&second_waker)).is_pending());

    let late: Waker = kept.lock().unwrap().take().unwrap();
    assert!(early.will_wake(&late), "one cell per future");
    early.wake();

    assert_eq!((first.0.load(Ordering::SeqCst), second.0.load(Ordering::SeqCst)), (0, 1));
}

#[test]
fn a_panic_is_an_answer_and_stays_one() {
    let mut future = std::pin::pin!(BFuture::<u8>::new(async { panic!("in poll") }).into_future());
    let (_, waker) = counting();

    assert_eq!(future.as_mut().poll(&mut Context::from_waker(&waker)), Poll::Ready(Err(Poisoned)));
    assert_eq!(future.as_mut().poll(&mut Context::from_waker(&waker)), Poll::Ready(Err(Poisoned)));
}

#[test]
fn a_panicking_destructor_goes_no_further() {
    let held = PanicsOnDrop;
    drop(BFuture::<()>::new(async move {
        let _held = held;
        std::future::pending().await
    }));
}

#[test]
fn a_payload_that_panics_when_dropped_goes_no_further() {
    let mut future =
        std::pin::pin!(BFuture::<()>::new(async { std::panic::panic_any(PanicsOnDrop) }).into_future());
    let (_, waker) = counting();

    assert_eq!(future.as_mut().poll(&mut Context::from_waker(&waker)), Poll::Ready(Err(Poisoned)));
}
