use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::thread::JoinHandle;

use serde_json::json;

use super::*;
use crate::property::Properties;
use crate::task::DriverTask;
use crate::testing;

/// `driver_info` with a secret.
struct Info {
    password: SecretRef,
}

impl Properties for Info {
    const DESCRIPTOR: &'static str =
        r#"[{"name":"password","type":"string","required":true,"secret":true,"description":""}]"#;

    fn from_map(map: &Map<String, Value>) -> Result<Self> {
        decode(&serde_json::to_vec(&map["password"]).unwrap()).map(|password| Self { password })
    }
}

fn task() -> DriverTask<Info> {
    testing::task(json!({"driver_info": {"password": "hunter2"}})).unwrap()
}

/// Answers one connection with `answer` and hands over what was asked.
fn device(answer: &'static [u8]) -> (String, JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}/", listener.local_addr().unwrap());
    let thread = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        let (mut asked, mut length) = (String::new(), 0);
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).unwrap();
            if let Some(text) = line.strip_prefix("content-length: ") {
                length = text.trim().parse().unwrap();
            }
            asked.push_str(&line);
            if line == "\r\n" {
                break;
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).unwrap();
        stream.write_all(answer).unwrap();
        asked + &String::from_utf8(body).unwrap()
    });
    (address, thread)
}

#[test]
fn a_request_carries_secrets_that_the_driver_never_had() {
    let (address, asked) = device(b"HTTP/1.1 200 OK\r\ncontent-length: 12\r\n\r\n{\"on\": true}");
    let task = task();
    let session = task
        .http(&address)
        .auth_basic("admin", &task.info().password)
        .header_secret("X-Key", &task.info().password);

    let body = json!({"login": {"password": task.info().password}});
    let answer = task.block_on(session.post("/power", &body)).unwrap();

    assert_eq!(answer.json::<Value>().unwrap(), json!({"on": true}));
    let asked = asked.join().unwrap();
    assert!(asked.starts_with("POST /power HTTP/1.1\r\n"), "{asked}");
    assert!(asked.contains("authorization: Basic YWRtaW46aHVudGVyMg==\r\n"), "{asked}");
    assert!(asked.contains("X-Key: hunter2\r\n"), "{asked}");
    assert!(asked.ends_with(r#"{"login":{"password":"hunter2"}}"#), "{asked}");
    assert!(!format!("{session:?}").contains("hunter2"));
}

/// Answers a connection with each of `answers`, and hands over the lines of what was asked.
fn device_in_turn(answers: &'static [&'static [u8]]) -> (String, JoinHandle<Vec<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let asked = std::thread::spawn(move || {
        let mut asked = Vec::new();
        for answer in answers {
            let (mut stream, _) = listener.accept().unwrap();
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            let lines =
                reader.by_ref().lines().map(std::result::Result::unwrap).take_while(|line| !line.is_empty());
            asked.push(lines.collect::<Vec<_>>());
            stream.write_all(answer).unwrap();
        }
        asked
    });
    (address, asked)
}

#[test]
fn a_login_gives_a_token_that_is_sent() {
    let (address, asked) =
        device_in_turn(&[b"HTTP/1.1 200 OK\r\nX-Session: abc\r\n\r\n", b"HTTP/1.1 204 No Content\r\n\r\n"]);
    let task = task();
    let login = Login::post("/login", &json!({"password": task.info().password}))
        .token_in_header("X-Session")
        .sent_as("Authorization", "Session ");

    let answer = task.block_on(task.http(&address).login(&login).delete("/x")).unwrap();

    assert_eq!(answer.status(), 204);
    let asked = asked.join().unwrap();
    assert_eq!(asked[0][0], "POST /login HTTP/1.1");
    assert_eq!(asked[1][0], "DELETE /x HTTP/1.1");
    assert!(asked[1].contains(&"Authorization: Session abc".to_owned()), "{asked:?}");
}

#[test]
fn a_login_gives_a_cookie_that_is_sent() {
    let (address, asked) = device_in_turn(&[
        b"HTTP/1.1 200 OK\r\nSet-Cookie: SESSION=abc; Path=/\r\n\r\n",
        b"HTTP/1.1 204 No Content\r\n\r\n",
    ]);
    let task = task();
    let login = Login::post("/login", &json!({"password": task.info().password})).token_in_cookie("SESSION");

    task.block_on(task.http(&address).login(&login).get("/x")).unwrap();

    let asked = asked.join().unwrap();
    assert!(asked[1].contains(&"Cookie: SESSION=abc".to_owned()), "{asked:?}");
}

#[test]
fn a_session_that_is_kept_asks_the_same() {
    let (address, asked) = device(b"HTTP/1.1 204 No Content\r\n\r\n");
    let task = task();
    let session = task.http(&address).auth_basic("admin", &task.info().password).keep();

    let sent = task.block_on(session.get("/power"));

    assert_eq!(sent.unwrap().status(), 204);
    let asked = asked.join().unwrap();
    assert!(asked.starts_with("GET /power HTTP/1.1\r\n"), "{asked}");
    assert!(asked.contains("authorization: Basic YWRtaW46aHVudGVyMg==\r\n"), "{asked}");
}

#[test]
fn forms_and_queries_are_encoded() {
    let (address, asked) = device(b"HTTP/1.1 204 No Content\r\n\r\n");
    let task = task();
    let session = task.http(&address);

    let request = session.request("POST", "login?a=1").query("b", "x y").field("user", "a&b");
    let sent = task.block_on(request.field_secret("password", &task.info().password).send());

    assert_eq!(sent.unwrap().status(), 204);
    let asked = asked.join().unwrap();
    assert!(asked.starts_with("POST /login?a=1&b=x%20y HTTP/1.1\r\n"), "{asked}");
    assert!(asked.ends_with("password=hunter2&user=a%26b"), "{asked}");
}

#[test]
fn a_status_is_the_error_that_fits() {
    for (status, kind, retryable) in [
        (301, ErrorKind::Protocol, false),
        (401, ErrorKind::AuthFailed, false),
        (403, ErrorKind::AuthFailed, false),
        (404, ErrorKind::Hardware, false),
        (409, ErrorKind::Conflict, false),
        (429, ErrorKind::Busy, true),
        (500, ErrorKind::Hardware, false),
        (503, ErrorKind::Busy, true),
    ] {
        let what = "`GET http://a/b`".to_owned();
        let response = Response { what, status, headers: BTreeMap::new(), body: Vec::new() };

        let error = response.checked().unwrap_err();

        assert_eq!((error.kind(), error.is_retryable()), (kind, retryable), "{status}");
        assert_eq!(error.message(), format!("`GET http://a/b` was answered with status {status}"));
    }
}

#[test]
fn nonsense_is_a_protocol_error_that_names_the_request() {
    let (address, _asked) = device(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello");
    let task = task();

    let answer = task.block_on(async { task.http(&address).get("x?token=1").await?.json::<Value>() });

    let error = answer.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Protocol);
    assert_eq!(error.message(), format!("unexpected answer to `GET {address}x`"));
}

#[test]
fn nobody_there_is_unreachable() {
    let task = task();

    // Nothing listens on a port that was just given back.
    let address = format!("http://{}", TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap());
    let error = task.block_on(task.http(&address).get("/")).unwrap_err();

    assert_eq!(error.kind(), ErrorKind::Unreachable);
}

#[test]
fn bytes_that_are_no_text_come_through() {
    assert_eq!(bytes("00ff10"), Some(vec![0, 255, 16]));
    assert_eq!(bytes("0"), None);
    assert_eq!(bytes("zz"), None);
}
