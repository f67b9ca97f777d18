//! The power interface as the conductor calls it.

use std::time::Duration;

use farrier_sdk::prelude::*;
use farrier_sdk::serde_json::json;
use farrier_sim::ipmi::{self, Bmc};
use farrier_sim::ipmi_sim::{IpmiSim, PASSWORD, USER};

use crate::bench::{Bench, task, task_on};
use crate::{bmc, bmc_with};

fn on_bmc(bmc: &Bmc, node: &Value) -> crate::bench::Task {
    let pinned = json!({"ipmi_cipher_suite": 17});
    task_on(bmc.address(), ipmi::USER, ipmi::PASSWORD, &pinned, node)
}

/// Data of the chassis control commands a BMC has carried out.
fn orders(bmc: &Bmc) -> Vec<u8> {
    bmc.state().data_of((0, 2)).into_iter().map(|data| data[0]).collect()
}

#[tokio::test]
async fn the_simulator_is_switched_through_all_states() {
    let directory = tempfile::tempdir().unwrap();
    let sim = IpmiSim::start(directory.path()).unwrap();
    let (bench, task) = (Bench::new(), task(sim.address(), USER, PASSWORD, &json!({})));
    let limit = Some(Duration::from_secs(20));
    assert_eq!(bench.power.get_power_state(&task).await.unwrap(), PowerState::Off);

    bench.power.set_power_state(&task, PowerState::On, limit).await.unwrap();
    assert_eq!(bench.power.get_power_state(&task).await.unwrap(), PowerState::On);
    bench.power.set_power_state(&task, PowerState::SoftOff, limit).await.unwrap();
    assert_eq!(bench.power.get_power_state(&task).await.unwrap(), PowerState::Off);
    bench.power.reboot(&task, limit).await.unwrap();
    bench.power.set_power_state(&task, PowerState::SoftReboot, limit).await.unwrap();
    bench.power.set_power_state(&task, PowerState::Reboot, limit).await.unwrap();
    bench.power.set_power_state(&task, PowerState::Off, limit).await.unwrap();

    assert!(!sim.is_on());
    assert_eq!(
        sim.actions(),
        ["power 1", "shutdown 1", "power 1", "shutdown 1", "power 1", "power 0", "power 1", "power 0"]
    );
}

#[tokio::test]
async fn the_state_a_machine_has_is_not_ordered_again() {
    let bmc = bmc_with(|trouble| trouble.chassis.strict = true);
    let (bench, task) = (Bench::new(), on_bmc(&bmc, &json!({})));

    bench.power.set_power_state(&task, PowerState::Off, None).await.unwrap();
    bench.power.set_power_state(&task, PowerState::SoftOff, None).await.unwrap();

    assert_eq!(orders(&bmc), Vec::<u8>::new());
}

#[tokio::test]
async fn an_order_whose_answer_is_lost_is_seen_to_have_happened() {
    let bmc = bmc();
    bmc.set_power(true);
    bmc.state().trouble.mute.insert((0x00, 0x02), 4);
    let (bench, task) = (Bench::new(), on_bmc(&bmc, &json!({})));

    bench.power.set_power_state(&task, PowerState::SoftOff, None).await.unwrap();

    assert!(!bmc.is_on());
}

#[tokio::test]
async fn a_machine_that_got_there_by_itself_is_no_error() {
    let bmc = bmc();
    // The first look says off; the order is refused because the machine is on by then.
    bmc.state().trouble.chassis.strict = true;
    bmc.state().trouble.chassis.moves_before_order = Some(true);
    let (bench, task) = (Bench::new(), on_bmc(&bmc, &json!({})));

    bench.power.set_power_state(&task, PowerState::On, None).await.unwrap();
}

#[tokio::test]
async fn a_refused_soft_off_is_an_error_at_once() {
    for code in [0xCC, 0xC1, 0xD5] {
        let bmc = bmc();
        bmc.set_power(true);
        bmc.state().trouble.codes = vec![((0x00, 0x02), code)];
        let (bench, task) = (Bench::new(), on_bmc(&bmc, &json!({})));

        let error = bench.power.set_power_state(&task, PowerState::SoftOff, None).await.unwrap_err();

        assert_eq!(error.kind(), ErrorKind::Hardware, "{error}");
        assert_eq!(error.details()["completion_code"], json!(code));
    }
}

#[tokio::test]
async fn a_machine_that_does_not_move_is_a_timeout_that_says_so() {
    let directory = tempfile::tempdir().unwrap();
    let sim = IpmiSim::start(directory.path()).unwrap();
    sim.get_stuck().unwrap();
    let (bench, task) = (Bench::new(), task(sim.address(), USER, PASSWORD, &json!({})));

    let limit = Some(Duration::from_secs(1));
    let error = bench.power.set_power_state(&task, PowerState::On, limit).await.unwrap_err();

    assert_eq!(error.kind(), ErrorKind::Timeout);
    let expected = format!(
        "the machine at `{}` did not reach `power on` within 1 s of the order `power on`; its state is power off",
        sim.address()
    );
    assert_eq!(error.message(), expected);
}

#[tokio::test]
async fn a_machine_never_to_be_off_is_reset() {
    let bmc = bmc();
    bmc.set_power(true);
    let (bench, task) = (Bench::new(), on_bmc(&bmc, &json!({"disable_power_off": true})));

    bench.power.reboot(&task, None).await.unwrap();
    let error = bench.power.set_power_state(&task, PowerState::SoftReboot, None).await.unwrap_err();

    assert_eq!(orders(&bmc), [3]);
    assert_eq!(error.kind(), ErrorKind::Unsupported);
}

#[tokio::test]
async fn a_reset_of_a_machine_that_is_off_turns_it_on() {
    let bmc = bmc();
    let (bench, task) = (Bench::new(), on_bmc(&bmc, &json!({"disable_power_off": true})));

    bench.power.reboot(&task, None).await.unwrap();

    assert_eq!(orders(&bmc), [1]);
}

#[tokio::test]
async fn a_state_that_cannot_be_asked_for_is_named() {
    let bmc = bmc();
    let (bench, task) = (Bench::new(), on_bmc(&bmc, &json!({})));

    let error = bench.power.set_power_state(&task, PowerState::Error, None).await.unwrap_err();

    assert_eq!(error.kind(), ErrorKind::InvalidParameter);
    assert!(error.message().starts_with("`error` is not one of power on, power off"), "{error}");
    assert_eq!(bmc.open_requests(), 0);
}

#[tokio::test]
async fn all_five_states_are_offered() {
    let bmc = bmc();
    let bench = Bench::new();

    let states = bench.power.get_supported_power_states(&on_bmc(&bmc, &json!({}))).await.unwrap();

    assert_eq!(states.len(), 5);
}

#[tokio::test]
async fn validation_finds_what_is_wrong_without_asking_the_bmc() {
    let bmc = bmc();
    let bench = Bench::new();
    let long = json!({"ipmi_password": "a-password-beyond-20-b"});

    bench.power.validate(&on_bmc(&bmc, &json!({}))).await.unwrap();
    let error = bench.power.validate(&task(bmc.address(), "admin", "x", &long)).await.unwrap_err();

    assert_eq!(error.kind(), ErrorKind::InvalidParameter);
    assert_eq!(error.message(), "`ipmi_password`: password is longer than the 20 bytes of IPMI 2.0");
    assert_eq!(bmc.open_requests(), 0);
}

#[tokio::test]
async fn a_bmc_out_of_reach_is_an_error_within_the_limit() {
    let nobody = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let bench = Bench::with(&json!({"command_retry_timeout": 2}));
    let address = nobody.local_addr().unwrap();

    let error = bench.power.get_power_state(&task(address, "admin", "pw", &json!({}))).await.unwrap_err();

    assert_eq!(error.kind(), ErrorKind::Unreachable);
    assert!(error.message().starts_with(&format!("no reply from `{address}`: sent ")), "{error}");
}

#[tokio::test]
async fn wrong_credentials_are_an_error_of_their_own() {
    let directory = tempfile::tempdir().unwrap();
    let sim = IpmiSim::start(directory.path()).unwrap();
    let bench = Bench::new();

    let error =
        bench.power.get_power_state(&task(sim.address(), USER, "wrong", &json!({}))).await.unwrap_err();

    assert_eq!(error.kind(), ErrorKind::AuthFailed);
    assert!(!error.is_retryable());
    assert_eq!(error.message(), format!("authentication with `{}` failed: password", sim.address()));
}
