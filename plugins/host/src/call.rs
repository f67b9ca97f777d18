//! One call: on the plugin's executor, with a task, a deadline and a span.

use std::future::Future;
use std::mem::ManuallyDrop;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use farrier_abi::abi_stable::sabi_trait::TD_Opaque;
use farrier_abi::abi_stable::std_types::{RArc, RSlice, RStr};
use farrier_abi::{InterfaceBox, Task_TO, TaskBox};
use farrier_sdk::error::{DriverError, ErrorKind};
use farrier_sdk::glue::from_reply;
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::time::Sleep;
use tracing::{Instrument, Span};

use crate::plugin::Shared;
use crate::task::{HostTask, NodeAccess, SharedTask};

/// How one call is made.
#[derive(Debug, Clone)]
pub struct CallOptions {
    /// How long the call may take; `None`: as long as it likes.
    pub timeout: Option<Duration>,
    /// How long it may go on after it was asked to end, before it is dropped.
    pub grace: Duration,
    /// The span the call and its log records belong to.
    pub span: Span,
}

impl Default for CallOptions {
    fn default() -> Self {
        Self { timeout: None, grace: Duration::from_secs(2), span: Span::current() }
    }
}

/// A running call. Ready with the answer; dropping it cancels the call.
#[derive(Debug)]
pub struct Call {
    task: Option<Arc<HostTask>>,
    state: State,
    /// When to give up although the plugin's executor does not answer.
    limit: Option<Pin<Box<Sleep>>>,
    shared: Arc<Shared>,
    what: String,
}

#[derive(Debug)]
enum State {
    Refused(Option<DriverError>),
    Running(oneshot::Receiver<Result<Vec<u8>, DriverError>>),
}

impl std::fmt::Debug for HostTask {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HostTask").field("id", &self.number()).finish_non_exhaustive()
    }
}

impl Call {
    pub(crate) fn start(
        shared: &Arc<Shared>,
        object: &Arc<ManuallyDrop<InterfaceBox>>,
        check: Result<(), DriverError>,
        method: &str,
        arguments: Vec<u8>,
        access: Arc<dyn NodeAccess>,
        options: &CallOptions,
    ) -> Self {
        let shared = Arc::clone(shared);
        let what = method.to_owned();
        if let Err(error) = check.and_then(|()| shared.admit()) {
            return Self { task: None, state: State::Refused(Some(error)), limit: None, shared, what };
        }
        // A limit beyond what a clock can tell is none.
        let deadline = options.timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        let task = Arc::new(HostTask::new(
            access,
            Arc::clone(shared.http()),
            deadline,
            Handle::current(),
            options.span.clone(),
        ));
        let (sender, receiver) = oneshot::channel();
        let job =
            run(Arc::clone(&shared), Arc::clone(object), what.clone(), arguments, Arc::clone(&task), options);
        let job = async move {
            let answer = job.await;
            // Nobody may be waiting any more.
            sender.send(answer).unwrap_or_default();
        };
        shared.executor().handle().spawn(job.instrument(options.span.clone()));
        // Beyond the grace the executor itself must be stuck; a second is for scheduling.
        let limit = options.timeout.map(|timeout| {
            Box::pin(tokio::time::sleep(
                timeout.saturating_add(options.grace).saturating_add(Duration::from_secs(1)),
            ))
        });
        Self { task: Some(task), state: State::Running(receiver), limit, shared, what }
    }

    fn finish(&mut self, result: Result<Vec<u8>, DriverError>) -> Poll<Result<Vec<u8>, DriverError>> {
        if let Some(task) = self.task.take() {
            task.close();
        }
        self.shared.record(&result);
        Poll::Ready(result)
    }
}

/// The plugin's side of a call, on its executor: until it is done, or told to end and out of grace.
fn run(
    shared: Arc<Shared>,
    object: Arc<ManuallyDrop<InterfaceBox>>,
    method: String,
    arguments: Vec<u8>,
    task: Arc<HostTask>,
    options: &CallOptions,
) -> impl Future<Output = Result<Vec<u8>, DriverError>> + Send + use<> {
    let (timeout, grace) = (options.timeout, options.grace);
    async move {
        if task.is_closed() {
            // It waited for the executor until nobody wanted it any more.
            return Err(DriverError::new(ErrorKind::Cancelled, format!("`{method}` was cancelled")));
        }
        let _registered = shared.host().register(&task);
        let boxed: TaskBox = Task_TO::from_ptr(RArc::new(SharedTask(Arc::clone(&task))), TD_Opaque);
        let future = object.call(RStr::from_str(&method), RSlice::from_slice(&arguments), boxed);
        let mut future = shared.executor().timed(future.into_future(), method.clone());
        let stop = async {
            match timeout {
                Some(timeout) => {
                    tokio::select! {
                        () = tokio::time::sleep(timeout) => true,
                        () = task.token().cancelled() => false,
                    }
                }
                None => {
                    task.token().cancelled().await;
                    false
                }
            }
        };
        let timed_out = tokio::select! {
            biased;
            timed_out = stop => timed_out,
            reply = &mut future => return from_reply(reply),
        };
        task.token().cancel();
        // Without anybody to answer, the lock may be gone already: then there is no grace.
        if !task.is_closed()
            && let Ok(reply) = tokio::time::timeout(grace, &mut future).await
        {
            return from_reply(reply);
        }
        drop(future);
        match (timed_out, timeout) {
            (true, Some(timeout)) => Err(DriverError::timeout(format!(
                "`{method}` did not end within {:.1} s",
                timeout.as_secs_f64()
            ))),
            _ => Err(DriverError::new(ErrorKind::Cancelled, format!("`{method}` was cancelled"))),
        }
    }
}

impl Future for Call {
    type Output = Result<Vec<u8>, DriverError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let answer = match &mut this.state {
            State::Refused(error) => {
                let error = error
                    .take()
                    .unwrap_or_else(|| DriverError::internal("the call was polled after its end"));
                return Poll::Ready(Err(error));
            }
            State::Running(receiver) => Pin::new(receiver).poll(context),
        };
        match answer {
            Poll::Ready(Ok(result)) => this.finish(result),
            // The executor was shut down under the call.
            Poll::Ready(Err(_)) => {
                let text = format!("plugin `{}` was closed during `{}`", this.shared.name(), this.what);
                this.finish(Err(DriverError::new(ErrorKind::Cancelled, text)))
            }
            Poll::Pending => {
                let over = this.limit.as_mut().is_some_and(|limit| limit.as_mut().poll(context).is_ready());
                if !over {
                    return Poll::Pending;
                }
                let text = format!("plugin `{}` does not come back from `{}`", this.shared.name(), this.what);
                this.finish(Err(DriverError::new(ErrorKind::PluginStalled, text)))
            }
        }
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        if let Some(task) = self.task.take() {
            // The future gets its grace on the executor; the node's data it gets no more.
            task.close();
        }
    }
}
