//! Ports nobody else takes.

use std::fs;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, TcpListener, UdpSocket};
use std::ops::Range;
use std::process;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::error::SimError;

/// The first port given, where the kernel's range for outgoing connections is where it usually is.
const FIRST: u16 = 20_000;
const COUNT: u16 = 12_000;
/// Below are those that only root may listen on.
const LOWEST: u16 = 1_024;
/// The kernel's range for outgoing connections: none of those may take a port between our look and the server's `bind`.
const OUTGOING: &str = "/proc/sys/net/ipv4/ip_local_port_range";
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
    free_ports(1)
}

/// So many ports in a row, each as [`free_port`] gives one; the first of them.
///
/// # Errors
///
/// [`NoPort`](SimError::NoPort) when there are no such ports.
pub fn free_ports(count: u16) -> Result<u16, SimError> {
    let outgoing = fs::read_to_string(OUTGOING).unwrap_or_default();
    let lowest = first_below(&outgoing);
    free_ports_in(lowest..lowest + COUNT, count)
}

/// The same from a range of ports, for servers that cannot listen on others. Where the kernel gives these to outgoing
/// connections, one may take a port before its server does.
///
/// # Errors
///
/// [`NoPort`](SimError::NoPort) when there are no such ports in it.
pub fn free_ports_in(range: Range<u16>, count: u16) -> Result<u16, SimError> {
    let none = SimError::NoPort { first: range.start, last: range.end.saturating_sub(1) };
    // How many there are to begin with.
    let places = range.end.saturating_sub(range.start).saturating_add(1).saturating_sub(count);
    if places == 0 {
        return Err(none);
    }
    let start = process::id().wrapping_mul(STRIDE);
    for _ in range.clone() {
        let offset =
            start.wrapping_add(GIVEN.fetch_add(u32::from(count), Ordering::Relaxed)) % u32::from(places);
        let first = range.start + u16::try_from(offset).unwrap_or_default();
        if (first..first + count).all(take) {
            return Ok(first);
        }
    }
    Err(none)
}

/// The first of [`COUNT`] ports below a range for outgoing connections, which is as the kernel writes it.
fn first_below(outgoing: &str) -> u16 {
    let begin = outgoing.split_whitespace().next().and_then(|word| word.parse().ok()).unwrap_or(u16::MAX);
    let first = FIRST.min(begin.saturating_sub(COUNT));
    // A system whose range begins that low leaves no room below it.
    if first < LOWEST { FIRST } else { first }
}

/// Whether a port was free and is ours now.
pub(crate) fn take(port: u16) -> bool {
    // Claimed before it is tried: to try is to bind, which whoever was given the port must never see.
    claim(port) && is_free(port)
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
    fn ports_in_a_row_are_all_claimed() {
        let first = free_ports(3).unwrap();

        assert!((first..first + 3).all(|port| is_free(port) && !claim(port)));
    }

    #[test]
    fn ports_of_a_range_are_in_it_and_claimed() {
        let first = free_ports_in(28_000..28_500, 2).unwrap();

        assert!((28_000..28_499).contains(&first), "{first}");
        assert!((first..first + 2).all(|port| !claim(port)));
    }

    #[test]
    fn a_range_whose_ports_are_given_has_no_more() {
        let first = free_ports(3).unwrap();

        for (range, count) in [(first..first + 3, 2), (first..first + 1, 2), (first..first, 1)] {
            let error = free_ports_in(range.clone(), count).unwrap_err();
            let all = (range.start, range.end - 1);
            assert!(matches!(error, SimError::NoPort { first, last } if (first, last) == all), "{error}");
        }
    }

    #[test]
    fn ports_are_below_those_of_outgoing_connections() {
        assert_eq!(first_below("32768\t60999\n"), FIRST);
        assert_eq!(first_below("16000\t65535\n"), 4_000);
        assert_eq!(first_below("1024\t65535\n"), FIRST);
        assert_eq!(first_below(""), FIRST);
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
