//! Conductors that share the nodes: whoever is asked, the owner does the work.

use std::fs;

use farrier_sim::port::free_port;
use farrier_sim::postgres::Postgres;
use farrier_sim::wait::wait_for;
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::harness::{Daemon, PATIENCE};

/// What both know.
const SECRET: &str = "0123456789abcdef0123456789abcdef";

/// Seconds that powering on takes where nobody looks at it, and where it ends with its conductor.
const AT_ONCE: &str = "0";
const ENDLESS: &str = "600";

/// A conductor and its name.
struct Member {
    daemon: Daemon,
    name: String,
}

impl Member {
    fn start(postgres: &Postgres, secret: &str, power_delay: &str) -> Self {
        let port = free_port().unwrap();
        let daemon = Daemon::start_with(|settings| {
            settings.database = Some(postgres.url());
            settings.conductor = [
                "host = \"127.0.0.1\"",
                "rpc_transport = \"json-rpc\"",
                "node_locked_retry_attempts = 1",
                "heartbeat_interval = 0.5",
                "heartbeat_timeout = 6",
                "hash_ring_reset_interval = 1",
                "check_provision_state_interval = 1",
            ]
            .map(str::to_owned)
            .to_vec();
            settings.tables = format!(
                "[json_rpc]\nport = {port}\nsecret = \"{secret}\"\n\n[fake]\npower_delay = \"{power_delay}\"\n"
            );
        });
        Self { daemon, name: format!("127.0.0.1:{port}") }
    }
}

/// Two conductors on one database that know each other; the second one takes so long to power on.
fn pair(power_delay: &str) -> (Postgres, Member, Member) {
    let postgres = Postgres::start().unwrap();
    let one = Member::start(&postgres, SECRET, AT_ONCE);
    let two = Member::start(&postgres, SECRET, power_delay);
    // Each has noticed the other when it shows the other's nodes.
    for member in [&one, &two] {
        let known = || member.daemon.get("/v1/conductors").json()["conductors"].as_array().unwrap().len();
        wait_for("both are there", PATIENCE, || (known() == 2).then_some(())).unwrap();
    }
    (postgres, one, two)
}

/// Enrolls nodes through `asked` until one is `owner`'s; its UUID.
fn node_of(asked: &Member, owner: &Member) -> String {
    wait_for("a node of the owner", PATIENCE, || {
        let body = json!({"driver": "fake-hardware"});
        let created = asked.daemon.send("POST", "/v1/nodes", &body);
        assert_eq!(created.status, 201, "{}", created.json());
        let node = created.json();
        (node["conductor"] == json!(owner.name)).then(|| node["uuid"].as_str().unwrap().to_owned())
    })
    .unwrap()
}

fn answer(member: &Member, verb: &str, path: &str, body: Option<&Value>) -> (u16, String) {
    let response = match body {
        Some(body) => member.daemon.send(verb, path, body),
        None => member.daemon.request(verb, path),
    };
    // Links name the API that was asked.
    (response.status, String::from_utf8(response.body).unwrap().replace(&member.daemon.endpoint(), "API"))
}

#[test]
fn work_is_done_by_the_owner_whoever_is_asked() {
    let (_postgres, mut one, mut two) = pair(AT_ONCE);
    let node = node_of(&one, &two);

    let free = one.daemon.power(&node, "power on");

    assert_eq!(free["power_state"], "power on");
    let has_switched = |member: &mut Member| {
        let log = fs::read_to_string(member.daemon.farrierd().process().log()).unwrap();
        log.lines().any(|line| line.contains("node changed its power state") && line.contains(&node))
    };
    wait_for("its owner has told it", PATIENCE, || has_switched(&mut two).then_some(())).unwrap();
    assert!(!has_switched(&mut one));
}

#[test]
fn answers_are_the_same_whoever_is_asked() {
    let (_postgres, one, two) = pair(AT_ONCE);
    let node = node_of(&one, &two);
    let path = |rest: &str| format!("/v1/nodes/{node}{rest}");
    let patch = json!([{"op": "replace", "path": "/description", "value": "seen by both"}]);
    let power = |target: &str| json!({ "target": target });
    let requests = [
        ("GET", path("/validate"), None),
        ("GET", path("/management/boot_device"), None),
        ("GET", path("/management/boot_device/supported"), None),
        ("PUT", path("/management/boot_device"), Some(json!({"boot_device": "pxe"}))),
        ("PUT", path("/management/boot_device"), Some(json!({"boot_device": "disk"}))),
        ("PUT", path("/management/inject_nmi"), Some(json!({}))),
        ("GET", path("/vendor_passthru/methods"), None),
        ("POST", path("/vendor_passthru/no_such_method"), Some(json!({}))),
        ("PUT", path("/states/power"), Some(power("sideways"))),
        ("PUT", path("/states/provision"), Some(power("deleted"))),
        ("PUT", path("/states/provision"), Some(power("no such verb"))),
        ("GET", path("/states/console"), None),
        ("PATCH", path(""), Some(json!([{"op": "replace", "path": "/driver", "value": "unheard-of"}]))),
        ("PATCH", path(""), Some(json!([{"op": "replace", "path": "/uuid", "value": "x"}]))),
        ("PUT", path("/traits/CUSTOM_A"), None),
        ("DELETE", path("/traits/CUSTOM_B"), None),
        ("PUT", path("/maintenance"), Some(json!({"reason": "testing"}))),
        ("DELETE", path("/maintenance"), None),
    ];

    for (verb, path, body) in &requests {
        let there = answer(&two, verb, path, body.as_ref());
        let here = answer(&one, verb, path, body.as_ref());
        assert_eq!(here, there, "{verb} {path} {body:?}");
    }

    let patched = one.daemon.send("PATCH", &path(""), &patch);
    assert_eq!((patched.status, &patched.json()["description"]), (200, &json!("seen by both")));
    let provided = one.daemon.send("PUT", &path("/states/provision"), &power("manage"));
    assert_eq!(provided.status, 202, "{}", provided.json());
    two.daemon.wait_for_node(&node, "it is managed", |node| node["provision_state"] == "manageable");
    let gone = one.daemon.request("DELETE", &path(""));
    assert_eq!(gone.status, 204);
    assert_eq!(two.daemon.get(&path("")).status, 404);
}

#[test]
fn a_lock_is_refused_in_the_owners_words() {
    let (_postgres, one, mut two) = pair(ENDLESS);
    let node = node_of(&one, &two);
    let path = format!("/v1/nodes/{node}/states/power");
    assert_eq!(two.daemon.send("PUT", &path, &json!({"target": "power on"})).status, 202);

    let refused = one.daemon.send("PUT", &path, &json!({"target": "power off"}));

    assert_eq!(refused.status, 409);
    assert!(refused.json().to_string().contains(&two.name), "{}", refused.json());
    two.daemon.farrierd().process().signal(Signal::KILL).unwrap();
}

#[test]
fn nodes_of_a_conductor_that_died_get_another_owner() {
    let (_postgres, one, mut two) = pair(ENDLESS);
    let node = node_of(&one, &two);
    let path = format!("/v1/nodes/{node}/states/power");
    assert_eq!(one.daemon.send("PUT", &path, &json!({"target": "power on"})).status, 202);

    two.daemon.farrierd().process().signal(Signal::KILL).unwrap();
    two.daemon.farrierd().process().wait_end(PATIENCE).unwrap();
    let unreachable = one.daemon.send("PUT", &path, &json!({"target": "power on"}));
    let freed = one.daemon.wait_for_node(&node, "another owner has freed it", |node| {
        node["conductor"] == json!(one.name) && node["reservation"].is_null()
    });

    assert_eq!(unreachable.status, 503, "{}", unreachable.json());
    assert!(unreachable.json().to_string().contains(&two.name));
    assert_eq!(freed["target_power_state"], Value::Null);
    assert_eq!(one.daemon.power(&node, "power on")["power_state"], "power on");
}

#[test]
fn conductors_with_different_secrets_do_nothing_for_each_other() {
    let postgres = Postgres::start().unwrap();
    let one = Member::start(&postgres, SECRET, AT_ONCE);
    let two = Member::start(&postgres, "another secret that is long enough for this", AT_ONCE);
    // Through the owner itself: the other one cannot even have a node made there.
    let node = wait_for("a node of the second", PATIENCE, || {
        let created = two.daemon.send("POST", "/v1/nodes", &json!({"driver": "fake-hardware"}));
        let node = created.json();
        let theirs = created.status == 201 && node["conductor"] == json!(two.name);
        theirs.then(|| node["uuid"].as_str().unwrap().to_owned())
    })
    .unwrap();
    one.daemon.wait_for_node(&node, "the first knows the owner", |node| node["conductor"] == json!(two.name));

    let path = format!("/v1/nodes/{node}/states/power");
    let refused = one.daemon.send("PUT", &path, &json!({"target": "power on"}));

    assert_eq!(refused.status, 500, "{}", refused.json());
    assert!(!refused.json().to_string().contains("secret"), "{}", refused.json());
    assert_eq!(two.daemon.get(&format!("/v1/nodes/{node}")).json()["power_state"], Value::Null);
}

/// Whether a conductor counts as alive for `asked`.
fn is_alive(asked: &Member, name: &str) -> bool {
    asked.daemon.get(&format!("/v1/conductors/{name}")).json()["alive"] == json!(true)
}

/// Ends a conductor by a signal, in good order.
fn end(member: &mut Member, signal: Signal) {
    let process = member.daemon.farrierd().process();
    process.signal(signal).unwrap();
    assert!(process.wait_end(PATIENCE).unwrap().success());
}

#[test]
fn a_conductor_that_is_told_to_stay_registered_counts_until_its_heartbeat_is_old() {
    let (_postgres, one, mut two) = pair(AT_ONCE);

    two.daemon.farrierd().process().signal(Signal::USR1).unwrap();
    let log = two.daemon.farrierd().process().log().to_owned();
    let has_heard = || fs::read_to_string(&log).unwrap().contains("staying registered");
    wait_for("it has heard that", PATIENCE, || has_heard().then_some(())).unwrap();
    end(&mut two, Signal::TERM);

    assert!(is_alive(&one, &two.name));
    wait_for("its heartbeat is old", PATIENCE, || (!is_alive(&one, &two.name)).then_some(())).unwrap();
}

#[test]
fn a_drained_conductor_is_gone_at_once() {
    let (_postgres, one, mut two) = pair(AT_ONCE);

    end(&mut two, Signal::USR2);

    assert!(!is_alive(&one, &two.name));
}

#[test]
fn without_a_secret_conductors_do_not_start() {
    let daemon = Daemon::start();

    let refused = daemon.start_again_with(&[
        ("FARRIER_API__PORT", &free_port().unwrap().to_string()),
        ("FARRIER_CONDUCTOR__RPC_TRANSPORT", "json-rpc"),
    ]);

    assert!(!refused.status.success());
    let told = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(told.contains("`secret` in table `[json_rpc]` is not set"), "{told}");
}
