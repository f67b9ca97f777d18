//! Vendors' BMCs that speak Redfish, played from what real ones answered; their data is part of the labs.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use crate::error::SimError;
use crate::http::{self, Response};
use crate::process::Process;
use crate::{labs, program};

/// Name of the administrator every one of them knows.
pub const USER: &str = "admin";
/// That user's password.
pub const PASSWORD: &str = "secret";
/// The two as basic authentication carries them.
const AUTHORIZATION: &str = "Basic YWRtaW46c2VjcmV0";
/// It is a Python program with a large file to read.
const START_PATIENCE: Duration = Duration::from_secs(60);

/// A vendor's BMC. Dropping it stops it.
#[derive(Debug)]
pub struct Mockup {
    process: Process,
    port: u16,
    directory: PathBuf,
    tls: bool,
}

impl Mockup {
    /// Names of all there are, in order.
    ///
    /// # Errors
    ///
    /// [`NoLabs`](SimError::NoLabs), and those of reading the directory.
    pub fn names() -> Result<Vec<String>, SimError> {
        let folder = labs::directory()?.join("redfish/mockups");
        let read = SimError::io(format!("read `{}`", folder.display()));
        let entries = std::fs::read_dir(&folder).map_err(read)?;
        let names = entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned());
        let mut names: Vec<String> =
            names.filter(|name| name.ends_with(".json") && name != "MANIFEST.json").collect();
        names.sort();
        Ok(names)
    }

    /// Starts the BMC of this name on a free port of 127.0.0.1; its files are in `directory`, which must exist.
    ///
    /// `habits` are arguments of the program; `tls` makes it speak TLS with an authority of its own.
    ///
    /// # Errors
    ///
    /// [`Missing`](SimError::Missing) without Python, [`NoLabs`](SimError::NoLabs), and those of [`Process`].
    pub fn start(name: &str, directory: &Path, habits: &[&str]) -> Result<Self, SimError> {
        let labs = labs::directory()?.join("redfish");
        let ready = directory.join("ready");
        let mut command = Command::new(program::find("python3", "install the package `python3`")?);
        command.arg(labs.join("serve-mockup")).arg("--bundle").arg(labs.join("mockups").join(name));
        command.args(["--port", "0", "--user", USER, "--password", PASSWORD, "--ready"]).arg(&ready);
        let tls = habits.contains(&"tls");
        if tls {
            command.arg("--tls").arg(directory.join("tls"));
        }
        command.args(habits.iter().filter(|habit| **habit != "tls")).current_dir(directory);
        let mut process = Process::start("serve-mockup", command, &directory.join("log"))?;
        let port = process.wait_until("it is ready", START_PATIENCE, || {
            std::fs::read_to_string(&ready).ok()?.trim().parse().ok()
        })?;
        Ok(Self { process, port, directory: directory.to_owned(), tls })
    }

    /// What nodes have as its address.
    #[must_use]
    pub fn url(&self) -> String {
        format!("{}://127.0.0.1:{}", if self.tls { "https" } else { "http" }, self.port)
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.port))
    }

    /// The path of its first machine; not over TLS.
    ///
    /// # Errors
    ///
    /// As [`http::request`]; [`Io`](SimError::Io): it lists none.
    pub fn first_system(&self) -> Result<String, SimError> {
        let systems = self.request("GET", "/redfish/v1/Systems", None)?.json();
        let path = systems.pointer("/Members/0/@odata.id").and_then(Value::as_str);
        let none = || SimError::io("find the machine of a mockup")(io::Error::other("it lists none"));
        path.map(str::to_owned).ok_or_else(none)
    }

    /// The certificate of the authority that vouches for it, if it speaks TLS.
    #[must_use]
    pub fn authority(&self) -> Option<PathBuf> {
        self.tls.then(|| self.directory.join("tls/ca.pem"))
    }

    /// Its process, to stop it.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// Asks it something behind the driver's back; not over TLS.
    ///
    /// # Errors
    ///
    /// As [`http::request`].
    pub fn request(&self, method: &str, path: &str, body: Option<&Value>) -> Result<Response, SimError> {
        http::request(self.address(), method, path, &[("Authorization", AUTHORIZATION)], body)
    }
}
