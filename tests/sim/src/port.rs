//! Ports nobody else takes.

use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::process;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::error::SimError;

/// Ports below the range the kernel gives to outgoing connections, so that none of those takes a port
/// between our look and the server's `bind`.
const FIRST: u16 = 20_000;
const COUNT: u16 = 12_000;
/// Test processes that start together have neighboring ids; each begins its search this far from the next.
const STRIDE: u32 = 37;

static GIVEN: AtomicU32 = AtomicU32::new(0);

/// A port of 127.0.0.1 on which neither a TCP nor a UDP socket is bound, different at each call.
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
        if is_free(port) {
            return Ok(port);
        }
    }
    Err(SimError::NoPort { first: FIRST, last: FIRST + COUNT - 1 })
}

fn is_free(port: u16) -> bool {
    let address = (Ipv4Addr::LOCALHOST, port);
    TcpListener::bind(address).is_ok() && UdpSocket::bind(address).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_calls_give_two_ports() {
        assert_ne!(free_port().unwrap(), free_port().unwrap());
    }

    #[test]
    fn a_taken_port_is_not_free() {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();

        assert!(!is_free(socket.local_addr().unwrap().port()));
    }
}
