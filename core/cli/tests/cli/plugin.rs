//! `farrier plugin`: on the template's library, on broken ones, and from nothing.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on fails; helper functions of tests are not recognized as tests"
)]

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex};

use assert_cmd::cargo::cargo_bin;
use farrier_sim::plugin;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::run::{Run, program};

const PASSWORD: &str = "s3cret-of-the-bmc";

/// A library in a directory that nobody else writes to.
struct Bench {
    directory: TempDir,
    library: PathBuf,
}

impl Bench {
    fn new() -> Self {
        Self::with(|content| content)
    }

    fn with(change: impl FnOnce(Vec<u8>) -> Vec<u8>) -> Self {
        let directory = TempDir::new().unwrap();
        let library = directory.path().join("libacme.so");
        let content = fs::read(plugin::library("template").unwrap()).unwrap();
        fs::write(&library, change(content)).unwrap();
        Self { directory, library }
    }

    /// Runs `farrier plugin`; `LIB` in the line is the library.
    fn plugin(&self, line: &str) -> Run {
        program(&[], &format!("plugin {}", line.replace("LIB", self.library.to_str().unwrap())))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }
}

/// A BMC of the template's kind that is on, and everything it was asked.
fn bmc() -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let asked = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&asked);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
            let head: Vec<String> =
                lines.by_ref().map(Result::unwrap).take_while(|line| !line.is_empty()).collect();
            let allowed = head.iter().any(|line| line.ends_with(&format!("Basic {}", base64())));
            seen.lock().unwrap().push(head.first().cloned().unwrap_or_default());
            let (status, body) =
                if allowed { ("200 OK", "{\"state\":\"on\"}") } else { ("401 Unauthorized", "") };
            let length = body.len();
            let answer =
                format!("HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}");
            stream.write_all(answer.as_bytes()).unwrap();
        }
    });
    (address, asked)
}

/// `admin:` and the password.
fn base64() -> &'static str {
    "YWRtaW46czNjcmV0LW9mLXRoZS1ibWM="
}

#[test]
fn inspection_tells_everything_as_a_page_and_as_json() {
    let bench = Bench::new();

    let page = bench.plugin("inspect LIB");
    let facts = bench.plugin("inspect LIB --format json").json();

    assert_eq!(page.code, 0, "{}", page.stderr);
    for part in ["acme 0.1.0", "power `acme`", "reset_bmc: Restart the BMC", "[acme] of the configuration"] {
        assert!(page.stdout.contains(part), "{part} in {}", page.stdout);
    }
    assert_eq!(facts["descriptor"]["hardware_types"]["acme"]["power"], json!(["acme"]));
    assert_eq!(facts["needs"]["machine"], std::env::consts::ARCH);
    assert_eq!(facts["library"]["sha256"].as_str().unwrap().len(), 64);
    assert_eq!(facts["refusals"], json!([]));
}

#[test]
fn a_good_library_passes_every_step() {
    let bench = Bench::new();

    let facts = bench.plugin("check LIB -o json").json();

    assert_eq!(facts["accepted"], true);
    let outcomes: Vec<&Value> =
        facts["steps"].as_array().unwrap().iter().map(|step| &step["outcome"]).collect();
    assert_eq!(outcomes.len(), 16);
    // Nobody vouches for plugins yet.
    let passed = outcomes.iter().enumerate().filter(|(index, _)| *index != 7);
    assert!(passed.map(|(_, outcome)| *outcome).all(|outcome| outcome == "passed"), "{facts}");
    assert_eq!(outcomes[7], "not taken");
}

/// The step that refuses a library, and what the program says.
fn refusal(change: impl FnOnce(Vec<u8>) -> Vec<u8>) -> (u64, String) {
    let bench = Bench::with(change);
    let run = bench.plugin("check LIB -o json");
    let facts = run.json();
    assert_eq!((run.code, &facts["accepted"]), (1, &json!(false)), "{facts}");
    let steps = facts["steps"].as_array().unwrap();
    let refused = steps.iter().find(|step| step["outcome"] == "refused").unwrap();
    let error: Value = serde_json::from_str(&run.stderr).unwrap();
    assert!(error["hint"].is_string(), "{error}");
    (refused["step"].as_u64().unwrap(), refused["reason"].as_str().unwrap().to_owned())
}

/// The content with the first `from` replaced by `to`, which is as long.
fn with_first(mut content: Vec<u8>, from: &[u8], to: &[u8]) -> Vec<u8> {
    let at = content.windows(from.len()).position(|window| window == from).unwrap();
    content[at..at + to.len()].copy_from_slice(to);
    content
}

#[test]
fn each_kind_of_bad_file_is_refused_at_its_step_with_its_reason() {
    let text = refusal(|_| b"#!/bin/sh".to_vec());
    let machine = refusal(|mut content| {
        content[18] = 183;
        content
    });
    let half = refusal(|content| content[..content.len() / 2].to_vec());
    let newer = refusal(|content| with_first(content, b"\"abi\":1,", b"\"abi\":2,"));
    let nameless = refusal(|content| with_first(content, b"farrier\0", b"fArrier\0"));
    let glibc = refusal(|content| with_first(content, b"libgcc_s.so.1", b"libacm_s.so.1"));

    assert_eq!(text, (3, "not an ELF file: it starts with `#!/bin/sh`".to_owned()));
    assert_eq!(machine.0, 3);
    assert!(machine.1.starts_with("built for aarch64"), "{}", machine.1);
    assert_eq!(half.0, 4);
    assert!(half.1.starts_with("the file is incomplete"), "{}", half.1);
    assert_eq!(newer, (6, "built for ABI 2, this host has ABI 1".to_owned()));
    assert_eq!(nameless, (5, "not a plugin: it has no descriptor".to_owned()));
    assert_eq!(glibc, (7, "needs `libacm_s.so.1`, which is not installed".to_owned()));
}

#[test]
fn a_plugin_that_does_not_start_says_why() {
    let run = Bench::new().plugin("check LIB --option answer_timeout_s=0");

    assert_eq!(run.code, 1);
    assert!(run.stdout.contains("15 start"), "{}", run.stdout);
    assert!(run.stderr.contains("`answer_timeout_s` has to be at least 1"), "{}", run.stderr);
    assert!(run.stdout.contains("14 root module       passed"), "{}", run.stdout);
}

#[test]
fn where_a_file_is_matters_unless_it_does_not() {
    let bench = Bench::new();
    let link = bench.path("link.so");
    std::os::unix::fs::symlink(&bench.library, &link).unwrap();

    let minded = program(&[], &format!("plugin check {}", link.display()));
    let anywhere = program(&[], &format!("plugin check {} --anywhere", link.display()));

    assert_eq!(minded.code, 1);
    assert!(
        minded.stdout.contains("02 file              REFUSED: the file is a symbolic link"),
        "{}",
        minded.stdout
    );
    assert!(
        minded.stdout.contains("16 interfaces        passed"),
        "what comes after is told: {}",
        minded.stdout
    );
    assert_eq!(anywhere.code, 0, "{}", anywhere.stderr);
}

#[test]
fn what_is_not_there_is_said() {
    let bench = Bench::new();

    let run = bench.plugin("inspect LIB-no");

    assert_eq!(run.code, 3);
    assert!(run.stderr.contains("No such file"), "{}", run.stderr);
}

#[test]
fn documentation_has_properties_steps_and_options() {
    let page = Bench::new().plugin("docs LIB").stdout;

    for part in [
        "# Plugin `acme`",
        "| `acme_password` | string | required | Password of the management account; secret |",
        "| `reset_bmc` | clean, service; on request | Restart the BMC | `force`: Whether to reset",
        "| `poll_interval_ms` | integer | 1000 |",
    ] {
        assert!(page.contains(part), "{part} in {page}");
    }
}

#[test]
fn one_call_from_the_shell_with_the_password_from_the_environment_a_file_or_standard_input() {
    let bench = Bench::new();
    let (address, _) = bmc();
    let file = bench.path("password");
    fs::write(&file, format!("{PASSWORD}\n")).unwrap();
    let line = format!("run LIB power get_power_state --driver-info acme_address={address}");
    let line = format!("plugin {}", line.replace("LIB", bench.library.to_str().unwrap()));

    let variable = program(&[("BMC", PASSWORD)], &format!("{line} --driver-info-env acme_password=BMC"));
    let read = program(&[], &format!("{line} --driver-info-file acme_password={}", file.display()));
    let mut command = std::process::Command::new(cargo_bin("farrier"));
    command.args(line.split_whitespace()).args(["--driver-info-file", "acme_password=-"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(PASSWORD.as_bytes()).unwrap();
    let piped = child.wait_with_output().unwrap();

    assert_eq!((variable.code, variable.stdout.as_str()), (0, "\"power on\"\n"), "{}", variable.stderr);
    assert_eq!(variable.stderr, "");
    assert_eq!((read.code, read.stdout.as_str()), (0, "\"power on\"\n"), "{}", read.stderr);
    assert_eq!(String::from_utf8(piped.stdout).unwrap(), "\"power on\"\n");
}

#[test]
fn a_wrong_password_is_an_error_without_it() {
    let bench = Bench::new();
    let (address, _) = bmc();

    let run = bench.plugin(&format!(
        "run LIB power get_power_state --log trace --driver-info acme_address={address} --driver-info acme_password=wr0ng-one"
    ));

    assert_eq!(run.code, 1);
    assert!(run.stderr.contains("error: `get_power_state` failed: auth_failed"), "{}", run.stderr);
    assert!(run.stderr.contains("others can see command lines"), "{}", run.stderr);
    assert!(!run.stderr.contains("wr0ng-one"), "{}", run.stderr);
}

#[test]
fn requests_are_recorded_without_the_password_and_replayed_without_the_bmc() {
    let bench = Bench::new();
    let (address, asked) = bmc();
    let cassette = bench.path("power.jsonl");
    let line = |address: &str, how: &str| {
        let library = bench.library.display();
        format!(
            "plugin run {library} power get_power_state --log trace --driver-info acme_address={address} \
             --driver-info-env acme_password=BMC --{how} {}",
            cassette.display()
        )
    };

    let live = program(&[("BMC", PASSWORD)], &line(&address, "record"));
    let replayed = program(&[("BMC", "another")], &line("http://192.0.2.1", "replay"));

    assert_eq!((live.code, live.stdout.as_str()), (0, "\"power on\"\n"), "{}", live.stderr);
    assert_eq!((replayed.code, replayed.stdout.as_str()), (0, "\"power on\"\n"), "{}", replayed.stderr);
    assert_eq!(asked.lock().unwrap().len(), 1);
    let text = fs::read_to_string(&cassette).unwrap();
    for secret in [PASSWORD, base64(), &address] {
        assert!(!text.contains(secret), "{text}");
    }
    for log in [&live.stderr, &replayed.stderr] {
        assert!(log.contains("HTTP request"), "the log is on: {log}");
        assert!(!log.contains(PASSWORD) && !log.contains(base64()), "{log}");
    }
}

#[test]
fn a_recording_without_requests_is_said_to_be_empty_and_answers_nothing() {
    let library = plugin::library("fake").unwrap();
    let directory = TempDir::new().unwrap();
    let line = |how: &str| {
        let cassette = directory.path().join("power.jsonl");
        format!("plugin run {} power get_power_state --{how} {}", library.display(), cassette.display())
    };

    let live = program(&[], &line("record"));
    let replayed = program(&[], &line("replay"));

    assert_eq!(live.code, 0, "{}", live.stderr);
    assert!(live.stderr.contains("nothing was recorded in `"), "{}", live.stderr);
    assert!(live.stderr.contains("not what goes over sockets of its own"), "{}", live.stderr);
    assert_eq!(replayed.code, 1, "{}", replayed.stdout);
    assert!(replayed.stderr.contains("power.jsonl` has no request on it"), "{}", replayed.stderr);
    assert!(
        replayed.stderr.contains("hint: only what a plugin asks through the conductor"),
        "{}",
        replayed.stderr
    );
}

#[test]
fn hints_are_about_the_call_that_was_made() {
    let bench = Bench::new();
    let node = "--driver-info acme_address=http://127.0.0.1:1 --driver-info-file acme_password=/dev/null";

    let state = bench.plugin(&format!("run LIB power set_power_state --arg state=on {node}"));
    let method = bench.plugin(&format!("run LIB power nosuch {node}"));
    // It has the method, and says by itself that it cannot.
    let library = plugin::library("wayward").unwrap();
    let call = "power get_power_state --option rule=has-nothing --driver-info wayward_site=here";
    let own = program(&[], &format!("plugin run {} {call}", library.display()));

    let states =
        "hint: `state` is one of `power on`, `power off`, `rebooting`, `soft rebooting`, `soft power off`";
    assert!(state.stderr.contains(states), "{}", state.stderr);
    assert!(
        method.stderr.contains("hint: `farrier plugin inspect` tells which methods it has"),
        "{}",
        method.stderr
    );
    assert!(own.stderr.contains("unsupported"), "{}", own.stderr);
    assert!(!own.stderr.contains("tells which methods it has"), "{}", own.stderr);
}

#[test]
fn what_the_plugin_lacks_is_said() {
    let bench = Bench::new();

    let interface = bench.plugin("run LIB bios factory_reset");
    let method = bench.plugin(
        "run LIB power nosuch --driver-info acme_address=http://127.0.0.1:1 --driver-info acme_password=x",
    );
    let property = bench.plugin("run LIB power get_power_state");

    assert!(interface.stderr.contains("has no bios implementation; it has none"), "{}", interface.stderr);
    assert!(method.stderr.contains("`nosuch` is not supported"), "{}", method.stderr);
    assert!(property.stderr.contains("missing `acme_address`, `acme_password`"), "{}", property.stderr);
}

fn new(directory: &Path, line: &str) -> Run {
    program(&[], &format!("plugin new {}", line.replace("DIR", directory.to_str().unwrap())))
}

#[test]
fn a_new_plugin_has_its_name_everywhere() {
    let directory = TempDir::new().unwrap();
    let sdk = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../plugins/sdk");

    let path = new(directory.path(), &format!("pdu-http --directory DIR/a --sdk-path {}", sdk.display()));
    let git = new(
        directory.path(),
        "pdu-http --directory DIR/b --sdk-git https://example.org/farrier --sdk-tag v1",
    );
    let registry = new(directory.path(), "pdu-http --directory DIR/c");

    assert_eq!(path.code, 0, "{}", path.stderr);
    assert!(path.stdout.contains("farrier plugin check target/release/libpdu_http.so"), "{}", path.stdout);
    let manifest = |name: &str| fs::read_to_string(directory.path().join(name).join("Cargo.toml")).unwrap();
    let sdk = sdk.canonicalize().unwrap();
    assert!(manifest("a").contains(&format!("farrier-sdk = {{ path = \"{}\" }}", sdk.display())));
    assert!(manifest("b").contains("farrier-sdk = { git = \"https://example.org/farrier\", tag = \"v1\" }"));
    assert!(manifest("c").contains(&format!("farrier-sdk = \"{}\"", env!("CARGO_PKG_VERSION"))));
    assert_eq!((git.code, registry.code), (0, 0));
    let source = fs::read_to_string(directory.path().join("a/src/driver_info.rs")).unwrap();
    assert!(source.contains("pub(crate) pdu_http_address: String"), "{source}");
}

/// The workflow of a new plugin begins with `cargo fmt --check`.
#[test]
fn a_new_plugin_is_formatted_whatever_its_name_is() {
    let directory = TempDir::new().unwrap();
    for name in ["a", "zebra", "a-name-that-makes-every-line-longer"] {
        let run = new(directory.path(), &format!("{name} --directory DIR/{name}"));
        assert_eq!(run.code, 0, "{}", run.stderr);

        let mut format = std::process::Command::new(env!("CARGO"));
        format.args(["fmt", "--check"]).current_dir(directory.path().join(name));
        let checked = format.output().unwrap();

        assert!(checked.status.success(), "{name}: {}", String::from_utf8_lossy(&checked.stdout));
        assert!(!run.stdout.contains("cargo fmt"), "{}", run.stdout);
    }
}

#[test]
fn nothing_is_written_over_and_bad_names_are_refused() {
    let directory = TempDir::new().unwrap();

    let taken = new(directory.path(), "acme --directory DIR");
    let bad = new(directory.path(), "Acme --directory DIR/x");
    let sdk = new(directory.path(), "acme --directory DIR/x --sdk-path /nowhere");

    assert_eq!(taken.code, 4);
    assert!(taken.stderr.contains("exists already"), "{}", taken.stderr);
    assert_eq!(bad.code, 2);
    assert!(bad.stderr.contains("a plugin cannot be called `Acme`"), "{}", bad.stderr);
    assert_eq!(sdk.code, 2);
    assert!(!directory.path().join("x").exists());
}
