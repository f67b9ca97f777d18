//! A little HTTP, and what goes wrong between this driver and its machine.

use farrier_sdk::prelude::*;
use farrier_sdk::serde_json::{self, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::driver_info::WaywardInfo;
use crate::shared::Shared;

/// Where a machine tells its state.
pub(crate) const SYSTEM: &str = "/redfish/v1/Systems/1";

/// How long an answer may take to begin, and to end.
const PATIENCE: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(1));

/// Longest answer, in bytes.
const ANSWER_SIZE_MAX: usize = 4 * 1024 * 1024;

/// The machine's System.
pub(crate) async fn system(shared: &Shared, task: &DriverTask<WaywardInfo>, url: &str) -> Result<Value> {
    get(shared, task, url, SYSTEM).await
}

/// A resource.
pub(crate) async fn get(
    shared: &Shared,
    task: &DriverTask<WaywardInfo>,
    url: &str,
    path: &str,
) -> Result<Value> {
    if url.starts_with("https:") {
        if shared.breaks("FLT-014") {
            return Ok(json!({"PowerState": "On"}));
        }
        return Err(DriverError::unreachable("no certificate can be checked"));
    }
    let body = request(shared, task, url, "GET", path, "").await?;
    serde_json::from_slice(&body)
        .map_err(|_| shared.or_vague("FLT-011", DriverError::protocol("the answer is not JSON")))
}

/// Resets the machine.
pub(crate) async fn reset(
    shared: &Shared,
    task: &DriverTask<WaywardInfo>,
    url: &str,
    kind: &str,
) -> Result<()> {
    let path = format!("{SYSTEM}/Actions/ComputerSystem.Reset");
    send(shared, task, url, "POST", &path, &json!({"ResetType": kind})).await.map(drop)
}

/// Changes something; answers what the machine says about it.
pub(crate) async fn send(
    shared: &Shared,
    task: &DriverTask<WaywardInfo>,
    url: &str,
    method: &str,
    path: &str,
    body: &Value,
) -> Result<Value> {
    let answer = request(shared, task, url, method, path, &body.to_string()).await?;
    Ok(serde_json::from_slice(&answer).unwrap_or_default())
}

/// Changes members of `Boot`.
pub(crate) async fn set_boot(
    shared: &Shared,
    task: &DriverTask<WaywardInfo>,
    url: &str,
    boot: &Value,
) -> Result<()> {
    send(shared, task, url, "PATCH", SYSTEM, &json!({"Boot": boot})).await.map(drop)
}

/// One request; the body of a good answer.
async fn request(
    shared: &Shared,
    task: &DriverTask<WaywardInfo>,
    url: &str,
    method: &str,
    path: &str,
    body: &str,
) -> Result<Vec<u8>> {
    let host = url.trim_start_matches("http://").split('/').next().unwrap_or_default().to_owned();
    let login = credentials(task).await?;
    let text = format!(
        "{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nAuthorization: Basic {login}\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let (status, head, answer) = exchange(shared, &host, &text).await?;
    match status {
        200..=299 => Ok(answer),
        300..=399 => {
            let to = head.lines().find_map(|line| line.strip_prefix("Location: http://")).unwrap_or_default();
            if shared.breaks("FLT-010") {
                exchange(shared, to.split('/').next().unwrap_or_default(), &text).await?;
            }
            Err(DriverError::protocol("a redirect is not followed"))
        }
        401 => Err(shared.or_vague("FLT-005", DriverError::auth_failed("the machine refuses the account"))),
        403 => Err(shared.or_vague("FLT-006", DriverError::auth_failed("the account may not do this"))),
        404 => Err(shared.or_vague("FLT-007", DriverError::protocol("there is no such resource"))),
        503 => {
            let busy = DriverError::new(ErrorKind::Busy, "the machine is not ready");
            Err(busy.retryable(!shared.breaks("FLT-009")))
        }
        _ => Err(shared.or_vague("FLT-008", DriverError::hardware(format!("status {status}")))),
    }
}

/// Sends a request and reads status, head and body.
async fn exchange(shared: &Shared, host: &str, text: &str) -> Result<(u16, String, Vec<u8>)> {
    let stream = TcpStream::connect(host).await;
    let mut stream = stream.map_err(|_| {
        shared.or_vague("FLT-001", DriverError::unreachable(format!("nobody listens at `{host}`")))
    })?;
    let gone = || shared.or_vague("FLT-002", DriverError::unreachable("the connection was reset"));
    stream.write_all(text.as_bytes()).await.map_err(|_| gone())?;
    let mut answer = vec![0; 64 * 1024];
    let silent = |_| shared.or_vague("FLT-003", DriverError::unreachable("the machine says nothing"));
    let size = tokio::time::timeout(PATIENCE.0, stream.read(&mut answer)).await.map_err(silent)?;
    match size {
        Ok(size) if 0 < size => answer.truncate(size),
        _ => return Err(gone()),
    }
    let slow = |_| shared.or_vague("FLT-004", DriverError::timeout("the answer does not end"));
    tokio::time::timeout(PATIENCE.1, rest(shared, &mut stream, &mut answer)).await.map_err(slow)??;
    split(shared, &answer)
}

/// Reads up to the end of the answer.
async fn rest(shared: &Shared, stream: &mut TcpStream, answer: &mut Vec<u8>) -> Result<()> {
    let mut piece = vec![0; 64 * 1024];
    while !is_whole(answer) {
        let size = stream.read(&mut piece).await.unwrap_or(0);
        if size == 0 {
            return Ok(());
        }
        answer.extend_from_slice(piece.get(..size).unwrap_or_default());
        if ANSWER_SIZE_MAX < answer.len() {
            return Err(shared.or_vague("FLT-013", DriverError::protocol("the answer is too long")));
        }
    }
    Ok(())
}

/// Head and body, once there is a head.
fn parts(answer: &[u8]) -> Option<(String, &[u8])> {
    let at = answer.windows(4).position(|window| window == b"\r\n\r\n")?;
    let head = String::from_utf8_lossy(answer.get(..at)?).into_owned();
    Some((head, answer.get(at + 4..)?))
}

/// How long the body is said to be.
fn promised(head: &str) -> Option<usize> {
    head.lines().find_map(|line| line.strip_prefix("Content-Length: "))?.trim().parse().ok()
}

fn is_whole(answer: &[u8]) -> bool {
    // Only the head is looked through again and again.
    let start = answer.get(..answer.len().min(4096)).unwrap_or_default();
    let Some((head, _)) = parts(start) else { return false };
    promised(&head).is_some_and(|size| head.len() + 4 + size <= answer.len())
}

fn split(shared: &Shared, answer: &[u8]) -> Result<(u16, String, Vec<u8>)> {
    let garbled = || DriverError::protocol("the answer is not HTTP");
    let (head, body) = parts(answer).ok_or_else(garbled)?;
    if promised(&head).is_none_or(|size| body.len() < size) {
        return Err(shared.or_vague("FLT-012", DriverError::protocol("the answer breaks off")));
    }
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).ok_or_else(garbled)?;
    Ok((status, head, body.to_vec()))
}

/// Account and password as basic authentication carries them.
async fn credentials(task: &DriverTask<WaywardInfo>) -> Result<String> {
    let Some(password) = &task.info().wayward_password else { return Ok(String::new()) };
    let password = task.reveal(password).await?;
    Ok(base64(format!("{}:{}", task.info().wayward_user, password.expose()).as_bytes()))
}

/// Source: RFC 4648, section 4.
fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let byte = |index: usize| u32::from(chunk.get(index).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for index in 0..4 {
            let six = usize::try_from(bits >> (18 - 6 * index) & 63).unwrap_or(0);
            let letter = LETTERS.get(six).copied().unwrap_or(b'=');
            text.push(if index <= chunk.len() { char::from(letter) } else { '=' });
        }
    }
    text
}
