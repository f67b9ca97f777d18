//! A small HTTP client for tests: one request a connection, no TLS.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::{Duration, Instant};

use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::error::{DriverError, ErrorKind, Result};
use crate::glue::{decode, encode};

/// How long a request may take that does not say it.
const PATIENCE: Duration = Duration::from_secs(60);

/// Longest answer, in bytes.
const ANSWER_SIZE_MAX: usize = 4 * 1024 * 1024;

/// Makes a request as the conductor would: with the values of secrets in it. A login is made anew for each.
pub(super) fn request(arguments: &Map<String, Value>, secrets: &HashMap<String, String>) -> Result<Vec<u8>> {
    let Some(login) = arguments.get("login").and_then(Value::as_object) else {
        return once(arguments, secrets);
    };
    let token = token(login, secrets)?;
    let mut arguments = arguments.clone();
    let headers = arguments.entry("headers").or_insert_with(|| json!({}));
    if let Some(headers) = headers.as_object_mut() {
        headers
            .insert(text(login, "header").to_owned(), Value::from(text(login, "prefix").to_owned() + &token));
    }
    once(&arguments, secrets)
}

/// What came back, as [`once`] writes it.
#[derive(Deserialize)]
struct Answer {
    status: u16,
    headers: BTreeMap<String, String>,
    #[serde(default)]
    text: String,
}

/// Logs in; the token of the answer.
fn token(login: &Map<String, Value>, secrets: &HashMap<String, String>) -> Result<String> {
    let request = login.get("request").and_then(Value::as_object).cloned().unwrap_or_default();
    let answer: Answer = decode(&once(&request, secrets)?)?;
    let (method, url) = (text(&request, "method"), text(&request, "url"));
    let said = format!("`{method} {url}` was answered with status {}", answer.status);
    match answer.status {
        200..=299 => {}
        401 | 403 => return Err(DriverError::auth_failed(said)),
        408 | 423 | 425 | 429 | 503 => {
            return Err(DriverError::new(ErrorKind::Busy, said).retryable(true));
        }
        _ => return Err(DriverError::hardware(said)),
    }
    let place = login.get("token").and_then(Value::as_object).cloned().unwrap_or_default();
    let named = |key: &str| place.get(key).and_then(Value::as_str);
    let found = match (named("header"), named("cookie")) {
        (Some(name), _) => answer.headers.get(&name.to_ascii_lowercase()).cloned(),
        (None, Some(name)) => answer.headers.get("set-cookie").and_then(|cookie| {
            let (found, value) = cookie.split(';').next()?.split_once('=')?;
            (found.trim() == name).then(|| value.trim().to_owned())
        }),
        (None, None) => {
            let body: Value = decode(answer.text.as_bytes()).unwrap_or_default();
            body.pointer(text(&place, "json")).and_then(Value::as_str).map(str::to_owned)
        }
    };
    found.ok_or_else(|| DriverError::protocol(said + " and no token"))
}

fn once(arguments: &Map<String, Value>, secrets: &HashMap<String, String>) -> Result<Vec<u8>> {
    let url = text(arguments, "url");
    let Some(rest) = url.strip_prefix("http://") else {
        return Err(DriverError::invalid_parameter(format!(
            "a test's task makes requests to `http://` addresses only, not `{url}`"
        )));
    };
    let (host, path) = rest.find('/').map_or((rest, "/"), |at| rest.split_at(at));
    let message = message(arguments, host, path, secrets)?;
    let timeout = arguments.get("timeout_ms").and_then(Value::as_u64);
    let patience = timeout.map_or(PATIENCE, Duration::from_millis);
    let answer = exchange(host, message.as_bytes(), patience)
        .map_err(|error| DriverError::unreachable(format!("no answer from `{url}`")).caused_by(&error))?;
    let (status, headers, body) = split(&answer)
        .ok_or_else(|| DriverError::unreachable(format!("no answer from `{url}`: half of one")))?;
    let mut reply = json!({"status": status, "headers": headers});
    if let Some(members) = reply.as_object_mut() {
        let (key, body) = match String::from_utf8(body) {
            Ok(text) => ("text", text),
            Err(error) => ("hex", error.as_bytes().iter().map(|byte| format!("{byte:02x}")).collect()),
        };
        members.insert(key.to_owned(), Value::from(body));
    }
    encode(&reply)
}

fn text<'a>(arguments: &'a Map<String, Value>, key: &str) -> &'a str {
    arguments.get(key).and_then(Value::as_str).unwrap_or_default()
}

fn message(
    arguments: &Map<String, Value>,
    host: &str,
    path: &str,
    secrets: &HashMap<String, String>,
) -> Result<String> {
    let mut lines = Vec::new();
    for (name, value) in members(arguments, "headers") {
        lines.push(format!("{name}: {}", plain(value, secrets)?));
    }
    if let Some(auth) = arguments.get("auth").and_then(Value::as_object) {
        let secret = value(text(auth, "secret"), secrets)?;
        lines.push(match text(auth, "scheme") {
            "bearer" => format!("authorization: Bearer {secret}"),
            _ => format!("authorization: Basic {}", base64(&format!("{}:{secret}", text(auth, "user")))),
        });
    }
    let mut body = text(arguments, "text").to_owned();
    if let Some(document) = arguments.get("json") {
        lines.push("content-type: application/json".to_owned());
        body = filled(document, secrets)?.to_string();
    } else if arguments.contains_key("form") {
        lines.push("content-type: application/x-www-form-urlencoded".to_owned());
        body = fields(arguments, "form", secrets)?;
    }
    let query = fields(arguments, "query", secrets)?;
    let separator = match (query.is_empty(), path.contains('?')) {
        (true, _) => "",
        (false, true) => "&",
        (false, false) => "?",
    };
    let mut message = format!("{} {path}{separator}{query} HTTP/1.1\r\n", text(arguments, "method"));
    for line in [format!("host: {host}"), "connection: close".to_owned()].iter().chain(&lines) {
        message.push_str(line);
        message.push_str("\r\n");
    }
    // Writing to a text cannot fail.
    write!(message, "content-length: {}\r\n\r\n{body}", body.len()).unwrap_or_default();
    Ok(message)
}

fn members<'a>(
    arguments: &'a Map<String, Value>,
    key: &str,
) -> impl Iterator<Item = (&'a String, &'a Value)> + use<'a> {
    arguments.get(key).and_then(Value::as_object).into_iter().flatten()
}

fn fields(arguments: &Map<String, Value>, key: &str, secrets: &HashMap<String, String>) -> Result<String> {
    let pairs = members(arguments, key)
        .map(|(name, value)| Ok(format!("{}={}", encoded(name), encoded(&plain(value, secrets)?))));
    Ok(pairs.collect::<Result<Vec<_>>>()?.join("&"))
}

fn value<'a>(key: &str, secrets: &'a HashMap<String, String>) -> Result<&'a str> {
    let value = secrets.get(key).map(String::as_str);
    value.ok_or_else(|| DriverError::missing_parameter(format!("there is no secret `{key}`")))
}

/// A text, or the secret that stands for one.
fn plain(value: &Value, secrets: &HashMap<String, String>) -> Result<String> {
    let filled = filled(value, secrets)?;
    Ok(filled.as_str().map_or_else(|| filled.to_string(), str::to_owned))
}

/// A document with all references to secrets replaced.
fn filled(document: &Value, secrets: &HashMap<String, String>) -> Result<Value> {
    if let Value::Object(members) = document {
        if let (1, Some(key)) = (members.len(), members.get("$secret").and_then(Value::as_str)) {
            return value(key, secrets).map(Value::from);
        }
        let members = members.iter().map(|(name, member)| Ok((name.clone(), filled(member, secrets)?)));
        return Ok(Value::Object(members.collect::<Result<_>>()?));
    }
    match document {
        Value::Array(items) => {
            Ok(Value::Array(items.iter().map(|item| filled(item, secrets)).collect::<Result<_>>()?))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_) => {
            Ok(document.clone())
        }
    }
}

fn encoded(text: &str) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            // Writing to a text cannot fail.
            write!(encoded, "%{byte:02X}").unwrap_or_default();
        }
    }
    encoded
}

fn base64(text: &str) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut encoded = String::new();
    for group in text.as_bytes().chunks(3) {
        let byte = |at: usize| u32::from(group.get(at).copied().unwrap_or_default());
        let bits = (byte(0) << 16) | (byte(1) << 8) | byte(2);
        for (place, shift) in [18, 12, 6, 0].into_iter().enumerate() {
            let digit = usize::try_from((bits >> shift) & 0x3f).ok().and_then(|digit| DIGITS.get(digit));
            encoded.push(if place <= group.len() {
                digit.map_or('=', |digit| char::from(*digit))
            } else {
                '='
            });
        }
    }
    encoded
}

fn exchange(host: &str, message: &[u8], patience: Duration) -> io::Result<Vec<u8>> {
    let deadline = Instant::now() + patience;
    let port =
        if host.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok()) { "" } else { ":80" };
    let address = format!("{host}{port}").to_socket_addrs()?.next().ok_or(io::ErrorKind::AddrNotAvailable)?;
    let mut stream = TcpStream::connect_timeout(&address, left(deadline)?)?;
    stream.set_write_timeout(Some(left(deadline)?))?;
    stream.write_all(message)?;
    let mut answer = Vec::new();
    let mut part = [0; 4096];
    loop {
        stream.set_read_timeout(Some(left(deadline)?))?;
        let size = stream.read(&mut part)?;
        answer.extend(part.iter().take(size));
        if size == 0 || is_whole(&answer) {
            return Ok(answer);
        }
        if ANSWER_SIZE_MAX < answer.len() {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "the answer has no end"));
        }
    }
}

fn left(deadline: Instant) -> io::Result<Duration> {
    match deadline.checked_duration_since(Instant::now()) {
        Some(left) if !left.is_zero() => Ok(left),
        _ => Err(io::ErrorKind::TimedOut.into()),
    }
}

/// Status, headers and what has come of the body.
type Parts = (u16, BTreeMap<String, String>, Vec<u8>);

/// Takes an answer apart; none while its head is not there.
fn head(answer: &[u8]) -> Option<Parts> {
    let end = answer.windows(4).position(|window| window == b"\r\n\r\n")?;
    let (head, body) = answer.split_at_checked(end + 4)?;
    let text = String::from_utf8_lossy(head);
    let mut lines = text.lines();
    let status = lines.next()?.strip_prefix("HTTP/1.")?.split(' ').nth(1)?.parse().ok()?;
    let headers = lines.filter_map(|line| line.split_once(':'));
    let headers = headers.map(|(name, value)| (name.trim().to_ascii_lowercase(), value.trim().to_owned()));
    Some((status, headers.collect(), body.to_vec()))
}

fn length(headers: &BTreeMap<String, String>) -> Option<usize> {
    headers.get("content-length")?.parse().ok()
}

fn is_whole(answer: &[u8]) -> bool {
    let Some((_, headers, body)) = head(answer) else { return false };
    length(&headers).is_some_and(|length| length <= body.len())
}

/// An answer whose connection has ended; none if that was too early.
fn split(answer: &[u8]) -> Option<Parts> {
    let (status, headers, mut body) = head(answer)?;
    if headers.get("transfer-encoding").is_some_and(|coding| coding.eq_ignore_ascii_case("chunked")) {
        body = unchunked(&body)?;
    } else if let Some(length) = length(&headers) {
        if body.len() < length {
            return None;
        }
        body.truncate(length);
    }
    Some((status, headers, body))
}

fn unchunked(mut body: &[u8]) -> Option<Vec<u8>> {
    let mut whole = Vec::new();
    loop {
        let end = body.windows(2).position(|window| window == b"\r\n")?;
        let (line, rest) = body.split_at_checked(end)?;
        let size = std::str::from_utf8(line).ok()?.split(';').next()?.trim();
        let size = usize::from_str_radix(size, 16).ok()?;
        if size == 0 {
            return Some(whole);
        }
        let (chunk, rest) = rest.get(2..)?.split_at_checked(size)?;
        whole.extend_from_slice(chunk);
        body = rest.strip_prefix(b"\r\n")?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_encoded_as_everybody_does() {
        for (text, code) in [("", ""), ("a", "YQ=="), ("ab", "YWI="), ("abc", "YWJj"), ("a:b?>", "YTpiPz4=")]
        {
            assert_eq!(base64(text), code, "{text}");
        }
    }

    #[test]
    fn chunks_are_put_together() {
        assert_eq!(unchunked(b"3\r\nabc\r\n2;x=1\r\nde\r\n0\r\n\r\n").as_deref(), Some(&b"abcde"[..]));
        assert_eq!(unchunked(b"3\r\nab"), None);
    }

    #[test]
    fn half_a_body_is_none() {
        assert!(split(b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nab").is_none());
        assert!(split(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nab").is_some());
    }
}
