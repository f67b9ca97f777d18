//! A device that exists in memory, for the tests.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;

use farrier_sdk::prelude::*;
use farrier_sdk::serde_json::{self, json};
use farrier_sdk::testing;

use crate::driver_info::TemplateInfo;
use crate::options::Settings;

/// What is wrong with a device.
#[derive(Clone, Copy, PartialEq, Eq)]
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
    /// Power state and boot setting.
    machine: Mutex<(String, Value)>,
    /// Connections a silent device holds open.
    held: Mutex<Vec<TcpStream>>,
}

impl Simulator {
    /// The password of every simulated device.
    pub(crate) const PASSWORD: &'static str = "hunter2";

    pub(crate) fn start(trouble: Trouble) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let power = if trouble == Trouble::Stuck { "on" } else { "off" };
        let machine = (power.to_owned(), json!({"device": "disk", "persistent": true}));
        let shared = Arc::new(Shared {
            trouble,
            stop: AtomicBool::new(false),
            requests: AtomicUsize::new(0),
            changes: AtomicUsize::new(0),
            machine: Mutex::new(machine),
            held: Mutex::new(Vec::new()),
        });
        let served = Arc::clone(&shared);
        let thread = std::thread::spawn(move || served.serve(&listener));
        Self { address, shared, thread: Some(thread) }
    }

    pub(crate) fn address(&self) -> String {
        self.address.to_string()
    }

    /// A call on a node with this device.
    pub(crate) fn task(&self) -> DriverTask<TemplateInfo> {
        let info = json!({"template_address": self.address(), "template_password": Self::PASSWORD});
        testing::task(json!({"driver_info": info})).unwrap()
    }

    /// Settings with patience enough for a slow test machine.
    pub(crate) fn settings() -> Settings {
        Settings { answer_timeout: Duration::from_secs(30), power_timeout: Duration::from_secs(30) }
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

impl Shared {
    fn serve(&self, listener: &TcpListener) {
        for stream in listener.incoming() {
            if self.stop.load(Ordering::SeqCst) {
                return;
            }
            self.answer(stream.unwrap());
        }
    }

    fn answer(&self, mut stream: TcpStream) {
        let mut line = String::new();
        BufReader::new(&stream).read_line(&mut line).unwrap();
        self.requests.fetch_add(1, Ordering::SeqCst);
        let answer = self.result(&serde_json::from_str(&line).unwrap());
        let answer = match self.trouble {
            Trouble::Silence => return self.held.lock().unwrap().push(stream),
            Trouble::Half => "{\"result\":".to_owned(),
            Trouble::Nonsense => "HTTP/1.1 400 Bad Request\n".to_owned(),
            Trouble::None | Trouble::OtherPassword | Trouble::Stuck => format!("{answer}\n"),
        };
        // The client may have given up.
        stream.write_all(answer.as_bytes()).unwrap_or_default();
    }

    fn result(&self, request: &Value) -> Value {
        if self.trouble == Trouble::OtherPassword || request["password"] != Simulator::PASSWORD {
            return json!({"error": "denied"});
        }
        let mut machine = self.machine.lock().unwrap();
        let result = match request["command"].as_str().unwrap() {
            "power" => json!(machine.0),
            "set_power" => {
                self.changes.fetch_add(1, Ordering::SeqCst);
                if self.trouble != Trouble::Stuck {
                    machine.0 = if request["state"] == "on" { "on" } else { "off" }.to_owned();
                }
                Value::Null
            }
            "boot" => machine.1.clone(),
            "set_boot" => {
                machine.1 = json!({"device": request["device"], "persistent": request["persistent"]});
                Value::Null
            }
            "sensors" => json!({"Temperature": {"inlet": {"Sensor Reading": "21 degrees C"}}}),
            "reset" if request["force"] == true => Value::Null,
            "reset" => return json!({"error": "busy"}),
            other => return json!({"error": format!("`{other}` is not a command")}),
        };
        json!({"result": result})
    }
}
