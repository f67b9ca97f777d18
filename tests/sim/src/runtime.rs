//! The thread that all simulated BMCs of this process run on.

use std::future::Future;
use std::net::{SocketAddr, UdpSocket as StdSocket};
use std::sync::{LazyLock, mpsc};
use std::thread;

use tokio::net::UdpSocket;
use tokio::runtime::{Builder, Handle};
use tokio::task::AbortHandle;

use crate::error::SimError;

/// One thread for any number of BMCs, for as long as the process lives.
static RUNTIME: LazyLock<Handle> = LazyLock::new(|| {
    let (sender, receiver) = mpsc::sync_channel(1);
    thread::Builder::new()
        .name("sim".to_owned())
        .spawn(move || {
            let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime needs a pipe");
            sender.send(runtime.handle().clone()).expect("the one who started the thread waits for this");
            runtime.block_on(std::future::pending::<()>());
        })
        .expect("a thread can be started");
    receiver.recv().expect("the thread sends before it does anything else")
});

/// Runs a future on the thread.
pub(crate) fn spawn(future: impl Future<Output = ()> + Send + 'static) -> AbortHandle {
    RUNTIME.spawn(future).abort_handle()
}

/// A socket bound to `address`, watched by the thread.
pub(crate) fn socket(address: SocketAddr) -> Result<UdpSocket, SimError> {
    let bound = StdSocket::bind(address).and_then(|socket| {
        socket.set_nonblocking(true)?;
        let _entered = RUNTIME.enter();
        UdpSocket::from_std(socket)
    });
    bound.map_err(SimError::io(format!("listen on UDP {address}")))
}
