//! Another client that looks at the same BMC as the driver does.

use std::net::SocketAddr;
use std::process::Command;

use farrier_sim::ipmi::{PASSWORD, USER};
use farrier_sim::process::run;
use farrier_sim::program;

pub(crate) fn ipmitool(address: SocketAddr, suite: u8, words: &[&str]) -> String {
    let login = ["-U", USER, "-P", PASSWORD];
    ipmitool_as(address, suite, &login, words)
}

pub(crate) fn ipmitool_as(address: SocketAddr, suite: u8, login: &[&str], words: &[&str]) -> String {
    let program = program::find("ipmitool", "install the package `ipmitool`").unwrap();
    let mut command = Command::new(program);
    command.args(["-I", "lanplus", "-H", &address.ip().to_string(), "-p", &address.port().to_string()]);
    command.args(["-C", &suite.to_string(), "-N", "2", "-R", "2"]).args(login).args(words);
    run(command).unwrap()
}
