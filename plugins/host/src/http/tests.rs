use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Mutex;

use farrier_sdk::error::ErrorKind;
use serde_json::Value;
use tempfile::TempDir;

use super::*;
use crate::executor::Executor;

mod machines;
mod session;
mod tls;

/// The secrets of every node here.
const PASSWORD: &str = "hunter2\"&";
const TOKEN: &str = "t0ken/+";

/// A node that tells its secrets, and remembers who asked.
#[derive(Default)]
struct Node {
    asked: Mutex<Vec<String>>,
}

impl NodeAccess for Node {
    fn snapshot(&self) -> Vec<u8> {
        Vec::new()
    }

    fn call(&self, method: String, arguments: Vec<u8>) -> BoxFuture<Result<Vec<u8>, DriverError>> {
        let arguments: Value = serde_json::from_slice(&arguments).unwrap();
        let key = arguments["key"].as_str().unwrap_or_default().to_owned();
        self.asked.lock().unwrap().push(format!("{method} {key}"));
        Box::pin(async move {
            match key.as_str() {
                "password" => encode(PASSWORD),
                "token" => encode(TOKEN),
                _ => Err(DriverError::missing_parameter(format!("there is no secret `{key}`"))),
            }
        })
    }
}

/// The service of one plugin, and a node.
struct Bench {
    _executor: Executor,
    http: Arc<Http>,
    node: Arc<Node>,
    runtime: tokio::runtime::Runtime,
}

impl Bench {
    fn new(cassette: Option<Cassette>) -> Self {
        let executor = Executor::start("test").unwrap();
        let http = Arc::new(Http::new(executor.runner(), cassette));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        Self { _executor: executor, http, node: Arc::default(), runtime }
    }

    fn call(&self, method: &str, arguments: &Value) -> Result<Value, DriverError> {
        self.call_until(method, arguments, None)
    }

    fn call_until(
        &self,
        method: &str,
        arguments: &Value,
        deadline: Option<Instant>,
    ) -> Result<Value, DriverError> {
        let node = Arc::clone(&self.node) as Arc<dyn NodeAccess>;
        let arguments = arguments.to_string().into_bytes();
        let answer = Arc::clone(&self.http).route(node, method.to_owned(), arguments, deadline);
        self.runtime.block_on(answer).map(|bytes| serde_json::from_slice(&bytes).unwrap())
    }

    fn request(&self, arguments: &Value) -> Result<Value, DriverError> {
        self.call("http.request", arguments)
    }
}

/// A device that answers each connection with what `answer` makes of the request.
fn device(answer: impl Fn(&str) -> String + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let request = read(&mut BufReader::new(stream.try_clone().unwrap()));
            // The client may have given up.
            stream.write_all(answer(&request).as_bytes()).unwrap_or_default();
        }
    });
    address
}

fn read(reader: &mut impl BufRead) -> String {
    let (mut request, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        if let Some(text) = line.to_ascii_lowercase().strip_prefix("content-length: ") {
            length = text.trim().parse().unwrap();
        }
        request.push_str(&line);
        if line.trim().is_empty() {
            break;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    request + &String::from_utf8(body).unwrap()
}

fn ok(body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}", body.len())
}

/// A device that says what it was asked.
fn parrot() -> String {
    device(ok)
}

#[test]
fn secrets_are_put_in_everywhere_and_masked_in_the_answer() {
    let (asked, seen) = std::sync::mpsc::channel();
    let address = device(move |request| {
        asked.send(request.to_owned()).unwrap();
        ok(request)
    });
    let bench = Bench::new(None);

    let answer = bench
        .request(&json!({
            "method": "POST",
            "url": format!("{address}/login"),
            "query": {"key": {"$secret": "token"}, "page": 2},
            "headers": {"X-Api-Key": {"$secret": "token"}},
            "auth": {"user": "admin", "secret": "password"},
            "json": {"users": [{"password": {"$secret": "password"}}]},
        }))
        .unwrap();

    let seen = seen.recv().unwrap();
    assert!(seen.starts_with("POST /login?key=t0ken%2F%2B&page=2 HTTP/1.1\r\n"), "{seen}");
    assert!(seen.contains("x-api-key: t0ken/+\r\n"), "{seen}");
    assert!(seen.contains("authorization: Basic "), "{seen}");
    assert!(seen.ends_with(r#"{"users":[{"password":"hunter2\"&"}]}"#), "{seen}");
    let text = answer["text"].as_str().unwrap();
    for secret in [PASSWORD, "hunter2\\\"&", TOKEN, "t0ken%2F%2B"] {
        assert!(!text.contains(secret), "{secret} in {text}");
    }
    assert!(text.contains(r#"{"users":[{"password":"******"}]}"#), "{text}");
    let asked = bench.node.asked.lock().unwrap().clone();
    assert_eq!(asked, ["secret.reveal password", "secret.reveal token"], "through the node, which notes it");
}

#[test]
fn a_secret_that_the_node_does_not_give_out_is_not_sent() {
    let bench = Bench::new(None);

    let request = json!({"method": "GET", "url": parrot(), "auth": {"user": "a", "secret": "other"}});
    let error = bench.request(&request).unwrap_err();

    assert_eq!(error.kind(), ErrorKind::MissingParameter);
}

/// A device that gives tokens for the right password, each good for two requests; and how often it gave one.
fn doorman() -> (String, Arc<Mutex<u32>>) {
    let logins = Arc::new(Mutex::new(0));
    let (counted, uses) = (Arc::clone(&logins), Mutex::new(0));
    let address = device(move |request| {
        let (mut logins, mut uses) = (counted.lock().unwrap(), uses.lock().unwrap());
        let no = "HTTP/1.1 401 Unauthorized\r\nconnection: close\r\ncontent-length: 0\r\n\r\n".to_owned();
        if request.starts_with("POST /login ") {
            if !request.contains(r#""password":"hunter2\"&""#) {
                return no;
            }
            (*logins, *uses) = (*logins + 1, 0);
            return ok(&json!({"data": {"token": format!("given-{logins}")}}).to_string());
        }
        *uses += 1;
        let known = request.contains(&format!("x-auth-token: Token given-{logins}\r\n"));
        if known && *uses <= 2 { ok(request) } else { no }
    });
    (address, logins)
}

fn with_login(address: &str, secret: &str) -> Value {
    json!({
        "method": "GET",
        "url": format!("{address}/power"),
        "login": {
            "request": {"method": "POST", "url": format!("{address}/login"), "json": {"password": {"$secret": secret}}},
            "token": {"json": "/data/token"}, "header": "X-Auth-Token", "prefix": "Token ",
        },
    })
}

#[test]
fn a_token_is_asked_for_kept_and_asked_for_again_and_never_seen() {
    let (address, logins) = doorman();
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("x.jsonl");
    let bench = Bench::new(Some(Cassette::record(&path).unwrap()));

    for _ in 0..5 {
        let answer = bench.request(&with_login(&address, "password")).unwrap();
        assert_eq!(answer["status"], 200);
        assert!(!answer.to_string().contains("given-"), "{answer}");
    }

    assert_eq!(*logins.lock().unwrap(), 3, "for requests 1, 3 and 5");
    let text = fs::read_to_string(&path).unwrap();
    assert!(!text.contains("given-") && !text.contains(&address), "{text}");
    let replayed = Bench::new(Some(Cassette::replay(&path).unwrap()));
    assert_eq!(replayed.request(&with_login("http://192.0.2.1", "password")).unwrap()["status"], 200);
}

#[test]
fn who_has_another_password_gets_no_token_of_others() {
    let (address, logins) = doorman();
    let bench = Bench::new(None);
    bench.request(&with_login(&address, "password")).unwrap();

    let error = bench.request(&with_login(&address, "token")).unwrap_err();

    assert_eq!(error.kind(), ErrorKind::AuthFailed);
    assert_eq!(error.message(), format!("`POST {address}/login` was answered with status 401"));
    assert_eq!(*logins.lock().unwrap(), 1);
}

#[test]
fn a_login_that_is_refused_for_now_is_worth_another_try() {
    for (status, kind, retryable) in [
        ("503 Service Unavailable", ErrorKind::Busy, true),
        ("409 Conflict", ErrorKind::Conflict, false),
        ("302 Found", ErrorKind::Protocol, false),
        ("500 Internal Server Error", ErrorKind::Hardware, false),
    ] {
        let address =
            device(move |_| format!("HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"));
        let error = Bench::new(None).request(&with_login(&address, "password")).unwrap_err();
        assert_eq!((error.kind(), error.is_retryable()), (kind, retryable), "{status}");
    }
}

#[test]
fn a_login_without_a_token_is_said() {
    let request = |address: &str| {
        let mut request = with_login(address, "password");
        request["login"]["token"] = json!({"header": "X-Session"});
        request
    };

    let error = Bench::new(None).request(&request(&doorman().0)).unwrap_err();

    assert_eq!(error.kind(), ErrorKind::Protocol);
    assert!(error.message().ends_with("was answered with status 200 and no token"), "{error}");
}

#[test]
fn everything_else_a_task_is_asked_goes_to_the_node() {
    let bench = Bench::new(None);

    assert_eq!(bench.call("secret.reveal", &json!({"key": "token"})).unwrap(), TOKEN);
}

#[test]
fn status_and_headers_come_back_and_redirects_are_not_followed() {
    let address = device(|_| {
        "HTTP/1.1 302 Found\r\nconnection: close\r\nLocation: http://elsewhere/\r\nA: 1\r\nA: 2\r\ncontent-length: 0\r\n\r\n"
            .to_owned()
    });

    let answer = Bench::new(None).request(&json!({"method": "GET", "url": address})).unwrap();

    assert_eq!(answer["status"], 302);
    assert_eq!(answer["headers"]["location"], "http://elsewhere/");
    assert_eq!(answer["headers"]["a"], "1, 2");
}

#[test]
fn addresses_with_a_user_or_of_another_kind_are_refused_without_repeating_them() {
    let bench = Bench::new(None);

    for url in ["http://admin:hunter2@127.0.0.1/", "file:///etc/passwd?hunter2", "hunter2"] {
        let error = bench.request(&json!({"method": "GET", "url": url})).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidParameter, "{url}");
        assert!(!error.to_string().contains("hunter2"), "{error}");
    }
}

#[test]
fn a_device_that_is_silent_is_given_up_at_the_deadline_of_the_call() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/x?secret=1", listener.local_addr().unwrap());
    let bench = Bench::new(None);

    let deadline = Instant::now() + Duration::from_millis(100);
    let request = json!({"method": "GET", "url": url, "timeout_ms": 600_000});
    let error = bench.call_until("http.request", &request, Some(deadline)).unwrap_err();

    assert_eq!(error.kind(), ErrorKind::Unreachable);
    assert!(error.is_retryable());
    assert!(!error.to_string().contains("secret"), "{error}");
}

#[test]
fn half_an_answer_is_none() {
    let address = device(|_| "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf".to_owned());

    let error = Bench::new(None).request(&json!({"method": "GET", "url": address})).unwrap_err();

    assert_eq!(error.kind(), ErrorKind::Unreachable);
}

#[test]
fn an_answer_without_end_is_cut_off() {
    let address = device(|_| ok(&"x".repeat(5 * 1024 * 1024)));

    let error = Bench::new(None).request(&json!({"method": "GET", "url": address})).unwrap_err();

    assert_eq!(error.kind(), ErrorKind::Protocol);
}

#[test]
fn what_is_no_text_comes_as_digits() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        read(&mut BufReader::new(stream.try_clone().unwrap()));
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\n\xff\x00\x10").unwrap();
    });

    let answer = Bench::new(None).request(&json!({"method": "GET", "url": url})).unwrap();

    assert_eq!((&answer["hex"], &answer["text"]), (&json!("ff0010"), &Value::Null));
}

/// Records a login and two readings, and what the driver got.
fn record(path: &Path) -> Vec<Result<Value, DriverError>> {
    let count = Mutex::new(0);
    let address = device(move |request| {
        let mut count = count.lock().unwrap();
        *count += 1;
        // A careless device: it shows passwords, and makes tokens.
        let body = json!({"count": *count, "heard": request, "sessionToken": "fresh", "note": TOKEN});
        let body = body.to_string();
        let length = body.len();
        format!(
            "HTTP/1.1 200 OK\r\nconnection: close\r\nset-cookie: id=fresh\r\ncontent-length: {length}\r\n\r\n{body}"
        )
    });
    let bench = Bench::new(Some(Cassette::record(path).unwrap()));
    // A driver may also ask for a secret and do with it what it likes.
    bench.call("secret.reveal", &json!({"key": "token"})).unwrap();
    requests(&address).iter().map(|request| bench.request(request)).collect()
}

fn requests(address: &str) -> [Value; 4] {
    let reading = json!({"method": "GET", "url": format!("{address}/power"), "query": {"x": TOKEN}});
    let login = json!({
        "method": "POST",
        "url": format!("{address}/login?x=1"),
        "form": {"password": {"$secret": "password"}},
    });
    let nobody = json!({"method": "GET", "url": "http://127.0.0.1:1/nobody"});
    [login, reading.clone(), reading, nobody]
}

#[test]
fn a_cassette_holds_no_secret_and_no_address() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("power.jsonl");

    record(&path);

    let text = fs::read_to_string(&path).unwrap();
    for secret in [PASSWORD, "hunter2", TOKEN, "t0ken", "fresh"] {
        assert!(!text.contains(secret), "{secret} in {text}");
    }
    let requests = text.lines().skip(1).map(|line| serde_json::from_str::<Value>(line).unwrap());
    let urls: Vec<Value> = requests.map(|exchange| exchange["request"]["url"].clone()).collect();
    assert_eq!(urls, ["/login?x=1", "/power", "/power", "/nobody"]);
    assert!(text.contains(r#"{"$secret":"password"}"#), "{text}");
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn a_cassette_answers_as_the_device_did_without_it_and_without_secrets() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("power.jsonl");
    let live = record(&path);

    let bench = Bench::new(Some(Cassette::replay(&path).unwrap()));
    bench.call("secret.reveal", &json!({"key": "token"})).unwrap();
    // Another machine, which is not there.
    let requests = requests("http://192.0.2.1:9");
    let replayed: Vec<_> = requests.iter().map(|request| bench.request(request)).collect();

    let count = |answer: &Result<Value, DriverError>| {
        let body: Value = serde_json::from_str(answer.as_ref().unwrap()["text"].as_str().unwrap()).unwrap();
        body["count"].clone()
    };
    for (live, replayed) in live.iter().zip(&replayed).take(3) {
        assert_eq!(count(live), count(replayed));
    }
    assert_eq!(replayed[3].as_ref().unwrap_err().kind(), ErrorKind::Unreachable);
    assert_eq!(bench.node.asked.lock().unwrap().len(), 1, "requests ask for no secret");
    // Once more: the last answer stays.
    assert_eq!(count(&bench.request(&requests[1])), 3);
}

#[test]
fn what_a_device_gave_to_log_in_with_is_not_on_a_cassette_and_matters_to_no_answer() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("session.jsonl");
    let request = |address: &str, token: &str| {
        json!({
            "method": "POST", "url": format!("{address}/power"), "query": {"session": token},
            "headers": {"X-Auth-Token": token, "Cookie": token}, "json": {"apiToken": token, "state": "on"},
        })
    };
    let address = device(|_| ok("{}"));

    Bench::new(Some(Cassette::record(&path).unwrap())).request(&request(&address, "given-today")).unwrap();
    let replayed =
        Bench::new(Some(Cassette::replay(&path).unwrap())).request(&request("http://a", "another"));

    let text = fs::read_to_string(&path).unwrap();
    assert!(!text.contains("given-today"), "{text}");
    assert!(text.contains("\"state\":\"on\""), "{text}");
    assert_eq!(replayed.unwrap()["status"], 200);
}

#[test]
fn what_was_not_recorded_is_said() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("power.jsonl");
    record(&path);
    let bench = Bench::new(Some(Cassette::replay(&path).unwrap()));

    let error = bench.request(&json!({"method": "GET", "url": "http://a/other"})).unwrap_err();

    assert!(error.message().ends_with("has no answer to `GET /other`"), "{error}");
    assert!(!error.is_retryable());
}

#[test]
fn a_file_that_is_no_cassette_is_refused_by_its_line() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("x.jsonl");
    for (text, line) in
        [("", 1), ("{}", 1), ("{\"farrier_cassette\":2}", 1), ("{\"farrier_cassette\":1}\nx", 2)]
    {
        fs::write(&path, text).unwrap();
        let error = Cassette::replay(&path).unwrap_err().to_string();
        assert!(error.contains(&format!("line {line}: ")), "{error}");
    }
}

#[test]
fn a_cassette_is_never_written_over() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("x.jsonl");
    fs::write(&path, "mine").unwrap();

    assert!(Cassette::record(&path).is_err());
    assert_eq!(fs::read_to_string(&path).unwrap(), "mine");
}

#[test]
fn debug_shows_no_secret() {
    let bench = Bench::new(None);
    let request = Request {
        headers: BTreeMap::from([("x".to_owned(), json!({"$secret": "password"}))]),
        ..Request::default()
    };

    assert!(!format!("{:?} {request:?}", bench.http).contains("hunter2"));
}
