//! The command line, and the library in a test of somebody else's.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use farrier_sim::{http, plugin};
use serde_json::{Value, json};
use tempfile::TempDir;

fn kit(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_farrier-conformance")).args(arguments).output().unwrap()
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn profile() -> String {
    format!("{}/../wayward/conformance.toml", env!("CARGO_MANIFEST_DIR"))
}

fn library() -> String {
    plugin::library("wayward").unwrap().display().to_string()
}

#[test]
fn all_reports_are_written() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name).display().to_string();
    let reports = format!("text,json={},junit={},html={}", file("r.json"), file("r.xml"), file("r.html"));

    let output =
        kit(&["run", &library(), "--profile", &profile(), "--filter", "PKG,LOD-001", "--report", &reports]);

    assert!(output.status.success(), "{}", text(&output));
    assert!(text(&output).contains("no level: only PKG, LOD-001 was looked at"), "{}", text(&output));
    for (name, part) in [
        ("r.json", "\"id\": \"PKG-001\""),
        ("r.xml", "<testsuite name=\"LOD loading\""),
        ("r.html", "<h1>wayward"),
    ] {
        let written = std::fs::read_to_string(folder.path().join(name)).unwrap();
        assert!(written.contains(part), "{written}");
    }

    let same = kit(&["diff", &file("r.json"), &file("r.json")]);

    assert!(same.status.success());
    assert_eq!(text(&same), "");
}

#[test]
fn a_comparison_with_a_worse_report_fails() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name).display().to_string();
    let bad = folder.path().join("bad.toml");
    let worse = std::fs::read_to_string(profile())
        .unwrap()
        .replace("[driver_info]", "[options]\nrule = \"LOD-004\"\n\n[driver_info]");
    std::fs::write(&bad, worse).unwrap();
    for (profile, report) in [(profile(), "good.json"), (bad.display().to_string(), "bad.json")] {
        kit(&[
            "run",
            &library(),
            "--profile",
            &profile,
            "--filter",
            "LOD-004",
            "--report",
            &format!("json={}", file(report)),
        ]);
    }

    let output = kit(&["diff", &file("good.json"), &file("bad.json")]);

    assert!(!output.status.success());
    assert!(text(&output).starts_with("LOD-004: passed -> failed: it printed "), "{}", text(&output));
}

#[test]
fn checks_run_in_one_process_for_a_debugger() {
    let arguments = ["run", &library(), "--profile", &profile(), "--filter", "POW-00*", "--in-process"];

    let output = kit(&arguments);

    assert!(output.status.success(), "{}", text(&output));
    assert!(text(&output).contains("9 passed"), "{}", text(&output));
}

#[test]
fn every_check_is_listed_and_explained() {
    let list = text(&kit(&["list"]));

    assert!(list.lines().count() > 60, "{list}");
    for line in list.lines() {
        let id = line.split_whitespace().next().unwrap();
        let explanation = text(&kit(&["explain", id]));
        assert!(explanation.starts_with(id) && explanation.contains("Source: "), "{explanation}");
    }
}

#[test]
fn what_does_not_exist_is_an_error_that_says_so() {
    let none = kit(&["explain", "XXX-001"]);
    let filter = kit(&["run", &library(), "--filter", "XXX"]);

    assert!(String::from_utf8_lossy(&none.stderr).contains("there is no check `XXX-001`"));
    assert!(String::from_utf8_lossy(&filter.stderr).contains("`XXX` names no check"));
}

#[test]
fn a_machine_is_only_changed_when_its_serial_number_was_confirmed() {
    let folder = tempfile::tempdir().unwrap();
    let target = folder.path().join("target.toml");
    let machine = "[target]\nkind = \"machine\"\n[target.machine]\nserial = \"SN1\"\nidentity = \"operator\"\naddress = \"127.0.0.1:1\"\n";
    std::fs::write(&target, machine).unwrap();
    let target = target.display().to_string();
    let run = |more: &[&str]| {
        let (library, profile) = (library(), profile());
        let arguments = ["run", &library, "--profile", &profile, "--target", &target, "--filter", "POW-002"];
        kit(&[&arguments, more].concat())
    };

    let unconfirmed = run(&[]);
    let other = run(&["--confirm", "SN2"]);
    let confirmed = run(&["--confirm", "SN1"]);

    assert!(
        text(&unconfirmed)
            .contains("POW-002 skipped: it changes the machine, whose serial number was not confirmed")
    );
    assert!(
        String::from_utf8_lossy(&other.stderr)
            .contains("the profile is about machine `SN1`, `SN2` was confirmed")
    );
    assert!(text(&confirmed).contains("POW-002 failed"), "{}", text(&confirmed));
}

/// To see what it leaves, all methods and steps of the release before are called.
#[test]
fn a_machine_is_not_shown_to_the_release_before() {
    let folder = tempfile::tempdir().unwrap();
    let target = folder.path().join("target.toml");
    let machine = "[target]\nkind = \"machine\"\n[target.machine]\nserial = \"SN1\"\nidentity = \"operator\"\naddress = \"127.0.0.1:1\"\n";
    std::fs::write(&target, machine).unwrap();
    let profile = folder.path().join("profile.toml");
    let known = std::fs::read_to_string(self::profile()).unwrap();
    let (unknown, _) = known.split_once("[upgrade.internal_info]").unwrap();
    std::fs::write(&profile, unknown).unwrap();
    let (library, profile, target) = (library(), profile.display().to_string(), target.display().to_string());
    let previous = ["run", &library, "--previous", &library, "--profile", &profile, "--target", &target];

    let judged = kit(&[&previous[..], &["--filter", "UPG-001"]].concat());

    let told = "UPG-001 skipped: every method and step of the release before would be called";
    assert!(text(&judged).contains(told), "{}", text(&judged));
}

/// Where the machine is behind its BMC.
const SYSTEM: &str = "/redfish/v1/Systems/1";

/// One of the kit's emulators, in the place of a real machine.
struct Machine {
    process: Child,
    said: Value,
    folder: TempDir,
    /// More of its table.
    limits: &'static str,
}

impl Drop for Machine {
    fn drop(&mut self) {
        self.process.kill().unwrap_or_default();
        self.process.wait().ok();
    }
}

impl Machine {
    fn start() -> Self {
        let mut process = Command::new(env!("CARGO_BIN_EXE_farrier-conformance"))
            .args(["emulate", "redfish"])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        Self {
            process,
            said: serde_json::from_str(&line).unwrap(),
            folder: tempfile::tempdir().unwrap(),
            limits: "",
        }
    }

    /// What the kit says of a plugin on it; the machine's serial number is said to be `serial`.
    fn judge(&self, plugin_name: &str, profile: &str, serial: &str, filter: &str) -> String {
        let file = self.folder.path().join("target.toml");
        let said = &self.said;
        let target = format!(
            "[target]\nkind = \"machine\"\n[target.machine]\nserial = \"{serial}\"\naddress = {}\nuser = {}\npassword = {}\n{}\n",
            said["address"], said["user"], said["password"], self.limits
        );
        std::fs::write(&file, target).unwrap();
        let (library, file) =
            (plugin::library(plugin_name).unwrap().display().to_string(), file.display().to_string());
        let profile = format!("{}/../../{profile}", env!("CARGO_MANIFEST_DIR"));
        let arguments = ["run", &library, "--profile", &profile, "--target", &file, "--filter", filter];
        text(&kit(&[&arguments[..], &["--confirm", serial]].concat()))
    }

    /// Looks at the machine, or changes it, as somebody else does.
    fn system(&self, method: &str, body: Option<&Value>) -> Value {
        self.ask(method, SYSTEM, body).json()
    }

    /// Speaks to the BMC as somebody else does.
    fn ask(&self, method: &str, path: &str, body: Option<&Value>) -> http::Response {
        let text = |name: &str| self.said[name].as_str().unwrap();
        let login = STANDARD.encode(format!("{}:{}", text("user"), text("password")));
        let headers = [("Authorization", &*format!("Basic {login}")), ("Connection", "close")];
        http::request(text("address").parse().unwrap(), method, path, &headers, body).unwrap()
    }
}

#[test]
fn a_machine_is_only_changed_when_it_says_that_it_is_the_one() {
    let machine = Machine::start();
    let run = |plugin_name, profile, serial| machine.judge(plugin_name, profile, serial, "POW-002,POW-003");

    let same = run("redfish", "drivers/redfish/conformance.toml", "KIT-1");
    let other = run("redfish", "drivers/redfish/conformance.toml", "KIT-2");
    let unasked = run("template", "plugins/template/conformance.toml", "KIT-1");

    assert!(same.contains("2 passed, 0 failed"), "{same}");
    let stranger = "POW-002 skipped: it changes the machine, which did not turn out to be `KIT-2`: \
        it says that it is `KIT-1`";
    assert!(other.contains(stranger) && other.contains("0 passed, 0 failed"), "{other}");
    let note = "note: nobody but the operator says that the machine is `KIT-1`: \
        this plugin has no inspection that could tell";
    assert!(unasked.contains(note), "{unasked}");
}

#[test]
fn a_machine_is_switched_as_often_as_it_may_be() {
    let mut machine = Machine::start();
    machine.limits = "power_cycles_max = 2";

    let said =
        machine.judge("redfish", "drivers/redfish/conformance.toml", "KIT-1", "POW-002,POW-003,POW-007");

    assert!(said.contains("2 passed, 0 failed"), "the first, and the one that changes nothing: {said}");
    let worn = "POW-003 skipped: it changes the machine, which was switched ";
    assert!(said.contains(worn) && said.contains("times: `power_cycles_max` is 2"), "{said}");
}

#[test]
fn a_machine_is_also_switched_by_what_prepares_its_boot() {
    let mut machine = Machine::start();
    machine.limits = "power_cycles_max = 1\nimage = \"http://127.0.0.1:1/agent.iso\"";
    let reset = format!("{SYSTEM}/Actions/ComputerSystem.Reset");
    machine.ask("POST", &reset, Some(&json!({"ResetType": "On"})));
    assert_eq!(machine.system("GET", None)["PowerState"], "On");

    let said = machine.judge("redfish", "drivers/redfish/conformance.toml", "KIT-1", "BOT-001,BOT-004");

    assert!(said.contains("1 passed, 0 failed"), "{said}");
    let worn = "BOT-004 skipped: it changes the machine, which was switched 1 times";
    assert!(said.contains(worn), "it was powered off for its virtual media: {said}");
}

#[test]
fn a_machine_is_left_alone_after_it_was_switched_and_only_then() {
    let (mut machine, profile) = (Machine::start(), "drivers/redfish/conformance.toml");

    machine.limits = "settle_s = 4";
    let begin = Instant::now();
    let switched = machine.judge("redfish", profile, "KIT-1", "POW-002");
    let elapsed = begin.elapsed();
    machine.limits = "settle_s = 200";
    let begin = Instant::now();
    let looked_at = machine.judge("redfish", profile, "KIT-1", "POW-001");

    assert!(switched.contains("1 passed, 0 failed"), "{switched}");
    assert!(Duration::from_secs(4) <= elapsed, "it settled for 4 s within {elapsed:?}: {switched}");
    assert!(looked_at.contains("1 passed, 0 failed"), "{looked_at}");
    assert!(begin.elapsed() < Duration::from_secs(200), "nothing had to settle: {looked_at}");
}

#[test]
fn a_machine_is_left_as_it_was_found() {
    let machine = Machine::start();
    let boot = json!({"BootSourceOverrideTarget": "Pxe", "BootSourceOverrideEnabled": "Continuous"});
    machine.system("PATCH", Some(&json!({"Boot": boot})));

    let said = machine.judge("redfish", "drivers/redfish/conformance.toml", "KIT-1", "POW-002,MGT-003");

    assert!(said.contains("2 passed, 0 failed"), "{said}");
    let system = machine.system("GET", None);
    assert_eq!(system["PowerState"], "Off", "POW-002 switched it on");
    let left = json!({
        "BootSourceOverrideTarget": system["Boot"]["BootSourceOverrideTarget"],
        "BootSourceOverrideEnabled": system["Boot"]["BootSourceOverrideEnabled"],
    });
    assert_eq!(left, boot, "MGT-003 set another device");
}

#[test]
fn the_manual_lists_every_check() {
    let list = text(&kit(&["list", "--markdown"]));
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/src/vendor/conformance.md");

    let manual = std::fs::read_to_string(page).unwrap();

    let (_, rest) = manual.split_once("<!-- farrier-conformance list --markdown -->\n\n").unwrap();
    assert_eq!(
        rest.trim_end(),
        list.trim_end(),
        "write what `farrier-conformance list --markdown` prints there"
    );
}

/// The kit as vendors use it in their own tests: this test is run again for each check.
#[test]
fn a_vendor_judges_a_plugin_in_a_test() {
    farrier_conformance::check(library(), profile());
}

#[test]
#[should_panic(expected = "LOD-004 failed (must)")]
fn a_vendors_test_fails_with_the_report() {
    let profile = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/talkative.toml");

    farrier_conformance::check(library(), profile);
}
