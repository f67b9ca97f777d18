//! The plugin's side of its host, and its tokio runtime if it has one.

use std::fmt;
use std::future::Future;
use std::sync::Arc;

use farrier_abi::abi_stable::std_types::{RStr, RVec};
use farrier_abi::{BFuture, HostBox};
use serde::Serialize;

use crate::error::Result;
use crate::glue::{JobClass, encode, from_reply};

/// The host this plugin was opened by. Cheap to clone.
#[derive(Clone)]
pub struct Runtime(Arc<Shared>);

struct Shared {
    host: HostBox,
    #[cfg(feature = "tokio")]
    tokio: tokio_thread::TokioThread,
}

impl fmt::Debug for Runtime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Runtime").finish_non_exhaustive()
    }
}

impl Runtime {
    /// Starts what the plugin `name` runs on.
    ///
    /// # Errors
    ///
    /// [`Internal`](crate::error::ErrorKind::Internal): no thread could be had.
    #[cfg_attr(not(feature = "tokio"), expect(unused_variables, reason = "there is no thread to name"))]
    pub fn start(host: HostBox, name: &str) -> Result<Self> {
        Ok(Self(Arc::new(Shared {
            host,
            #[cfg(feature = "tokio")]
            tokio: tokio_thread::TokioThread::start(name)?,
        })))
    }

    pub(crate) fn host(&self) -> &HostBox {
        &self.0.host
    }

    /// Calls a host service.
    pub(crate) async fn service<A: Serialize>(
        &self,
        service: &str,
        method: &str,
        arguments: &A,
    ) -> Result<Vec<u8>> {
        let arguments = RVec::from(encode(arguments)?);
        let reply = self.0.host.call(RStr::from_str(service), RStr::from_str(method), arguments);
        from_reply(reply.await)
    }

    /// Hands a job to the host's executor for this plugin.
    pub(crate) fn spawn(&self, job: BFuture<()>, class: JobClass) -> u64 {
        let class = match class {
            JobClass::Asynchronous => 0,
            JobClass::Blocking => 1,
        };
        self.0.host.spawn(job, class)
    }

    /// Runs `work` where tokio's timers and sockets are at hand, if this plugin has them.
    pub fn enter<T>(&self, work: impl FnOnce() -> T) -> T {
        #[cfg(feature = "tokio")]
        let _entered = self.0.tokio.handle().enter();
        work()
    }

    /// The same for each poll of a future, and for its destructor.
    #[cfg(feature = "tokio")]
    pub(crate) fn enter_polls<F: Future + Send>(
        &self,
        future: F,
    ) -> impl Future<Output = F::Output> + Send + use<F> {
        tokio_thread::Entered::new(future, self.0.tokio.handle().clone())
    }

    /// The future itself: there is nothing to enter.
    #[cfg(not(feature = "tokio"))]
    #[expect(clippy::unused_self, reason = "the same call with and without tokio")]
    pub(crate) fn enter_polls<F: Future + Send>(
        &self,
        future: F,
    ) -> impl Future<Output = F::Output> + Send + use<F> {
        future
    }

    /// Ends what [`Runtime::start`] began.
    #[cfg_attr(not(feature = "tokio"), expect(clippy::unused_self, reason = "nothing was begun"))]
    pub(crate) fn stop(&self) {
        #[cfg(feature = "tokio")]
        self.0.tokio.stop();
    }
}

#[cfg(feature = "tokio")]
mod tokio_thread {
    //! One current-thread runtime on one thread: sockets and timers for futures that the host polls.

    use std::future::Future;
    use std::pin::Pin;
    use std::sync::Arc;
    use std::task::{Context, Poll};

    use tokio::runtime::Handle;
    use tokio::sync::Notify;

    use crate::error::{DriverError, Result};

    pub(super) struct TokioThread {
        handle: Handle,
        stop: Arc<Notify>,
    }

    impl TokioThread {
        pub(super) fn start(name: &str) -> Result<Self> {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let runtime = runtime.map_err(|error| {
                DriverError::internal("tokio runtime could not be made").caused_by(&error)
            })?;
            let handle = runtime.handle().clone();
            let stop = Arc::new(Notify::new());
            let stopped = Arc::clone(&stop);
            let thread = std::thread::Builder::new()
                .name(format!("{name}-io"))
                .spawn(move || runtime.block_on(stopped.notified()));
            thread.map_err(|error| {
                DriverError::internal("tokio thread could not be started").caused_by(&error)
            })?;
            Ok(Self { handle, stop })
        }

        pub(super) fn handle(&self) -> &Handle {
            &self.handle
        }

        pub(super) fn stop(&self) {
            self.stop.notify_one();
        }
    }

    impl Drop for TokioThread {
        fn drop(&mut self) {
            self.stop();
        }
    }

    /// A future polled and dropped inside the runtime's context.
    pub(super) struct Entered<F> {
        future: Option<Pin<Box<F>>>,
        handle: Handle,
    }

    impl<F> Entered<F> {
        pub(super) fn new(future: F, handle: Handle) -> Self {
            Self { future: Some(Box::pin(future)), handle }
        }
    }

    impl<F: Future> Future for Entered<F> {
        type Output = F::Output;

        fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
            let this = &mut *self;
            let _entered = this.handle.enter();
            match this.future.as_mut() {
                Some(future) => future.as_mut().poll(context),
                None => Poll::Pending,
            }
        }
    }

    impl<F> Drop for Entered<F> {
        fn drop(&mut self) {
            let _entered = self.handle.enter();
            self.future = None;
        }
    }
}
