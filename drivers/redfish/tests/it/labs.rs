//! Vendors' BMCs, played from what real ones answered.

mod fuzz;
mod habits;
mod sessions;
mod vendors;

use std::fmt::Debug;
use std::time::Duration;

use farrier_sdk::serde_json::{Value, json};
use farrier_sim::mockup::{PASSWORD, USER};
use farrier_sim::wait::wait_for;
use farrier_sim::{labs, mockup};

use crate::bench::{Task, node};

/// How long a BMC may take to write a request down.
const LOG_PATIENCE: Duration = Duration::from_secs(60);

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
    bmc: mockup::Mockup,
    _folder: tempfile::TempDir,
}

impl Mockup {
    /// Starts the BMC of a bundle; its account is the simulator's.
    fn start(bundle: &str, habits: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self { bmc: mockup::Mockup::start(bundle, folder.path(), habits).unwrap(), _folder: folder }
    }

    /// The path of one of the labs' faults.
    fn faults(name: &str) -> String {
        labs::directory().unwrap().join("redfish/faults").join(name).display().to_string()
    }

    fn task(&self, more: &Value) -> Task {
        let mut info = json!({"redfish_address": self.bmc.url(), "redfish_username": USER, "redfish_password": PASSWORD});
        if let Some(authority) = self.bmc.authority() {
            info["redfish_verify_ca"] = json!(authority);
        }
        info.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        node(&json!({"driver_info": info}))
    }

    fn plain_task(&self) -> Task {
        self.task(&json!({}))
    }

    fn request(&self, method: &str, path: &str, body: Option<&Value>) -> Value {
        self.bmc.request(method, path, body).unwrap().json()
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
