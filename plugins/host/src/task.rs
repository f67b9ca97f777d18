//! The task of one call as the plugin sees it.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use farrier_abi::abi_stable::std_types::{RStr, RVec};
use farrier_abi::{BFuture, Bytes, CallFuture, Task};
use farrier_sdk::error::{DriverError, ErrorKind};
use farrier_sdk::glue::{BoxFuture, to_reply};
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;
use tracing::Span;

use crate::http::Http;

/// What a call may see and change of its node. The conductor's tasks are one; tests make their own.
pub trait NodeAccess: Send + Sync + 'static {
    /// The node as JSON (`farrier_sdk::task::Node`), secrets replaced by references.
    ///
    /// Called on the plugin's threads: must not block.
    fn snapshot(&self) -> Vec<u8>;

    /// Answers a call of the driver: `secret.reveal`, `secret.reveal_instance`, `internal_info.save`,
    /// `inspection.save`, `raid_config.save`, `node.refresh`, `progress`, `event`, or a method of a sibling interface such as
    /// `power.set_power_state`. What begins with `http.` is answered before it comes here.
    ///
    /// The answer is awaited where the call was made; that of `secret.` is looked for on the plugin's thread first,
    /// and must not block that one either.
    fn call(&self, method: String, arguments: Vec<u8>) -> BoxFuture<Result<Vec<u8>, DriverError>>;
}

/// One call's task. Dead once the call has ended: a plugin that keeps it gets `task_closed`.
pub(crate) struct HostTask {
    id: u64,
    /// Gone once the call has ended: a plugin that keeps the task must not keep the node.
    access: Mutex<Option<Arc<dyn NodeAccess>>>,
    http: Arc<Http>,
    deadline: Option<Instant>,
    cancelled: CancellationToken,
    /// Set when the call has ended: what the plugin still has under way through this task ends with it.
    closed: CancellationToken,
    /// Where the node's own work runs: not on the plugin's executor, which the plugin may block, but for one look at
    /// what is [at hand](is_at_hand).
    home: Handle,
    span: Span,
}

impl HostTask {
    pub(crate) fn new(
        access: Arc<dyn NodeAccess>,
        http: Arc<Http>,
        deadline: Option<Instant>,
        home: Handle,
        span: Span,
    ) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let id = NEXT.fetch_add(1, Ordering::Relaxed);
        let (cancelled, closed) = (CancellationToken::new(), CancellationToken::new());
        Self { id, access: Mutex::new(Some(access)), http, deadline, cancelled, closed, home, span }
    }

    pub(crate) fn number(&self) -> u64 {
        self.id
    }

    pub(crate) fn token(&self) -> &CancellationToken {
        &self.cancelled
    }

    pub(crate) fn span(&self) -> &Span {
        &self.span
    }

    /// Takes everything away from the plugin: the node may be locked by somebody else from now on.
    pub(crate) fn close(&self) {
        self.closed.cancel();
        self.cancelled.cancel();
        let access = self.access.lock().unwrap_or_else(PoisonError::into_inner).take();
        drop(access);
    }

    /// Whether the call has ended.
    pub(crate) fn is_closed(&self) -> bool {
        self.closed.is_cancelled()
    }

    fn access(&self) -> Result<Arc<dyn NodeAccess>, DriverError> {
        self.access.lock().unwrap_or_else(PoisonError::into_inner).clone().ok_or_else(task_closed)
    }

    /// The answer, if there is no need to wait for it. Otherwise whoever polls next is the one who is woken.
    fn at_once(&self, future: &mut BoxFuture<Answered>) -> Option<Answered> {
        if self.is_closed() {
            return Some(Err(task_closed()));
        }
        let _entered = self.home.enter();
        let mut context = Context::from_waker(Waker::noop());
        match contain(|| future.as_mut().poll(&mut context)) {
            Some(Poll::Ready(answer)) => Some(answer),
            Some(Poll::Pending) => None,
            None => Some(Err(host_panicked())),
        }
    }
}

/// What a call of a driver is answered with.
type Answered = Result<Vec<u8>, DriverError>;

/// Whether the host answers `method` from memory: no thread has to be woken for that.
fn is_at_hand(method: &str) -> bool {
    matches!(method, "secret.reveal" | "secret.reveal_instance")
}

fn task_closed() -> DriverError {
    DriverError::new(ErrorKind::TaskClosed, "the call this task belongs to has ended")
}

/// The task as the boundary hands it over; clones share it.
pub(crate) struct SharedTask(pub(crate) Arc<HostTask>);

impl Task for SharedTask {
    fn id(&self) -> u64 {
        self.0.id
    }

    fn snapshot(&self) -> Bytes {
        let snapshot = self.0.access().ok().and_then(|access| contain(|| access.snapshot()));
        RVec::from(snapshot.unwrap_or_default())
    }

    fn time_left_ms(&self) -> u64 {
        match self.0.deadline {
            None => u64::MAX,
            Some(deadline) => {
                let left = deadline.saturating_duration_since(Instant::now()).as_millis();
                u64::try_from(left).unwrap_or(u64::MAX - 1)
            }
        }
    }

    fn cancelled(&self) -> bool {
        self.0.cancelled.is_cancelled()
    }

    fn when_cancelled(&self) -> BFuture<()> {
        BFuture::new(self.0.cancelled.clone().cancelled_owned())
    }

    fn call(&self, method: RStr<'_>, args: Bytes) -> CallFuture {
        let answer = self.0.access().and_then(|access| {
            let (method, arguments) = (method.as_str().to_owned(), args.into_vec());
            let http = Arc::clone(&self.0.http);
            contain(|| http.route(access, method, arguments, self.0.deadline)).ok_or_else(host_panicked)
        });
        match answer {
            Err(error) => BFuture::ready(to_reply(Err(error))),
            Ok(mut future) => {
                if is_at_hand(method.as_str())
                    && let Some(answer) = self.0.at_once(&mut future)
                {
                    return BFuture::ready(to_reply(answer));
                }
                let closed = self.0.closed.clone();
                let job = Aborting(self.0.home.spawn(async move {
                    tokio::select! {
                        biased;
                        () = closed.cancelled() => Err(task_closed()),
                        answer = future => answer,
                    }
                }));
                BFuture::new(async move { to_reply(job.answer().await) })
            }
        }
    }
}

/// A job of the host that ends when the plugin stops waiting for it.
struct Aborting(tokio::task::JoinHandle<Result<Vec<u8>, DriverError>>);

impl Aborting {
    async fn answer(mut self) -> Result<Vec<u8>, DriverError> {
        match (&mut self.0).await {
            Ok(result) => result,
            Err(_) => Err(host_panicked()),
        }
    }
}

impl Drop for Aborting {
    fn drop(&mut self) {
        self.0.abort();
    }
}

pub(crate) fn host_panicked() -> DriverError {
    DriverError::internal("the conductor failed while it answered the driver")
}

/// Runs host code for a plugin: a panic must not unwind into the plugin's C frames.
pub(crate) fn contain<T>(work: impl FnOnce() -> T) -> Option<T> {
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(value) => Some(value),
        Err(payload) => {
            std::mem::forget(payload);
            None
        }
    }
}
