//! Ports nobody else takes.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, TcpListener, UdpSocket};
use std::process;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::error::SimError;

/// Ports below the range the kernel gives to outgoing connections, so that none of those takes a port
/// between our look and the server's `bind`.
const FIRST: u16 = 20_000;
const COUNT: u16 = 12_000;
/// Test processes that start together have neighboring ids; each begins its search this far from the next.
const STRIDE: u32 = 37;

static GIVEN: AtomicU32 = AtomicU32::new(0);

/// Where nobody listens. A socket there, bound as long as this process runs, tells the other test processes that the
/// port of the same number is taken, though its server may not have begun to listen.
const CLAIMS: Ipv4Addr = Ipv4Addr::new(127, 255, 255, 254);

static CLAIMED: Mutex<Vec<UdpSocket>> = Mutex::new(Vec::new());

/// A port of 127.0.0.1 and ::1 on which neither a TCP nor a UDP socket is bound, different at each call, also in other
/// processes that call this.
///
/// For servers that must be told their port; give others port 0.
///
/// # Errors
///
/// [`NoPort`](SimError::NoPort) when all are taken.
pub fn free_port() -> Result<u16, SimError> {
    let start = process::id().wrapping_mul(STRIDE);
    for _ in 0..COUNT {
        let offset = start.wrapping_add(GIVEN.fetch_add(1, Ordering::Relaxed)) % u32::from(COUNT);
        let port = FIRST + u16::try_from(offset).unwrap_or_default();
        if is_free(port) && claim(port) {
            return Ok(port);
        }
    }
    Err(SimError::NoPort { first: FIRST, last: FIRST + COUNT - 1 })
}

fn is_free(port: u16) -> bool {
    let (old, new) = ((Ipv4Addr::LOCALHOST, port), (Ipv6Addr::LOCALHOST, port));
    let is_taken = |error: &io::Error| error.kind() == io::ErrorKind::AddrInUse;
    // A machine may have no address of the newer kind, but then nobody listens there.
    let taken_there = TcpListener::bind(new).map(drop).is_err_and(|error| is_taken(&error))
        || UdpSocket::bind(new).map(drop).is_err_and(|error| is_taken(&error));
    TcpListener::bind(old).is_ok() && UdpSocket::bind(old).is_ok() && !taken_there
}

/// Takes a port for this process; false when another has it.
fn claim(port: u16) -> bool {
    match UdpSocket::bind((CLAIMS, port)) {
        Ok(socket) => {
            CLAIMED.lock().unwrap_or_else(PoisonError::into_inner).push(socket);
            true
        }
        Err(error) => error.kind() != io::ErrorKind::AddrInUse,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_calls_give_two_ports() {
        assert_ne!(free_port().unwrap(), free_port().unwrap());
    }

    #[test]
    fn a_port_that_was_given_is_claimed_before_anybody_listens() {
        let port = free_port().unwrap();

        assert!(is_free(port));
        assert!(!claim(port));
    }

    #[test]
    fn a_port_taken_on_the_newer_kind_of_address_is_not_free() {
        let Ok(socket) = UdpSocket::bind((Ipv6Addr::LOCALHOST, 0)) else { return };

        assert!(!is_free(socket.local_addr().unwrap().port()));
    }

    #[test]
    fn a_taken_port_is_not_free() {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();

        assert!(!is_free(socket.local_addr().unwrap().port()));
    }
}
