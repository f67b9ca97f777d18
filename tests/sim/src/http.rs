//! Requests to a server on this machine.
//!
//! One connection per request, HTTP/1.0, so that the end of the connection is the
//! end of the answer. Not for a BMC: drivers have clients of their own.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::Value;

use crate::error::SimError;

/// How long a server on this machine may take for one answer.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a server answered.
#[derive(Debug, Clone)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// Header names in lower case, with their values.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Response {
    /// The value of the first header called `name`, in lower case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// The body as JSON; `null` when it is none.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }
}

/// Sends one request, with `body` as JSON unless it is `None`, and waits for the answer.
///
/// # Errors
///
/// [`Io`](SimError::Io) when nobody listens or the connection breaks, [`NotHttp`](SimError::NotHttp) when
/// the answer makes no sense.
pub fn request(
    server: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: Option<&Value>,
) -> Result<Response, SimError> {
    let url = format!("http://{server}{path}");
    let failed = || SimError::io(format!("{method} `{url}`"));
    let mut stream = TcpStream::connect_timeout(&server, PATIENCE).map_err(failed())?;
    stream.set_read_timeout(Some(PATIENCE)).map_err(failed())?;

    let body = body.map(Value::to_string).unwrap_or_default();
    let mut text = format!("{method} {path} HTTP/1.0\r\nHost: {server}\r\nAccept: application/json\r\n");
    for (name, value) in headers {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    if !body.is_empty() {
        text.push_str("Content-Type: application/json\r\n");
    }
    text.push_str(&format!("Content-Length: {}\r\n\r\n{body}", body.len()));
    stream.write_all(text.as_bytes()).map_err(failed())?;

    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).map_err(failed())?;
    parse(&answer).map_err(|why| SimError::NotHttp { url, why: why.to_owned() })
}

/// Sends a GET without headers.
///
/// # Errors
///
/// As [`request`].
pub fn get(server: SocketAddr, path: &str) -> Result<Response, SimError> {
    request(server, "GET", path, &[], None)
}

fn parse(answer: &[u8]) -> Result<Response, &'static str> {
    const BLANK: &[u8] = b"\r\n\r\n";
    let end =
        answer.windows(BLANK.len()).position(|window| window == BLANK).ok_or("no end of the headers")?;
    let (head, rest) = answer.split_at(end);
    let head = String::from_utf8_lossy(head);
    let mut lines = head.split("\r\n");
    let status = lines
        .next()
        .filter(|line| line.starts_with("HTTP/1."))
        .and_then(|line| line.split(' ').nth(1))
        .and_then(|code| code.parse().ok())
        .ok_or("no status line")?;
    let headers = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    Ok(Response { status, headers, body: rest.get(BLANK.len()..).unwrap_or_default().to_vec() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_taken_apart() {
        let answer = b"HTTP/1.1 202 Accepted\r\nX-Thing: a: b\r\nContent-Length: 4\r\n\r\ntrue";

        let response = parse(answer).unwrap();

        assert_eq!(response.status, 202);
        assert_eq!(response.header("x-thing"), Some("a: b"));
        assert_eq!(response.json(), Value::Bool(true));
    }

    #[test]
    fn half_an_answer_is_not_http() {
        assert_eq!(parse(b"HTTP/1.1 200 OK\r\nContent").unwrap_err(), "no end of the headers");
        assert_eq!(parse(b"220 mail\r\n\r\n").unwrap_err(), "no status line");
    }
}
