//! Connections that fail, at every point where they can.

use std::net::TcpListener;

use farrier_sdk::prelude::*;
use farrier_sdk::serde_json::json;

use crate::bench::{Bench, Task, node, task_with};
use crate::bmc::{Bmc, RESET, Reply, SYSTEM};

fn basic(bmc: &Bmc) -> Task {
    task_with(bmc, &json!({"redfish_auth_type": "basic"}))
}

fn nobody(address: &str) -> Task {
    node(&json!({"driver_info": {"redfish_address": address, "redfish_system_id": SYSTEM}}))
}

fn closed_port() -> u16 {
    TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port()
}

#[tokio::test]
async fn an_unreachable_bmc_is_named_with_what_was_tried() {
    let bench = Bench::new();
    let address = format!("https://127.0.0.1:{}", closed_port());

    let error = bench.power.get_power_state(&nobody(&address)).await.unwrap_err();

    assert_eq!((error.kind(), error.is_retryable()), (ErrorKind::Unreachable, true));
    let text = error.message();
    assert!(text.starts_with("get power state failed: cannot connect for GET"), "{text}");
    assert!(text.contains(&address) && text.contains("connection refused (5 attempts in"), "{text}");
    assert_eq!(error.details()["error"], "RedfishConnectionError");
}

#[tokio::test]
async fn a_name_that_does_not_exist_is_said_to_be_that() {
    let bench = Bench::with(json!({"connection_attempts": 1}));

    let error = bench.power.get_power_state(&nobody("http://bmc.invalid")).await.unwrap_err();

    assert!(error.message().contains("cannot resolve the name"), "{error}");
}

#[tokio::test]
async fn a_silent_bmc_ends_within_the_configured_time() {
    let (bmc, bench) = (Bmc::start(), Bench::with(json!({"read_timeout": 0.2, "connection_attempts": 2})));
    bmc.rule("GET", SYSTEM, 9, Reply::Hang);

    let error = bench.power.get_power_state(&basic(&bmc)).await.unwrap_err();

    assert_eq!(error.kind(), ErrorKind::Unreachable);
    assert!(error.message().contains("silent for 0.2 s (2 attempts"), "{error}");
    assert_eq!(bmc.count("GET", SYSTEM), 2);
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_asked_for_again() {
    let (bmc, bench) = (Bmc::start(), Bench::new());
    bmc.rule("GET", SYSTEM, 3, Reply::Cut(5000, "{\"PowerState\": \"On\"".to_owned()));

    assert_eq!(bench.power.get_power_state(&basic(&bmc)).await.unwrap(), PowerState::Off);
    assert_eq!(bmc.count("GET", SYSTEM), 4);
}

#[tokio::test]
async fn a_reset_of_a_reused_connection_does_not_count_as_an_attempt() {
    let (bmc, bench) = (Bmc::start(), Bench::with(json!({"connection_attempts": 1})));
    bench.power.get_power_state(&basic(&bmc)).await.unwrap();

    bmc.rule("GET", SYSTEM, 1, Reply::Drop);
    bench.power.get_power_state(&basic(&bmc)).await.unwrap();

    assert_eq!((bmc.count("GET", SYSTEM), bmc.connections()), (3, 2));
}

#[tokio::test]
async fn two_resets_of_reused_connections_in_a_row_end_their_reuse() {
    let (bmc, bench) = (Bmc::start(), Bench::new());
    for _ in 0..2 {
        bench.power.get_power_state(&basic(&bmc)).await.unwrap();
        bmc.rule("GET", SYSTEM, 1, Reply::Drop);
    }
    bench.power.get_power_state(&basic(&bmc)).await.unwrap();
    let before = bmc.connections();

    for _ in 0..3 {
        bench.power.get_power_state(&basic(&bmc)).await.unwrap();
    }

    // The connection of the last answer may still be used once.
    assert!(bmc.connections() >= before + 2, "{} {before}", bmc.connections());
    assert_eq!(bmc.state().log.last().unwrap().header("connection"), Some("close"));
}

#[tokio::test]
async fn a_bmc_that_hangs_does_not_delay_another() {
    let (deaf, well, bench) = (Bmc::start(), Bmc::start(), Bench::new());
    deaf.rule("GET", SYSTEM, 9, Reply::Hang);
    let (slow, quick) = (basic(&deaf), basic(&well));
    let mut hanging = Box::pin(bench.power.get_power_state(&slow));

    for _ in 0..20 {
        tokio::select! {
            biased;
            _ = &mut hanging => panic!("a BMC that hangs has answered"),
            state = bench.power.get_power_state(&quick) => assert_eq!(state.unwrap(), PowerState::Off),
        }
    }
}

#[tokio::test]
async fn a_reset_without_an_answer_that_was_done_is_not_repeated() {
    let (bmc, bench) = (Bmc::start(), Bench::new());
    bmc.rule("POST", RESET, 1, Reply::DoAndDrop);

    bench.power.set_power_state(&basic(&bmc), PowerState::On, None).await.unwrap();

    assert_eq!(bmc.count("POST", RESET), 1);
}

#[tokio::test]
async fn a_reset_without_an_answer_that_was_not_done_is_sent_again_twice_at_most() {
    let (bmc, bench) = (Bmc::start(), Bench::new());
    bmc.rule("POST", RESET, 2, Reply::Drop);
    bench.power.set_power_state(&basic(&bmc), PowerState::On, None).await.unwrap();
    assert_eq!(bmc.count("POST", RESET), 3);

    bmc.rule("POST", RESET, 9, Reply::Drop);
    let error = bench.power.set_power_state(&basic(&bmc), PowerState::Off, None).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unreachable);
    assert_eq!(bmc.count("POST", RESET), 6);
}

#[tokio::test]
async fn a_restart_without_an_answer_is_judged_by_what_the_machine_shows() {
    // Nothing to see: never twice.
    let (bmc, bench) = (Bmc::start(), Bench::new());
    bmc.change(SYSTEM, &json!({"PowerState": "On"}));
    bmc.rule("POST", RESET, 1, Reply::Drop);
    let error = bench.power.set_power_state(&basic(&bmc), PowerState::SoftReboot, None).await.unwrap_err();
    assert_eq!((error.kind(), bmc.count("POST", RESET)), (ErrorKind::Unreachable, 1));

    // A new time of the last reset: done.
    let bmc = Bmc::start();
    bmc.change(SYSTEM, &json!({"PowerState": "On", "LastResetTime": "2025-01-01T00:00:00Z"}));
    bmc.rule("POST", RESET, 1, Reply::DoAndDrop);
    bench.power.set_power_state(&basic(&bmc), PowerState::SoftReboot, None).await.unwrap();
    assert_eq!(bmc.count("POST", RESET), 1);

    // The old time: sent again.
    let bmc = Bmc::start();
    bmc.change(SYSTEM, &json!({"PowerState": "On", "LastResetTime": "2025-01-01T00:00:00Z"}));
    bmc.rule("POST", RESET, 1, Reply::Drop);
    bench.power.set_power_state(&basic(&bmc), PowerState::SoftReboot, None).await.unwrap();
    assert_eq!(bmc.count("POST", RESET), 2);
}

#[tokio::test]
async fn a_dropped_call_leaves_no_request_behind() {
    let (bmc, bench) = (Bmc::start(), Bench::new());
    bmc.rule("GET", SYSTEM, 1, Reply::Hang);
    let task = basic(&bmc);
    let call = tokio::time::timeout(Duration::from_millis(200), bench.power.get_power_state(&task)).await;
    assert!(call.is_err());

    // The place at the BMC is free again, for a write too.
    bench.power.set_power_state(&basic(&bmc), PowerState::On, None).await.unwrap();
}
