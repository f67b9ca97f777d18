//! Commands as operators write them, byte by byte, and resets of the BMC.
//!
//! Source: IPMI 2.0, sections 20.2 and 20.3.

use ipmi_rs::connection::{IpmiCommand, Message, NetFn};

use super::{Command, Malformed};

/// Numbers of the commands that reset the BMC, with the network function of applications.
const RESETS: [u8; 2] = [0x02, 0x03];

/// Any command: network function, number and data are the operator's business. It is sent once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawCommand {
    /// Network function of the request.
    pub netfn: u8,
    /// Number of the command.
    pub cmd: u8,
    /// Its data.
    pub data: Vec<u8>,
}

impl From<RawCommand> for Message {
    fn from(command: RawCommand) -> Self {
        Self::new_raw(command.netfn, command.cmd, command.data)
    }
}

impl IpmiCommand for RawCommand {
    /// The answer, without its completion code.
    type Output = Vec<u8>;
    type Error = Malformed;

    fn parse_success_response(data: &[u8]) -> Result<Vec<u8>, Malformed> {
        Ok(data.to_vec())
    }
}

impl Command for RawCommand {
    const NAME: &'static str = "a raw command";

    fn resets_bmc(&self) -> bool {
        self.netfn == NetFn::App.request_value() && RESETS.contains(&self.cmd)
    }
}

/// Restarts the BMC, which forgets its sessions and may not answer any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResetBmc {
    /// From the beginning, as after power was cut.
    Cold,
    /// Only as much as is needed.
    Warm,
}

impl From<ResetBmc> for Message {
    fn from(command: ResetBmc) -> Self {
        let cmd = match command {
            ResetBmc::Cold => 0x02,
            ResetBmc::Warm => 0x03,
        };
        Self::new_request(NetFn::App, cmd, Vec::new())
    }
}

impl IpmiCommand for ResetBmc {
    type Output = ();
    type Error = Malformed;

    fn parse_success_response(_: &[u8]) -> Result<(), Malformed> {
        Ok(())
    }
}

impl Command for ResetBmc {
    const NAME: &'static str = "Cold or Warm Reset";

    fn resets_bmc(&self) -> bool {
        true
    }
}
