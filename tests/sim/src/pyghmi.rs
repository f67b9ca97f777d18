//! A simulated BMC that speaks IPMI: the one of pyghmi, as virtual machines have it (virtualbmc, fakebmc).
//!
//! Somebody else's implementation of the protocol: cipher suite 3 whatever it is asked for, silence where others
//! refuse, a power state, a boot device and a console that gives back what is typed.

use std::net::{Ipv6Addr, SocketAddr, UdpSocket};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::error::SimError;
use crate::ipmi_sim::HELLO;
use crate::port::free_port;
use crate::process::Process;
use crate::venv;

/// Name of the user it knows.
pub const USER: &str = "admin";
/// That user's password.
pub const PASSWORD: &str = "correct-horse";

const START_PATIENCE: Duration = Duration::from_secs(60);
/// How long one readiness question waits for its answer.
const ANSWER_PATIENCE: Duration = Duration::from_millis(200);

/// What Python runs: the machine behind the BMC. It prints what it is told.
const SCRIPT: &str = r#"
import sys
import pyghmi.ipmi.bmc as bmc

class Machine(bmc.Bmc):
    power = 'off'
    device = 'default'
    typed = b''

    def get_boot_device(self):
        return self.device

    def set_boot_device(self, device):
        self.device = device
        print('boot', device, flush=True)

    def get_power_state(self):
        return self.power

    def power_on(self):
        self.power = 'on'
        print('on', flush=True)

    def power_off(self):
        self.power = 'off'
        print('off', flush=True)

    def power_shutdown(self):
        self.power = 'off'
        print('shutdown', flush=True)

    def power_reset(self):
        print('reset', flush=True)

    def is_active(self):
        return self.power == 'on'

    # It says that the console is there before it is, and hands over what is typed at once.
    def activate_payload(self, request, session):
        super().activate_payload(request, session)
        self.echo()

    def iohandler(self, data):
        if isinstance(data, bytes):
            self.typed += data
            self.echo()

    def echo(self):
        if self.sol is not None and self.typed:
            data, self.typed = self.typed, b''
            self.sol.send_data(data)

# It may not notice a datagram that comes just as it begins to wait, so it does not wait for long.
Machine({sys.argv[2]: sys.argv[3]}, int(sys.argv[1]), address='::1').listen(0.1)
"#;

/// A running BMC with its machine, which is off at first. Dropping it stops it.
#[derive(Debug)]
pub struct Pyghmi {
    process: Process,
    address: SocketAddr,
}

impl Pyghmi {
    /// Starts one on a free port of `::1`; its log is in `directory`, which must exist.
    ///
    /// # Errors
    ///
    /// [`Missing`](SimError::Missing) without the Python programs, and those of [`Process`].
    pub fn start(directory: &Path) -> Result<Self, SimError> {
        let address = SocketAddr::from((Ipv6Addr::LOCALHOST, free_port()?));
        let mut command = Command::new(venv::find("python")?);
        command.args(["-c", SCRIPT, &address.port().to_string(), USER, PASSWORD]);
        let mut process = Process::start("pyghmi", command, &directory.join("log"))?;
        process.wait_until("it answers", START_PATIENCE, || answers(address))?;
        Ok(Self { process, address })
    }

    /// Where it listens, on UDP.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Whether the machine is on: a reset does not change it.
    #[must_use]
    pub fn is_on(&self) -> bool {
        let actions = self.actions();
        actions
            .iter()
            .rfind(|action| ["on", "off", "shutdown"].contains(&&***action))
            .is_some_and(|action| action == "on")
    }

    /// What the machine was told, in order: `on`, `boot network`, `reset`, `shutdown`, `off`.
    #[must_use]
    pub fn actions(&self) -> Vec<String> {
        self.process.tail().lines().map(str::to_owned).collect()
    }
}

/// `Some` when it answers the first question of a client.
fn answers(address: SocketAddr) -> Option<()> {
    let socket = UdpSocket::bind((Ipv6Addr::LOCALHOST, 0)).ok()?;
    socket.set_read_timeout(Some(ANSWER_PATIENCE)).ok()?;
    socket.connect(address).ok()?;
    socket.send(&HELLO).ok()?;
    socket.recv(&mut [0; 64]).ok().map(|_| ())
}
