//! Plugins and hosts of earlier builds get along with this one.
//!
//! They are files of one platform; elsewhere there is nothing to load.
#![cfg(all(target_arch = "x86_64", target_os = "linux", target_env = "gnu"))]

use std::fs::{self, Permissions};
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};

use farrier_conformance::report::Outcome;
use farrier_conformance::{Profile, run};
use farrier_loader::Sha256;
use farrier_sim::plugin;
use figment::Figment;
use figment::providers::{Format, Toml};
use serde::Deserialize;
use serde_json::json;

use crate::rogues::options;

/// What is kept.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kept {
    plugin: Vec<Entry>,
    host: Vec<Entry>,
}

/// One kept file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    file: String,
    sha256: String,
    /// The commit it was built from.
    revision: String,
    /// The SDK of that time.
    sdk: String,
    /// The compiler.
    rustc: String,
}

impl Entry {
    /// The file as it was built; a host is kept compressed.
    fn bytes(&self) -> Vec<u8> {
        let path = directory().join(&self.file);
        if path.extension().is_none_or(|extension| extension != "gz") {
            return fs::read(path).unwrap();
        }
        let output = Command::new("gzip").arg("-dc").arg(path).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    }
}

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("kept")
}

fn kept() -> Kept {
    let text = fs::read_to_string(directory().join("kept.toml")).unwrap();
    Figment::from(Toml::string(&text)).extract().unwrap()
}

/// A directory that a loader trusts, with one file in it.
fn directory_with(name: &str, bytes: &[u8]) -> tempfile::TempDir {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let file = folder.path().join(name);
    fs::write(&file, bytes).unwrap();
    for path in [folder.path(), &file] {
        fs::set_permissions(path, Permissions::from_mode(0o755)).unwrap();
    }
    folder
}

#[test]
fn kept_files_are_those_that_were_built() {
    let Kept { plugin, host } = kept();
    assert!(!plugin.is_empty() && !host.is_empty());

    for entry in plugin.iter().chain(&host) {
        let bytes = entry.bytes();
        assert_eq!(Sha256::of(&bytes).to_string(), entry.sha256, "{} is never rebuilt", entry.file);
        assert!(entry.revision.len() == 40 && !entry.sdk.is_empty() && !entry.rustc.is_empty(), "{entry:?}");
    }
}

#[test]
fn this_host_loads_and_calls_plugins_that_are_older() {
    let drivers = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../drivers");
    for entry in kept().plugin {
        let profile = Profile::from_file(&drivers.join("fake/conformance.toml")).unwrap();
        let mut options = options();
        let chosen = ["PKG", "LOD", "CON-001", "CON-002", "CON-013", "CON-014", "POW", "MGT"];
        options.filter = chosen.map(str::to_owned).to_vec();

        let report = run(&directory().join(&entry.file), &profile, &options).unwrap();

        assert!(report.is_good(), "{}: {}", entry.file, report.text());
        assert!(report.count(Outcome::Passed) > 30, "{}", report.text());
        assert_eq!(report.plugin.sdk, entry.sdk);
    }
}

/// A machine that is on and sets a cookie with every answer; its address, and the requests it got.
fn machine() -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let heard = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&heard);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
            let head: Vec<String> =
                lines.by_ref().map_while(Result::ok).take_while(|line| !line.is_empty()).collect();
            seen.lock().unwrap().push(head.join("\n").to_ascii_lowercase());
            let body = "{\"PowerState\":\"On\"}";
            let answer = format!(
                "HTTP/1.1 200 OK\r\nconnection: close\r\nset-cookie: id=1\r\ncontent-length: {}\r\n\r\n{body}",
                body.len()
            );
            stream.write_all(answer.as_bytes()).unwrap();
        }
    });
    (url, heard)
}

#[test]
fn a_plugin_that_wants_cookies_kept_works_on_hosts_that_keep_none() {
    for entry in kept().host {
        let program = directory_with("farrier-kept", &entry.bytes());
        let plugins =
            directory_with("libwayward.so", &fs::read(plugin::library("wayward").unwrap()).unwrap());
        let (url, heard) = machine();
        let info = json!({"wayward_url": url, "wayward_site": "here", "wayward_through_host": true});

        let mut command = Command::new(program.path().join("farrier-kept"));
        let output = command.arg(plugins.path()).arg(info.to_string()).output().unwrap();

        let printed = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{}: {printed}", entry.file);
        assert!(printed.contains("wayward wayward get_power_state: \"power on\""), "{printed}");
        let heard = heard.lock().unwrap();
        assert!(heard.len() > 1 && heard.iter().all(|head| !head.contains("cookie:")), "{heard:?}");
    }
}

#[test]
fn hosts_that_are_older_load_and_call_plugins_of_this_build() {
    for entry in kept().host {
        let program = directory_with("farrier-kept", &entry.bytes());
        let plugins = directory_with("libfake.so", &fs::read(plugin::library("fake").unwrap()).unwrap());

        let output =
            Command::new(program.path().join("farrier-kept")).arg(plugins.path()).arg("{}").output().unwrap();

        let printed = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{}: {printed}", entry.file);
        assert!(printed.contains("fake fake get_power_state: \"power on\""), "{printed}");
    }
}
