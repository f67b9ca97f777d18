//! Datagrams to and from one BMC.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use tokio::net::{UdpSocket, lookup_host};
use tokio::time::{Instant, timeout_at};

use super::pool::Discards;
use super::work::Work;
use crate::packet::{DATAGRAM_SIZE_MAX, Discard};
use crate::target::Endpoint;

/// Most socket errors taken in one wait; each stands for one datagram that came back.
const SOCKET_ERRORS_MAX: u32 = 64;

/// A socket connected to one BMC: datagrams of others never arrive, and a closed port is heard of.
#[derive(Debug)]
pub(super) struct Wire {
    socket: UdpSocket,
    discards: Arc<Discards>,
}

impl Wire {
    /// Resolves the address and connects; sends nothing. `attempt` chooses among several addresses.
    pub(super) async fn connect(
        endpoint: &Endpoint,
        attempt: u32,
        work: &Work<'_>,
        discards: &Arc<Discards>,
    ) -> Result<Self, ConnectError> {
        let address = resolve(endpoint, attempt, work).await?;
        let any: SocketAddr = match address {
            SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
            SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
        };
        let socket = UdpSocket::bind(any).await.map_err(ConnectError::Socket)?;
        socket.connect(address).await.map_err(ConnectError::Socket)?;
        Ok(Self { socket, discards: Arc::clone(discards) })
    }

    /// Sends a datagram. A failure is noted, not returned: it is like a datagram lost on the way.
    pub(super) async fn send(&self, datagram: &[u8], work: &mut Work<'_>) {
        // The first error may tell of an earlier datagram that was refused; this one was not sent then.
        for _ in 0..2 {
            match self.socket.send(datagram).await {
                Ok(_) => return work.sent(),
                Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => work.refused(),
                Err(error) => return work.unsent(error.to_string()),
            }
        }
    }

    /// Waits for a datagram that `accept` takes; `None` when `until` has come. All others are counted.
    pub(super) async fn receive<T>(
        &self,
        until: Instant,
        work: &mut Work<'_>,
        mut accept: impl FnMut(&[u8]) -> Result<T, Discard>,
    ) -> Option<T> {
        let mut buffer = vec![0; DATAGRAM_SIZE_MAX + 1];
        let mut errors = 0;
        loop {
            match timeout_at(until, self.socket.recv(&mut buffer)).await {
                Err(_) => return None,
                Ok(Ok(size)) => {
                    work.heard();
                    match accept(buffer.get(..size).unwrap_or_default()) {
                        Ok(taken) => return Some(taken),
                        Err(reason) => self.discards.count(reason),
                    }
                }
                Ok(Err(error)) => {
                    if error.kind() == io::ErrorKind::ConnectionRefused {
                        work.refused();
                    }
                    errors += 1;
                    if errors == SOCKET_ERRORS_MAX {
                        tokio::time::sleep_until(until).await;
                        return None;
                    }
                }
            }
            // A flood of datagrams must not keep the clock from being looked at.
            if until <= Instant::now() {
                return None;
            }
        }
    }

    /// Counts a datagram that was taken in spite of a fault.
    pub(super) fn tolerate(&self, reason: Discard) {
        self.discards.count(reason);
    }
}

/// Why no socket could be had.
#[derive(Debug)]
pub(super) enum ConnectError {
    /// The name leads to no address.
    Unresolved(String),
    /// The operating system refuses.
    Socket(io::Error),
}

async fn resolve(endpoint: &Endpoint, attempt: u32, work: &Work<'_>) -> Result<SocketAddr, ConnectError> {
    if let Ok(address) = endpoint.host.parse::<IpAddr>() {
        return Ok((address, endpoint.port).into());
    }
    let lookup = lookup_host((endpoint.host.as_str(), endpoint.port));
    let addresses: Vec<_> = match timeout_at(work.deadline(), lookup).await {
        Ok(Ok(addresses)) => addresses.collect(),
        Ok(Err(error)) => return Err(ConnectError::Unresolved(error.to_string())),
        Err(_) => return Err(ConnectError::Unresolved("the resolver does not answer".into())),
    };
    let turn = usize::try_from(attempt).unwrap_or_default().checked_rem(addresses.len());
    turn.and_then(|turn| addresses.get(turn).copied())
        .ok_or_else(|| ConnectError::Unresolved("the name has no address".into()))
}
