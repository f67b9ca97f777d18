//! A machine that speaks by datagrams, for the plugins that test the kit.
//!
//! A request is `SEQUENCE SESSION WORD`, an answer `SEQUENCE TEXT`. Session 0 can only `login`, which answers the
//! number of a session; `power?` answers `on` or `off`, and `on` and `off` switch. A session nobody knows is answered
//! `denied`.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

/// How often the machine looks whether it is still needed.
const LOOK_PAUSE: Duration = Duration::from_millis(50);

/// A running machine; ended when dropped.
pub(crate) struct DatagramPeer {
    address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    on: AtomicBool,
    deaf: AtomicBool,
    stop: AtomicBool,
    busy: AtomicUsize,
    session: AtomicU64,
    datagrams: AtomicU64,
}

impl DatagramPeer {
    pub(crate) fn start() -> io::Result<Self> {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
        socket.set_read_timeout(Some(LOOK_PAUSE))?;
        let (address, shared) = (socket.local_addr()?, Arc::new(Shared::default()));
        shared.session.store(1, Ordering::SeqCst);
        let served = Arc::clone(&shared);
        std::thread::Builder::new().name("kit-datagram".to_owned()).spawn(move || served.serve(&socket))?;
        Ok(Self { address, shared })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn is_on(&self) -> bool {
        self.shared.on.load(Ordering::SeqCst)
    }

    pub(crate) fn set_power(&self, on: bool) {
        self.shared.on.store(on, Ordering::SeqCst);
    }

    pub(crate) fn be_deaf(&self) {
        self.shared.deaf.store(true, Ordering::SeqCst);
    }

    pub(crate) fn be_busy(&self, times: usize) {
        self.shared.busy.store(times, Ordering::SeqCst);
    }

    pub(crate) fn forget_sessions(&self) {
        self.shared.session.fetch_add(1, Ordering::SeqCst);
    }

    pub(crate) fn datagrams(&self) -> u64 {
        self.shared.datagrams.load(Ordering::SeqCst)
    }
}

impl Drop for DatagramPeer {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::SeqCst);
    }
}

impl Shared {
    fn serve(&self, socket: &UdpSocket) {
        let mut buffer = [0; 512];
        while !self.stop.load(Ordering::SeqCst) {
            let Ok((size, client)) = socket.recv_from(&mut buffer) else { continue };
            self.datagrams.fetch_add(1, Ordering::SeqCst);
            let text = String::from_utf8_lossy(buffer.get(..size).unwrap_or_default()).into_owned();
            let mut words = text.split(' ');
            let (Some(sequence), Some(session), Some(word)) = (words.next(), words.next(), words.next())
            else {
                continue;
            };
            if self.deaf.load(Ordering::SeqCst) {
                continue;
            }
            let answer = format!("{sequence} {}", self.answer(session, word));
            // The client may be gone.
            socket.send_to(answer.as_bytes(), client).unwrap_or_default();
        }
    }

    fn answer(&self, session: &str, word: &str) -> String {
        let known = self.session.load(Ordering::SeqCst).to_string();
        if word == "login" {
            return known;
        }
        if session != known {
            return "denied".to_owned();
        }
        let busy = self.busy.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
        if busy.is_ok() {
            return "busy".to_owned();
        }
        match word {
            "on" => self.on.store(true, Ordering::SeqCst),
            "off" => self.on.store(false, Ordering::SeqCst),
            "power?" => {}
            _ => return "unknown".to_owned(),
        }
        if self.on.load(Ordering::SeqCst) { "on" } else { "off" }.to_owned()
    }
}
