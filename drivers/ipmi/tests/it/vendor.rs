//! Vendor methods as the conductor calls them.

use std::time::Duration;

use farrier_ipmi::chassis::GetChassisStatus;
use farrier_ipmi::command::raw::ResetBmc;
use farrier_sdk::prelude::*;
use farrier_sdk::serde_json::json;
use farrier_sim::ipmi::{self, Bmc};
use tokio::time::Instant;

use crate::bench::{Bench, Task, task};
use crate::{LOGIN, bmc, bmc_with, soon, transport};

fn on(bmc: &Bmc) -> Task {
    task(bmc.address(), ipmi::USER, ipmi::PASSWORD, &json!({"ipmi_cipher_suite": 17}))
}

#[tokio::test]
async fn a_raw_command_is_sent_once_and_its_answer_comes_back() {
    let bmc = bmc();
    let bench = Bench::new();

    let echo = bench.vendor.raw(&on(&bmc), "0x30 0x01 1 2 0xff").await.unwrap();
    let group = bench.vendor.raw(&on(&bmc), "0x2c 2 0xdc").await.unwrap();
    let vendor = bench.vendor.raw(&on(&bmc), "0x2e 1 0x57 1 0 9").await.unwrap();

    assert_eq!(echo, [1, 2, 0xFF]);
    assert_eq!(group, b"\xdcfarrier");
    assert_eq!(vendor, [0x57, 1, 0, 9]);
    assert_eq!(bmc.count((0x30, 0x01)), 1);
}

#[tokio::test]
async fn a_raw_command_that_is_refused_says_which_and_why() {
    let bmc = bmc();

    let error = Bench::new().vendor.raw(&on(&bmc), "0x30 0x77").await.unwrap_err();

    assert_eq!(error.kind(), ErrorKind::Hardware);
    assert_eq!(
        error.message(),
        format!("`{}` refused raw command 0x30 0x77: invalid command (c1h)", bmc.address())
    );
    assert_eq!(error.details()["completion_code"], json!(0xC1));
}

#[tokio::test]
async fn a_raw_command_without_answer_is_not_repeated() {
    let bmc = bmc();
    bmc.state().trouble.mute.insert((0x30, 0x01), 10);

    let error = Bench::new().vendor.raw(&on(&bmc), "0x30 1").await.unwrap_err();

    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert!(error.message().contains("its outcome is unknown"), "{error}");
    assert_eq!(bmc.count((0x30, 0x01)), 1);
}

#[tokio::test]
async fn junk_is_refused_before_any_traffic() {
    let bmc = bmc();
    let bench = Bench::new();
    let validate = async |method: &str, arguments: Value| {
        let arguments = arguments.as_object().unwrap().clone();
        bench.vendor.validate(&on(&bmc), Some(method.to_owned()), arguments).await
    };

    let missing = validate("send_raw", json!({})).await.unwrap_err();
    let junk = validate("send_raw", json!({"raw_bytes": "0x06 zwei"})).await.unwrap_err();
    let number = validate("send_raw", json!({"raw_bytes": 6})).await.unwrap_err();
    let tepid = validate("bmc_reset", json!({"warm": "tepid"})).await.unwrap_err();
    let sent = bench.vendor.raw(&on(&bmc), "0x07 0x01").await.unwrap_err();

    assert_eq!(missing.kind(), ErrorKind::MissingParameter);
    for error in [junk, number, tepid, sent] {
        assert_eq!(error.kind(), ErrorKind::InvalidParameter, "{error}");
    }
    validate("send_raw", json!({"raw_bytes": "0x06 0x01"})).await.unwrap();
    validate("bmc_reset", json!({})).await.unwrap();
    assert_eq!(bmc.state().datagrams, 0);
}

#[tokio::test]
async fn a_bmc_is_reset_warm_or_cold_and_its_session_forgotten() {
    for (order, resets) in [(ResetBmc::Warm, [0, 1]), (ResetBmc::Cold, [1, 0])] {
        let bmc = bmc();

        Bench::new().vendor.reset(&on(&bmc), order).await.unwrap();

        assert_eq!(bmc.state().own_resets, resets);
        assert_eq!(bmc.sessions(), 0);
    }
}

#[tokio::test]
async fn a_bmc_that_resets_itself_without_an_answer_has_done_so() {
    let bmc = bmc_with(|trouble| trouble.chassis.silent_reset = true);

    Bench::new().vendor.reset(&on(&bmc), ResetBmc::Warm).await.unwrap();

    assert_eq!(bmc.state().own_resets, [0, 1]);
}

#[tokio::test]
async fn a_bmc_that_resets_itself_is_left_alone_for_ten_seconds() {
    let bmc = bmc();
    let (transport, target) = (transport(), LOGIN.at(bmc.address()));
    let started = Instant::now();
    transport.execute(&target, ResetBmc::Cold, soon()).await.unwrap();
    let logins = bmc.open_requests();

    let deadline = Instant::now() + Duration::from_secs(3);
    let error = transport.execute(&target, GetChassisStatus, deadline).await.unwrap_err();
    transport.execute(&target, GetChassisStatus, soon()).await.unwrap();

    assert!(error.to_string().contains("is held back for"), "{error}");
    assert!(Duration::from_secs(10) <= started.elapsed());
    assert_eq!(bmc.open_requests(), logins + 1);
}

#[tokio::test]
async fn a_reset_that_is_swallowed_leaves_no_session() {
    let bmc = bmc();
    // As in a lockdown: accepted, and nothing happens.
    bmc.state().trouble.refuse((0x06, 0x03), 0x00, 1);

    Bench::new().vendor.reset(&on(&bmc), ResetBmc::Warm).await.unwrap();

    crate::eventually("no session", || bmc.sessions() == 0).await;
    assert_eq!(bmc.state().own_resets, [0, 0]);
}
