//! What is asked again, what is not, and what comes of it.

use farrier_sdk::prelude::*;
use farrier_sdk::serde_json::json;
use insta::assert_snapshot;

use crate::bench::{Bench, Task, task, task_with};
use crate::bmc::{Bmc, RESET, ROOT, Reply, SYSTEM};

/// Reads the power state with basic authentication, so that only the System is asked for.
async fn read(bmc: &Bmc, bench: &Bench) -> Result<PowerState> {
    bench.power.get_power_state(&basic(bmc)).await
}

fn basic(bmc: &Bmc) -> Task {
    task_with(bmc, &json!({"redfish_auth_type": "basic"}))
}

fn shown(bmc: &Bmc, error: &DriverError) -> String {
    error.message().replace(&bmc.port.to_string(), "PORT")
}

#[tokio::test]
async fn a_busy_bmc_is_asked_until_it_is_ready() {
    let not_ready = Reply::error(503, "IDRAC.2.8.SYS518", "Not now.").with("Retry-After", "0");
    for reply in [not_ready, Reply::status(500), Reply::status(502), Reply::status(504), Reply::status(429)] {
        let (bmc, bench) = (Bmc::start(), Bench::new());
        bmc.rule("GET", SYSTEM, 4, reply.clone());

        assert_eq!(read(&bmc, &bench).await.unwrap(), PowerState::Off, "{reply:?}");
        assert_eq!(bmc.count("GET", SYSTEM), 5);
    }
}

#[tokio::test]
async fn a_bmc_that_stays_busy_is_named_with_what_it_says() {
    let (bmc, bench) = (Bmc::start(), Bench::new());
    bmc.rule("GET", SYSTEM, 99, Reply::error(503, "IDRAC.2.8.SYS518", "Not now."));

    let error = read(&bmc, &bench).await.unwrap_err();

    assert_eq!((error.kind(), error.is_retryable()), (ErrorKind::Busy, true));
    assert_snapshot!(shown(&bmc, &error), @"get power state failed: the BMC is not ready: GET `/redfish/v1/Systems/1` at `http://127.0.0.1:PORT` answered 503 after 5 attempts: Not now. (SYS518)");
    assert_eq!(bmc.count("GET", SYSTEM), 5);
}

#[tokio::test]
async fn final_answers_are_not_asked_again() {
    let rows = [
        (Reply::error(400, "Base.1.8.QueryNotSupported", "No."), ErrorKind::Hardware, "400"),
        (Reply::status(404), ErrorKind::Hardware, "answered 404"),
        (Reply::status(405), ErrorKind::Unsupported, "405"),
        (Reply::status(409), ErrorKind::Conflict, "409"),
        (Reply::status(501), ErrorKind::Unsupported, "501"),
        (Reply::Answer(200, vec![], String::new()), ErrorKind::Protocol, "an empty body"),
        (Reply::Answer(200, vec![], "[1]".to_owned()), ErrorKind::Protocol, "JSON, but no object"),
        (Reply::Answer(200, vec![], "7".to_owned()), ErrorKind::Protocol, "JSON, but no object"),
        (Reply::Answer(200, vec![], "{\"PowerState\"".to_owned()), ErrorKind::Protocol, "not JSON"),
        (Reply::Answer(200, vec![], "<html></html>".to_owned()), ErrorKind::Protocol, "not JSON"),
        (
            Reply::Answer(200, vec![], format!("{{\"a\":{}", "[".repeat(10_000))),
            ErrorKind::Protocol,
            "not JSON",
        ),
        (
            Reply::Answer(302, vec![("Location", "https://other/".to_owned())], String::new()),
            ErrorKind::Protocol,
            "redirect to another place",
        ),
        (Reply::Endless, ErrorKind::Protocol, "more than 8388608 bytes"),
        (Reply::Cut(9_000_000, "{}".to_owned()), ErrorKind::Protocol, "more than 8388608 bytes"),
    ];
    for (reply, kind, text) in rows {
        let (bmc, bench) = (Bmc::start(), Bench::new());
        bmc.rule("GET", SYSTEM, 99, reply.clone());

        let error = read(&bmc, &bench).await.unwrap_err();

        assert_eq!(error.kind(), kind, "{reply:?}: {error}");
        assert!(error.message().contains(text) && error.message().contains(SYSTEM), "{reply:?}: {error}");
        assert_eq!(bmc.count("GET", SYSTEM), 1, "{reply:?}");
    }
}

#[tokio::test]
async fn odd_but_readable_answers_are_read() {
    let rows = [
        ("\u{feff}{\"PowerState\": \"On\"}", PowerState::On),
        ("{\"PowerState\": 1}", PowerState::Unknown),
        ("{\"PowerState\": null}", PowerState::Unknown),
        ("{}", PowerState::Unknown),
    ];
    for (body, state) in rows {
        let (bmc, bench) = (Bmc::start(), Bench::new());
        bmc.rule(
            "GET",
            SYSTEM,
            1,
            Reply::Answer(200, vec![("Retry-After", "-1".to_owned())], body.to_owned()),
        );

        assert_eq!(read(&bmc, &bench).await.unwrap(), state, "{body}");
    }
}

#[tokio::test]
async fn redirects_on_the_same_bmc_are_followed_three_times() {
    let (bmc, bench) = (Bmc::start(), Bench::new());
    let to = |path: &str| Reply::status(307).with("Location", path);
    bmc.rule("GET", SYSTEM, 1, to("/redfish/v1/a"));
    bmc.rule("GET", "/redfish/v1/a", 9, to("b"));
    bmc.rule("GET", "/redfish/v1/b", 9, to(&format!("{}{SYSTEM}", bmc.url())));

    assert_eq!(read(&bmc, &bench).await.unwrap(), PowerState::Off);

    bmc.rule("GET", SYSTEM, 9, to("/redfish/v1/a"));
    let error = read(&bmc, &bench).await.unwrap_err();
    assert!(error.message().contains("more than 3 redirects"), "{error}");
}

#[tokio::test]
async fn nobody_else_is_asked_whatever_a_bmc_says() {
    let (bmc, other, bench) = (Bmc::start(), Bmc::start(), Bench::new());
    for status in [301, 302, 303, 307, 308] {
        bmc.rule(
            "GET",
            SYSTEM,
            1,
            Reply::status(status).with("Location", &format!("{}{SYSTEM}", other.url())),
        );
        let error = read(&bmc, &bench).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Protocol, "{status}: {error}");
    }
    bmc.rule("POST", RESET, 1, Reply::status(307).with("Location", &format!("{}{RESET}", other.url())));
    assert!(bench.power.set_power_state(&basic(&bmc), PowerState::On, None).await.is_err());

    assert!(other.asked().is_empty(), "{:?}", other.asked());
}

#[tokio::test]
async fn a_write_is_redirected_with_its_body_and_only_by_307_and_308() {
    let (bmc, bench) = (Bmc::start(), Bench::new());
    bmc.rule("POST", RESET, 1, Reply::status(308).with("Location", RESET));
    bench.power.set_power_state(&basic(&bmc), PowerState::On, None).await.unwrap();
    assert_eq!(bmc.count("POST", RESET), 2);

    bmc.rule("POST", RESET, 1, Reply::status(302).with("Location", RESET));
    let error = bench.power.set_power_state(&basic(&bmc), PowerState::Off, None).await.unwrap_err();
    assert!(error.message().contains("a redirect with status 302"), "{error}");
}

#[tokio::test]
async fn requests_say_what_they_want_and_nothing_more() {
    let (bmc, bench) = (Bmc::start(), Bench::new());

    bench.power.set_power_state(&basic(&bmc), PowerState::On, None).await.unwrap();

    let log = bmc.state().log.clone();
    let get = log.iter().find(|request| request.method == "GET").unwrap();
    let names: Vec<&str> = get.headers.keys().map(String::as_str).collect();
    assert_eq!(names, ["accept", "accept-encoding", "authorization", "host", "odata-version", "user-agent"]);
    assert_eq!(get.header("accept-encoding"), Some("identity"));
    let post = log.iter().find(|request| request.method == "POST").unwrap();
    assert_eq!(post.header("content-type"), Some("application/json"));
    assert_eq!(post.json(), json!({"ResetType": "On"}));
}

#[tokio::test]
async fn a_server_that_insists_on_compression_is_asked_without_our_wish() {
    let (bmc, bench) = (Bmc::start(), Bench::new());
    bmc.rule("GET", SYSTEM, 1, Reply::status(406));

    read(&bmc, &bench).await.unwrap();

    let log = bmc.state().log.clone();
    assert_eq!(log[0].header("accept-encoding"), Some("identity"));
    assert_eq!(log[1].header("accept-encoding"), None);
}

#[tokio::test]
async fn the_root_is_read_once() {
    let (bmc, bench) = (Bmc::start(), Bench::new());

    for _ in 0..3 {
        bench.management.detect_vendor(&task(&bmc)).await.unwrap();
    }

    assert_eq!(bmc.count("GET", ROOT), 1);
}
