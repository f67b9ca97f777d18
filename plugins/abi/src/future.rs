//! A future that crosses the boundary, and the waker that crosses it the other way.
//!
//! The side that makes a [`BFuture`] polls and drops it, through two functions that travel with it; panics in
//! either end on that side. The side that awaits it makes one reference-counted waker cell per future, which
//! the maker may clone, keep and call from any thread.

use std::future::Future;
use std::mem::{ManuallyDrop, MaybeUninit};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, RawWaker, RawWakerVTable, Waker};

use abi_stable::StableAbi;

const PENDING: u8 = 0;
const READY: u8 = 1;
const PANICKED: u8 = 2;

/// A boxed future with a C layout. Await it through [`IntoFuture`].
#[repr(C)]
#[derive(StableAbi)]
#[sabi(bound(T: StableAbi))]
pub struct BFuture<T> {
    data: *mut (),
    poll: unsafe extern "C" fn(*mut (), *const FfiWaker, *mut T) -> u8,
    drop: unsafe extern "C" fn(*mut ()),
}

// SAFETY: `new` accepts `Send` futures only, and nothing but `poll` and `drop`, which take the future
// exclusively, touches `data`.
unsafe impl<T> Send for BFuture<T> {}

impl<T> std::fmt::Debug for BFuture<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BFuture").finish_non_exhaustive()
    }
}

/// The future panicked, in `poll` or before.
///
/// A side that wants the message to cross catches the panic itself; this is what is left when it does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Poisoned;

impl std::fmt::Display for Poisoned {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the future panicked")
    }
}

impl std::error::Error for Poisoned {}

impl<T> BFuture<T> {
    /// Boxes `future` for the other side.
    pub fn new<F>(future: F) -> Self
    where
        F: Future<Output = T> + Send + 'static,
        T: Send,
    {
        let data = Box::into_raw(Box::new(Some(future))).cast::<()>();
        Self { data, poll: poll_erased::<F>, drop: drop_erased::<F> }
    }

    /// A future that is ready at once.
    pub fn ready(value: T) -> Self
    where
        T: Send + 'static,
    {
        Self::new(std::future::ready(value))
    }
}

impl<T> Drop for BFuture<T> {
    fn drop(&mut self) {
        // SAFETY: `data` came from `new` together with this `drop` and is dropped once, here.
        unsafe { (self.drop)(self.data) }
    }
}

/// Polls the `Option<F>` behind `data`; it is emptied when the future ends or panics.
unsafe extern "C" fn poll_erased<F: Future>(
    data: *mut (),
    waker: *const FfiWaker,
    result: *mut F::Output,
) -> u8 {
    // SAFETY: `data` is the `Box<Option<F>>` of `new`; the caller polls exclusively and never moves it.
    let slot = unsafe { &mut *data.cast::<Option<F>>() };
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        let future = slot.as_mut()?;
        // SAFETY: the future stays inside its box until `drop_erased` or the end of `poll_erased`.
        let future = unsafe { Pin::new_unchecked(future) };
        let waker = BorrowedWaker::new(waker);
        Some(future.poll(&mut Context::from_waker(&waker.0)))
    }));
    match outcome {
        Ok(Some(Poll::Pending)) => PENDING,
        Ok(Some(Poll::Ready(value))) => {
            forget_panic(|| *slot = None);
            // SAFETY: the caller gave room for one result and reads it only when told `READY`.
            unsafe { result.write(value) };
            READY
        }
        Ok(None) => PANICKED,
        Err(payload) => {
            // A payload may panic when it is dropped, and so may the broken future.
            std::mem::forget(payload);
            forget_panic(|| *slot = None);
            PANICKED
        }
    }
}

/// Frees the box behind `data`; a panic of the future's destructor ends here.
unsafe extern "C" fn drop_erased<F>(data: *mut ()) {
    forget_panic(|| {
        // SAFETY: `data` is the `Box<Option<F>>` of `new`, and this is its only drop.
        drop(unsafe { Box::from_raw(data.cast::<Option<F>>()) });
    });
}

/// Runs `work`; a panic goes no further, and neither does one of its payload.
fn forget_panic(work: impl FnOnce()) {
    if let Err(payload) = catch_unwind(AssertUnwindSafe(work)) {
        std::mem::forget(payload);
    }
}

impl<T> IntoFuture for BFuture<T> {
    type Output = Result<T, Poisoned>;
    type IntoFuture = Driven<T>;

    fn into_future(self) -> Driven<T> {
        Driven { future: self, cell: None }
    }
}

/// A [`BFuture`] being awaited, with the waker cell it was given.
#[derive(Debug)]
pub struct Driven<T> {
    future: BFuture<T>,
    cell: Option<Arc<WakerCell>>,
}

impl<T> Future for Driven<T> {
    type Output = Result<T, Poisoned>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let cell = this.cell.get_or_insert_with(|| Arc::new(WakerCell::new(context.waker().clone())));
        cell.set(context.waker());
        let mut result = MaybeUninit::<T>::uninit();
        // SAFETY: `data` belongs to `poll`; the cell outlives the call, and the maker clones it to keep it.
        let state = unsafe {
            (this.future.poll)(this.future.data, Arc::as_ptr(cell).cast::<FfiWaker>(), result.as_mut_ptr())
        };
        match state {
            PENDING => Poll::Pending,
            // SAFETY: `READY` says that the result was written.
            READY => Poll::Ready(Ok(unsafe { result.assume_init() })),
            _ => Poll::Ready(Err(Poisoned)),
        }
    }
}

/// A waker as the maker of a future sees it; its owner keeps more behind it.
#[repr(C)]
#[derive(StableAbi, Debug)]
pub struct FfiWaker {
    table: *const WakerTable,
}

/// What a maker of a future may do with an [`FfiWaker`], by pointer to it.
#[repr(C)]
#[derive(StableAbi, Debug)]
pub struct WakerTable {
    clone: unsafe extern "C" fn(*const ()) -> *const (),
    wake: unsafe extern "C" fn(*const ()),
    wake_by_ref: unsafe extern "C" fn(*const ()),
    drop: unsafe extern "C" fn(*const ()),
}

/// The owner's side of an [`FfiWaker`].
#[repr(C)]
#[derive(Debug)]
struct WakerCell {
    header: FfiWaker,
    waker: Mutex<Waker>,
}

// SAFETY: `header` points to a static table, the waker is behind a lock.
unsafe impl Send for WakerCell {}
// SAFETY: as for `Send`.
unsafe impl Sync for WakerCell {}

static CELL_TABLE: WakerTable =
    WakerTable { clone: cell_clone, wake: cell_wake, wake_by_ref: cell_wake_by_ref, drop: cell_drop };

impl WakerCell {
    fn new(waker: Waker) -> Self {
        Self { header: FfiWaker { table: &raw const CELL_TABLE }, waker: Mutex::new(waker) }
    }

    /// Makes `waker` the one to wake.
    fn set(&self, waker: &Waker) {
        let mut current = self.waker.lock().unwrap_or_else(PoisonError::into_inner);
        if !current.will_wake(waker) {
            *current = waker.clone();
        }
    }

    /// Wakes outside the lock, so that whoever is woken may poll at once.
    fn wake(&self) {
        let waker = self.waker.lock().unwrap_or_else(PoisonError::into_inner).clone();
        waker.wake();
    }
}

unsafe extern "C" fn cell_clone(cell: *const ()) -> *const () {
    // SAFETY: `cell` is an `Arc<WakerCell>` of `Driven::poll` or of an earlier clone, and alive.
    unsafe { Arc::increment_strong_count(cell.cast::<WakerCell>()) };
    cell
}

unsafe extern "C" fn cell_wake(cell: *const ()) {
    // SAFETY: consumes the count that `cell_clone` added.
    let cell = unsafe { Arc::from_raw(cell.cast::<WakerCell>()) };
    forget_panic(|| cell.wake());
}

unsafe extern "C" fn cell_wake_by_ref(cell: *const ()) {
    // SAFETY: `cell` is alive for the call.
    let cell = unsafe { &*cell.cast::<WakerCell>() };
    forget_panic(|| cell.wake());
}

unsafe extern "C" fn cell_drop(cell: *const ()) {
    // SAFETY: consumes the count that `cell_clone` added.
    let cell = unsafe { Arc::from_raw(cell.cast::<WakerCell>()) };
    forget_panic(|| drop(cell));
}

/// A standard waker over an [`FfiWaker`] that it does not own.
struct BorrowedWaker(ManuallyDrop<Waker>);

static FOREIGN_TABLE: RawWakerVTable =
    RawWakerVTable::new(foreign_clone, foreign_wake, foreign_wake_by_ref, foreign_drop);

impl BorrowedWaker {
    fn new(waker: *const FfiWaker) -> Self {
        let raw = RawWaker::new(waker.cast::<()>(), &FOREIGN_TABLE);
        // SAFETY: the functions of the table keep the contract of `RawWaker`; the count is not consumed.
        Self(ManuallyDrop::new(unsafe { Waker::from_raw(raw) }))
    }
}

/// The table behind a foreign waker.
///
/// # Safety
///
/// `waker` points to a live [`FfiWaker`].
unsafe fn table<'a>(waker: *const ()) -> &'a WakerTable {
    // SAFETY: the caller keeps the waker alive.
    let waker = unsafe { &*waker.cast::<FfiWaker>() };
    // SAFETY: tables are statics of the side that made the waker, which stays mapped.
    unsafe { &*waker.table }
}

unsafe fn foreign_clone(waker: *const ()) -> RawWaker {
    // SAFETY: called on a live waker.
    let clone = unsafe { table(waker) }.clone;
    // SAFETY: `clone` belongs to this waker.
    RawWaker::new(unsafe { clone(waker) }, &FOREIGN_TABLE)
}

unsafe fn foreign_wake(waker: *const ()) {
    // SAFETY: called on a live waker.
    let wake = unsafe { table(waker) }.wake;
    // SAFETY: `wake` belongs to this waker and consumes it.
    unsafe { wake(waker) }
}

unsafe fn foreign_wake_by_ref(waker: *const ()) {
    // SAFETY: called on a live waker.
    let wake_by_ref = unsafe { table(waker) }.wake_by_ref;
    // SAFETY: `wake_by_ref` belongs to this waker.
    unsafe { wake_by_ref(waker) }
}

unsafe fn foreign_drop(waker: *const ()) {
    // SAFETY: called on a live waker.
    let drop = unsafe { table(waker) }.drop;
    // SAFETY: `drop` belongs to this waker and consumes it.
    unsafe { drop(waker) }
}

#[cfg(test)]
mod tests;
