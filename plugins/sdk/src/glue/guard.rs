//! Panics become errors on the side they happen on.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::future::Future;
use std::panic::{AssertUnwindSafe, PanicHookInfo, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};

use crate::error::{DriverError, ErrorKind, Result};

thread_local! {
    /// Text and place of the last panic of this thread, left by the hook.
    static LAST_PANIC: RefCell<Option<String>> = const { RefCell::new(None) };
    /// The call this thread works for, 0 for none.
    static CURRENT_TASK: Cell<u64> = const { Cell::new(0) };
}

/// The call this thread works for, 0 for none.
#[cfg_attr(not(feature = "tracing"), expect(dead_code, reason = "only log records name their task"))]
pub(crate) fn current_task() -> u64 {
    CURRENT_TASK.get()
}

/// Remembers the place of each panic, which the payload does not tell.
///
/// With `silent` nothing is printed any more: the panic is reported as an error of the call. Without, as in a
/// program that links the plugin, the hook before goes on as it did.
pub fn install_panic_hook(silent: bool) {
    let previous = (!silent).then(std::panic::take_hook);
    std::panic::set_hook(Box::new(move |info: &PanicHookInfo<'_>| {
        let place = info.location().map(|at| format!(" at {}:{}:{}", at.file(), at.line(), at.column()));
        let text = format!("{}{}", payload_text(info.payload()), place.unwrap_or_default());
        LAST_PANIC.with(|last| last.replace(Some(text)));
        if let Some(previous) = &previous {
            previous(info);
        }
    }));
}

fn payload_text(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| payload.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "panicked without a text".to_owned())
}

/// The error of a caught panic. The payload is leaked: dropping it may panic again.
fn panicked(payload: Box<dyn Any + Send>) -> DriverError {
    let text = LAST_PANIC.with(|last| last.take()).unwrap_or_else(|| payload_text(&*payload));
    std::mem::forget(payload);
    DriverError::new(ErrorKind::PluginPanicked, text)
}

/// Runs `work` for the call `task`; a panic becomes an error.
///
/// # Errors
///
/// What `work` answers; [`PluginPanicked`](ErrorKind::PluginPanicked).
pub fn guard<T>(task: u64, work: impl FnOnce() -> Result<T>) -> Result<T> {
    let before = CURRENT_TASK.replace(task);
    let result = catch_unwind(AssertUnwindSafe(work));
    CURRENT_TASK.set(before);
    result.unwrap_or_else(|payload| Err(panicked(payload)))
}

/// A future whose panics, in `poll` and in its destructor, end here.
pub struct Guarded<F> {
    future: Option<Pin<Box<F>>>,
    task: u64,
}

impl<F> std::fmt::Debug for Guarded<F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Guarded").field("task", &self.task).finish_non_exhaustive()
    }
}

impl<F> Guarded<F> {
    /// Guards `future`, which works for the call `task`.
    pub fn new(future: F, task: u64) -> Self {
        Self { future: Some(Box::pin(future)), task }
    }

    fn discard(&mut self) {
        let future = self.future.take();
        let dropped = guard(self.task, || {
            drop(future);
            Ok(())
        });
        if let Err(error) = dropped {
            // Guarded too, so that the record names the call.
            guard(self.task, || {
                report_destructor(&error);
                Ok(())
            })
            .unwrap_or_default();
        }
    }
}

/// Says that a destructor panicked: there is no call left to answer.
fn report_destructor(error: &DriverError) {
    #[cfg(feature = "tracing")]
    tracing::error!(%error, "a destructor panicked");
    #[cfg(not(feature = "tracing"))]
    let _ = error;
}

impl<F, T> Future for Guarded<F>
where
    F: Future<Output = Result<T>>,
{
    type Output = Result<T>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<T>> {
        let this = &mut *self;
        let Some(future) = this.future.as_mut() else {
            return Poll::Ready(Err(DriverError::internal("the call was polled after its end")));
        };
        let polled = guard(this.task, || Ok(future.as_mut().poll(context)));
        match polled {
            Ok(Poll::Pending) => Poll::Pending,
            Ok(Poll::Ready(result)) => {
                this.discard();
                Poll::Ready(result)
            }
            Err(error) => {
                this.discard();
                Poll::Ready(Err(error))
            }
        }
    }
}

impl<F> Drop for Guarded<F> {
    fn drop(&mut self) {
        if self.future.is_some() {
            self.discard();
        }
    }
}
