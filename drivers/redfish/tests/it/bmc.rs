//! A small BMC that does what a test tells it to.
//!
//! One System with power, boot settings and a settings resource, sessions and basic authentication, and rules
//! that answer instead of it. Every request is in its log with the number of its connection.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use farrier_sdk::serde_json::{Value, from_slice, json};

pub(crate) const USER: &str = "root";
pub(crate) const PASSWORD: &str = "calvin";
pub(crate) const ROOT: &str = "/redfish/v1/";
pub(crate) const SYSTEM: &str = "/redfish/v1/Systems/1";
pub(crate) const SYSTEMS: &str = "/redfish/v1/Systems";
pub(crate) const SESSIONS: &str = "/redfish/v1/SessionService/Sessions";
pub(crate) const RESET: &str = "/redfish/v1/Systems/1/Actions/ComputerSystem.Reset";

/// `root:calvin` as basic authentication carries it.
const BASIC: &str = "Basic cm9vdDpjYWx2aW4=";

/// A request as it arrived.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) connection: usize,
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: Vec<u8>,
    /// What was answered; 0 for nothing.
    pub(crate) status: u16,
}

impl Request {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }

    pub(crate) fn json(&self) -> Value {
        from_slice(&self.body).unwrap_or(Value::Null)
    }
}

/// What a rule does instead of answering as usual.
#[derive(Debug, Clone)]
pub(crate) enum Reply {
    /// This status, these headers, this body.
    Answer(u16, Vec<(&'static str, String)>, String),
    /// Closes the connection.
    Drop,
    /// Does what was asked, then closes the connection without an answer.
    DoAndDrop,
    /// Says nothing, and keeps the connection.
    Hang,
    /// Promises this many bytes and sends the given ones.
    Cut(usize, String),
    /// Sends a body without end.
    Endless,
}

impl Reply {
    /// An error with one message of a registry.
    pub(crate) fn error(status: u16, id: &str, text: &str) -> Self {
        let message = json!({"MessageId": id, "Message": text, "Severity": "Warning"});
        let body = json!({"error": {"code": id, "message": text, "@Message.ExtendedInfo": [message]}});
        Self::Answer(status, vec![], body.to_string())
    }

    pub(crate) fn status(status: u16) -> Self {
        Self::Answer(status, vec![], String::new())
    }

    pub(crate) fn with(mut self, name: &'static str, value: &str) -> Self {
        if let Self::Answer(_, headers, _) = &mut self {
            headers.push((name, value.to_owned()));
        }
        self
    }
}

/// Answers instead of the BMC: this method, this path, this often.
#[derive(Debug)]
struct Rule {
    method: &'static str,
    path: String,
    skip: usize,
    times: usize,
    reply: Reply,
}

/// What the BMC knows and does.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) log: Vec<Request>,
    pub(crate) resources: BTreeMap<String, Value>,
    pub(crate) tokens: BTreeSet<String>,
    pub(crate) user: Option<(String, String)>,
    pub(crate) has_sessions: bool,
    pub(crate) has_basic: bool,
    /// Tag of every resource; weak if it begins with `W/`.
    pub(crate) tag: Option<String>,
    /// Answers a change with the resource as it is then.
    pub(crate) shows_changes: bool,
    /// Closes each connection after one answer.
    pub(crate) closes: bool,
    rules: Vec<Rule>,
    logins: usize,
}

/// A running BMC.
#[derive(Debug, Clone)]
pub(crate) struct Bmc {
    pub(crate) port: u16,
    state: Arc<Mutex<State>>,
}

/// What a connection is read from and written to.
pub(crate) trait Wire: Read + Write + Send {}
impl<T: Read + Write + Send> Wire for T {}

impl Bmc {
    /// A BMC on plain HTTP.
    pub(crate) fn start() -> Self {
        Self::serve(|stream| Some(Box::new(stream)))
    }

    /// A BMC that makes something else of each connection, such as TLS.
    pub(crate) fn serve(wrap: impl Fn(TcpStream) -> Option<Box<dyn Wire>> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let state = Arc::new(Mutex::new(State::new()));
        let bmc = Self { port, state };
        let (shared, wrap) = (bmc.clone(), Arc::new(wrap));
        thread::spawn(move || {
            for (number, stream) in listener.incoming().flatten().enumerate() {
                let (bmc, wrap) = (shared.clone(), Arc::clone(&wrap));
                thread::spawn(move || {
                    if let Some(wire) = wrap(stream) {
                        bmc.talk(wire, number);
                    }
                });
            }
        });
        bmc
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Answers the next requests of this kind.
    pub(crate) fn rule(&self, method: &'static str, path: &str, times: usize, reply: Reply) {
        self.rule_after(method, path, 0, times, reply);
    }

    /// The same after some were answered as usual.
    pub(crate) fn rule_after(
        &self,
        method: &'static str,
        path: &str,
        skip: usize,
        times: usize,
        reply: Reply,
    ) {
        self.state().rules.push(Rule { method, path: path.to_owned(), skip, times, reply });
    }

    /// Changes a resource behind the driver's back.
    pub(crate) fn change(&self, path: &str, patch: &Value) {
        merge(self.state().resources.entry(path.to_owned()).or_insert_with(|| json!({})), patch);
    }

    /// Everything asked so far as `GET /path 200`, without the prefix of the service.
    pub(crate) fn asked(&self) -> Vec<String> {
        let short = |request: &Request| {
            let path = request.path.strip_prefix("/redfish/v1").unwrap_or(&request.path).to_owned();
            format!("{} {path} {}", request.method, request.status)
        };
        self.state().log.iter().map(short).collect()
    }

    /// How often this was asked.
    pub(crate) fn count(&self, method: &str, path: &str) -> usize {
        self.state().log.iter().filter(|request| request.method == method && request.path == path).count()
    }

    /// How many connections were used.
    pub(crate) fn connections(&self) -> usize {
        self.state().log.iter().map(|request| request.connection).collect::<BTreeSet<_>>().len()
    }

    fn talk(&self, mut wire: Box<dyn Wire>, connection: usize) {
        while let Some(mut request) = read_request(&mut wire, connection) {
            let path = request.path.clone();
            let rule = self.state().take_rule(&request.method, &path);
            let closes = self.state().closes
                || request.header("connection").is_some_and(|value| value.eq_ignore_ascii_case("close"));
            let (status, bytes, ends) = match rule {
                None => {
                    let (status, headers, body) = self.state().act(&request);
                    (status, answer(status, &headers, body.as_bytes()), false)
                }
                Some(Reply::Answer(status, headers, body)) => {
                    (status, answer(status, &headers, body.as_bytes()), false)
                }
                Some(Reply::Drop) => (0, Vec::new(), true),
                Some(Reply::DoAndDrop) => {
                    self.state().act(&request);
                    (0, Vec::new(), true)
                }
                Some(Reply::Cut(promised, body)) => {
                    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {promised}\r\n\r\n{body}");
                    (200, head.into_bytes(), true)
                }
                Some(Reply::Endless) => {
                    request.status = 200;
                    self.state().log.push(request);
                    return endless(&mut wire);
                }
                Some(Reply::Hang) => {
                    self.state().log.push(request);
                    // Until the other side gives up.
                    wire.read_to_end(&mut Vec::new()).ok();
                    return;
                }
            };
            request.status = status;
            self.state().log.push(request);
            if wire.write_all(&bytes).and_then(|()| wire.flush()).is_err() || ends || closes {
                return;
            }
        }
    }
}

impl State {
    fn new() -> Self {
        let resources = [
            (
                ROOT,
                json!({"Vendor": null, "RedfishVersion": "1.6.0", "Systems": {"@odata.id": SYSTEMS},
                "Links": {"Sessions": {"@odata.id": SESSIONS}}}),
            ),
            (SYSTEMS, json!({"Members": [{"@odata.id": SYSTEM}]})),
            (
                SYSTEM,
                json!({"@odata.id": SYSTEM, "PowerState": "Off", "Manufacturer": "Acme Inc.",
                "Status": {"Health": "OK"},
                "Boot": {"BootSourceOverrideEnabled": "Disabled", "BootSourceOverrideTarget": "None",
                    "BootSourceOverrideMode": "UEFI",
                    "BootSourceOverrideTarget@Redfish.AllowableValues": ["None", "Pxe", "Hdd", "Cd", "BiosSetup"]},
                "Actions": {"#ComputerSystem.Reset": {"target": RESET, "ResetType@Redfish.AllowableValues":
                    ["On", "ForceOff", "GracefulShutdown", "GracefulRestart", "ForceRestart", "Nmi"]}}}),
            ),
        ];
        Self {
            log: Vec::new(),
            resources: resources.into_iter().map(|(path, body)| (path.to_owned(), body)).collect(),
            tokens: BTreeSet::new(),
            user: Some((USER.to_owned(), PASSWORD.to_owned())),
            has_sessions: true,
            has_basic: true,
            tag: None,
            shows_changes: false,
            closes: false,
            rules: Vec::new(),
            logins: 0,
        }
    }

    fn take_rule(&mut self, method: &str, path: &str) -> Option<Reply> {
        let fits = |rule: &&mut Rule| rule.method == method && rule.path == path && rule.times > 0;
        let rule = self.rules.iter_mut().find(fits)?;
        if rule.skip > 0 {
            rule.skip -= 1;
            return None;
        }
        rule.times -= 1;
        Some(rule.reply.clone())
    }

    fn act(&mut self, request: &Request) -> (u16, Vec<(&'static str, String)>, String) {
        let path = request.path.as_str();
        let login = request.method == "POST" && path == SESSIONS;
        if login {
            return self.log_in(request);
        }
        if path != ROOT && !self.is_allowed(request) {
            return (401, vec![], String::new());
        }
        match request.method.as_str() {
            "GET" => match self.resources.get(path) {
                Some(body) => {
                    (200, self.tag.iter().map(|tag| ("ETag", tag.clone())).collect(), body.to_string())
                }
                None => (404, vec![], String::new()),
            },
            "PATCH" => match self.resources.get_mut(path) {
                Some(body) => {
                    merge(body, &request.json());
                    if self.shows_changes {
                        return (200, vec![], body.to_string());
                    }
                    (204, vec![], String::new())
                }
                None => (404, vec![], String::new()),
            },
            "POST" if path == RESET => self.reset(&request.json()),
            "POST" if path.contains("/Actions/VirtualMedia.") => self.change_media(path, &request.json()),
            "DELETE" => {
                let token =
                    path.strip_prefix(SESSIONS).unwrap_or_default().trim_start_matches('/').to_owned();
                self.tokens.remove(&token);
                (204, vec![], String::new())
            }
            _ => (405, vec![], String::new()),
        }
    }

    fn log_in(&mut self, request: &Request) -> (u16, Vec<(&'static str, String)>, String) {
        if !self.has_sessions {
            return (404, vec![], String::new());
        }
        let body = request.json();
        let user = self.user.clone().unwrap_or_default();
        if (body["UserName"].as_str(), body["Password"].as_str()) != (Some(&user.0), Some(&user.1)) {
            return (401, vec![], String::new());
        }
        self.logins += 1;
        let token = format!("token-{}", self.logins);
        self.tokens.insert(token.clone());
        let location = format!("{SESSIONS}/{token}");
        (201, vec![("X-Auth-Token", token), ("Location", location)], String::new())
    }

    fn is_allowed(&self, request: &Request) -> bool {
        if self.user.is_none() {
            return true;
        }
        match (request.header("x-auth-token"), request.header("authorization")) {
            (Some(token), _) => self.tokens.contains(token),
            (None, Some(basic)) => self.has_basic && basic == BASIC,
            (None, None) => false,
        }
    }

    fn change_media(&mut self, path: &str, body: &Value) -> (u16, Vec<(&'static str, String)>, String) {
        let slot = path.split("/Actions/").next().unwrap_or_default();
        let Some(slot) = self.resources.get_mut(slot) else { return (404, vec![], String::new()) };
        let inserts = path.ends_with("InsertMedia");
        let image = if inserts { body["Image"].clone() } else { Value::Null };
        merge(slot, &json!({"Image": image, "Inserted": inserts}));
        (204, vec![], String::new())
    }

    fn reset(&mut self, body: &Value) -> (u16, Vec<(&'static str, String)>, String) {
        let kind = body["ResetType"].as_str().unwrap_or_default();
        let to = if matches!(kind, "ForceOff" | "GracefulShutdown") { "Off" } else { "On" };
        let system = self.resources.get_mut(SYSTEM).unwrap();
        merge(system, &json!({"PowerState": to}));
        if kind.ends_with("Restart") && system.get("LastResetTime").is_some() {
            merge(system, &json!({"LastResetTime": "2026-01-01T00:00:00Z"}));
        }
        (204, vec![], String::new())
    }
}

fn merge(target: &mut Value, patch: &Value) {
    match (target, patch) {
        (Value::Object(target), Value::Object(patch)) => {
            for (name, value) in patch {
                merge(target.entry(name.clone()).or_insert(Value::Null), value);
            }
        }
        (target, patch) => *target = patch.clone(),
    }
}

fn answer(status: u16, headers: &[(&'static str, String)], body: &[u8]) -> Vec<u8> {
    let mut head = format!("HTTP/1.1 {status} Status\r\nContent-Length: {}\r\n", body.len());
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str("\r\n");
    let mut bytes = head.into_bytes();
    bytes.extend_from_slice(body);
    bytes
}

fn endless(wire: &mut dyn Wire) {
    let head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    let chunk = [b"10000\r\n".as_slice(), &vec![b' '; 0x10000], b"\r\n"].concat();
    let mut sent = wire.write_all(head);
    while sent.is_ok() {
        sent = wire.write_all(&chunk);
    }
}

fn read_request(wire: &mut dyn Wire, connection: usize) -> Option<Request> {
    // One byte at a time: what follows belongs to the next request.
    let mut head = Vec::new();
    let mut byte = [0_u8];
    while !head.ends_with(b"\r\n\r\n") {
        if wire.read(&mut byte).ok()? == 0 {
            return None;
        }
        head.push(byte[0]);
    }
    let mut lines = BufReader::new(head.as_slice()).lines().map_while(Result::ok);
    let first = lines.next()?;
    let mut words = first.split(' ');
    let (method, path) = (words.next()?.to_owned(), words.next()?.to_owned());
    let headers: BTreeMap<String, String> = lines
        .filter_map(|line| line.split_once(':').map(|(n, v)| (n.to_ascii_lowercase(), v.trim().to_owned())))
        .collect();
    let length = headers.get("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    wire.read_exact(&mut body).ok()?;
    Some(Request { connection, method, path, headers, body, status: 0 })
}
