//! `farrierd plugins`, and what refused libraries do to the daemon.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use crate::harness::{Daemon, plugins, program};

/// A plugin directory of our own, with a copy of what is built and whatever `add` adds.
fn directory(add: impl FnOnce(&Path)) -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755)).unwrap();
    for name in ["fake", "ipmi", "redfish"] {
        let file = format!("libfarrier_{name}.so");
        fs::copy(plugins().join(&file), directory.path().join(&file)).unwrap();
    }
    add(directory.path());
    directory
}

fn config(room: &Path, plugins: &Path, types: &str) -> PathBuf {
    let file = room.join("farrier.toml");
    let text = format!(
        "[database]\nconnection = \"sqlite://{}\"\n[plugins]\ndirectory = \"{}\"\n\
         [drivers]\nenabled_hardware_types = [{types}]\n[api]\nport = 0\n",
        room.join("farrier.db").display(),
        plugins.display(),
    );
    fs::write(&file, text).unwrap();
    file
}

fn farrierd(config: &Path, arguments: &[&str]) -> Output {
    Command::new(program("farrierd")).arg("--config").arg(config).args(arguments).output().unwrap()
}

fn rows(output: &Output) -> Vec<Value> {
    serde_json::from_slice::<Value>(&output.stdout).unwrap().as_array().unwrap().clone()
}

fn row<'a>(rows: &'a [Value], file: &str) -> &'a Value {
    rows.iter().find(|row| row["library"]["path"].as_str().unwrap().ends_with(file)).unwrap()
}

#[test]
fn a_reader_that_has_seen_enough_is_no_error() {
    let (room, plugins) = (tempfile::tempdir().unwrap(), directory(|_| ()));
    let config = config(room.path(), plugins.path(), "\"ipmi\"");

    for arguments in [["plugins"].as_slice(), &["plugins", "--json"], &["plugins", "--explain"]] {
        let mut command = Command::new(program("farrierd"));
        command.arg("--config").arg(&config).args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut listing = command.spawn().unwrap();
        // Nobody reads what it is going to write.
        drop(listing.stdout.take());
        let output = listing.wait_with_output().unwrap();

        assert!(output.status.success(), "{arguments:?}: {}", output.status);
        assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{arguments:?}");
    }
}

#[test]
fn what_is_enabled_is_loadable_and_the_rest_is_available() {
    let (room, plugins) = (tempfile::tempdir().unwrap(), directory(|_| ()));
    let config = config(room.path(), plugins.path(), "\"ipmi\"");

    let output = farrierd(&config, &["plugins", "--json"]);

    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let rows = rows(&output);
    assert_eq!(row(&rows, "libfarrier_ipmi.so")["state"], "loadable");
    assert_eq!(row(&rows, "libfarrier_redfish.so")["state"], "available");
    assert_eq!(row(&rows, "libfarrier_fake.so")["state"], "available");
}

#[test]
fn a_bad_file_is_refused_with_its_reason_and_the_others_load() {
    let room = tempfile::tempdir().unwrap();
    let plugins = directory(|directory| {
        fs::write(directory.join("libbroken.so"), b"not a library").unwrap();
    });
    let config = config(room.path(), plugins.path(), "\"fake-hardware\"");

    let output = farrierd(&config, &["plugins"]);

    let table = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(table.contains("libbroken.so") && table.contains("not an ELF file"), "{table}");
    assert!(table.contains("loadable"), "{table}");
    let daemon = Daemon::start_with(|settings| {
        settings.plugins = plugins.path().to_owned();
        settings.hardware_types = vec!["fake-hardware".to_owned()];
    });
    assert_eq!(daemon.get("/v1/drivers").json()["drivers"][0]["name"], "fake-hardware");
}

#[test]
fn a_driver_whose_library_is_refused_keeps_the_daemon_from_starting_and_says_why() {
    let (room, plugins) = (tempfile::tempdir().unwrap(), directory(|_| ()));
    let library = plugins.path().join("libfarrier_ipmi.so");
    fs::set_permissions(&library, fs::Permissions::from_mode(0o777)).unwrap();
    let config = config(room.path(), plugins.path(), "\"ipmi\"");

    let output = farrierd(&config, &[]);

    let error = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success());
    assert!(error.contains("libfarrier_ipmi.so") && error.contains("refused"), "{error}");
    let listed = farrierd(&config, &["plugins", "--json"]);
    assert_eq!(row(&rows(&listed), "libfarrier_ipmi.so")["state"], "refused");
}

#[test]
fn an_unknown_driver_is_refused_by_the_api_by_name() {
    let daemon = Daemon::start();

    let refused = daemon.send("POST", "/v1/nodes", &serde_json::json!({"driver": "acme"}));

    assert_eq!(refused.status, 400);
    assert!(refused.json().to_string().contains("acme"), "{}", refused.json());
}

#[test]
fn an_unknown_interface_is_refused_by_the_api_by_name() {
    let daemon = Daemon::start();
    let node = serde_json::json!({"driver": "ipmi", "power_interface": "telepathy"});

    let refused = daemon.send("POST", "/v1/nodes", &node);

    assert_eq!(refused.status, 400);
    assert!(refused.json().to_string().contains("telepathy"), "{}", refused.json());
}
