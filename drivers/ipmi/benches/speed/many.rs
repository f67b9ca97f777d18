//! Many BMCs at once.

use std::sync::Arc;
use std::time::{Duration, Instant};

use farrier_sdk::serde_json::json;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::boundary::Driver;
use crate::fleet::{Fleet, Kind};
use crate::targets::Targets;
use crate::usage::{Latencies, Usage, resident_kib};

/// Calls that wait at a time: more than the conductor makes.
const CALLS_MAX: usize = 1024;

/// Calls at a time while memory is measured, so that it is that of sessions and not that of calls.
const CALLS_FEW: usize = 8;

/// BMCs without whose sessions memory is measured: what a first session needs besides.
const WARM_UP: usize = 500;

/// BMCs behind a bad network, and how often they are asked.
const LOSING: (usize, usize) = (500, 10);

/// Asks BMCs from `first` to before `end`, `calls` at a time; how long all took, and each.
async fn sweep(
    driver: &Arc<Driver>,
    fleet: &Fleet,
    (first, end): (usize, usize),
    calls: usize,
) -> (Duration, Latencies) {
    let (begin, places) = (Instant::now(), Arc::new(Semaphore::new(calls)));
    let (mut asking, mut latencies) = (JoinSet::new(), Latencies::default());
    for index in first..end {
        let place = Arc::clone(&places).acquire_owned().await.unwrap();
        // Now and not at the end: the call's memory stays until it is joined.
        while let Some(latency) = asking.try_join_next() {
            latencies.add(latency.unwrap());
        }
        let (driver, address) = (Arc::clone(driver), fleet.address(index));
        asking.spawn(async move {
            let latency = driver.status(address).await.unwrap();
            drop(place);
            latency
        });
    }
    while let Some(latency) = asking.join_next().await {
        latencies.add(latency.unwrap());
    }
    (begin.elapsed(), latencies)
}

async fn close(driver: Arc<Driver>) {
    Arc::into_inner(driver).unwrap().close().await;
}

/// How cost grows with the number of BMCs.
pub(crate) async fn growth(fleet: &Fleet, bmcs: usize, targets: &mut Targets) {
    println!(
        "\n| BMCs at once | first sweep | next sweep | per second | processor time each | on one core, a minute |\n\
         |---|---|---|---|---|---|"
    );
    let mut best = 0.0_f64;
    for count in [10, 100, 1000, 10_000].into_iter().filter(|count| *count <= bmcs) {
        let driver = Arc::new(Driver::open(&json!({})));
        let (first, _) = sweep(&driver, fleet, (0, count), CALLS_MAX).await;
        let rounds = (20_000 / count).clamp(1, 200);
        let (begin, usage) = (Instant::now(), Usage::own());
        for _ in 0..rounds {
            sweep(&driver, fleet, (0, count), CALLS_MAX).await;
        }
        let (elapsed, cpu) = (begin.elapsed(), usage.elapsed());
        let statuses = u32::try_from(rounds * count).unwrap();
        let rate = f64::from(statuses) / elapsed.as_secs_f64();
        best = best.max(rate);
        println!(
            "| {count} | {:.3} s | {:.3} s | {rate:.0} | {:.4} ms | {:.0} |",
            first.as_secs_f64(),
            elapsed.as_secs_f64() / rounds as f64,
            cpu.as_secs_f64() * 1e3 / f64::from(statuses),
            60.0 * f64::from(statuses) / cpu.as_secs_f64(),
        );
        close(driver).await;
    }
    targets.least("BMCs per second, kept sessions", 20_000.0, best);
}

/// What a session that is kept needs in this process, with its link; to be measured before anything else has left
/// memory behind that could be used again.
pub(crate) async fn memory(fleet: &Fleet, bmcs: usize, targets: &mut Targets) {
    if bmcs <= WARM_UP {
        return;
    }
    let driver = Arc::new(Driver::open(&json!({})));
    sweep(&driver, fleet, (0, WARM_UP), CALLS_FEW).await;
    let before = resident_kib();
    sweep(&driver, fleet, (WARM_UP, bmcs), CALLS_FEW).await;
    let each = resident_kib().saturating_sub(before) as f64 / (bmcs - WARM_UP) as f64;
    targets.most("memory per kept session", 4.0, each, " KiB");
    close(driver).await;
}

/// A thousand BMCs that take ten milliseconds for each message; `tool_p50` is what `ipmitool` needs for one.
pub(crate) async fn slow_sweep(fleet: &Fleet, tool_p50: Duration, targets: &mut Targets) {
    let driver = Arc::new(Driver::open(&json!({})));
    let (first, _) = sweep(&driver, fleet, (0, 1000), CALLS_MAX).await;
    let (next, _) = sweep(&driver, fleet, (0, 1000), CALLS_MAX).await;
    println!(
        "\nSweep of 1,000 of them: {:.2} s cold, {:.2} s with sessions; `ipmitool` in 8 workers at least {:.0} s.",
        first.as_secs_f64(),
        next.as_secs_f64(),
        tool_p50.as_secs_f64() * 1000.0 / 8.0,
    );
    targets.most("sweep of 1,000 with 10 ms per message, cold", 2.0, first.as_secs_f64(), " s");
    close(driver).await;
}

/// A network that loses a tenth of the datagrams in each direction.
pub(crate) async fn losing(targets: &mut Targets) {
    let (count, rounds) = LOSING;
    let fleet = Fleet::start(Kind::Losing, count);
    let driver = Arc::new(Driver::open(&json!({})));
    let mut latencies = Latencies::default();
    for _ in 0..rounds {
        let (_, sweep) = sweep(&driver, &fleet, (0, count), CALLS_MAX).await;
        latencies.extend(sweep);
    }
    println!(
        "\n10 % lost each way, {} statuses with logins among them: all right, p50 {:.3} s, p99 {:.3} s.",
        latencies.count(),
        latencies.percentile(50).as_secs_f64(),
        latencies.percentile(99).as_secs_f64(),
    );
    targets.most("p99 with 10 % lost each way", 3.0, latencies.percentile(99).as_secs_f64(), " s");
    close(driver).await;
}
