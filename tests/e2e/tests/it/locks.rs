//! Locks of nodes between processes, and what a vanished client or conductor leaves.

use std::io::Write;
use std::net::TcpStream;
use std::thread;

use farrier_sim::port::free_port;
use farrier_sim::postgres::Postgres;
use farrier_sim::wait::wait_for;
use serde_json::{Value, json};

use crate::harness::{Daemon, PATIENCE};

/// Actions that end with their conductor, so that requests meet one however late they are.
const ENDLESS: &str = "[fake]\npower_delay = \"600\"\n";

/// Two conductors on one PostgreSQL database.
fn pair() -> (Postgres, Daemon, Daemon) {
    let postgres = Postgres::start().unwrap();
    let start = |host: &str| {
        Daemon::start_with(|settings| {
            settings.database = Some(postgres.url());
            settings.conductor =
                vec![format!("host = \"{host}\""), "node_locked_retry_attempts = 1".to_owned()];
            settings.tables = ENDLESS.to_owned();
        })
    };
    let (one, two) = (start("host-1"), start("host-2"));
    (postgres, one, two)
}

/// Ends daemons whose actions never end.
fn kill(daemons: impl IntoIterator<Item = Daemon>) {
    for mut daemon in daemons {
        daemon.farrierd().process().signal(rustix::process::Signal::KILL).unwrap();
    }
}

#[test]
fn two_conductors_never_hold_one_node_together() {
    let (_postgres, one, two) = pair();
    let node = one.enroll("n1", "fake-hardware", &json!({}));
    let path = format!("/v1/nodes/{node}/states/power");

    let ask = |daemon: &Daemon, target: &str| {
        let response = daemon.send("PUT", &path, &json!({ "target": target }));
        assert!(matches!(response.status, 202 | 409), "{}", response.json());
        usize::from(response.status == 202)
    };

    let accepted: usize = thread::scope(|scope| {
        let requests = [(&one, "power on"), (&two, "rebooting"), (&one, "rebooting"), (&two, "power on")];
        let jobs = requests.map(|(daemon, target)| {
            let ask = &ask;
            scope.spawn(move || ask(daemon, target))
        });
        jobs.into_iter().map(|job| job.join().unwrap()).sum()
    });

    assert_eq!(accepted, 1, "the others met the lock");
    kill([one, two]);
}

#[test]
fn a_refused_conductor_names_the_holder() {
    let (_postgres, one, two) = pair();
    let node = one.enroll("n1", "fake-hardware", &json!({}));
    let path = format!("/v1/nodes/{node}/states/power");
    assert_eq!(one.send("PUT", &path, &json!({"target": "power on"})).status, 202);

    let refused = two.send("PUT", &path, &json!({"target": "power off"}));

    assert_eq!(refused.status, 409);
    assert!(refused.json().to_string().contains("host-1"), "{}", refused.json());
    let held = two.get(&format!("/v1/nodes/{node}")).json();
    assert_eq!((&held["reservation"], &held["target_power_state"]), (&json!("host-1"), &json!("power on")));
    kill([one, two]);
}

#[test]
fn a_client_that_hangs_up_leaves_no_lock() {
    let mut daemon = Daemon::start_with(|settings| {
        // Its client gone, the call goes on to its end; until then the lock must be seen.
        settings.tables = "[fake]\nmanagement_delay = \"5\"\n".to_owned();
    });
    let node = daemon.enroll("n1", "fake-hardware", &json!({}));
    let address = daemon.farrierd().address();
    let mut stream = TcpStream::connect(address).unwrap();
    let request = format!(
        "GET /v1/nodes/{node}/management/boot_device HTTP/1.1\r\nHost: {address}\r\n\
         X-OpenStack-Ironic-API-Version: latest\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).unwrap();
    daemon.wait_for_node(&node, "the request has its lock", |node| !node["reservation"].is_null());

    drop(stream);

    daemon.wait_for_node(&node, "nobody holds it", |node| node["reservation"].is_null());
    assert_eq!(daemon.power(&node, "power on")["power_state"], "power on");
}

#[test]
fn a_killed_conductor_leaves_no_lock_and_no_pending_action() {
    let mut daemon = Daemon::start_with(|settings| settings.tables = ENDLESS.to_owned());
    let node = daemon.enroll("n1", "fake-hardware", &json!({}));
    let asked =
        daemon.send("PUT", &format!("/v1/nodes/{node}/states/power"), &json!({"target": "rebooting"}));
    assert_eq!(asked.status, 202);
    daemon.wait_for_node(&node, "the action runs", |node| node["target_power_state"] == "power on");

    daemon.crash_and_restart();

    let node = daemon.get(&format!("/v1/nodes/{node}")).json();
    assert_eq!((&node["reservation"], &node["target_power_state"]), (&Value::Null, &Value::Null));
    assert!(node["last_error"].as_str().unwrap().contains("aborted"), "{node}");
}

#[test]
fn a_second_daemon_by_mistake_takes_nothing_from_the_first() {
    let daemon = Daemon::start_with(|settings| settings.tables = ENDLESS.to_owned());
    let node = daemon.enroll("n1", "fake-hardware", &json!({}));
    let asked =
        daemon.send("PUT", &format!("/v1/nodes/{node}/states/power"), &json!({"target": "rebooting"}));
    assert_eq!(asked.status, 202);
    daemon.wait_for_node(&node, "the action runs", |node| node["target_power_state"] == "power on");

    let same_port = daemon.start_again(None);
    let other_port = daemon.start_again(Some(free_port().unwrap()));

    assert!(!same_port.status.success());
    assert!(!other_port.status.success());
    let error = String::from_utf8_lossy(&other_port.stderr);
    assert!(error.contains("in use by another farrierd"), "{error}");
    let node = daemon.get(&format!("/v1/nodes/{node}")).json();
    assert_eq!((node["reservation"].is_null(), &node["target_power_state"]), (false, &json!("power on")));
    assert_eq!(daemon.get("/v1/drivers").json()["drivers"].as_array().unwrap().len(), 3);
    kill([daemon]);
}

#[test]
fn an_endless_timeout_is_refused_by_name() {
    let daemon = Daemon::start();
    let node = daemon.enroll("n1", "fake-hardware", &json!({}));

    let body = json!({"target": "power off", "timeout": i64::MAX});
    let refused = daemon.send("PUT", &format!("/v1/nodes/{node}/states/power"), &body);

    assert_eq!(refused.status, 400, "{}", refused.json());
    assert!(refused.json().to_string().to_lowercase().contains("timeout"), "{}", refused.json());
    assert_eq!(daemon.power(&node, "power off")["power_state"], "power off");
}

#[test]
fn stopping_waits_for_the_action_that_runs() {
    let mut daemon =
        Daemon::start_with(|settings| settings.tables = "[fake]\npower_delay = \"1\"\n".to_owned());
    let node = daemon.enroll("n1", "fake-hardware", &json!({}));
    let asked = daemon.send("PUT", &format!("/v1/nodes/{node}/states/power"), &json!({"target": "power on"}));
    assert_eq!(asked.status, 202);

    daemon.restart();

    let shown = wait_for("the daemon is back", PATIENCE, || {
        Some(daemon.get(&format!("/v1/nodes/{node}")).json()).filter(|node| node["uuid"].is_string())
    });
    let node = shown.unwrap();
    assert_eq!((&node["power_state"], &node["reservation"]), (&json!("power on"), &Value::Null));
}
