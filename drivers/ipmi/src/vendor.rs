//! What operators ask of a BMC beyond the interfaces: any command, and a restart.

use farrier_sdk::prelude::*;
use serde::Deserialize;

use crate::command::raw::{RawCommand, ResetBmc};
use crate::driver_info::parse::{boolean, byte_of};
use crate::driver_info::{self, IpmiInfo};
use crate::shared::Shared;
use crate::transport::error::TransportError;

/// Most bytes of data in a command: the message around it has a length of one byte.
const DATA_SIZE_MAX: usize = 255;

/// First network function that is none.
const NETFN_END: u8 = 0x40;

/// Vendor methods through the BMC.
#[derive(Debug)]
pub struct IpmiVendor {
    shared: Arc<Shared>,
}

/// Arguments of `send_raw`.
#[derive(Debug, Clone, Deserialize, StepArgs)]
pub struct RawArguments {
    /// Bytes of the command with spaces between them: network function, number, data; decimal, `0x` and hexadecimal, or
    /// `0` and octal
    pub raw_bytes: String,
}

/// Arguments of `bmc_reset`.
#[derive(Debug, Clone, Default, Deserialize, StepArgs)]
pub struct ResetArguments {
    /// Whether to restart only as much as is needed; yes unless given
    #[serde(default)]
    pub warm: Option<Value>,
}

impl IpmiVendor {
    /// An implementation that shares sessions with the others.
    #[must_use]
    pub fn new(shared: &Arc<Shared>) -> Self {
        Self { shared: Arc::clone(shared) }
    }

    /// Sends a raw command and answers what comes back, without its completion code.
    ///
    /// It is sent once: nobody knows what repeating it would do.
    ///
    /// # Errors
    ///
    /// - [`InvalidParameter`](ErrorKind::InvalidParameter): `raw_bytes` is not a command; found before any traffic.
    /// - [`Timeout`](ErrorKind::Timeout): no answer; whether it was carried out is not known.
    /// - [`Hardware`](ErrorKind::Hardware): the BMC refuses.
    pub async fn raw(&self, task: &DriverTask<IpmiInfo>, raw_bytes: &str) -> Result<Vec<u8>> {
        let command = raw_command(raw_bytes)?;
        let (netfn, cmd) = (command.netfn, command.cmd);
        let bmc = self.shared.bmc(task).await?;
        let answer = bmc.execute(command).await.map_err(|error| named(error, netfn, cmd))?;
        let node = task.node().uuid.as_str();
        debug!(node, netfn, cmd, answer = spaced(&answer), "a raw command was answered");
        Ok(answer)
    }

    /// Restarts the BMC, which is then left alone for ten seconds. Silence counts as success: it may restart
    /// before it answers.
    ///
    /// # Errors
    ///
    /// [`Hardware`](ErrorKind::Hardware): the BMC refuses.
    pub async fn reset(&self, task: &DriverTask<IpmiInfo>, order: ResetBmc) -> Result<()> {
        let bmc = self.shared.bmc(task).await?;
        info!(node = task.node().uuid, order = ?order, "restarting the BMC");
        match bmc.execute(order).await {
            Ok(()) => Ok(()),
            Err(error) if error.is_outcome_unknown() => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

#[interface(vendor, name = "ipmitool", aliases = ["ipmi"])]
impl VendorInterface for IpmiVendor {
    type Info = IpmiInfo;

    async fn validate(
        &self,
        task: &DriverTask<IpmiInfo>,
        method: Option<String>,
        arguments: Map<String, Value>,
    ) -> Result<()> {
        match method.as_deref() {
            Some("send_raw") => match arguments.get("raw_bytes") {
                None | Some(Value::Null) => {
                    let text = "argument `raw_bytes` of vendor method `send_raw` is missing";
                    return Err(DriverError::missing_parameter(text));
                }
                Some(Value::String(bytes)) => drop(raw_command(bytes)?),
                Some(other) => return Err(no_command(&other.to_string(), "not text")),
            },
            Some("bmc_reset") => drop(is_warm(arguments.get("warm"))?),
            Some(_) | None => {}
        }
        driver_info::validate(&self.shared, task).await
    }

    /// Send a command to the BMC, byte by byte
    #[vendor_method(http_methods = ["POST"])]
    #[step(clean, deploy, service)]
    async fn send_raw(&self, task: &DriverTask<IpmiInfo>, arguments: RawArguments) -> Result<()> {
        self.raw(task, &arguments.raw_bytes).await.map(drop)
    }

    /// Restart the BMC
    #[vendor_method(http_methods = ["POST"])]
    async fn bmc_reset(&self, task: &DriverTask<IpmiInfo>, arguments: ResetArguments) -> Result<()> {
        let order = if is_warm(arguments.warm.as_ref())? { ResetBmc::Warm } else { ResetBmc::Cold };
        self.reset(task, order).await
    }
}

fn is_warm(argument: Option<&Value>) -> Result<bool> {
    match argument {
        None | Some(Value::Null) => Ok(true),
        Some(value) => {
            boolean(value).map_err(|reason| DriverError::invalid_parameter(format!("`warm`: {reason}")))
        }
    }
}

/// Reads a command as `ipmitool raw` does, but refuses what cannot be one.
fn raw_command(raw_bytes: &str) -> Result<RawCommand> {
    let mut bytes = Vec::new();
    for word in raw_bytes.split_whitespace() {
        let byte = byte_of(word);
        bytes.push(byte.ok_or_else(|| no_command(raw_bytes, &format!("`{word}` is not a byte")))?);
    }
    let [netfn, cmd, data @ ..] = bytes.as_slice() else {
        return Err(no_command(raw_bytes, "network function and number of the command are needed"));
    };
    if NETFN_END <= *netfn || netfn & 1 == 1 {
        let text = format!("network function 0x{netfn:02x} is not an even number below 0x{NETFN_END:02x}");
        return Err(no_command(raw_bytes, &text));
    }
    if DATA_SIZE_MAX < data.len() {
        let text = format!("{} bytes of data are more than {DATA_SIZE_MAX}", data.len());
        return Err(no_command(raw_bytes, &text));
    }
    Ok(RawCommand { netfn: *netfn, cmd: *cmd, data: data.to_vec() })
}

fn no_command(raw_bytes: &str, reason: &str) -> DriverError {
    // Junk can be of any length.
    let shown: String = raw_bytes.chars().take(80).collect();
    DriverError::invalid_parameter(format!("`raw_bytes`: `{shown}` is no command: {reason}"))
}

/// A refusal that says which command it was.
fn named(error: TransportError, netfn: u8, cmd: u8) -> DriverError {
    let TransportError::Completion { endpoint, code, .. } = &error else { return error.into() };
    let text = format!(
        "`{endpoint}` refused raw command 0x{netfn:02x} 0x{cmd:02x}: {} ({code})",
        code.text(netfn, cmd)
    );
    let details = DriverError::from(error);
    DriverError::new(details.kind(), text).with_details(details.details().clone())
}

/// Bytes in hexadecimal digits.
fn spaced(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn commands_are_read_as_others_read_them() {
        let command = raw_command(" 0x00 0x08  0x03 010 255\t4 ").unwrap();

        assert_eq!(command, RawCommand { netfn: 0, cmd: 8, data: vec![3, 8, 255, 4] });
    }

    #[test]
    fn junk_is_refused_with_the_reason() {
        let long = format!("0 1 {}", "0 ".repeat(256));
        for (bytes, reason) in [
            ("", "network function and number of the command are needed"),
            ("0x06", "network function and number of the command are needed"),
            ("0x06 zwei", "`zwei` is not a byte"),
            ("0x06 256", "`256` is not a byte"),
            ("0x06 -1", "`-1` is not a byte"),
            ("0x06;reboot 1", "`0x06;reboot` is not a byte"),
            ("0x07 0x01", "network function 0x07 is not an even number below 0x40"),
            ("0x40 0x01", "network function 0x40 is not an even number below 0x40"),
            (long.as_str(), "256 bytes of data are more than 255"),
        ] {
            let error = raw_command(bytes).unwrap_err();

            assert_eq!(error.kind(), ErrorKind::InvalidParameter);
            assert!(error.message().ends_with(reason), "{error}");
            assert!(error.message().len() < 200, "{error}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics(text in ".{0,300}") {
            if let Ok(command) = raw_command(&text) {
                prop_assert!(command.netfn % 2 == 0 && command.netfn < NETFN_END);
            }
        }

        #[test]
        fn every_command_is_read_back(netfn in 0u8..0x20, cmd: u8, data in proptest::collection::vec(any::<u8>(), 0..255)) {
            let text = [&[netfn * 2, cmd][..], &data].concat().iter().map(|byte| format!("0x{byte:x} ")).collect::<String>();

            prop_assert_eq!(raw_command(&text), Ok(RawCommand { netfn: netfn * 2, cmd, data }));
        }
    }

    #[test]
    fn a_reset_is_warm_unless_told_otherwise() {
        assert_eq!((is_warm(None), is_warm(Some(&Value::Null))), (Ok(true), Ok(true)));
        assert_eq!(is_warm(Some(&Value::from("False"))), Ok(false));
        assert!(is_warm(Some(&Value::from("tepid"))).is_err());
    }
}
