//! What goes wrong.

use std::net::TcpListener;

use farrier_api::error::Fault;
use farrier_api::version::{Microversion, Range};
use serde_json::{Value, json};

use crate::fake::{Fake, N1};
use crate::run::{farrier, program};

#[test]
fn each_refusal_has_its_code() {
    for (fault, code) in [
        (Fault::invalid("no"), 1),
        (Fault::node_not_found("n1"), 3),
        (Fault::node_locked(N1, "c1"), 4),
        (Fault::invalid_state_requested("power on", N1, "cleaning"), 5),
        (Fault::no_free_worker(), 1),
    ] {
        let fake = Fake::start();
        fake.fail([fault.clone()]);

        assert_eq!(farrier(&fake, "node power on n1").code, code, "{fault}");
    }
}

#[test]
fn a_server_that_names_no_errors_is_understood_by_its_words() {
    let fake = Fake::start();
    fake.world().names = false;
    fake.fail([Fault::invalid_state_requested("power on", N1, "cleaning")]);

    assert_eq!(farrier(&fake, "node power on n1").code, 5);
}

#[test]
fn an_error_has_cause_hint_and_request() {
    let fake = Fake::start();

    let run = farrier(&fake, "node show nosuch");

    assert_eq!((run.code, run.stdout.as_str()), (3, ""));
    insta::assert_snapshot!(run.stderr, @"
    error: cannot show node `nosuch`
      cause: Node nosuch could not be found. (HTTP 404)
      hint: `list` shows what there is
      request: req-1
    ");
}

#[test]
fn programs_get_errors_as_json() {
    let fake = Fake::start();

    let run = farrier(&fake, "node show nosuch -o json");

    let error: Value = serde_json::from_str(&run.stderr).unwrap();
    assert_eq!(
        error,
        json!({
            "error": "cannot show node `nosuch`", "causes": ["Node nosuch could not be found. (HTTP 404)"],
            "hint": "`list` shows what there is", "status": 404, "name": "NodeNotFound", "request_id": "req-1",
            "exit_code": 3,
        })
    );
}

#[test]
fn wrong_usage_is_code_2_and_json_for_programs() {
    assert_eq!(program(&[], "node shwo n1").code, 2);

    let run = program(&[], "-o json node shwo n1");

    assert_eq!(run.code, 2);
    let error: Value = serde_json::from_str(&run.stderr).unwrap();
    assert_eq!(error["exit_code"], 2);
    assert!(error["error"].as_str().unwrap().contains("shwo"), "{error}");
}

#[test]
fn no_server_is_code_7() {
    // Bound and closed again: nobody listens there.
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let url = format!("http://127.0.0.1:{port}");

    let run = program(&[("FARRIER_URL", &url)], "node list");

    assert_eq!(run.code, 7);
    insta::assert_snapshot!(run.stderr.replace(&url, "http://fake"), @"
    error: cannot list nodes
      cause: no connection to `http://fake`
      cause: Connection refused (os error 111)
      hint: is farrierd running? Its address comes from `--url`, FARRIER_URL or OS_ENDPOINT
    ");
}

#[test]
fn another_kind_of_server_is_code_7() {
    let fake = Fake::start_foreign();

    let run = farrier(&fake, "node list");

    assert_eq!(run.code, 7);
    insta::assert_snapshot!(run.stderr, @"
    error: cannot list nodes
      cause: `http://fake` answers, but not as a bare metal API (HTTP 200)
      hint: check the address: `--url`, FARRIER_URL or OS_ENDPOINT
    ");
}

#[test]
fn an_address_that_is_none_is_wrong_usage() {
    assert_eq!(program(&[], "--url nonsense node list").code, 2);
}

#[test]
fn the_address_comes_from_the_option_then_ours_then_that_of_other_clients() {
    let (first, second, third) = (Fake::start(), Fake::start(), Fake::start());
    let all = [("FARRIER_URL", second.url.as_str()), ("OS_ENDPOINT", third.url.as_str())];

    program(&all, &format!("node list --url {}", first.url));
    program(&all, "node list");
    program(&all[1..], "node list");
    program(&[("FARRIER_URL", ""), ("OS_ENDPOINT", &third.url)], "node list");

    for fake in [&first, &second, &third] {
        assert!(!fake.requests().is_empty());
    }
    assert_eq!(first.requests().len(), second.requests().len());
    assert_eq!(third.requests().len(), 2 * second.requests().len());
}

#[test]
fn an_older_server_is_asked_in_its_own_version() {
    let fake = Fake::start_with(Range::up_to(Microversion::new(90)));

    let run = farrier(&fake, "node power on n1");

    assert_eq!(run.code, 0, "{}", run.stderr);
    let versions: Vec<String> = fake.requests().into_iter().map(|asked| asked.version).collect();
    assert_eq!(versions, ["1.115", "1.90", "1.90"]);
}

#[test]
fn a_busy_node_is_asked_again() {
    let fake = Fake::start();
    fake.fail([Fault::node_locked(N1, "c1")]);

    let run = program(&[("FARRIER_URL", &fake.url)], "node power on n1 --retries 1");

    assert_eq!(run.code, 0, "{}", run.stderr);
    assert!(run.stderr.contains("is locked by host c1"), "{}", run.stderr);
    assert_eq!(fake.lines().iter().filter(|line| line.starts_with("PUT")).count(), 2);
}

#[test]
fn a_taken_name_is_not_asked_for_again() {
    let fake = Fake::start();

    let run = program(&[("FARRIER_URL", &fake.url)], "node create --driver ipmi --name n1");

    assert_eq!(run.code, 4);
    assert_eq!(fake.requests().len(), 1);
}

#[test]
fn completion_scripts_need_no_server() {
    let run = program(&[], "completion bash");

    assert_eq!(run.code, 0);
    assert!(run.stdout.contains("_farrier()"));
}

#[test]
fn credentials_come_from_the_environment() {
    for variables in [
        &[("FARRIER_USERNAME", "alice"), ("FARRIER_PASSWORD", "secret")][..],
        &[("OS_AUTH_TYPE", "http_basic"), ("OS_USERNAME", "alice"), ("OS_PASSWORD", "secret")][..],
    ] {
        let fake = Fake::start();
        let variables = [variables, &[("FARRIER_URL", fake.url.as_str())]].concat();

        program(&variables, "node list");

        assert_eq!(fake.requests()[0].authorization, "Basic YWxpY2U6c2VjcmV0");
    }
    let fake = Fake::start();
    program(&[("FARRIER_URL", &fake.url), ("OS_USERNAME", "alice"), ("OS_AUTH_TYPE", "none")], "node list");
    assert_eq!(fake.requests()[0].authorization, "");
}
