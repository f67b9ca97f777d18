//! A server of files on this machine, as an operator has one for images.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;

use crate::error::SimError;

/// Serves one directory until it is dropped.
#[derive(Debug)]
pub struct FileServer {
    address: SocketAddr,
    state: Arc<State>,
}

#[derive(Debug, Default)]
struct State {
    directory: PathBuf,
    over: AtomicBool,
    requests: AtomicUsize,
    /// Whether answers are kept back.
    held: Mutex<bool>,
    changed: Condvar,
}

impl FileServer {
    /// Listens on a free port of 127.0.0.1.
    ///
    /// # Errors
    ///
    /// [`Io`](SimError::Io).
    pub fn start(directory: &Path) -> Result<Self, SimError> {
        let listener =
            TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(SimError::io("listen for a file server"))?;
        let address = listener.local_addr().map_err(SimError::io("listen for a file server"))?;
        let state = Arc::new(State { directory: directory.to_owned(), ..State::default() });
        let serving = Arc::clone(&state);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if serving.over.load(Ordering::SeqCst) {
                    return;
                }
                let state = Arc::clone(&serving);
                // A client that goes away is its own business.
                thread::spawn(move || state.answer(&stream).unwrap_or_default());
            }
        });
        Ok(Self { address, state })
    }

    /// The address of a file in the directory.
    #[must_use]
    pub fn url(&self, name: &str) -> String {
        format!("http://{}/{name}", self.address)
    }

    /// Keeps answers back from now on, or lets them go.
    pub fn hold(&self, held: bool) {
        *self.state.held.lock().unwrap_or_else(PoisonError::into_inner) = held;
        self.state.changed.notify_all();
    }

    /// How many requests have come.
    #[must_use]
    pub fn requests(&self) -> usize {
        self.state.requests.load(Ordering::SeqCst)
    }
}

impl Drop for FileServer {
    fn drop(&mut self) {
        self.state.over.store(true, Ordering::SeqCst);
        self.hold(false);
        // Wakes the one who listens.
        TcpStream::connect(self.address).map(drop).unwrap_or_default();
    }
}

impl State {
    fn answer(&self, mut stream: &TcpStream) -> std::io::Result<()> {
        let mut reader = BufReader::new(stream);
        let mut request = String::new();
        reader.read_line(&mut request)?;
        let mut line = String::new();
        while reader.read_line(&mut line)? > 2 {
            line.clear();
        }
        self.requests.fetch_add(1, Ordering::SeqCst);
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        while *held {
            held = self.changed.wait(held).unwrap_or_else(PoisonError::into_inner);
        }
        drop(held);
        let mut words = request.split(' ');
        let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let name = path.trim_start_matches('/');
        // Names alone: this is no server for strangers.
        let content = if name.contains('/') { None } else { fs::read(self.directory.join(name)).ok() };
        let (status, content) = content.map_or(("404 Not Found", Vec::new()), |content| ("200 OK", content));
        write!(
            stream,
            "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
            content.len()
        )?;
        if method == "GET" {
            stream.write_all(&content)?;
        }
        stream.flush()
    }
}
