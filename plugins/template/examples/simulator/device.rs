//! A device that exists in memory: one machine with a BMC that speaks HTTP.

use std::io::{self, BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use farrier_sdk::serde_json::{self, Value, json};

/// How long a client may take to say what it wants.
const PATIENCE: Duration = Duration::from_secs(10);

/// Longest body that is read, in bytes.
const BODY_SIZE_MAX: usize = 64 * 1024;

/// What is wrong with a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// Nothing.
    None,
    /// It never answers.
    Silence,
    /// It closes the connection in the middle of its answer.
    Half,
    /// It answers something else.
    Nonsense,
    /// It has another password than the node.
    OtherPassword,
    /// It is on and stays on.
    Stuck,
}

/// A simulated device that listens until it is dropped.
pub(crate) struct Simulator {
    address: SocketAddr,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    trouble: Trouble,
    stop: AtomicBool,
    requests: AtomicUsize,
    changes: AtomicUsize,
    machine: Mutex<Machine>,
    /// Connections a silent device holds open.
    held: Mutex<Vec<TcpStream>>,
}

struct Machine {
    power: &'static str,
    boot: Value,
}

/// A request, as far as it matters here.
struct Request {
    /// Method and path.
    what: String,
    authorization: String,
    body: Value,
}

impl Simulator {
    /// The password of every simulated device; its account is `admin`.
    pub(crate) const PASSWORD: &'static str = "hunter2";

    /// What a client with the right password sends: `admin:hunter2` in base64.
    const AUTHORIZATION: &'static str = "Basic YWRtaW46aHVudGVyMg==";

    /// Starts a device on a port of its own.
    pub(crate) fn start(trouble: Trouble) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let power = if trouble == Trouble::Stuck { "on" } else { "off" };
        let shared = Arc::new(Shared {
            trouble,
            stop: AtomicBool::new(false),
            requests: AtomicUsize::new(0),
            changes: AtomicUsize::new(0),
            machine: Mutex::new(Machine { power, boot: json!({"device": "disk", "persistent": true}) }),
            held: Mutex::default(),
        });
        let served = Arc::clone(&shared);
        let thread = std::thread::spawn(move || served.serve(&listener));
        Ok(Self { address, shared, thread: Some(thread) })
    }

    /// Where it listens, as `host:port`.
    pub(crate) fn address(&self) -> String {
        self.address.to_string()
    }
}

impl Drop for Simulator {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::SeqCst);
        // Wakes the thread, which then sees that it has to stop.
        drop(TcpStream::connect(self.address));
        if let Some(thread) = self.thread.take() {
            assert!(thread.join().is_ok() || std::thread::panicking(), "the simulator panicked");
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    fn serve(self: Arc<Self>, listener: &TcpListener) {
        for stream in listener.incoming() {
            if self.stop.load(Ordering::SeqCst) {
                return;
            }
            let Ok(stream) = stream else { continue };
            let shared = Arc::clone(&self);
            // A client that breaks off is its own business.
            std::thread::spawn(move || shared.answer(stream).unwrap_or_default());
        }
    }

    fn answer(&self, mut stream: TcpStream) -> io::Result<()> {
        stream.set_read_timeout(Some(PATIENCE))?;
        let Some(request) = read(&mut BufReader::new(&stream))? else { return Ok(()) };
        self.requests.fetch_add(1, Ordering::SeqCst);
        if self.trouble == Trouble::Silence {
            lock(&self.held).push(stream);
            return Ok(());
        }
        let (status, mut body) = self.result(&request);
        if self.trouble == Trouble::Nonsense {
            "<html>".clone_into(&mut body);
        }
        let head = format!(
            "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
            body.len()
        );
        let answer = head + &body;
        let length = if self.trouble == Trouble::Half { answer.len() - 1 } else { answer.len() };
        stream.write_all(answer.as_bytes().get(..length).unwrap_or_default())
    }

    /// Status and body of an answer.
    fn result(&self, request: &Request) -> (&'static str, String) {
        let done = || ("204 No Content", String::new());
        if self.trouble == Trouble::OtherPassword || request.authorization != Simulator::AUTHORIZATION {
            return ("401 Unauthorized", String::new());
        }
        let mut machine = lock(&self.machine);
        let body = &request.body;
        match request.what.as_str() {
            "GET /v1/power" => ("200 OK", json!({"state": machine.power}).to_string()),
            "PUT /v1/power" => {
                self.changes.fetch_add(1, Ordering::SeqCst);
                if self.trouble != Trouble::Stuck {
                    machine.power = if body["state"] == "on" { "on" } else { "off" };
                }
                done()
            }
            "GET /v1/boot" => ("200 OK", machine.boot.to_string()),
            "PUT /v1/boot" => {
                machine.boot = json!({"device": body["device"], "persistent": body["persistent"]});
                done()
            }
            "GET /v1/sensors" => {
                ("200 OK", json!({"Temperature": {"inlet": {"Sensor Reading": "21 degrees C"}}}).to_string())
            }
            "POST /v1/reset" if body["force"] == true => done(),
            "POST /v1/reset" => ("503 Service Unavailable", String::new()),
            _ => ("404 Not Found", String::new()),
        }
    }
}

/// Reads one request; none when the client closes instead.
fn read(reader: &mut impl BufRead) -> io::Result<Option<Request>> {
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let Some(what) = line.rsplit_once(" HTTP/").map(|(what, _)| what.to_owned()) else { return Ok(None) };
    let (mut authorization, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(": ") else { break };
        match name.to_ascii_lowercase().as_str() {
            "authorization" => value.clone_into(&mut authorization),
            "content-length" => length = value.parse().unwrap_or(0).min(BODY_SIZE_MAX),
            _ => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    Ok(Some(Request { what, authorization, body: serde_json::from_slice(&body).unwrap_or_default() }))
}

#[cfg(test)]
mod in_tests {
    use farrier_sdk::prelude::*;
    use farrier_sdk::testing;

    use super::*;
    use crate::driver_info::AcmeInfo;
    use crate::options::Settings;

    impl Simulator {
        /// A call on a node with this device.
        pub(crate) fn task(&self) -> DriverTask<AcmeInfo> {
            let address = format!("http://{}", self.address());
            testing::task(json!({"driver_info": {"acme_address": address, "acme_password": Self::PASSWORD}}))
                .unwrap()
        }

        /// Settings with patience enough for a slow test machine.
        pub(crate) fn settings() -> Settings {
            let (answer_timeout, power_timeout) = (Duration::from_secs(30), Duration::from_secs(30));
            Settings { answer_timeout, power_timeout, poll_interval: Duration::from_millis(10) }
        }

        /// How many requests there were.
        pub(crate) fn requests(&self) -> usize {
            self.shared.requests.load(Ordering::SeqCst)
        }

        /// How many of them asked for a change of power.
        pub(crate) fn changes(&self) -> usize {
            self.shared.changes.load(Ordering::SeqCst)
        }
    }
}
