//! How fast the driver is, beside other clients, in one run on one machine.
//!
//! `cargo bench -p farrier-ipmi`; `cargo xtask bench ipmi` also installs the other clients. Every figure of the driver
//! is taken from outside of the plugin boundary: a call as the conductor makes it, with the node as JSON and its
//! password revealed. The BMCs are simulated by another process, so that processor time is the client's alone.
//! `FARRIER_BENCH_BMCS` sets how many there are at most.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::indexing_slicing,
    clippy::cast_precision_loss,
    reason = "a benchmark has nobody to report to, and its figures are small"
)]

mod boundary;
mod clients;
mod fleet;
mod many;
mod targets;
mod usage;

use std::time::{Duration, Instant};

use farrier_sdk::serde_json::json;
use farrier_sim::ipmi::{Bmc, Settings};
use farrier_sim::open_files;

use boundary::Driver;
use clients::{Cost, Tool};
use fleet::{Fleet, Kind};
use targets::{Targets, share};
use usage::{Latencies, Usage};

/// BMCs, unless said otherwise.
const BMCS: usize = 10_000;

/// Runs of a process whose figures are taken.
const PROCESSES: usize = 40;

/// BMCs that libraries log in to.
const LIBRARY_BMCS: usize = 50;

fn main() {
    if let Some(role) = fleet::role() {
        fleet::simulate(&role);
    }
    open_files::raise_limit().unwrap();
    let bmcs = std::env::var("FARRIER_BENCH_BMCS").map_or(BMCS, |count| count.parse().unwrap());
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    runtime.block_on(async {
        let mut targets = Targets::default();
        let quick = Fleet::start(Kind::Quick, bmcs);
        many::memory(&quick, bmcs, &mut targets).await;
        one_at_a_time(&quick, bmcs, &mut targets).await;
        parts(&quick).await;
        many::growth(&quick, bmcs, &mut targets).await;
        drop(quick);
        slow(&mut targets).await;
        many::losing(&mut targets).await;
        datagrams(&mut targets).await;
        power_on(&mut targets).await;
        targets.print();
    });
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// Prints one row: a cost, and what part of `beside` it is.
fn row(name: &str, cost: &Cost, beside: &Cost) {
    println!(
        "| {name} | {:.3} ms | {:.3} ms | {:.4} ms | {} | {} |",
        milliseconds(cost.latencies.percentile(50)),
        milliseconds(cost.latencies.percentile(99)),
        milliseconds(cost.cpu),
        share(cost.latencies.percentile(50), beside.latencies.percentile(50)),
        share(cost.cpu, beside.cpu),
    );
}

const COLUMNS: &str = "p50 | p99 | processor time each | p50 of `ipmitool` | processor time of `ipmitool` |\n\
                       |---|---|---|---|---|---|";

/// Statuses of the driver, one after the other.
async fn driver_cost(driver: &Driver, fleet: &Fleet, count: usize, rounds: usize) -> Cost {
    let (mut latencies, usage) = (Latencies::default(), Usage::own());
    for index in 0..count * rounds {
        latencies.add(driver.status(fleet.address(index % count)).await.unwrap());
    }
    Cost { cpu: usage.elapsed() / latencies.count(), latencies }
}

/// One status after the other: what each costs every client.
async fn one_at_a_time(fleet: &Fleet, bmcs: usize, targets: &mut Targets) {
    println!("\n| power status, one at a time | {COLUMNS}");
    let addresses = || (0..PROCESSES).map(|index| fleet.address(index % bmcs));
    let tool = Tool::Ipmitool.cost(addresses());
    row("`ipmitool` process", &tool, &tool);
    let without_list = Tool::without_list().cost(addresses());
    row("the same without the list of vendors", &without_list, &tool);
    row("FreeIPMI process", &Tool::FreeIpmi.cost(addresses()), &tool);
    let first = fleet.first(bmcs.min(LIBRARY_BMCS));
    // It sometimes misses the arrival of an answer and waits for ever.
    match clients::pyghmi(&first).or_else(|| clients::pyghmi(&first)) {
        Some([fresh, kept]) => {
            row("pyghmi, new session", &fresh, &tool);
            row("pyghmi, kept session", &kept, &tool);
        }
        None => println!("| pyghmi | did not come to an end | | | | |"),
    }
    let [fresh, kept] = clients::ipmi_rs(&first, 200);
    row("`ipmi-rs`, new session", &fresh, &tool);
    row("`ipmi-rs`, kept session", &kept, &tool);

    let driver = Driver::open(&json!({}));
    let count = bmcs.min(2000);
    let fresh = driver_cost(&driver, fleet, count, 1).await;
    row("**driver**, new session", &fresh, &tool);
    let kept = driver_cost(&driver, fleet, count, 10).await;
    row("**driver**, kept session", &kept, &tool);
    driver.close().await;
    let floor = clients::floor(fleet.echo(), 20_000);
    row("one datagram each way, and nothing else", &floor, &tool);

    targets.ratio("processor time, kept session", 100.0, tool.cpu, kept.cpu);
    targets.ratio("the same, of `ipmitool` without its list", 30.0, without_list.cpu, kept.cpu);
    targets.ratio("processor time, new session", 25.0, tool.cpu, fresh.cpu);
    let p50 = |cost: &Cost| cost.latencies.percentile(50);
    targets.ratio("p50, kept session", 50.0, p50(&tool), p50(&kept));
    targets.ratio("p50, new session", 20.0, p50(&tool), p50(&fresh));
}

/// What of a status is the way to the driver and back.
async fn parts(fleet: &Fleet) {
    println!("\n| calls that speak to no BMC | p50 | processor time each |\n|---|---|---|");
    let driver = Driver::open(&json!({}));
    for (method, what) in [
        ("get_supported_power_states", "through the boundary and back"),
        ("validate", "the same, with `driver_info` read and the password asked for"),
    ] {
        let (mut latencies, usage) = (Latencies::default(), Usage::own());
        for _ in 0..20_000 {
            latencies.add(driver.idle_call(method, fleet.address(0)).await);
        }
        let cpu = usage.elapsed() / latencies.count();
        println!(
            "| {what} | {:.3} ms | {:.4} ms |",
            milliseconds(latencies.percentile(50)),
            milliseconds(cpu)
        );
    }
    driver.close().await;
}

/// BMCs that take ten milliseconds for each message.
async fn slow(targets: &mut Targets) {
    let fleet = Fleet::start(Kind::Slow, 1000);
    println!("\n| 10 ms per message | {COLUMNS}");
    let tool = Tool::Ipmitool.cost(fleet.first(10).into_iter());
    row("`ipmitool` process", &tool, &tool);
    let driver = Driver::open(&json!({}));
    let fresh = driver_cost(&driver, &fleet, 50, 1).await;
    row("**driver**, new session", &fresh, &tool);
    let kept = driver_cost(&driver, &fleet, 50, 4).await;
    row("**driver**, kept session", &kept, &tool);
    driver.close().await;
    let p50 = |cost: &Cost| cost.latencies.percentile(50);
    targets.ratio("p50 with 10 ms per message, kept session", 10.0, p50(&tool), p50(&kept));
    targets.ratio("p50 with 10 ms per message, new session", 2.0, p50(&tool), p50(&fresh));
    many::slow_sweep(&fleet, p50(&tool), targets).await;
}

/// Datagrams in both directions for one status.
async fn datagrams(targets: &mut Targets) {
    let bmc = Bmc::start(Settings::default()).unwrap();
    let count = || bmc.state().datagrams * 2;
    Tool::Ipmitool.status(bmc.address());
    let tool = count();
    let driver = Driver::open(&json!({}));
    driver.status(bmc.address()).await.unwrap();
    let fresh = count() - tool;
    driver.status(bmc.address()).await.unwrap();
    let kept = count() - tool - fresh;
    driver.close().await;
    let closed = count() - tool - fresh - kept;
    println!(
        "\nDatagrams: `ipmitool` {tool}; new session {fresh}, and {closed} to close it; kept session {kept}."
    );
    targets.most("datagrams, kept session", 2.0, kept as f64, "");
    targets.most("datagrams, new session and its end", 14.0, (fresh + closed) as f64, "");
}

/// From the order to the answer that the machine is on, with the pauses that spare real BMCs.
async fn power_on(targets: &mut Targets) {
    let bmc = Bmc::start(Settings::default()).unwrap();
    let driver = Driver::open(&json!({"min_command_interval": 5, "min_message_interval": 0.1}));
    let begin = Instant::now();
    driver.power_on(bmc.address()).await.unwrap();
    targets.most("power on seen, machine that is on at once", 1.5, begin.elapsed().as_secs_f64(), " s");
    driver.close().await;
}
