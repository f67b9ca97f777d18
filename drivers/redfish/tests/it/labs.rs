//! Vendors' BMCs, played from what real ones answered.

mod habits;
mod sessions;
mod vendors;

use std::fmt::Debug;
use std::process::Command;
use std::time::Duration;

use farrier_sdk::serde_json::{Value, json};
use farrier_sim::process::Process;
use farrier_sim::wait::wait_for;
use farrier_sim::{http, labs, program};

use crate::bench::{Task, node};

const USER: &str = "admin";
const PASSWORD: &str = "secret";
/// The two as basic authentication carries them.
const AUTHORIZATION: &str = "Basic YWRtaW46c2VjcmV0";
/// It is a Python program with a large file to read.
const START_PATIENCE: Duration = Duration::from_secs(30);

/// How long a BMC may take to write a request down.
const LOG_PATIENCE: Duration = Duration::from_secs(5);

/// A request in the log of a BMC.
struct Entry {
    method: String,
    path: String,
    status: u64,
    connection: u64,
    /// How it was authenticated.
    how: String,
}

/// A vendor's BMC.
struct Mockup {
    _process: Process,
    port: u16,
    folder: tempfile::TempDir,
    tls: bool,
}

impl Mockup {
    /// Starts the BMC of a bundle; the account is the one above.
    fn start(bundle: &str, habits: &[&str]) -> Self {
        let labs = labs::directory().unwrap().join("redfish");
        let folder = tempfile::tempdir().unwrap();
        let ready = folder.path().join("ready");
        let mut command = Command::new(program::find("python3", "install the package `python3`").unwrap());
        command.arg(labs.join("serve-mockup")).arg("--bundle").arg(labs.join("mockups").join(bundle));
        command.args(["--port", "0", "--user", USER, "--password", PASSWORD, "--ready"]).arg(&ready);
        let tls = habits.contains(&"tls");
        if tls {
            command.arg("--tls").arg(folder.path().join("tls"));
        }
        command.args(habits.iter().filter(|habit| **habit != "tls")).current_dir(folder.path());
        let mut process = Process::start("serve-mockup", command, &folder.path().join("log")).unwrap();
        let port = process
            .wait_until("it is ready", START_PATIENCE, || {
                std::fs::read_to_string(&ready).ok()?.trim().parse().ok()
            })
            .unwrap();
        Self { _process: process, port, folder, tls }
    }

    /// The path of one of the labs' faults.
    fn faults(name: &str) -> String {
        labs::directory().unwrap().join("redfish/faults").join(name).display().to_string()
    }

    fn url(&self) -> String {
        format!("{}://127.0.0.1:{}", if self.tls { "https" } else { "http" }, self.port)
    }

    fn task(&self, more: &Value) -> Task {
        let mut info =
            json!({"redfish_address": self.url(), "redfish_username": USER, "redfish_password": PASSWORD});
        if self.tls {
            info["redfish_verify_ca"] = json!(self.folder.path().join("tls/ca.pem"));
        }
        info.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        node(&json!({"driver_info": info}))
    }

    fn plain_task(&self) -> Task {
        self.task(&json!({}))
    }

    fn request(&self, method: &str, path: &str, body: Option<&Value>) -> Value {
        let server = ([127, 0, 0, 1], self.port).into();
        let headers = [("Authorization", AUTHORIZATION)];
        http::request(server, method, path, &headers, body).unwrap().json()
    }

    /// The requests so far.
    ///
    /// The BMC writes a request down after it has answered it: the last one may still be missing.
    fn log(&self) -> Vec<Entry> {
        let log = self.request("GET", "/__lab/log", None);
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let entry = |entry: &Value| {
            let number = |index: usize| entry[index].as_u64().unwrap_or_default();
            Entry {
                method: text(&entry[0]),
                path: text(&entry[1]),
                status: number(2),
                connection: number(3),
                how: text(&entry[4]),
            }
        };
        log.as_array().unwrap().iter().map(entry).collect()
    }

    /// What `look` finds in the log, once it is `expected`.
    fn expect_log<T: PartialEq + Debug>(&self, expected: &T, look: impl Fn(&[Entry]) -> T) {
        let found = wait_for("the expected log", LOG_PATIENCE, || {
            let found = look(&self.log());
            (found == *expected).then_some(found)
        });
        assert_eq!(&found.unwrap_or_else(|_| look(&self.log())), expected);
    }

    fn logins(&self) -> usize {
        let is_login = |entry: &&Entry| entry.method == "POST" && entry.path.ends_with("/Sessions");
        self.log().iter().filter(is_login).count()
    }

    fn sessions(&self) -> u64 {
        self.request("GET", "/__lab/state", None)["sessions"].as_u64().unwrap()
    }
}
