//! A hundred BMCs that speak Redfish, through the loaded plugin: some die, some answer slowly, by halves, without end or
//! not at all, and the others never wait for them.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use farrier_sim::wait::wait_for;
use serde_json::{Value, json};

use crate::harness::{Daemon, PATIENCE};

/// How many there are.
const BMCS: usize = 100;

/// Every fifth is in trouble, each kind as often.
const TROUBLES: [Trouble; 5] =
    [Trouble::Dead, Trouble::Silent, Trouble::Slow, Trouble::Half, Trouble::Endless];

/// Between two bytes of a slow one: it would be done after an hour.
const DRIBBLE: Duration = Duration::from_secs(10);

/// Memory that troubled BMCs may cost the daemon, in KiB: an answer without end is read for 8 MiB.
const MEMORY_MAX: u64 = 64 * 1024;

const SYSTEM: &str = "/redfish/v1/Systems/1";

/// What is told of a machine that was switched by somebody else.
const CORRECTED: &str = "machine is not as recorded, correcting the record";
/// What is told of a BMC that does not answer.
const UNREADABLE: &str = "power state could not be read";

/// How a BMC answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trouble {
    /// As it should.
    None,
    /// It takes no connection any more.
    Dead,
    /// It takes requests and says nothing.
    Silent,
    /// A byte now and then.
    Slow,
    /// It ends in the middle.
    Half,
    /// It never ends.
    Endless,
}

/// A BMC with one machine that can only be looked at.
struct Bmc {
    address: SocketAddr,
    trouble: Arc<Mutex<Trouble>>,
    is_on: Arc<AtomicBool>,
}

impl Bmc {
    fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let (trouble, is_on) = (Arc::new(Mutex::new(Trouble::None)), Arc::new(AtomicBool::new(false)));
        let bmc = Self { address, trouble: Arc::clone(&trouble), is_on: Arc::clone(&is_on) };
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if *trouble.lock().unwrap() == Trouble::Dead {
                    return;
                }
                let (trouble, is_on) = (Arc::clone(&trouble), Arc::clone(&is_on));
                thread::spawn(move || talk(stream, &trouble, &is_on));
            }
        });
        bmc
    }

    fn falls_into(&self, trouble: Trouble) {
        *self.trouble.lock().unwrap() = trouble;
        if trouble == Trouble::Dead {
            // Wakes the thread that listens, which ends.
            TcpStream::connect(self.address).ok();
        }
    }
}

/// Answers requests until somebody has enough; nothing of this outlives the test's process.
fn talk(mut stream: TcpStream, trouble: &Mutex<Trouble>, is_on: &AtomicBool) -> Option<()> {
    let mut lines = BufReader::new(stream.try_clone().ok()?).lines();
    loop {
        let path = lines.next()?.ok()?.split(' ').nth(1)?.to_owned();
        while !lines.next()?.ok()?.is_empty() {}
        let state = if is_on.load(Ordering::Relaxed) { "On" } else { "Off" };
        let body = if path == SYSTEM {
            json!({"@odata.id": SYSTEM, "PowerState": state, "Status": {"Health": "OK"},
                "Boot": {"BootSourceOverrideMode": "UEFI"}, "Description": "x".repeat(400)})
        } else {
            json!({"@odata.id": path, "Vendor": "Acme", "Systems": {"@odata.id": "/redfish/v1/Systems"}})
        };
        let body = body.to_string();
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
        let trouble = *trouble.lock().unwrap();
        match trouble {
            Trouble::None => stream.write_all((head + &body).as_bytes()).ok()?,
            Trouble::Dead => return None,
            Trouble::Silent => {}
            Trouble::Half => return stream.write_all(half(&(head + &body))).ok(),
            Trouble::Slow => {
                stream.write_all(head.as_bytes()).ok()?;
                for byte in body.as_bytes() {
                    stream.write_all(&[*byte]).ok()?;
                    thread::park_timeout(DRIBBLE);
                }
            }
            Trouble::Endless => {
                stream.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").ok()?;
                let chunk = [b"10000\r\n".as_slice(), &[b' '; 0x10000], b"\r\n"].concat();
                while stream.write_all(&chunk).is_ok() {}
                return None;
            }
        }
    }
}

/// A part of an answer that has its head and the beginning of its body.
fn half(answer: &str) -> &[u8] {
    let bytes = answer.as_bytes();
    bytes.get(..bytes.len() * 2 / 3).unwrap_or_default()
}

/// BMCs and their nodes, by index.
struct World {
    daemon: Daemon,
    bmcs: Vec<Bmc>,
    nodes: Vec<String>,
}

impl World {
    fn new() -> Self {
        let daemon = Daemon::start_with(|settings| {
            settings.hardware_types = vec!["redfish".to_owned()];
            settings.conductor = vec![
                "sync_power_state_interval = 1".to_owned(),
                "sync_power_state_timeout = 5".to_owned(),
                "power_state_sync_max_retries = 1000".to_owned(),
                "force_power_state_during_sync = false".to_owned(),
            ];
            settings.database = Some("sqlite::memory:".to_owned());
            // Who is silent is waited for as long as the conductor lets the driver.
            settings.tables =
                "[redfish]\nread_timeout = 600\nconnect_timeout = 600\nconnection_attempts = 2\n\
                connection_retry_interval = 0.1\n"
                    .to_owned();
        });
        let bmcs: Vec<Bmc> = (0..BMCS).map(|_| Bmc::start()).collect();
        let enroll = |(index, bmc): (usize, &Bmc)| {
            let info =
                json!({"redfish_address": format!("http://{}", bmc.address), "redfish_system_id": SYSTEM});
            let node = daemon.enroll(&format!("bmc-{index}"), "redfish", &info);
            let path = format!("/v1/nodes/{node}/states/provision");
            // The pool may be full at the moment.
            wait_for("a place for another job", PATIENCE, || {
                let answer = daemon.send("PUT", &path, &json!({"target": "manage"}));
                assert!([202, 503].contains(&answer.status), "{}", answer.json());
                (answer.status == 202).then_some(())
            })
            .unwrap();
            node
        };
        let nodes: Vec<String> = bmcs.iter().enumerate().map(enroll).collect();
        for node in &nodes {
            daemon.wait_for_node(node, "it is manageable", |node| {
                node["provision_state"] == "manageable" && node["reservation"].is_null()
            });
        }
        Self { daemon, bmcs, nodes }
    }

    /// What the daemon has told so far, and of which BMC, in its order.
    fn told(&mut self) -> Vec<(&'static str, usize)> {
        let text = fs::read_to_string(self.daemon.farrierd().process().log()).unwrap();
        let of_line = |line: &str| {
            let what = [CORRECTED, UNREADABLE].into_iter().find(|what| line.contains(what))?;
            let record: Value = serde_json::from_str(line).ok()?;
            let node = record["fields"]["node"].as_str()?.to_owned();
            Some((what, self.nodes.iter().position(|known| *known == node)?))
        };
        text.lines().filter_map(of_line).collect()
    }

    /// Of which BMCs it has told this.
    fn told_of(&mut self, what: &str) -> BTreeSet<usize> {
        self.told().into_iter().filter(|(told, _)| *told == what).map(|(_, index)| index).collect()
    }
}

fn trouble_of(index: usize) -> Trouble {
    if index.is_multiple_of(5) { TROUBLES[index / 5 % TROUBLES.len()] } else { Trouble::None }
}

fn all(is_wanted: impl Fn(Trouble) -> bool) -> BTreeSet<usize> {
    (0..BMCS).filter(|index| is_wanted(trouble_of(*index))).collect()
}

#[test]
fn of_a_hundred_bmcs_those_in_trouble_hold_up_no_other() {
    let mut world = World::new();
    let before = world.daemon.farrierd().resident_kib();
    for (index, bmc) in world.bmcs.iter().enumerate() {
        bmc.falls_into(trouble_of(index));
    }
    let (healthy, troubled) =
        (all(|trouble| trouble == Trouble::None), all(|trouble| trouble != Trouble::None));
    wait_for("all in trouble are told", PATIENCE * 2, || {
        troubled.is_subset(&world.told_of(UNREADABLE)).then_some(())
    })
    .unwrap();

    for index in &healthy {
        world.bmcs[*index].is_on.store(true, Ordering::Relaxed);
    }
    wait_for("all healthy machines are recorded as on", PATIENCE, || {
        let list = world.daemon.get("/v1/nodes?limit=1000&fields=power_state").json();
        let on = list["nodes"].as_array().unwrap().iter().filter(|node| node["power_state"] == "power on");
        (on.count() == healthy.len()).then_some(())
    })
    .unwrap();

    assert_eq!((world.told_of(CORRECTED), world.told_of(UNREADABLE)), (healthy, troubled));
    // In a pass nobody who is well comes after one that had to be waited for. A pass that was under way when the machines
    // were switched leaves some to the next.
    let waits = |index: usize| matches!(trouble_of(index), Trouble::Silent | Trouble::Slow);
    let told: Vec<_> =
        world.told().into_iter().filter(|(what, index)| *what == CORRECTED || waits(*index)).collect();
    let runs = told.chunk_by(|(before, _), (after, _)| before == after);
    let corrections = runs.filter(|run| run.iter().all(|(what, _)| *what == CORRECTED)).count();
    assert!(corrections <= 2, "healthy machines waited for others: {told:?}");
    let grown = world.daemon.farrierd().resident_kib().saturating_sub(before);
    assert!(grown <= MEMORY_MAX, "{grown} KiB more");
}
