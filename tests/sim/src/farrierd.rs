//! The daemon under test, or on show.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::Value;

use crate::error::SimError;
use crate::http::{self, Response};
use crate::process::Process;

/// How long the daemon may take until its API answers; it takes a fraction of a second.
const START_PATIENCE: Duration = Duration::from_secs(60);
/// How long it may take to end; it drains what is under way.
const STOP_PATIENCE: Duration = Duration::from_secs(60);

/// What a daemon is started with.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The program.
    pub program: PathBuf,
    /// An existing directory for its configuration, its log and, by default, its database.
    pub directory: PathBuf,
    /// The directory of its plugins.
    pub plugins: PathBuf,
    /// Port of its API, on 127.0.0.1.
    pub port: u16,
    /// URL of its database; `None` for an SQLite file in `directory`.
    pub database: Option<String>,
    /// The hardware types to enable.
    pub hardware_types: Vec<String>,
    /// More of the options of drivers, each a line of TOML; not together with the fake hardware type, which sets them.
    pub drivers: Vec<String>,
    /// More of the conductor's options, each a line of TOML.
    pub conductor: Vec<String>,
    /// More tables for the end of the file, as TOML.
    pub tables: String,
}

/// A running daemon whose API answers. Dropping it stops it.
#[derive(Debug)]
pub struct Farrierd {
    process: Process,
    address: SocketAddr,
    config: PathBuf,
    ready_after: Duration,
}

impl Farrierd {
    /// Writes the configuration, starts the program and waits for its API.
    ///
    /// # Errors
    ///
    /// [`Ended`](SimError::Ended) with the end of its log when it refuses to start, and those of [`Process`].
    pub fn start(settings: &Settings) -> Result<Self, SimError> {
        let config = settings.directory.join("farrier.toml");
        fs::write(&config, settings.config())
            .map_err(SimError::io(format!("write `{}`", config.display())))?;
        let mut command = Command::new(&settings.program);
        command.arg("--config").arg(&config).current_dir(&settings.directory);
        let start = Instant::now();
        let mut process = Process::start("farrierd", command, &settings.directory.join("farrierd.log"))?;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, settings.port));
        process.wait_until("its API answers", START_PATIENCE, || {
            http::get(address, "/v1/").ok().filter(|response| response.status == 200)
        })?;
        Ok(Self { process, address, config, ready_after: start.elapsed() })
    }

    /// Where its API listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its configuration file.
    #[must_use]
    pub fn config(&self) -> &Path {
        &self.config
    }

    /// Time from its start until its API answered.
    #[must_use]
    pub fn ready_after(&self) -> Duration {
        self.ready_after
    }

    /// Its process, to send it signals or look at its log.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// Memory it has in use now (resident set), in KiB; zero when it has ended.
    #[must_use]
    pub fn resident_kib(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process.id())).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok()).unwrap_or_default()
    }

    /// Sends a request to its API, at the newest version both sides know.
    ///
    /// # Errors
    ///
    /// As [`http::request`]; an answer with an error's status is an answer.
    pub fn call(&self, method: &str, path: &str, body: Option<&Value>) -> Result<Response, SimError> {
        http::request(self.address, method, path, &[("X-OpenStack-Ironic-API-Version", "latest")], body)
    }

    /// Asks it to end, and waits until it has drained and ended.
    ///
    /// # Errors
    ///
    /// [`Late`](SimError::Late) when it did not; it is killed by then.
    pub fn stop(&mut self) -> Result<ExitStatus, SimError> {
        self.process.signal(Signal::TERM)?;
        let ended = self.process.wait_end(STOP_PATIENCE);
        self.process.stop()?;
        ended
    }
}

impl Settings {
    /// The configuration file.
    fn config(&self) -> String {
        let database = self
            .database
            .clone()
            .unwrap_or_else(|| format!("sqlite://{}", self.directory.join("farrier.db").display()));
        let types: Vec<String> = self.hardware_types.iter().map(|name| quoted(name)).collect();
        // A node that chooses nothing gets what ships with the conductor, and the fake driver's own where it has it.
        let mut drivers = vec![format!("enabled_hardware_types = [{}]", types.join(", "))];
        if self.hardware_types.iter().any(|name| name == "fake-hardware") {
            for kind in ["boot", "deploy", "storage"] {
                drivers.push(format!("enabled_{kind}_interfaces = [\"noop\", \"fake\"]"));
            }
            for kind in ["bios", "console", "firmware", "inspect", "raid", "rescue", "vendor"] {
                drivers.push(format!("enabled_{kind}_interfaces = [\"no-{kind}\", \"fake\"]"));
            }
        }
        drivers.extend(self.drivers.iter().cloned());
        format!(
            "[api]\nhost_ip = \"127.0.0.1\"\nport = {}\n\n[database]\nconnection = {}\n\n\
             [plugins]\ndirectory = {}\n\n[drivers]\n{}\n\n[conductor]\n{}\n\n{}",
            self.port,
            quoted(&database),
            quoted(&self.plugins.display().to_string()),
            drivers.join("\n"),
            self.conductor.join("\n"),
            self.tables,
        )
    }
}

/// `text` as a string of TOML, which JSON's strings are too.
fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}
