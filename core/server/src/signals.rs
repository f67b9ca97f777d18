//! What the daemon is told by signals.
//!
//! | signal | meaning |
//! |---|---|
//! | `TERM`, `INT` | stop; running work has `graceful_shutdown_timeout` |
//! | `USR1` | stay registered at the next stop: it is back at once |
//! | `USR2` | stop; running work has `drain_shutdown_timeout` |
//!
//! Source: Ironic's conductor.

use farrier_conductor::{Departure, Pace, Registered};
use farrier_sdk::error::Chain;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

/// The signals that are heard. From the moment this is made none of them ends the process by itself.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
    stay: Signal,
    drain: Signal,
}

impl Signals {
    fn listen() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            stay: signal(SignalKind::user_defined1())?,
            drain: signal(SignalKind::user_defined2())?,
        })
    }

    /// Ready when the daemon is to stop; how it is to leave.
    async fn departure(&mut self) -> Departure {
        let mut departure = Departure::default();
        loop {
            tokio::select! {
                // Who asks to stay and then to stop may be heard at once, but was the first to ask for staying.
                biased;
                _ = self.stay.recv() => {
                    info!("staying registered at the next stop");
                    departure.registration = Registered::Stay;
                }
                _ = self.terminate.recv() => return departure,
                _ = self.interrupt.recv() => return departure,
                _ = self.drain.recv() => {
                    departure.pace = Pace::Drain;
                    return departure;
                }
            }
        }
    }
}

/// Hears signals from now on: cancels the token when the daemon is to stop, and answers how it is to leave.
pub(crate) fn watch(stop: CancellationToken) -> tokio::task::JoinHandle<Departure> {
    let signals = Signals::listen();
    tokio::spawn(async move {
        let departure = match signals {
            Ok(mut signals) => signals.departure().await,
            Err(failure) => {
                warn!(error = %Chain(&failure), "signals can not be heard, only a kill ends this process");
                stop.cancelled().await;
                Departure::default()
            }
        };
        info!(?departure, "stopping");
        stop.cancel();
        departure
    })
}
