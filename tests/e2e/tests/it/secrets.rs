//! Passwords and keys of BMCs are nowhere to be found but in the database and on their way to the BMC.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use farrier_sim::ipmi::{Bmc, Settings, User, level};
use serde_json::{Value, json};

use crate::harness::Daemon;

/// Short enough for IPMI, and nothing that appears anywhere by chance.
const PASSWORD: &str = "pw-Zq8vXk3m";
const WRONG_PASSWORD: &str = "pw-Wr0ngT7u";
const LONG_PASSWORD: &str = "pw-Lo9ngerThanTwentyBytes";
const BMC_KEY: &str = "kg-Hj5nB2";

fn hexadecimal(text: &str) -> String {
    text.bytes().map(|byte| format!("{byte:02x}")).collect()
}

/// What must not be found: each secret as text, in hexadecimal digits, and as a list of numbers.
fn needles() -> Vec<Vec<u8>> {
    [PASSWORD, WRONG_PASSWORD, LONG_PASSWORD, BMC_KEY]
        .iter()
        .flat_map(|secret| {
            let hex = hexadecimal(secret);
            let numbers = secret.bytes().map(|byte| byte.to_string()).collect::<Vec<_>>().join(", ");
            [(*secret).to_owned(), hex.to_uppercase(), hex, numbers]
        })
        .map(String::into_bytes)
        .collect()
}

/// Asserts that none of the secrets is in `bytes`.
fn search(place: &str, bytes: &[u8]) {
    for needle in needles() {
        let found = bytes.windows(needle.len()).position(|window| window == needle);
        assert!(found.is_none(), "{place} has {}", String::from_utf8_lossy(&needle));
    }
}

/// Arguments and environment of every process there is.
fn search_processes() {
    for process in fs::read_dir("/proc").unwrap().flatten() {
        for file in ["cmdline", "environ"] {
            // A process may end while we look, and some are not ours to look into.
            let bytes = fs::read(process.path().join(file)).unwrap_or_default();
            search(&format!("{}/{file}", process.path().display()), &bytes);
        }
    }
}

/// All files below a directory, but for the database: it holds what operators have given it.
fn search_files(directory: &Path) {
    for entry in fs::read_dir(directory).unwrap().flatten() {
        let path = entry.path();
        let name = entry.file_name().to_string_lossy().into_owned();
        if path.is_dir() {
            search_files(&path);
        } else if !name.starts_with("farrier.db") {
            search(&path.display().to_string(), &fs::read(&path).unwrap_or_default());
        }
    }
}

fn info(bmc: &Bmc, password: &str, key: &str) -> Value {
    json!({
        "ipmi_address": bmc.address().ip().to_string(), "ipmi_port": bmc.address().port(),
        "ipmi_username": "admin", "ipmi_password": password, "ipmi_hex_kg_key": hexadecimal(key),
    })
}

#[test]
fn no_secret_of_a_bmc_is_in_logs_answers_arguments_environments_or_files() {
    let users = vec![User::new("admin", PASSWORD, level::ADMINISTRATOR)];
    let bmc =
        Bmc::start(Settings { users, bmc_key: Some(BMC_KEY.as_bytes().to_vec()), ..Settings::default() })
            .unwrap();
    let mut daemon = Daemon::start_with(|settings| {
        settings.tables = "[log]\nfilter = \"trace\"\n\n[ipmi]\nmin_command_interval = 0\n".to_owned();
    });
    let good = daemon.enroll("good", "ipmi", &info(&bmc, PASSWORD, BMC_KEY));
    let wrong = daemon.enroll("wrong", "ipmi", &info(&bmc, WRONG_PASSWORD, BMC_KEY));
    let long = daemon.enroll("long", "ipmi", &info(&bmc, LONG_PASSWORD, BMC_KEY));

    let mut answers = String::new();
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        // All the time, so that a short-lived process would be seen too.
        let searching = scope.spawn(|| {
            while !done.load(Ordering::SeqCst) {
                search_processes();
            }
        });
        for (node, target) in [(&good, "power on"), (&good, "rebooting"), (&wrong, "power on")] {
            answers += &daemon.power(node, target).to_string();
        }
        done.store(true, Ordering::SeqCst);
        searching.join().unwrap();
    });
    assert!(bmc.is_on());
    let refused =
        daemon.send("PUT", &format!("/v1/nodes/{long}/states/power"), &json!({"target": "power on"}));
    answers += &refused.json().to_string();
    for node in [&good, &wrong, &long] {
        for path in ["", "/validate", "/management/boot_device", "/states"] {
            answers += &daemon.get(&format!("/v1/nodes/{node}{path}")).json().to_string();
        }
    }
    answers += &daemon.get("/v1/nodes/detail").json().to_string();
    let process = daemon.farrierd().process();
    let log = process.log().to_owned();

    search("an answer", answers.as_bytes());
    let text = fs::read(&log).unwrap();
    // The search would find nothing in a log that tells nothing.
    assert!(
        String::from_utf8_lossy(&text).contains("session opened"),
        "the plugin's own records are missing"
    );
    search("the log", &text);
    search_files(log.parent().unwrap());
    assert!(answers.contains("authentication with"), "{answers}");
}
