//! A receiver of notifications over HTTP, with good and bad habits.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use serde_json::Value;

use crate::error::SimError;
use crate::wait::wait_for;

/// Longest body that is read.
const BODY_SIZE_MAX: usize = 64 * 1024 * 1024;

/// What a receiver does with a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Habit {
    /// Takes it.
    Accept,
    /// Reads it and answers with this status.
    Answer(u16),
    /// Reads it and answers when it has another habit: is slow.
    Hold,
    /// Never reads what was sent.
    Ignore,
}

/// A request that was read.
#[derive(Debug, Clone)]
pub struct Request {
    /// Header names in lower case, with their values.
    pub headers: Vec<(String, String)>,
    /// The body as JSON; null when it is none.
    pub body: Value,
    /// Whether it was answered with 200.
    pub accepted: bool,
}

impl Request {
    /// The value of the first header called `name`, in lower case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// A receiver. Dropping it stops it.
#[derive(Debug)]
pub struct Webhook {
    address: SocketAddr,
    shared: Arc<Shared>,
    listening: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug)]
struct State {
    habit: Habit,
    requests: Vec<Request>,
    connections: usize,
    stopping: bool,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until the habit is another one; the new one, or none at the end.
    fn after(&self, habit: Habit) -> Option<Habit> {
        let state = self.state();
        let other = |state: &mut State| !state.stopping && state.habit == habit;
        let state = self.changed.wait_while(state, other).unwrap_or_else(PoisonError::into_inner);
        (!state.stopping).then_some(state.habit)
    }
}

impl Webhook {
    /// Listens on a port of its own.
    ///
    /// # Errors
    ///
    /// [`Io`](SimError::Io).
    pub fn start(habit: Habit) -> Result<Self, SimError> {
        Self::start_on(0, habit)
    }

    /// Listens on `port`.
    ///
    /// # Errors
    ///
    /// [`Io`](SimError::Io): somebody else has it.
    pub fn start_on(port: u16, habit: Habit) -> Result<Self, SimError> {
        let failed = || SimError::io("listen for notifications".to_owned());
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).map_err(failed())?;
        let address = listener.local_addr().map_err(failed())?;
        let state = State { habit, requests: Vec::new(), connections: 0, stopping: false };
        let shared = Arc::new(Shared { state: Mutex::new(state), changed: Condvar::new() });
        let for_thread = Arc::clone(&shared);
        let listening = thread::spawn(move || listen(&listener, &for_thread));
        Ok(Self { address, shared, listening: Some(listening) })
    }

    /// What to send to.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}/notifications", self.address)
    }

    /// Changes what it does with requests, also with those it holds.
    pub fn set(&self, habit: Habit) {
        self.shared.state().habit = habit;
        self.shared.changed.notify_all();
    }

    /// The requests it has read so far.
    #[must_use]
    pub fn requests(&self) -> Vec<Request> {
        self.shared.state().requests.clone()
    }

    /// How often somebody has connected.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.shared.state().connections
    }

    /// The notifications in the requests it has taken, in their order.
    #[must_use]
    pub fn notifications(&self) -> Vec<Value> {
        let accepted = self.requests().into_iter().filter(|request| request.accepted);
        accepted.flat_map(|request| request.body.as_array().cloned().unwrap_or_default()).collect()
    }

    /// Waits until it has taken as many notifications as this.
    ///
    /// # Errors
    ///
    /// [`Late`](SimError::Late).
    pub fn wait_for(&self, count: usize, within: Duration) -> Result<Vec<Value>, SimError> {
        let mut seen = Vec::new();
        let found = wait_for(&format!("notification {count}"), within, || {
            seen = self.notifications();
            (count <= seen.len()).then(|| seen.clone())
        });
        found.map_err(|error| {
            let told = seen.iter().map(|message| message["event_type"].to_string()).collect::<Vec<_>>();
            SimError::Late { what: format!("{error}, after {told:?}: more"), within }
        })
    }
}

impl Drop for Webhook {
    fn drop(&mut self) {
        self.shared.state().stopping = true;
        self.shared.changed.notify_all();
        // Wakes the thread that listens.
        drop(TcpStream::connect(self.address));
        if let Some(listening) = self.listening.take() {
            listening.join().unwrap_or_default();
        }
    }
}

fn listen(listener: &TcpListener, shared: &Arc<Shared>) {
    for stream in listener.incoming().flatten() {
        if shared.state().stopping {
            return;
        }
        shared.state().connections += 1;
        let shared = Arc::clone(shared);
        // A client that goes away in the middle is its own business.
        thread::spawn(move || serve(stream, &shared).unwrap_or_default());
    }
}

/// Serves one request and closes the connection.
fn serve(mut stream: TcpStream, shared: &Shared) -> io::Result<()> {
    let mut habit = shared.state().habit;
    while habit == Habit::Ignore {
        let Some(next) = shared.after(habit) else { return Ok(()) };
        habit = next;
    }
    let Some(mut request) = read(&stream)? else { return Ok(()) };
    while habit == Habit::Hold {
        let Some(next) = shared.after(habit) else { return Ok(()) };
        habit = next;
    }
    let status = if let Habit::Answer(status) = habit { status } else { 200 };
    request.accepted = status == 200;
    // Before the answer: whoever has it may look.
    shared.state().requests.push(request);
    write!(stream, "HTTP/1.1 {status} Status\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
}

fn read(stream: &TcpStream) -> io::Result<Option<Request>> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Ok(None);
        }
        let Some((name, value)) = line.split_once(':') else { break };
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let length = headers.iter().find(|(name, _)| name == "content-length");
    let length = length.and_then(|(_, value)| value.parse().ok()).unwrap_or(0_usize).min(BODY_SIZE_MAX);
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
    Ok(Some(Request { headers, body, accepted: false }))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::http::request;

    const PATIENCE: Duration = Duration::from_secs(60);

    #[test]
    fn what_is_accepted_is_kept_in_its_order() {
        let webhook = Webhook::start(Habit::Accept).unwrap();

        for body in [json!([1, 2]), json!([3])] {
            let answer = request(webhook.address, "POST", "/", &[("X-Topic", "t")], Some(&body)).unwrap();
            assert_eq!(answer.status, 200);
        }

        assert_eq!(webhook.wait_for(3, PATIENCE).unwrap(), [json!(1), json!(2), json!(3)]);
        assert_eq!(webhook.requests()[0].header("x-topic"), Some("t"));
    }

    #[test]
    fn what_is_refused_is_read_and_not_taken() {
        let webhook = Webhook::start(Habit::Answer(500)).unwrap();

        let answer = request(webhook.address, "POST", "/", &[], Some(&json!([1]))).unwrap();

        assert_eq!(answer.status, 500);
        assert_eq!((webhook.requests().len(), webhook.notifications().len()), (1, 0));
    }

    #[test]
    fn what_is_held_is_answered_when_the_habit_changes() {
        let webhook = Webhook::start(Habit::Hold).unwrap();
        let address = webhook.address;
        let asking = thread::spawn(move || request(address, "POST", "/", &[], Some(&json!([1]))).unwrap());
        wait_for("a connection", PATIENCE, || (webhook.connections() == 1).then_some(())).unwrap();

        webhook.set(Habit::Accept);

        assert_eq!(asking.join().unwrap().status, 200);
        assert_eq!(webhook.notifications(), [json!(1)]);
    }
}
