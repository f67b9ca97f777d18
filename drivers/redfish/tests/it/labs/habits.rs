//! What vendors' BMCs demand, refuse and get wrong.

use farrier_sdk::prelude::*;
use farrier_sdk::serde_json::json;

use super::Mockup;
use crate::bench::Bench;

const DELL: &str = "dell-poweredge-r750.json";
const HPE: &str = "hpe-dl325-gen10plus.json";
const AMI: &str = "gigabyte-ami.json";

#[tokio::test]
async fn every_kind_of_tag_is_used_as_the_bmc_wants_it() {
    for tag in ["none", "strong", "weak", "body"] {
        for habits in [vec!["--etag", tag], vec!["--etag", tag, "--require-if-match"]] {
            let (mockup, bench) = (Mockup::start(AMI, &habits), Bench::new());
            let task = mockup.plain_task();

            bench.management.set_boot_device(&task, BootDevice::Pxe, false).await.unwrap();
            bench.management.set_boot_device(&task, BootDevice::Disk, false).await.unwrap();

            let refused = mockup.log().iter().filter(|entry| matches!(entry.status, 412 | 428)).count();
            assert!(refused <= 2, "{habits:?}: {refused} refusals");
        }
    }
}

#[tokio::test]
async fn an_idrac_that_is_not_ready_is_waited_for() {
    let (mockup, bench) =
        (Mockup::start(DELL, &["--faults", &Mockup::faults("not-ready.json")]), Bench::new());

    let state = bench.power.get_power_state(&mockup.plain_task()).await.unwrap();

    assert_eq!(state, PowerState::On);
}

#[tokio::test]
async fn an_idrac_that_needs_a_moment_after_power_off_gets_it() {
    let mockup = Mockup::start(DELL, &["--settle", "1"]);
    let bench = Bench::with(json!({"power_on_conflict_retry_interval": 0.3}));
    let task = mockup.plain_task();
    bench.power.set_power_state(&task, PowerState::Off, None).await.unwrap();

    bench.power.set_power_state(&task, PowerState::On, None).await.unwrap();

    assert!(mockup.log().iter().any(|entry| entry.status == 409));
}

#[tokio::test]
async fn an_ilo_in_post_gets_the_boot_device_later() {
    let mockup = Mockup::start(HPE, &["--post-seconds", "1"]);
    let bench = Bench::with(json!({"post_boot_retry_delay": 0.3}));
    let task = mockup.plain_task();
    bench.power.reboot(&task, None).await.unwrap();

    bench.management.set_boot_device(&task, BootDevice::Pxe, true).await.unwrap();

    assert!(mockup.log().iter().any(|entry| entry.method == "PATCH" && entry.status == 400));
}

#[tokio::test]
async fn a_bmc_that_keeps_no_boot_device_gets_it_once() {
    let (mockup, bench) = (Mockup::start(HPE, &["--refuse-persistent"]), Bench::new());
    let task = mockup.plain_task();

    bench.management.set_boot_device(&task, BootDevice::Pxe, true).await.unwrap();

    let current = bench.management.get_boot_device(&task).await.unwrap();
    assert_eq!((current.boot_device, current.persistent), (Some(BootDevice::Pxe), Some(false)));
}

#[tokio::test]
async fn broken_answers_are_asked_for_again() {
    let (mockup, bench) = (Mockup::start(DELL, &["--faults", &Mockup::faults("cut-off.json")]), Bench::new());

    assert_eq!(bench.power.get_power_state(&mockup.plain_task()).await.unwrap(), PowerState::On);
}

#[tokio::test]
async fn a_missing_license_makes_secure_boot_unknown() {
    let bundle = "supermicro-sys821ge.json";
    let (mockup, bench) =
        (Mockup::start(bundle, &["--faults", &Mockup::faults("license.json")]), Bench::new());

    assert_eq!(bench.management.get_secure_boot_state(&mockup.plain_task()).await.unwrap(), None);
}

#[tokio::test]
async fn a_password_that_must_be_changed_is_said_to_be_that() {
    let (mockup, bench) = (
        Mockup::start("openbmc-stock.json", &["--faults", &Mockup::faults("password-change.json")]),
        Bench::new(),
    );

    let error = bench.power.get_power_state(&mockup.plain_task()).await.unwrap_err();

    assert!(error.message().contains("password of the account must be changed"), "{error}");
}

#[tokio::test]
async fn a_machine_that_ignores_the_power_button_is_a_power_state_failure() {
    let (mockup, bench) = (Mockup::start(DELL, &["--deaf"]), Bench::new());

    let timeout = Some(Duration::from_millis(500));
    let error =
        bench.power.set_power_state(&mockup.plain_task(), PowerState::SoftOff, timeout).await.unwrap_err();

    assert_eq!(error.kind(), ErrorKind::Timeout);
}

#[tokio::test]
async fn power_that_takes_its_time_is_waited_for() {
    let (mockup, bench) = (Mockup::start(DELL, &["--power-delay", "1"]), Bench::new());
    let task = mockup.plain_task();

    bench.power.reboot(&task, None).await.unwrap();

    assert_eq!(bench.power.get_power_state(&task).await.unwrap(), PowerState::On);
}

#[tokio::test]
async fn tls_with_an_authority_of_its_own_is_believed_when_that_is_given() {
    let (mockup, bench) = (Mockup::start(HPE, &["tls"]), Bench::new());

    assert_eq!(bench.power.get_power_state(&mockup.plain_task()).await.unwrap(), PowerState::On);
    let error =
        bench.power.get_power_state(&mockup.task(&json!({"redfish_verify_ca": true}))).await.unwrap_err();

    assert!(error.message().contains("TLS failed"), "{error}");
}

#[tokio::test]
async fn tasks_that_end_badly_or_vanish_are_told_apart() {
    for (end, fails) in [("Completed", false), ("gone", false), ("Exception", true), ("Cancelled", true)] {
        let (mockup, bench) =
            (Mockup::start(DELL, &["--task-seconds", "0.2", "--task-end", end]), Bench::new());
        let task = mockup.plain_task();
        let update =
            FirmwareUpdate { component: "bmc".to_owned(), url: "http://h/x.bin".to_owned(), wait: None };
        let deadline = std::time::Instant::now() + Duration::from_secs(30);
        let outcome = loop {
            let outcome = bench.firmware.update(&task, vec![update.clone()]).await;
            if !matches!(outcome, Ok(StepOutcome::Wait { .. })) || std::time::Instant::now() > deadline {
                break outcome;
            }
        };

        match outcome {
            Ok(outcome) => assert_eq!((outcome, fails), (StepOutcome::Done, false), "{end}"),
            Err(error) => assert!(fails && error.message().contains(end), "{end}: {error}"),
        }
    }
}
