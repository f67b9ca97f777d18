//! The driver against BMCs: those that others wrote, and simulated ones that misbehave on request.
#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may fail anywhere")]

mod bad_input;
mod bench;
mod boot_device;
mod bridging;
mod console;
mod fuzz;
mod ipmitool;
mod labs;
mod manual;
mod network;
mod pace;
mod power;
mod pyghmi;
mod quirks;
mod rows;
mod sensors;
mod sessions;
mod simulator;
mod vendor;
mod versions;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use farrier_ipmi::crypto::CipherSuite;
use farrier_ipmi::target::{Credentials, Endpoint, Privilege, Target};
use farrier_ipmi::transport::{Transport, TransportOptions};
use farrier_sdk::secret::Secret;
use farrier_sim::inject::Trouble;
use farrier_sim::ipmi::{self, Bmc, Settings};
use tokio::time::Instant;

/// Long enough for everything that is to succeed, on a slow machine too.
const PATIENCE: Duration = Duration::from_secs(60);

/// A deadline for what is to succeed.
fn soon() -> Instant {
    Instant::now() + PATIENCE
}

/// Options without the pauses that spare real BMCs.
fn quick() -> TransportOptions {
    TransportOptions {
        login_interval: Duration::ZERO,
        message_interval: Duration::ZERO,
        ..TransportOptions::default()
    }
}

fn transport() -> Transport {
    Transport::new(quick())
}

/// Who a test logs in as.
struct Login<'a> {
    user: &'a str,
    password: &'a str,
    bmc_key: Option<&'a str>,
    privilege: Privilege,
    suite: Option<CipherSuite>,
}

/// The user of our own BMC.
const LOGIN: Login<'static> = Login {
    user: ipmi::USER,
    password: ipmi::PASSWORD,
    bmc_key: None,
    privilege: Privilege::Administrator,
    suite: None,
};

impl Login<'_> {
    fn at(&self, address: SocketAddr) -> Arc<Target> {
        let secret = |text: &str| Secret::new(text.as_bytes().to_vec());
        let credentials = Credentials::new(
            self.user.to_owned(),
            secret(self.password),
            self.bmc_key.map(secret),
            self.privilege,
        );
        let endpoint = Endpoint { host: address.ip().to_string(), port: address.port() };
        Arc::new(Target { suite: self.suite, ..Target::new(endpoint, credentials.unwrap()) })
    }
}

/// A BMC that does as it should.
fn bmc() -> Bmc {
    Bmc::start(Settings::default()).unwrap()
}

/// A BMC with trouble.
fn bmc_with(change: impl FnOnce(&mut Trouble)) -> Bmc {
    let mut trouble = Trouble::default();
    change(&mut trouble);
    Bmc::with(trouble).unwrap()
}

/// Waits until something is so.
async fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = soon();
    while !is_so() {
        assert!(Instant::now() < deadline, "{what} never came true");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
