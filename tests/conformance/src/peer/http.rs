//! A server that speaks HTTP, rightly or in one certain way wrongly.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::redfish::Redfish;
use super::seen::Seen;
use super::tls;

/// Longest head of a request that is read, in bytes.
const HEAD_SIZE_MAX: usize = 64 * 1024;

/// Largest body that is read, in bytes.
const BODY_SIZE_MAX: usize = 16 * 1024 * 1024;

/// Time between two bytes of an answer that drips.
const DRIP: Duration = Duration::from_millis(200);

/// Size of the pieces of an answer without end, in bytes.
const PIECE_SIZE: usize = 64 * 1024;

/// What is wrong with a server. None of them ever does what it is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum HttpFault {
    /// Resets every connection.
    Reset,
    /// Takes everything and says nothing.
    Silence,
    /// Answers so slowly that it never ends.
    Drip,
    /// Answers everything with this status, these headers and this body.
    Status(u16, Vec<(&'static str, String)>, String),
    /// Ends in the middle of its answer.
    Truncated,
    /// Never ends its answer.
    Endless,
    /// Its certificate was good last century.
    ExpiredCertificate,
}

/// A request as it arrived.
#[derive(Debug, Clone, Default)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: Vec<u8>,
}

impl Request {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }
}

/// An answer.
#[derive(Debug, Clone, Default)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: String,
}

/// A running server; ended when dropped.
pub(crate) struct HttpPeer {
    address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    behavior: Behavior,
    requests: AtomicU64,
    /// Whether one of them said who it was.
    credentials: AtomicBool,
    stop: AtomicBool,
}

enum Behavior {
    Bmc(Mutex<Redfish>),
    Fault(HttpFault),
}

impl HttpPeer {
    /// A BMC that speaks Redfish and does what it is asked.
    pub(crate) fn bmc() -> io::Result<Self> {
        Self::start(Behavior::Bmc(Mutex::new(Redfish::new())))
    }

    /// A server with a fault.
    pub(crate) fn with(fault: HttpFault) -> io::Result<Self> {
        Self::start(Behavior::Fault(fault))
    }

    fn start(behavior: Behavior) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            behavior,
            requests: AtomicU64::new(0),
            credentials: AtomicBool::new(false),
            stop: AtomicBool::new(false),
        });
        let served = Arc::clone(&shared);
        std::thread::Builder::new().name("kit-http".to_owned()).spawn(move || serve(&served, &listener))?;
        Ok(Self { address, shared })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// How many requests, or connections without one, there were.
    pub(crate) fn requests(&self) -> u64 {
        self.shared.requests.load(Ordering::SeqCst)
    }

    /// Whether a request said who it was from.
    pub(crate) fn saw_credentials(&self) -> bool {
        self.shared.credentials.load(Ordering::SeqCst)
    }

    fn redfish(&self) -> Option<MutexGuard<'_, Redfish>> {
        match &self.shared.behavior {
            Behavior::Bmc(redfish) => Some(redfish.lock().unwrap_or_else(PoisonError::into_inner)),
            Behavior::Fault(_) => None,
        }
    }

    pub(crate) fn is_on(&self) -> bool {
        self.redfish().is_some_and(|redfish| redfish.on)
    }

    pub(crate) fn set_power(&self, on: bool) {
        if let Some(mut redfish) = self.redfish() {
            redfish.on = on;
        }
    }

    /// What somebody in front of the machine sees, if there is one.
    pub(crate) fn seen(&self) -> Option<Seen> {
        self.redfish().map(|redfish| redfish.seen())
    }

    pub(crate) fn forget_sessions(&self) {
        if let Some(mut redfish) = self.redfish() {
            redfish.forget_sessions();
        }
    }
}

impl Drop for HttpPeer {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::SeqCst);
        // Wakes the thread, which then sees that it has to stop.
        drop(TcpStream::connect(self.address));
    }
}

fn serve(shared: &Arc<Shared>, listener: &TcpListener) {
    for stream in listener.incoming().flatten() {
        if shared.stop.load(Ordering::SeqCst) {
            return;
        }
        let shared = Arc::clone(shared);
        // Without a thread the client is told by the connection's end.
        std::thread::Builder::new().name("kit-http".to_owned()).spawn(move || shared.talk(stream)).ok();
    }
}

impl Shared {
    fn talk(&self, mut stream: TcpStream) {
        match &self.behavior {
            Behavior::Bmc(redfish) => {
                while let Some(request) = self.read(&mut stream) {
                    let response = redfish.lock().unwrap_or_else(PoisonError::into_inner).answer(&request);
                    let closes =
                        request.header("connection").is_some_and(|value| value.eq_ignore_ascii_case("close"));
                    if write(&mut stream, &response).is_err() || closes {
                        return;
                    }
                }
            }
            Behavior::Fault(HttpFault::Reset) => {
                self.requests.fetch_add(1, Ordering::SeqCst);
                // Closed with something unread, a connection is reset.
                stream.peek(&mut [0]).unwrap_or_default();
            }
            Behavior::Fault(HttpFault::ExpiredCertificate) => {
                self.requests.fetch_add(1, Ordering::SeqCst);
                tls::talk(stream);
            }
            Behavior::Fault(fault) => {
                while let Some(_request) = self.read(&mut stream) {
                    if self.misbehave(fault, &mut stream).is_err() {
                        return;
                    }
                }
            }
        }
    }

    /// Answers one request wrongly; an error ends the connection.
    fn misbehave(&self, fault: &HttpFault, stream: &mut TcpStream) -> io::Result<()> {
        let end = || Err(io::ErrorKind::ConnectionAborted.into());
        match fault {
            HttpFault::Silence => {
                // Until the client has enough of it.
                stream.read_to_end(&mut Vec::new())?;
                end()
            }
            HttpFault::Drip => {
                stream.write_all(
                    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100000\r\n\r\n{",
                )?;
                while !self.stop.load(Ordering::SeqCst) {
                    stream.write_all(b" ")?;
                    crate::residue::pause(DRIP);
                }
                end()
            }
            HttpFault::Status(status, headers, body) => {
                write(stream, &Response { status: *status, headers: headers.clone(), body: body.clone() })
            }
            HttpFault::Truncated => {
                stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 500\r\n\r\n{\"PowerState\":")?;
                end()
            }
            HttpFault::Endless => {
                stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n")?;
                let piece =
                    [format!("{PIECE_SIZE:x}\r\n").as_bytes(), &vec![b' '; PIECE_SIZE], b"\r\n"].concat();
                while !self.stop.load(Ordering::SeqCst) {
                    stream.write_all(&piece)?;
                }
                end()
            }
            HttpFault::Reset | HttpFault::ExpiredCertificate => end(),
        }
    }

    /// The next request, if there is one.
    fn read(&self, stream: &mut TcpStream) -> Option<Request> {
        let request = read_request(stream)?;
        self.requests.fetch_add(1, Ordering::SeqCst);
        if request.header("authorization").is_some() || request.header("x-auth-token").is_some() {
            self.credentials.store(true, Ordering::SeqCst);
        }
        Some(request)
    }
}

pub(crate) fn read_request(stream: &mut impl Read) -> Option<Request> {
    // One byte at a time: what follows belongs to the next request.
    let (mut head, mut byte) = (Vec::new(), [0_u8]);
    while !head.ends_with(b"\r\n\r\n") {
        if HEAD_SIZE_MAX < head.len() || stream.read(&mut byte).ok()? == 0 {
            return None;
        }
        head.extend(byte);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let mut lines = head.lines();
    let mut words = lines.next()?.split(' ');
    let (method, path) = (words.next()?.to_owned(), words.next()?.to_owned());
    let headers: BTreeMap<String, String> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.trim().to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let size: usize = headers.get("content-length").and_then(|size| size.parse().ok()).unwrap_or(0);
    if BODY_SIZE_MAX < size {
        return None;
    }
    let mut body = vec![0; size];
    stream.read_exact(&mut body).ok()?;
    Some(Request { method, path, headers, body })
}

pub(crate) fn write(stream: &mut impl Write, response: &Response) -> io::Result<()> {
    let Response { status, headers, body } = response;
    let mut text = format!("HTTP/1.1 {status} Status\r\nContent-Length: {}\r\n", body.len());
    if !body.is_empty() {
        text.push_str("Content-Type: application/json\r\n");
    }
    for (name, value) in headers {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    text.push_str("\r\n");
    text.push_str(body);
    stream.write_all(text.as_bytes())?;
    stream.flush()
}
