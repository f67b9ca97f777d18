//! Simulated BMCs that speak IPMI: any number in one process, with switches for trouble.
//!
//! | module | what |
//! |---|---|
//! | `server` | sockets, and the network in front of them |
//! | `controller` | one BMC without I/O: datagrams in, datagrams out |
//! | `login`, `old` | sessions of RMCP+, and of IPMI 1.5 |
//! | `session` | what guards the packets of a session |
//! | `command` | what each command does |
//! | `console` | the serial console over a session |
//! | `packet`, `crypto` | bytes and codes |
//!
//! It shares no code with the driver it is made for, and is strict where the driver is lenient. `ipmitool` and
//! `ipmipower` prove it right.

mod command;
mod console;
mod controller;
mod crypto;
mod login;
mod old;
mod packet;
mod server;
mod session;

use std::time::Duration;

use crate::inject::Trouble;
use crate::network::Plan;

pub use controller::{Controller, Seen};
pub use server::{Bmc, Fleet, Place};

/// Name of the administrator every BMC knows unless told otherwise.
pub const USER: &str = "admin";
/// That user's password.
pub const PASSWORD: &str = "secret";

/// Levels of users and sessions.
pub mod level {
    /// May start a callback.
    pub const CALLBACK: u8 = 1;
    /// May read.
    pub const USER: u8 = 2;
    /// May change power and boot device.
    pub const OPERATOR: u8 = 3;
    /// May do everything.
    pub const ADMINISTRATOR: u8 = 4;
}

/// Somebody who may log in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// Name; empty for the NULL user.
    pub name: String,
    /// Password, at most 20 bytes.
    pub password: Vec<u8>,
    /// Highest level of his sessions.
    pub level: u8,
}

impl User {
    /// A user with a password and the highest level he may have.
    #[must_use]
    pub fn new(name: &str, password: &str, level: u8) -> Self {
        Self { name: name.to_owned(), password: password.as_bytes().to_vec(), level }
    }
}

/// A controller behind the BMC, reached by bridging.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Satellite {
    /// Channel of the BMC that leads to it, or to the controller in between.
    pub channel: u8,
    /// Its address there.
    pub address: u8,
    /// For one behind another controller: channel and address on that one's far side.
    pub behind: Option<(u8, u8)>,
}

/// What a BMC is like.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Who may log in.
    pub users: Vec<User>,
    /// Key of its own (K_g).
    pub bmc_key: Option<Vec<u8>>,
    /// Numbers of the cipher suites it accepts.
    pub suites: Vec<u8>,
    /// Sessions it can have, those that are being opened included.
    pub slots: usize,
    /// A session nobody uses ends after this time.
    pub idle_timeout: Duration,
    /// A login that does not go on ends after this time.
    pub login_timeout: Duration,
    /// Who made it: a number of IANA's.
    pub manufacturer: u32,
    /// Which of that maker's products it is.
    pub product: u16,
    /// A controller behind it.
    pub satellite: Option<Satellite>,
    /// What is wrong with it.
    pub trouble: Trouble,
    /// The network in front of it.
    pub network: Plan,
    /// Commands it remembers.
    pub log_max: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            users: vec![
                User::new(USER, PASSWORD, level::ADMINISTRATOR),
                User::new("oper", "operpw", level::OPERATOR),
                User::new("viewer", "viewpw", level::USER),
            ],
            bmc_key: None,
            suites: vec![3, 17],
            // Both as those of `ipmi_sim`.
            slots: 63,
            idle_timeout: Duration::from_secs(60),
            login_timeout: Duration::from_secs(30),
            manufacturer: 0x2A7C,
            product: 0x0911,
            satellite: None,
            trouble: Trouble::default(),
            network: Plan::default(),
            log_max: 1024,
        }
    }
}

#[cfg(test)]
mod tests;
