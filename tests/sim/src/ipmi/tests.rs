//! Clients that others wrote find our BMCs right.

use std::io::Write;
use std::process::Command;
use std::time::Duration;

use super::*;
use crate::error::SimError;
use crate::inject::LoginTrouble;
use crate::network::{Fault, Way};
use crate::process::{Process, run};
use crate::program;
use crate::wait::wait_for;

/// Long enough for what is to happen, on a slow machine too.
const PATIENCE: Duration = Duration::from_secs(60);

fn bmc() -> Bmc {
    Bmc::start(Settings::default()).unwrap()
}

/// Runs `ipmitool` as this user, through this interface.
fn ipmitool_as(bmc: &Bmc, login: &[&str], words: &[&str]) -> Result<String, SimError> {
    let mut command = Command::new(program::find("ipmitool", "install the package `ipmitool`")?);
    command.args(["-H", "127.0.0.1", "-p", &bmc.address().port().to_string(), "-N", "1", "-R", "2"]);
    run({
        command.args(login).args(words);
        command
    })
}

fn ipmitool(bmc: &Bmc, suite: &str, words: &[&str]) -> Result<String, SimError> {
    ipmitool_as(bmc, &["-I", "lanplus", "-C", suite, "-U", USER, "-P", PASSWORD], words)
}

/// Runs `ipmipower`, which ends well even when it fails.
fn ipmipower(bmc: &Bmc, arguments: &[&str]) -> String {
    let mut command =
        Command::new(program::find("ipmipower", "install the package `freeipmi-tools`").unwrap());
    let host = format!("127.0.0.1:{}", bmc.address().port());
    command.args(["-h", &host, "-u", USER, "-p", PASSWORD]).args(arguments);
    run(command).unwrap()
}

#[test]
fn ipmitool_switches_power_with_both_suites_and_leaves_no_session() {
    for suite in ["3", "17"] {
        let bmc = bmc();

        ipmitool(&bmc, suite, &["power", "on"]).unwrap();
        assert!(bmc.is_on());
        assert!(ipmitool(&bmc, suite, &["power", "status"]).unwrap().contains("is on"));
        ipmitool(&bmc, suite, &["power", "soft"]).unwrap();

        assert!(!bmc.is_on());
        assert_eq!(bmc.sessions(), 0);
    }
}

#[test]
fn ipmipower_switches_power_with_both_suites_and_versions() {
    for login in [["-D", "LAN_2_0", "-I", "3"].as_slice(), &["-D", "LAN_2_0", "-I", "17"], &["-D", "LAN"]] {
        let bmc = bmc();

        let on = ipmipower(&bmc, &[login, &["--on", "--wait-until-on"]].concat());
        let status = ipmipower(&bmc, &[login, &["--stat"]].concat());

        assert!(bmc.is_on(), "{on}");
        assert!(status.contains(": on"), "{status}");
    }
}

#[test]
fn the_older_protocol_is_spoken_too() {
    let bmc = bmc();
    let login = ["-I", "lan", "-U", USER, "-P", PASSWORD];

    ipmitool_as(&bmc, &login, &["power", "on"]).unwrap();

    assert!(bmc.is_on());
    assert_eq!(bmc.sessions(), 0);
    let wrong = ["-I", "lan", "-U", USER, "-P", "wrong", "-R", "1", "-N", "1"];
    assert!(ipmitool_as(&bmc, &wrong, &["power", "status"]).is_err());
}

#[test]
fn suites_users_and_keys_that_do_not_fit_are_refused() {
    let bmc = Bmc::start(Settings { bmc_key: Some(b"kgkgkgkg".to_vec()), ..Settings::default() }).unwrap();
    let with = |suite: &str, user: &str, password: &str, key: &str| {
        let login = ["-I", "lanplus", "-C", suite, "-U", user, "-P", password, "-k", key];
        ipmitool_as(&bmc, &login, &["power", "status"])
    };

    assert!(with("17", USER, PASSWORD, "kgkgkgkg").is_ok());
    for (suite, user, password, key) in [
        ("0", USER, PASSWORD, "kgkgkgkg"),
        ("17", "nobody", PASSWORD, "kgkgkgkg"),
        ("17", USER, "wrong", "kgkgkgkg"),
        ("17", USER, PASSWORD, "other"),
    ] {
        assert!(with(suite, user, password, key).is_err(), "{suite} {user}");
    }
}

#[test]
fn levels_are_kept() {
    let bmc = bmc();
    let login = ["-I", "lanplus", "-C", "17", "-U", "viewer", "-P", "viewpw", "-L", "USER"];

    assert!(ipmitool_as(&bmc, &login, &["power", "status"]).is_ok());
    let error = ipmitool_as(&bmc, &login, &["power", "on"]).unwrap_err();

    assert!(error.to_string().contains("Insufficient privilege"), "{error}");
    assert!(!bmc.is_on());
}

#[test]
fn boot_flags_are_kept_whole() {
    let bmc = bmc();

    ipmitool(&bmc, "17", &["chassis", "bootdev", "pxe", "options=efiboot,persistent"]).unwrap();

    assert_eq!(bmc.state().machine.boot_flags(), [0xE0, 0x04, 0, 0, 0]);
    let read = ipmitool(&bmc, "17", &["chassis", "bootparam", "get", "5"]).unwrap();
    assert!(read.contains("Options apply to all future boots") && read.contains("Force PXE"), "{read}");
}

#[test]
fn records_are_read_in_pieces_and_values_are_right() {
    let bmc = bmc();

    let list = ipmitool(&bmc, "17", &["sdr", "elist", "full"]).unwrap();

    for (name, value) in [
        ("Board Temp", "42 degrees C"),
        ("Fan1", "4800 RPM"),
        ("Inlet Temp", "-5 degrees C"),
        ("Margin", "70 degrees C"),
        ("Exhaust", "-5 degrees C"),
        ("Load", "55 percent"),
        ("Exp10", "100 unspecified"),
        ("Cube", "27 unspecified"),
        ("Foreign", "No Reading"),
        ("Unit One", "77 degrees C"),
    ] {
        let row = list.lines().find(|row| row.starts_with(name)).unwrap_or_default();
        assert!(row.contains(value), "{name}: {row}");
    }
}

#[test]
fn the_event_log_and_the_inventory_are_read() {
    let bmc = bmc();

    let events = ipmitool(&bmc, "17", &["sel", "list"]).unwrap();
    let inventory = ipmitool(&bmc, "17", &["fru"]).unwrap();

    assert_eq!(events.lines().count(), 2, "{events}");
    assert!(inventory.contains("Simulated machine"), "{inventory}");
}

#[test]
fn the_console_gives_back_what_is_typed() {
    let bmc = bmc();
    let directory = tempfile::tempdir().unwrap();
    let (typed, log) = (directory.path().join("typed"), directory.path().join("log"));
    let port = bmc.address().port();
    let script = format!(
        "mkfifo typed && cat typed | \
         ipmitool -I lanplus -C 17 -H 127.0.0.1 -p {port} -U {USER} -P {PASSWORD} sol activate"
    );
    let mut command = Command::new("sh");
    command.args(["-c", &script]).current_dir(directory.path());
    let mut client = Process::start("sol", command, &log).unwrap();
    client.wait_until("console", PATIENCE, || bmc.state().has_console().then_some(())).unwrap();
    let mut keyboard = std::fs::OpenOptions::new().write(true).open(typed).unwrap();

    keyboard.write_all(b"hello\r").unwrap();
    let heard = || bmc.state().machine.console.received.starts_with(b"hello").then_some(());
    client.wait_until("what was typed", PATIENCE, heard).unwrap();
    keyboard.write_all(b"~.").unwrap();
    drop(keyboard);
    client.wait_end(PATIENCE).unwrap();

    assert!(client.tail().contains("hello"), "{}", client.tail());
    assert!(!bmc.state().has_console());
}

#[test]
fn controllers_behind_are_reached_one_and_two_steps_away() {
    let near = Satellite { channel: 7, address: 0x72, behind: None };
    let far = Satellite { behind: Some((6, 0x82)), ..near };
    let single = Bmc::start(Settings { satellite: Some(near), ..Settings::default() }).unwrap();
    let dual = Bmc::start(Settings { satellite: Some(far), ..Settings::default() }).unwrap();
    let info = ["mc", "info"];

    let one = ipmitool(&single, "17", &[&["-b", "7", "-t", "0x72"][..], &info].concat()).unwrap();
    let two =
        ipmitool(&dual, "17", &[&["-B", "7", "-T", "0x72", "-b", "6", "-t", "0x82"][..], &info].concat())
            .unwrap();

    for text in [one, two] {
        assert!(text.contains("Manufacturer ID           : 343"), "{text}");
    }
}

#[test]
fn a_network_that_loses_an_answer_makes_the_client_ask_again() {
    let network = Plan::Once { way: Way::ToClient, number: 1, fault: Fault::Drop, seed: 1 };
    let bmc = Bmc::start(Settings { network, ..Settings::default() }).unwrap();

    let status = ipmitool(&bmc, "17", &["power", "status"]).unwrap();

    assert!(status.contains("is off"), "{status}");
}

#[test]
fn a_bmc_without_room_says_so() {
    let bmc = Bmc::start(Settings { slots: 0, ..Settings::default() }).unwrap();

    let error = ipmitool(&bmc, "17", &["power", "status"]).unwrap_err();

    assert!(error.to_string().contains("insufficient resources"), "{error}");
}

#[test]
fn pings_are_answered_on_demand() {
    let login = LoginTrouble { pong: true, ..LoginTrouble::default() };
    let bmc = Bmc::with(Trouble { login, ..Trouble::default() }).unwrap();
    let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket.connect(bmc.address()).unwrap();

    socket.send(&[6, 0, 0xFF, 6, 0, 0, 0x11, 0xBE, 0x80, 7, 0, 0]).unwrap();

    let mut pong = [0; 64];
    assert_eq!((socket.recv(&mut pong).unwrap(), pong[9]), (28, 7));
}

#[test]
fn a_thousand_bmcs_have_a_machine_each() {
    let fleet = Fleet::start(1000, Place::Any([127, 0, 0, 1].into()), |_| Settings::default()).unwrap();

    for index in [0, 500, 999] {
        ipmitool(&fleet.bmcs[index], "17", &["power", "on"]).unwrap();
    }

    let on = fleet.bmcs.iter().filter(|bmc| bmc.is_on()).count();
    assert_eq!(on, 3);
}

#[test]
fn a_bmc_that_was_stopped_has_left_its_port() {
    let bmc = bmc();
    let address = bmc.address();

    bmc.stop();

    wait_for("free port", PATIENCE, || std::net::UdpSocket::bind(address).ok()).unwrap();
}
