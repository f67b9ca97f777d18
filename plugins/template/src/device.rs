//! The device's protocol: one JSON object per connection, one JSON object back, each on a line.
//!
//! **Invariant:** no other module knows what goes over the wire.

use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Instant;

use farrier_sdk::prelude::*;
use farrier_sdk::serde_json;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::driver_info::TemplateInfo;
use crate::options::Settings;

/// Longest answer, in bytes; a device has no reason to say more.
const ANSWER_SIZE_MAX: usize = 64 * 1024;

/// What a device can be told.
#[derive(Debug, Serialize)]
#[serde(tag = "command", rename_all = "snake_case")]
pub(crate) enum Command {
    /// Answers `on` or `off`.
    Power,
    /// Changes the power state: `on`, `off`, or `shutdown` through the operating system.
    SetPower { state: &'static str },
    /// Answers the [`Boot`] setting.
    Boot,
    /// Changes it.
    SetBoot(Boot),
    /// Answers readings by sensor.
    Sensors,
    /// Restarts the BMC.
    Reset { force: bool },
}

/// What a machine boots from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Boot {
    /// The device.
    pub(crate) device: BootDevice,
    /// Whether it stays after the next boot.
    pub(crate) persistent: bool,
}

#[derive(Serialize)]
struct Request<'a> {
    password: Option<&'a str>,
    #[serde(flatten)]
    command: &'a Command,
}

/// Either the result of the command, or why there is none.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Answer<T> {
    Result(T),
    Error(String),
}

/// Gives the node's device a command and reads its answer.
///
/// # Errors
///
/// - [`Unreachable`](ErrorKind::Unreachable): no connection, or no answer in time.
/// - [`AuthFailed`](ErrorKind::AuthFailed): the password is wrong.
/// - [`Hardware`](ErrorKind::Hardware): the device refused the command.
/// - [`Protocol`](ErrorKind::Protocol): the answer is not one.
pub(crate) fn ask<T: DeserializeOwned>(
    task: &DriverTask<TemplateInfo>,
    settings: &Settings,
    command: &Command,
) -> Result<T> {
    let address = &task.info().template_address;
    let password = match &task.info().template_password {
        Some(reference) => Some(task.block_on(task.reveal(reference))?),
        None => None,
    };
    let request = Request { password: password.as_ref().map(|password| password.expose().as_str()), command };
    // Never longer than the call may take.
    let patience = task.time_left().unwrap_or(Duration::MAX).min(settings.answer_timeout);
    debug!(%address, ?command, "asking the device");
    let answer = exchange(address, &request, patience).map_err(|error| {
        DriverError::unreachable(format!("no answer from `{address}` within {patience:?}")).caused_by(&error)
    })?;
    match serde_json::from_slice(&answer) {
        Ok(Answer::Result(result)) => Ok(result),
        Ok(Answer::Error(text)) if text == "denied" => {
            Err(DriverError::auth_failed(format!("`{address}` refused the password")))
        }
        Ok(Answer::Error(text)) => Err(DriverError::hardware(format!("`{address}` refused: {text}"))),
        Err(error) => {
            Err(DriverError::protocol(format!("unexpected answer from `{address}`")).caused_by(&error))
        }
    }
}

fn exchange(address: &str, request: &Request<'_>, patience: Duration) -> io::Result<Vec<u8>> {
    let deadline = Instant::now() + patience;
    let address = address.to_socket_addrs()?.next().ok_or(io::ErrorKind::AddrNotAvailable)?;
    let mut stream = TcpStream::connect_timeout(&address, left(deadline)?)?;
    stream.set_write_timeout(Some(left(deadline)?))?;
    let mut line = serde_json::to_vec(request)?;
    line.push(b'\n');
    stream.write_all(&line)?;
    read_line(&mut stream, deadline)
}

fn read_line(stream: &mut TcpStream, deadline: Instant) -> io::Result<Vec<u8>> {
    let mut line = Vec::new();
    let mut part = [0; 1024];
    while !line.ends_with(b"\n") {
        stream.set_read_timeout(Some(left(deadline)?))?;
        let size = stream.read(&mut part)?;
        line.extend(part.iter().take(size));
        if size == 0 || ANSWER_SIZE_MAX < line.len() {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "the answer has no end"));
        }
    }
    Ok(line)
}

/// The time until `deadline`.
fn left(deadline: Instant) -> io::Result<Duration> {
    match deadline.checked_duration_since(Instant::now()) {
        Some(left) if !left.is_zero() => Ok(left),
        _ => Err(io::ErrorKind::TimedOut.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulator::{Simulator, Trouble};

    /// Asks for the power state of a device in trouble.
    fn power(trouble: Trouble) -> (Simulator, Result<String>) {
        let simulator = Simulator::start(trouble);
        let mut settings = Simulator::settings();
        if trouble == Trouble::Silence {
            settings.answer_timeout = Duration::from_millis(50);
        }
        let answer = ask(&simulator.task(), &settings, &Command::Power);
        (simulator, answer)
    }

    #[test]
    fn a_device_without_trouble_answers() {
        let (_simulator, answer) = power(Trouble::None);

        assert_eq!(answer, Ok("off".to_owned()));
    }

    #[test]
    fn silence_is_an_error_that_names_the_address() {
        let (simulator, answer) = power(Trouble::Silence);

        let error = answer.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unreachable);
        assert!(error.is_retryable());
        assert!(error.message().contains(&simulator.address()), "{error}");
    }

    #[test]
    fn half_an_answer_is_no_answer() {
        let (_simulator, answer) = power(Trouble::Half);

        assert_eq!(answer.unwrap_err().kind(), ErrorKind::Unreachable);
    }

    #[test]
    fn nonsense_is_a_protocol_error() {
        let (_simulator, answer) = power(Trouble::Nonsense);

        assert_eq!(answer.unwrap_err().kind(), ErrorKind::Protocol);
    }

    #[test]
    fn a_wrong_password_is_not_in_the_error() {
        let (_simulator, answer) = power(Trouble::OtherPassword);

        let error = answer.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AuthFailed);
        assert!(!format!("{error} {error:?}").contains(Simulator::PASSWORD), "{error:?}");
    }
}
