//! Another client speaks to our own BMC: it proves that BMC right, and with it suite 17, which no packaged
//! simulator has.

use std::net::SocketAddr;
use std::process::Command;

use farrier_sim::process::run;
use farrier_sim::program;

use crate::bmc::{Behavior, Bmc, PASSWORD, USER};

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

#[test]
fn our_own_bmc_is_one_for_other_clients_too() {
    for suite in [3, 17] {
        let bmc = Bmc::start(Behavior::default());

        ipmitool(bmc.address, suite, &["power", "on"]);
        let status = ipmitool(bmc.address, suite, &["power", "status"]);

        assert!(status.contains("Chassis Power is on"), "suite {suite}: {status}");
        assert_eq!(bmc.sessions(), 0);
    }
}
