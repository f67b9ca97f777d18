//! What asking for the power state costs beside sushy, the reference's Redfish library, in one run on one machine.
//!
//! `cargo bench -p farrier-redfish --bench polls` measures the driver as the conductor calls it, through the
//! plugin's boundary, against BMCs that are another process: sessions, TLS, a System of 11 KB. Those count the
//! requests, connections and logins. With `FARRIER_REFERENCE_PYTHON`, a Python that has sushy, it is measured in
//! the same run; `cargo xtask bench` sees to that.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::indexing_slicing,
    clippy::cast_precision_loss,
    reason = "a benchmark has nobody to report to"
)]
#![expect(dead_code, reason = "the BMC can do more than is measured")]

#[path = "../tests/it/bmc.rs"]
mod bmc;
#[path = "polls/farm.rs"]
mod farm;
#[path = "polls/meter.rs"]
mod meter;

use std::collections::BTreeMap;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use farrier_host::{CallOptions, Interface, NodeAccess, Plugin};
use farrier_sdk::prelude::*;
use farrier_sdk::serde_json::{from_str, json};
use tokio::runtime::Runtime;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use self::bmc::{PASSWORD, SYSTEM, USER};
use self::farm::Farm;
use self::meter::{Meter, resident_kib};

/// Warm polls that are measured.
const WARM: u32 = 1000;
/// Cold ones: each is a client of its own.
const COLD: u32 = 100;
/// BMCs of a large installation, and how many of them are dead.
const MANY: usize = 1000;
const DEAD: usize = 10;
/// Polls at a time.
const AT_ONCE: usize = 64;
/// How long a connection to a dead BMC is tried here.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// A node as a conductor hands it to a plugin.
struct Node {
    uuid: String,
    address: String,
    authority: String,
}

impl NodeAccess for Node {
    fn snapshot(&self) -> Vec<u8> {
        json!({
            "uuid": self.uuid, "driver": "redfish", "provision_state": "active", "power_state": "power on",
            "driver_info": {"redfish_address": self.address, "redfish_system_id": SYSTEM, "redfish_username": USER,
                "redfish_password": {"$secret": "redfish_password"}, "redfish_verify_ca": self.authority},
        })
        .to_string()
        .into_bytes()
    }

    fn call(&self, method: String, _arguments: Vec<u8>) -> farrier_sdk::glue::BoxFuture<Result<Vec<u8>>> {
        let answer = if method == "secret.reveal" { json!(PASSWORD) } else { Value::Null };
        Box::pin(async move { Ok(answer.to_string().into_bytes()) })
    }
}

/// The driver behind its boundary.
struct Driver {
    plugin: Plugin,
    power: Arc<Interface>,
    management: Arc<Interface>,
}

impl Driver {
    fn open() -> Self {
        let options = json!({"connect_timeout": CONNECT_TIMEOUT.as_secs_f64(), "connection_attempts": 1,
            "connection_cache_size": 2000});
        let plugin =
            Plugin::linked(farrier_redfish::farrier_plugin(), options.as_object().cloned().unwrap()).unwrap();
        let power = plugin.open_interface(InterfaceType::Power, "redfish").unwrap();
        let management = plugin.open_interface(InterfaceType::Management, "redfish").unwrap();
        Self { plugin, power, management }
    }

    async fn poll(power: Arc<Interface>, node: Arc<Node>) -> Result<Vec<u8>> {
        power.call("get_power_state", b"{}".to_vec(), node, &options()).await
    }

    async fn manage(&self, node: &Arc<Node>, method: &str, arguments: &Value) {
        let access: Arc<dyn NodeAccess> = Arc::clone(node) as _;
        self.management.call(method, arguments.to_string().into_bytes(), access, &options()).await.unwrap();
    }
}

fn options() -> CallOptions {
    CallOptions { timeout: Some(Duration::from_secs(60)), ..CallOptions::default() }
}

fn node(farm: &Farm, index: usize) -> Arc<Node> {
    Arc::new(Node {
        uuid: format!("1be26c0b-03f2-4d2e-ae87-{index:012}"),
        address: farm.address(index),
        authority: farm.authority().to_owned(),
    })
}

/// Figures of one side by name.
type Figures = BTreeMap<String, f64>;

fn main() {
    if let Some(settings) = farm::settings() {
        return farm::serve(&settings);
    }
    let runtime = Runtime::new().unwrap();
    let mut ours = Figures::new();
    runtime.block_on(async {
        few(&mut ours).await;
        many(&mut ours).await;
    });
    let theirs = reference();
    report(&ours, &theirs);
    if let Some(path) = std::env::var_os("FARRIER_FIGURES") {
        std::fs::write(path, json!({"ours": ours, "reference": theirs}).to_string()).unwrap();
    }
}

/// One BMC: cold, warm, one that closes its connections, and the other operations.
async fn few(figures: &mut Figures) {
    let mut farm = Farm::start(1, 0);
    let mut note = |name: &str, value: f64| {
        figures.insert(name.to_owned(), value);
    };

    let driver = Driver::open();
    let node_of = node(&farm, 0);
    farm.reset();
    Driver::poll(Arc::clone(&driver.power), Arc::clone(&node_of)).await.unwrap();
    let cold = farm.counts();
    note("requests_cold", cold["requests"]);
    farm.reset();
    let meter = Meter::start();
    for _ in 0..WARM {
        Driver::poll(Arc::clone(&driver.power), Arc::clone(&node_of)).await.unwrap();
    }
    let (cpu, elapsed) = meter.per(WARM);
    note("warm_cpu_ms", cpu);
    note("warm_ms", elapsed);
    note("warm_sleeps", meter.sleeps_per(WARM));
    let warm = farm.counts();
    note("requests_warm", warm["requests"] / f64::from(WARM));
    note("connections_warm", warm["connections"]);
    note("logins_in_1000_polls", cold["logins"] + warm["logins"]);
    others(&driver, &node_of, &mut farm, &mut note).await;

    farm.close_connections(true);
    let meter = Meter::start();
    for _ in 0..WARM {
        Driver::poll(Arc::clone(&driver.power), Arc::clone(&node_of)).await.unwrap();
    }
    let (cpu, elapsed) = meter.per(WARM);
    note("closing_cpu_ms", cpu);
    note("closing_ms", elapsed);
    note("closing_sleeps", meter.sleeps_per(WARM));
    farm.close_connections(false);
    driver.plugin.close(Duration::from_secs(5)).await.unwrap();

    // All at first: looking at the clock costs something too, and is not to be counted for each.
    let drivers: Vec<Driver> = (0..COLD).map(|_| Driver::open()).collect();
    let meter = Meter::start();
    for driver in &drivers {
        Driver::poll(Arc::clone(&driver.power), Arc::clone(&node_of)).await.unwrap();
    }
    let (cpu, elapsed) = meter.per(COLD);
    note("cold_cpu_ms", cpu);
    note("cold_ms", elapsed);
    note("cold_sleeps", meter.sleeps_per(COLD));
    for driver in drivers {
        driver.plugin.close(Duration::from_secs(5)).await.unwrap();
    }
}

/// Requests of the operations beside the power state, each on a client that knows its BMC.
async fn others(driver: &Driver, node: &Arc<Node>, farm: &mut Farm, note: &mut impl FnMut(&str, f64)) {
    let insert = json!({"device_type": "cdrom", "image_url": "http://images.example.com/a.iso"});
    let eject = json!({"device_types": ["cdrom"]});
    // Where virtual media is has to be learned once.
    driver.manage(node, "detach_virtual_media", &eject).await;
    let operations = [
        ("requests_boot_device", "set_boot_device", json!({"device": "pxe", "persistent": false})),
        ("requests_insert", "attach_virtual_media", insert),
        ("requests_eject", "detach_virtual_media", eject),
    ];
    for (name, method, arguments) in operations {
        farm.reset();
        driver.manage(node, method, &arguments).await;
        note(name, farm.counts()["requests"]);
    }
    // What a BMC does not show in its answer has to be read again.
    farm.show_changes(true);
    farm.reset();
    driver.manage(node, "set_boot_device", &json!({"device": "disk", "persistent": false})).await;
    note("requests_boot_device_shown", farm.counts()["requests"]);
    farm.show_changes(false);
}

/// A thousand BMCs: memory for each, and what dead ones cost the others.
async fn many(figures: &mut Figures) {
    let farm = Farm::start(MANY, DEAD);
    let driver = Driver::open();
    let healthy: Vec<Arc<Node>> = (DEAD..MANY).map(|index| node(&farm, index)).collect();
    let all: Vec<Arc<Node>> = (0..MANY).map(|index| node(&farm, index)).collect();
    // The first client brings what all of them share.
    Driver::poll(Arc::clone(&driver.power), Arc::clone(&healthy[0])).await.unwrap();
    let before = resident_kib();
    let (_, failed) = round(&driver, &healthy).await;
    assert_eq!(failed, 0, "healthy BMCs that did not answer");
    let clients = (MANY - DEAD - 1) as f64;
    figures.insert("kib_per_client".to_owned(), resident_kib().saturating_sub(before) as f64 / clients);
    let (alone, _) = round(&driver, &healthy).await;
    let (together, failed) = round(&driver, &all).await;
    assert_eq!(failed, DEAD, "dead BMCs that answered, or others that did not");
    figures.insert("healthy_s".to_owned(), alone.as_secs_f64());
    figures.insert("with_dead_s".to_owned(), together.as_secs_f64());
    driver.plugin.close(Duration::from_secs(5)).await.ok();
}

/// Polls all nodes, some at a time: how long it took and how many did not answer.
async fn round(driver: &Driver, nodes: &[Arc<Node>]) -> (Duration, usize) {
    let (start, places) = (Instant::now(), Arc::new(Semaphore::new(AT_ONCE)));
    let mut polls = JoinSet::new();
    for node in nodes {
        let (power, node, places) = (Arc::clone(&driver.power), Arc::clone(node), Arc::clone(&places));
        polls.spawn(async move {
            let _place = places.acquire().await.unwrap();
            Driver::poll(power, node).await.is_err()
        });
    }
    let failed = polls.join_all().await.into_iter().filter(|failed| *failed).count();
    (start.elapsed(), failed)
}

/// What sushy and the reference's own code reach here; nothing where they are not installed.
fn reference() -> Figures {
    let Some(python) = std::env::var_os("FARRIER_REFERENCE_PYTHON") else {
        println!("sushy is not measured: FARRIER_REFERENCE_PYTHON names no Python that has it");
        return Figures::new();
    };
    let farm = Farm::start(1, 0);
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/polls/reference.py");
    let mut command = Command::new(python);
    command.args([script, &farm.address(0), SYSTEM, USER, PASSWORD, farm.authority()]);
    let output = command.output().unwrap();
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    let last = printed.lines().next_back().unwrap_or_default();
    from_str(last).unwrap_or_else(|_| {
        println!("the reference failed: {}", String::from_utf8_lossy(&output.stderr));
        Figures::new()
    })
}

/// Prints a table: what was measured, what it is to be, and whether it is.
fn report(ours: &Figures, theirs: &Figures) {
    let of = |figures: &Figures, name: &str| figures.get(name).copied().unwrap_or(f64::NAN);
    println!("\n{:<52} {:>10} {:>10} {:>10} {:>10}", "", "reference", "farrier", "limit", "");
    let ratios = [
        ("CPU of a warm poll, ms, to sushy", "warm_cpu_ms", "warm_cpu_ms", 1.0 / 10.0),
        ("the same to the reference's own code", "warm_cpu_ms", "own_code_cpu_ms", 1.0 / 1000.0),
        ("CPU, connections closed by the BMC, ms", "closing_cpu_ms", "closing_cpu_ms", 1.0 / 3.0),
        ("CPU of a cold poll, ms", "cold_cpu_ms", "cold_cpu_ms", 1.0 / 8.0),
    ];
    for (what, name, their_name, part) in ratios {
        let (our, their) = (of(ours, name), of(theirs, their_name));
        let verdict = if their.is_nan() {
            "-"
        } else if our <= their * part {
            "met"
        } else {
            "MISSED"
        };
        println!("{what:<52} {their:>10.3} {our:>10.3} {:>10.3} {verdict:>10}", their * part);
    }
    let healthy = of(ours, "healthy_s");
    let limits = [
        ("requests of a cold poll, System known", "requests_cold", 3.0),
        ("requests of a warm poll", "requests_warm", 1.0),
        ("connections made in 1,000 warm polls", "connections_warm", 1.0),
        ("logins in 1,000 polls of one BMC", "logins_in_1000_polls", 1.0),
        ("requests to set a boot device, shown in the answer", "requests_boot_device_shown", 2.0),
        ("the same, answered with 204 and nothing", "requests_boot_device", 3.0),
        ("requests to insert an image", "requests_insert", 4.0),
        ("requests to eject it", "requests_eject", 4.0),
        ("memory of a kept client, KiB", "kib_per_client", 80.0),
        ("1,000 BMCs, 10 dead, s", "with_dead_s", 3.0 * healthy + CONNECT_TIMEOUT.as_secs_f64()),
    ];
    for (what, name, limit) in limits {
        let our = of(ours, name);
        println!(
            "{what:<52} {:>10} {our:>10.3} {limit:>10.3} {:>10}",
            "",
            if our <= limit { "met" } else { "MISSED" }
        );
    }
    println!("{:<52} {:>10} {healthy:>10.3}", "990 healthy BMCs, warm, s", "");
    let sleeps = [
        ("sleeps of threads for a warm poll", "warm_sleeps"),
        ("the same, connections closed by the BMC", "closing_sleeps"),
        ("the same for a cold poll", "cold_sleeps"),
    ];
    for (what, name) in sleeps {
        println!("{what:<52} {:>10} {:>10.1}", "", of(ours, name));
    }
    let times = [
        ("time of a warm poll, ms", "warm_ms", "warm_ms"),
        ("the same, connections closed by the BMC", "closing_ms", "warm_ms"),
        ("time of a cold poll, ms", "cold_ms", "cold_ms"),
    ];
    for (what, name, their_name) in times {
        println!("{what:<52} {:>10.3} {:>10.3}", of(theirs, their_name), of(ours, name));
    }
}
