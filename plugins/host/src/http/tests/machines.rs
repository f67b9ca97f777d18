//! Cassettes of several machines, with what a tool did to them.

use super::*;

/// A device whose power is what was last put there, and where it is.
fn device_with_power() -> (String, u16) {
    let power = Mutex::new("off".to_owned());
    let address = device(move |request| {
        let mut power = power.lock().unwrap();
        if let Some((_, body)) = request.split_once("\r\n\r\n").filter(|_| request.starts_with("PUT ")) {
            body.clone_into(&mut power);
        }
        ok(&power)
    });
    let port = address.rsplit(':').next().unwrap().parse().unwrap();
    (address, port)
}

fn get(address: &str) -> Value {
    json!({"method": "GET", "url": format!("{address}/power")})
}

fn put(address: &str, state: &str) -> Value {
    json!({"method": "PUT", "url": format!("{address}/power"), "text": state})
}

fn text(answer: Result<Value, DriverError>) -> String {
    answer.unwrap()["text"].as_str().unwrap().to_owned()
}

/// Records one machine that is looked at, switched, and looked at, with another beside it.
fn record(path: &Path) -> Cassette {
    let cassette = Cassette::record(path).unwrap();
    let bench = Bench::new(Some(cassette.clone()));
    for machine in ["a", "b"] {
        let (address, port) = device_with_power();
        assert_eq!(cassette.name_machine("127.0.0.1", port, machine), machine);
        assert_eq!(text(bench.request(&get(&address))), "off");
        if machine == "a" {
            bench.request(&put(&address, "on")).unwrap();
            assert_eq!(text(bench.request(&get(&address))), "on");
            assert_eq!(cassette.look("a", "lamp", || json!(true)), Some(json!(true)));
        }
    }
    cassette
}

/// The same cassette from its beginning; `a` and `b` are at other places now.
fn replay(path: &Path) -> (Cassette, Bench) {
    let cassette = Cassette::replay(path).unwrap();
    cassette.name_machine("192.0.2.1", 80, "a");
    cassette.name_machine("192.0.2.2", 80, "b");
    (cassette.clone(), Bench::new(Some(cassette)))
}

const A: &str = "http://192.0.2.1";
const B: &str = "http://192.0.2.2";

#[test]
fn machines_are_told_apart_and_changes_matter() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("x.jsonl");
    record(&path);
    let (cassette, bench) = replay(&path);

    let b = text(bench.request(&get(B)));
    let before = text(bench.request(&get(A)));
    bench.request(&put(A, "on")).unwrap();
    let after = text(bench.request(&get(A)));
    let again = text(bench.request(&get(A)));
    let lamp = cassette.look("a", "lamp", || json!("nobody looks"));

    assert_eq!([b, before, after, again], ["off", "off", "on", "on"]);
    assert_eq!(lamp, Some(json!(true)));
    assert!(cassette.misfits().is_empty() && cassette.unused_changes().is_empty());
    assert_eq!(cassette.exchanges(), 4);
}

#[test]
fn who_leaves_a_change_out_does_not_see_what_came_of_it() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("x.jsonl");
    record(&path);
    let (cassette, bench) = replay(&path);

    for _ in 0..3 {
        assert_eq!(text(bench.request(&get(A))), "off");
    }
    let lamp = cassette.look("a", "lamp", || json!(true));

    assert_eq!(lamp, None);
    assert_eq!(cassette.misfits(), ["`look lamp` was not recorded"]);
    assert_eq!(cassette.unused_changes(), ["`PUT /power` with \"on\""]);
}

#[test]
fn a_change_that_was_not_recorded_is_told_with_what_was_sent() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("x.jsonl");
    record(&path);
    let (cassette, bench) = replay(&path);

    bench.request(&put(A, "onn")).unwrap_err();
    bench.request(&put(A, "on")).unwrap();
    bench.request(&put(A, "on")).unwrap_err();
    bench.request(&put(B, "on")).unwrap_err();
    bench.request(&get("http://192.0.2.3")).unwrap_err();

    assert_eq!(
        cassette.misfits(),
        [
            "`PUT /power` with \"onn\" was not recorded here, the next change was `PUT /power` with \"on\"",
            "`PUT /power` with \"on\" was not recorded after `PUT /power` with \"on\"",
            "`PUT /power` with \"on\" was not recorded",
            "`GET /power` was not recorded, nor anything else of this machine",
        ]
    );
}

#[test]
fn a_place_has_one_name() {
    let directory = TempDir::new().unwrap();
    let cassette = Cassette::record(&directory.path().join("x.jsonl")).unwrap();

    cassette.name_machine("BMC.example", 443, "a");

    assert_eq!(cassette.name_machine("bmc.example", 443, "b"), "a");
    assert_eq!(cassette.name_machine("bmc.example", 444, "b"), "b");
}
