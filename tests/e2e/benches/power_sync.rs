//! Power synchronization of thousands of BMCs by the daemon, through the loaded plugin.
//!
//! `cargo xtask bench ipmi` builds what it needs and runs it. Three passes for each number of BMCs: sessions kept from
//! the pass before, every session opened anew, and a tenth of the BMCs dead. The time of a pass is what the BMCs saw,
//! from its first question to its last; processor time is that of the daemon alone, of which the plugin is a part.
//! `FARRIER_BENCH_BMCS` sets how many BMCs there are.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::indexing_slicing,
    clippy::cast_precision_loss,
    reason = "a benchmark has nobody to report to, and its figures are small"
)]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use farrier_sim::farrierd::{Farrierd, Settings};
use farrier_sim::ipmi::{self, Fleet, Place};
use farrier_sim::port::free_port;
use farrier_sim::wait::wait_for;
use serde_json::{Value, json};

/// Numbers of BMCs.
const BMCS: [usize; 2] = [1000, 10_000];

/// Clients that enroll nodes at a time.
const CLIENTS: usize = 8;

/// Seconds between the beginnings of two passes, far more than one takes.
const INTERVAL: u64 = 20;

/// When no BMC is asked anything for so long, a pass is over.
const QUIET: Duration = Duration::from_secs(2);

/// Pause between two looks at all BMCs.
const LOOK_PAUSE: Duration = Duration::from_millis(250);

/// Long enough for anything here.
const PATIENCE: Duration = Duration::from_secs(600);

/// The kernel counts processor time in hundredths of a second.
const TICK: Duration = Duration::from_millis(10);

/// Get Chassis Status.
const STATUS: (u8, u8) = (0x00, 0x01);

/// What the daemon logs of a BMC that has not answered for too long.
const GIVEN_UP: &str = "power state is given up";

fn main() {
    let counts = std::env::var("FARRIER_BENCH_BMCS")
        .map_or_else(|_| BMCS.to_vec(), |count| vec![count.parse().unwrap()]);
    for count in counts {
        World::new(count).measure();
    }
}

/// BMCs, a daemon, and where it keeps what it knows.
struct World {
    fleet: Fleet,
    settings: Settings,
    daemon: Farrierd,
    // Removed last.
    _directory: tempfile::TempDir,
}

/// One pass, as the BMCs saw it.
struct Pass {
    elapsed: Duration,
    cpu: Duration,
    asked: usize,
}

impl World {
    fn new(count: usize) -> Self {
        let settings = |_| ipmi::Settings {
            log_max: 8,
            idle_timeout: Duration::from_secs(300),
            ..ipmi::Settings::default()
        };
        let first = ([127, 1, 0, 1], free_port().unwrap()).into();
        let fleet = Fleet::start(count, Place::Addresses(first), settings).unwrap();
        let directory = tempfile::tempdir().unwrap();
        let settings = Settings {
            program: output().join("farrierd"),
            directory: directory.path().to_owned(),
            plugins: plugins(directory.path()),
            port: free_port().unwrap(),
            database: None,
            hardware_types: vec!["ipmi".to_owned()],
            drivers: Vec::new(),
            conductor: Vec::new(),
            tables: String::new(),
        };
        let settings = configured(settings, 0, 300);
        let daemon = Farrierd::start(&settings).unwrap();
        let world = Self { fleet, settings, daemon, _directory: directory };
        world.enroll();
        world
    }

    /// Enrolls a node for each BMC and brings it under control.
    fn enroll(&self) {
        let count = self.fleet.bmcs.len();
        thread::scope(|scope| {
            for client in 0..CLIENTS {
                scope
                    .spawn(move || (client..count).step_by(CLIENTS).for_each(|index| self.enroll_one(index)));
            }
        });
        let mut last_look = None;
        wait_for("all nodes are under control", PATIENCE, || {
            paced(&mut last_look)?;
            let mut found = 0;
            let mut marker = String::new();
            loop {
                let path = format!("/v1/nodes?provision_state=manageable&fields=uuid&limit=1000{marker}");
                let list = self.daemon.call("GET", &path, None).unwrap().json();
                let nodes = list["nodes"].as_array().cloned().unwrap_or_default();
                found += nodes.len();
                let Some(last) = nodes.last().filter(|_| nodes.len() == 1000) else { break };
                marker = format!("&marker={}", last["uuid"].as_str().unwrap());
            }
            (found == count).then_some(())
        })
        .unwrap();
    }

    fn enroll_one(&self, index: usize) {
        let address = self.fleet.bmcs[index].address();
        let node = json!({
            "name": format!("bmc-{index}"), "driver": "ipmi",
            "driver_info": {
                "ipmi_address": address.ip().to_string(), "ipmi_port": address.port(),
                "ipmi_username": ipmi::USER, "ipmi_password": ipmi::PASSWORD,
            },
        });
        let enrolled = self.daemon.call("POST", "/v1/nodes", Some(&node)).unwrap();
        assert_eq!(enrolled.status, 201, "{}", enrolled.json());
        let path = format!("/v1/nodes/bmc-{index}/states/provision");
        // The pool may be full at the moment.
        wait_for("a place for another job", PATIENCE, || {
            let answer = self.daemon.call("PUT", &path, Some(&json!({"target": "manage"}))).unwrap();
            (answer.status == 202).then_some(())
        })
        .unwrap();
    }

    fn measure(mut self) {
        let count = self.fleet.bmcs.len();
        println!(
            "\n| power synchronization by the daemon | pass | BMCs per second | processor time of the daemon | each | \
             on one core, a minute |\n|---|---|---|---|---|---|"
        );
        self.restart(INTERVAL, 300);
        self.pass();
        row(&format!("{count} BMCs, sessions kept"), count, &self.pass());
        self.restart(INTERVAL, 1);
        self.pass();
        row(&format!("{count} BMCs, every session new"), count, &self.pass());
        self.restart(INTERVAL, 300);
        self.pass();
        let dead = count / 10;
        for bmc in self.fleet.bmcs.iter().step_by(10) {
            bmc.state().trouble.deaf = true;
        }
        row(&format!("{count} BMCs, {dead} of them dead: the others"), count - dead, &self.pass());
        self.wait_for_dead(dead);
        let log = self.log();
        assert!(!log.contains("not as recorded"), "every state was right");
        self.daemon.stop().unwrap();
        println!("\n{dead} dead ones are in maintenance with fault `power failure`, and no other.\n");
    }

    /// Waits until all dead ones, and only they, are given up.
    fn wait_for_dead(&mut self, dead: usize) {
        let mut last_look = None;
        wait_for("all dead ones are given up", PATIENCE, || {
            paced(&mut last_look)?;
            (self.log().matches(GIVEN_UP).count() == dead).then_some(())
        })
        .unwrap();
        let path = "/v1/nodes?maintenance=true&fault=power%20failure&fields=name&limit=1000";
        // It is told before it is recorded.
        let list = wait_for("all dead ones are recorded as such", PATIENCE, || {
            paced(&mut last_look)?;
            let list = self.daemon.call("GET", path, None).unwrap().json();
            (list["nodes"].as_array().unwrap().len() == dead).then_some(list)
        })
        .unwrap();
        let nodes = list["nodes"].as_array().unwrap();
        assert!(nodes.iter().all(|node| index_of(node).is_multiple_of(10)));
    }

    /// The daemon's log since it was started last.
    fn log(&mut self) -> String {
        fs::read_to_string(self.daemon.process().log()).unwrap()
    }

    /// Starts the daemon again on the same database.
    fn restart(&mut self, interval: u64, idle: u64) {
        assert!(self.daemon.stop().unwrap().success());
        let sessions: usize = self.fleet.bmcs.iter().map(ipmi::Bmc::sessions).sum();
        if sessions != 0 {
            println!("\nthe daemon left {sessions} sessions to the BMCs' own limit when it ended");
        }
        self.settings = configured(self.settings.clone(), interval, idle);
        self.daemon = Farrierd::start(&self.settings).unwrap();
    }

    /// Waits for the next pass and for its end.
    fn pass(&mut self) -> Pass {
        let begin = Instant::now();
        let cpu = self.cpu();
        let mut last_look = None;
        let (first, last, asked) = wait_for("a pass", PATIENCE, || {
            paced(&mut last_look)?;
            let (first, last, asked) = self.statuses_since(begin)?;
            (QUIET < last.elapsed()).then_some((first, last, asked))
        })
        .unwrap();
        Pass { elapsed: last - first, cpu: self.cpu() - cpu, asked }
    }

    /// First and last time that a BMC was asked for its state since then, and how many were.
    fn statuses_since(&self, begin: Instant) -> Option<(Instant, Instant, usize)> {
        let mut times = Vec::new();
        for bmc in &self.fleet.bmcs {
            let state = bmc.state();
            let asked = state.commands.iter().filter(|seen| seen.command == STATUS && begin < seen.at);
            times.extend(asked.map(|seen| seen.at).next_back());
        }
        Some((*times.iter().min()?, *times.iter().max()?, times.len()))
    }

    /// Processor time of the daemon so far.
    fn cpu(&mut self) -> Duration {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.daemon.process().id())).unwrap();
        let fields: Vec<&str> = stat.rsplit_once(") ").unwrap().1.split(' ').collect();
        TICK * fields[11..13].iter().map(|field| field.parse::<u32>().unwrap()).sum()
    }
}

fn row(what: &str, count: usize, pass: &Pass) {
    assert_eq!(pass.asked, count, "BMCs that were asked");
    let (elapsed, cpu) = (pass.elapsed.as_secs_f64(), pass.cpu.as_secs_f64());
    println!(
        "| {what} | {elapsed:.2} s | {:.0} | {cpu:.2} s | {:.3} ms | {:.0} |",
        count as f64 / elapsed,
        cpu * 1e3 / count as f64,
        60.0 * count as f64 / cpu,
    );
}

/// `Some` once in a while.
fn paced(last: &mut Option<Instant>) -> Option<()> {
    if last.is_some_and(|last| last.elapsed() < LOOK_PAUSE) {
        return None;
    }
    *last = Some(Instant::now());
    Some(())
}

fn index_of(node: &Value) -> usize {
    node["name"].as_str().unwrap().trim_start_matches("bmc-").parse().unwrap()
}

/// With passes at this interval, and sessions that are closed after so many idle seconds.
fn configured(settings: Settings, interval: u64, idle: u64) -> Settings {
    Settings {
        conductor: vec![
            format!("sync_power_state_interval = {interval}"),
            "power_state_sync_max_retries = 1".to_owned(),
            "power_failure_recovery_interval = 0".to_owned(),
        ],
        tables: format!("[ipmi]\nsession_idle_timeout = {idle}\n"),
        ..settings
    }
}

/// A directory with the plugin alone.
fn plugins(directory: &Path) -> PathBuf {
    let (plugins, library) = (directory.join("plugins"), "libfarrier_ipmi.so");
    fs::create_dir(&plugins).unwrap();
    fs::copy(output().join(library), plugins.join(library)).unwrap();
    for path in [plugins.clone(), plugins.join(library)] {
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    }
    plugins
}

/// Where cargo put the programs: benchmarks are in a directory below that.
fn output() -> PathBuf {
    std::env::current_exe().unwrap().ancestors().nth(2).unwrap().to_owned()
}
