//! A daemon per test: its own directory, database and port; real plugins; stopped when the test ends.

#![expect(clippy::print_stderr, reason = "a failed test says where its logs are")]

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::thread;
use std::time::Duration;

use farrier_sim::farrierd::{Farrierd, Settings};
use farrier_sim::http::Response;
use farrier_sim::port::free_port;
use farrier_sim::program::is_executable;
use farrier_sim::venv;
use farrier_sim::wait::wait_for;
use rustix::process::Signal;
use serde_json::{Value, json};
use tempfile::TempDir;

/// How long a node may take to get where a test wants it.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A running daemon, and what is needed to run it again.
pub(crate) struct Daemon {
    farrierd: Farrierd,
    settings: Settings,
    // Removed last, and kept when the test has failed.
    directory: Option<TempDir>,
}

impl Daemon {
    /// Starts one with all our plugins and hardware types, on an empty SQLite database.
    pub(crate) fn start() -> Self {
        Self::start_with(|_| ())
    }

    /// Starts one with settings that `change` has changed.
    pub(crate) fn start_with(change: impl FnOnce(&mut Settings)) -> Self {
        let directory = tempfile::Builder::new().prefix("farrier-e2e-").tempdir().unwrap();
        let mut settings = Settings {
            program: program("farrierd"),
            directory: directory.path().to_owned(),
            plugins: plugins(),
            port: free_port().unwrap(),
            database: None,
            hardware_types: ["fake-hardware", "ipmi", "redfish"].map(str::to_owned).to_vec(),
            drivers: Vec::new(),
            conductor: Vec::new(),
            tables: String::new(),
        };
        change(&mut settings);
        let farrierd = Farrierd::start(&settings).unwrap_or_else(|error| panic!("{error}"));
        Self { farrierd, settings, directory: Some(directory) }
    }

    /// The daemon itself.
    pub(crate) fn farrierd(&mut self) -> &mut Farrierd {
        &mut self.farrierd
    }

    /// Kills it as a power cut would, and starts it again on the same database and port.
    pub(crate) fn crash_and_restart(&mut self) {
        self.farrierd.process().signal(Signal::KILL).unwrap();
        self.farrierd.process().wait_end(PATIENCE).unwrap();
        self.start_killed();
    }

    /// Starts it again after it has ended, on the same database and port.
    pub(crate) fn start_killed(&mut self) {
        self.farrierd = Farrierd::start(&self.settings).unwrap_or_else(|error| panic!("{error}"));
    }

    /// Starts another one on the same configuration and waits until it ends; on another port if one is given.
    pub(crate) fn start_again(&self, port: Option<u16>) -> Output {
        let mut command = Command::new(program("farrierd"));
        command.arg("--config").arg(self.farrierd.config());
        if let Some(port) = port {
            command.env("FARRIER_API__PORT", port.to_string());
        }
        command.output().unwrap()
    }

    /// Starts another one on the same configuration, changed by environment variables, and waits until it ends.
    pub(crate) fn start_again_with(&self, variables: &[(&str, &str)]) -> Output {
        let mut command = Command::new(program("farrierd"));
        command.arg("--config").arg(self.farrierd.config()).envs(variables.iter().copied());
        command.output().unwrap()
    }

    /// What links of its API begin with.
    pub(crate) fn endpoint(&self) -> String {
        format!("http://{}", self.farrierd.address())
    }

    /// Stops it in good order, and starts it again on the same database and port.
    pub(crate) fn restart(&mut self) {
        let status = self.farrierd.stop().unwrap();
        assert!(status.success(), "{status}");
        self.farrierd = Farrierd::start(&self.settings).unwrap_or_else(|error| panic!("{error}"));
    }

    /// Sends a request without a body.
    pub(crate) fn get(&self, path: &str) -> Response {
        self.farrierd.call("GET", path, None).unwrap()
    }

    /// Sends any request without a body.
    pub(crate) fn request(&self, method: &str, path: &str) -> Response {
        self.farrierd.call(method, path, None).unwrap()
    }

    /// Sends a request with a body of JSON.
    pub(crate) fn send(&self, method: &str, path: &str, body: &Value) -> Response {
        self.farrierd.call(method, path, Some(body)).unwrap()
    }

    /// Enrolls a node that must be accepted; its UUID.
    pub(crate) fn enroll(&self, name: &str, driver: &str, driver_info: &Value) -> String {
        let node = json!({ "name": name, "driver": driver, "driver_info": driver_info });
        let response = self.send("POST", "/v1/nodes", &node);
        assert_eq!(response.status, 201, "{}", response.json());
        response.json()["uuid"].as_str().unwrap().to_owned()
    }

    /// Asks for a power target and waits until the node is free again; the node.
    pub(crate) fn power(&self, node: &str, target: &str) -> Value {
        let path = format!("/v1/nodes/{node}/states/power");
        let response = self.send("PUT", &path, &json!({ "target": target }));
        assert_eq!(response.status, 202, "{}", response.json());
        self.wait_for_node(node, "its lock is released", |node| {
            node["reservation"].is_null() && node["target_power_state"].is_null()
        })
    }

    /// Waits until a node is as wanted; the node.
    pub(crate) fn wait_for_node(&self, node: &str, what: &str, wanted: impl FnMut(&Value) -> bool) -> Value {
        self.wait_long_for_node(node, what, PATIENCE, wanted)
    }

    /// The same for a node that has longer.
    pub(crate) fn wait_long_for_node(
        &self,
        node: &str,
        what: &str,
        patience: Duration,
        mut wanted: impl FnMut(&Value) -> bool,
    ) -> Value {
        let path = format!("/v1/nodes/{node}");
        let mut last = Value::Null;
        let found = wait_for(&format!("{what} (node `{node}`)"), patience, || {
            last = self.get(&path).json();
            wanted(&last).then(|| last.clone())
        });
        found.unwrap_or_else(|error| panic!("{error}; it is {last:#}"))
    }

    /// Runs the `baremetal` client, unchanged, against this daemon.
    pub(crate) fn baremetal(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(venv::find("baremetal").unwrap_or_else(|error| panic!("{error}")));
        command.args(["--os-auth-type", "none", "--os-endpoint"]);
        command.arg(format!("http://{}", self.farrierd.address())).args(arguments);
        command.output().unwrap()
    }

    /// Runs a script of Python whose `b` is openstacksdk's own client, unchanged, of this daemon; what it printed.
    pub(crate) fn openstacksdk(&self, script: &str) -> String {
        let mut command = Command::new(venv::find("python").unwrap_or_else(|error| panic!("{error}")));
        let connection = format!(
            "import openstack\nb = openstack.connect(auth_type='none', auth=dict(endpoint='http://{}')).baremetal\n",
            self.farrierd.address()
        );
        let output = command.arg("-c").arg(connection + script).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if !thread::panicking() {
            return;
        }
        if let Some(directory) = self.directory.take() {
            let log = fs::read_to_string(self.farrierd.process().log()).unwrap_or_default();
            eprintln!("the daemon's files are kept in {}; its log:\n{log}", directory.keep().display());
        }
    }
}

/// A program of this workspace, built with the tests.
pub(crate) fn program(name: &str) -> PathBuf {
    let program = output().join(name);
    assert!(is_executable(&program), "`{}` is not built; `cargo xtask test` does", program.display());
    program
}

/// The directory of our drivers as plugins.
pub(crate) fn plugins() -> PathBuf {
    let target = output().parent().map(Path::to_owned).unwrap_or_default();
    let plugins = env::var_os("FARRIER_PLUGINS").map_or_else(|| target.join("plugins"), PathBuf::from);
    assert!(plugins.is_dir(), "`{}` is not there; `cargo xtask plugins` makes it", plugins.display());
    plugins
}

/// Where cargo put the programs: tests are in a directory below that.
fn output() -> PathBuf {
    env::current_exe().unwrap().ancestors().nth(2).unwrap().to_owned()
}
