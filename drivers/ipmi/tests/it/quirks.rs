//! Machines that deviate from the protocol: one test for each deviation known.

use std::time::Duration;

use farrier_ipmi::chassis::{ChassisControl, GetChassisStatus};
use farrier_ipmi::crypto::CipherSuite;
use farrier_ipmi::packet::Discard;
use farrier_ipmi::target::Privilege;
use farrier_ipmi::transport::TransportOptions;
use farrier_ipmi::transport::error::TransportError;
use farrier_sdk::prelude::*;
use farrier_sdk::serde_json::json;
use farrier_sim::inject::{SuiteList, Trouble};
use farrier_sim::ipmi::{self, Bmc, Settings};
use farrier_sim::network::{Fault, Network, Plan, Way};
use farrier_sim::switch::Switch;
use tokio::time::Instant;

use crate::bench::{Bench, task_on};
use crate::{LOGIN, Login, bmc, bmc_with, quick, soon, transport};

async fn status_of(bmc: &Bmc, login: &Login<'_>) -> Result<bool, TransportError> {
    let status = crate::transport().execute(&login.at(bmc.address()), GetChassisStatus, soon()).await?;
    Ok(status.power_on)
}

/// A BMC known to be like that.
fn like(name: &str) -> Bmc {
    let mut settings = Settings::default();
    Switch::named(name).unwrap().set(&mut settings);
    Bmc::start(settings).unwrap()
}

fn with_suites(suites: &[u8], list: SuiteList) -> Bmc {
    let mut trouble = Trouble::default();
    trouble.login.suites = list;
    Bmc::start(Settings { suites: suites.to_vec(), trouble, ..Settings::default() }).unwrap()
}

#[tokio::test]
async fn nobody_is_pinged_and_no_pong_is_needed() {
    let bmc = bmc();

    status_of(&bmc, &LOGIN).await.unwrap();

    // Question for suites, three messages of the login, privilege, status: nothing before them.
    assert_eq!(bmc.state().datagrams, 6);
}

#[tokio::test]
async fn openbmc_is_reached_switched_and_told_what_to_boot() {
    let bmc = like("like-openbmc");
    bmc.state().trouble.chassis.silence = Duration::from_millis(900);
    let bench = Bench::new();
    let task = task_on(bmc.address(), ipmi::USER, ipmi::PASSWORD, &json!({}), &json!({}));

    bench.management.set_boot_device(&task, BootDevice::Pxe, false).await.unwrap();
    bench.power.set_power_state(&task, PowerState::On, None).await.unwrap();

    assert!(bmc.is_on());
    assert_eq!(bmc.state().machine.boot_flags(), [0xA0, 0x04, 0, 0, 0]);
}

#[tokio::test]
async fn tag_zero_is_taken_and_unauthenticated_answers_are_not() {
    let bmc = bmc_with(|trouble| trouble.login.tag_zero = true);
    status_of(&bmc, &LOGIN).await.unwrap();

    bmc.state().trouble.session.unprotected = true;
    let deadline = Instant::now() + Duration::from_secs(2);
    let error = transport().execute(&LOGIN.at(bmc.address()), GetChassisStatus, deadline).await;

    assert!(error.is_err());
}

#[tokio::test]
async fn a_bmc_that_always_picks_suite_three_gets_it_and_is_remembered() {
    let bmc = like("like-pyghmi");
    let options = TransportOptions { session_idle_timeout: Duration::from_millis(10), ..quick() };
    let (transport, target) = (crate::Transport::new(options), LOGIN.at(bmc.address()));
    transport.execute(&target, GetChassisStatus, soon()).await.unwrap();
    crate::eventually("no session", || bmc.sessions() == 0).await;
    let before = bmc.open_requests();

    transport.execute(&target, GetChassisStatus, soon()).await.unwrap();

    assert_eq!((before, bmc.open_requests()), (2, 3));
}

#[tokio::test]
async fn silence_for_a_wrong_user_says_what_is_probably_wrong() {
    let bmc = like("like-pyghmi");

    let error = status_of(&bmc, &Login { user: "nobody", ..LOGIN }).await.unwrap_err();

    assert!(error.to_string().contains("user name or password probably wrong"), "{error}");
    // It would have died of a login given up too early.
    status_of(&bmc, &LOGIN).await.unwrap();
}

#[tokio::test]
async fn a_network_that_loses_does_not_kill_a_bmc_that_dies_of_early_farewells() {
    for number in 1..6 {
        for way in [Way::ToBmc, Way::ToClient] {
            for fault in [Fault::Drop, Fault::Duplicate] {
                let bmc = like("like-pyghmi");
                let plan = Plan::Once { way, number, fault, seed: 1 };
                let network = Network::between(bmc.address(), plan).unwrap();

                transport().execute(&LOGIN.at(network.address()), GetChassisStatus, soon()).await.unwrap();

                assert!(!bmc.state().trouble.deaf, "{fault:?} {number} {way:?}");
            }
        }
    }
}

#[tokio::test]
async fn a_login_that_is_renamed_while_its_answer_was_late_is_not_a_wrong_password() {
    let bmc = like("like-pyghmi");
    let options = TransportOptions { session_idle_timeout: Duration::from_millis(10), ..quick() };
    let (transport, target) = (crate::Transport::new(options), LOGIN.at(bmc.address()));
    // From now on it is known to answer at once, so requests to it are soon repeated.
    transport.execute(&target, GetChassisStatus, soon()).await.unwrap();
    crate::eventually("no session", || bmc.sessions() == 0).await;
    bmc.state().trouble.delay = Duration::from_millis(300);
    let before = bmc.open_requests();

    transport.execute(&target, GetChassisStatus, soon()).await.unwrap();

    assert!(before + 1 < bmc.open_requests(), "nothing was repeated");
}

#[tokio::test]
async fn forgotten_flags_leave_the_device() {
    let bmc = like("like-pyghmi");
    let bench = Bench::new();
    let task = task_on(bmc.address(), ipmi::USER, ipmi::PASSWORD, &json!({}), &json!({}));

    bench.management.set_boot_device(&task, BootDevice::Disk, true).await.unwrap();

    assert_eq!(bmc.state().machine.boot_flags(), [0, 0x08, 0, 0, 0]);
}

#[tokio::test]
async fn four_sessions_are_enough_and_always_given_back() {
    let bmc = like("like-cisco");
    for _ in 0..10 {
        let transport = transport();
        transport.execute(&LOGIN.at(bmc.address()), GetChassisStatus, soon()).await.unwrap();
        transport.close(Duration::from_secs(10)).await;
    }

    assert_eq!(bmc.sessions(), 0);
}

#[tokio::test]
async fn a_privilege_command_that_fails_in_the_better_suite_leads_to_the_other() {
    let bmc = bmc_with(|trouble| {
        trouble.session.privilege_code = Some(0xCC);
        trouble.session.privilege_code_in_newer_suite_only = true;
    });
    let (transport, target) = (transport(), LOGIN.at(bmc.address()));

    transport.execute(&target, GetChassisStatus, soon()).await.unwrap();

    // The first session was closed, and the second is kept.
    assert_eq!((bmc.open_requests(), bmc.sessions()), (2, 1));
    transport.close(Duration::from_secs(10)).await;
    assert_eq!(bmc.sessions(), 0);
}

#[tokio::test]
async fn a_privilege_command_that_fails_in_every_suite_is_an_error_with_its_code() {
    let bmc = bmc_with(|trouble| trouble.session.privilege_code = Some(0xCC));

    let error = status_of(&bmc, &LOGIN).await.unwrap_err();

    assert!(error.to_string().contains("Set Session Privilege Level refused"), "{error}");
    assert_eq!((bmc.open_requests(), bmc.sessions()), (2, 0));
}

#[tokio::test]
async fn supermicro_is_survived_with_its_checksums_and_long_codes() {
    let bmc = like("like-supermicro");
    let (transport, target) = (transport(), LOGIN.at(bmc.address()));

    transport.execute(&target, ChassisControl::On, soon()).await.unwrap();

    assert!(bmc.is_on());
    let tolerated = transport.discards().into_iter().find(|(reason, _)| *reason == Discard::BadChecksum);
    assert!(0 < tolerated.unwrap().1);
}

#[tokio::test]
async fn supermicro_boots_its_disk_by_its_own_selector() {
    let bmc = bmc();
    let bench = Bench::new();
    let node = json!({"properties": {"vendor": "Super Micro Computer Inc."}});
    let task = task_on(bmc.address(), ipmi::USER, ipmi::PASSWORD, &json!({}), &node);

    bench.management.set_boot_device(&task, BootDevice::Disk, false).await.unwrap();

    assert_eq!(bmc.state().machine.boot_flags(), [0xA0, 0x24, 0, 0, 0]);
    let read = bench.management.get_boot_device(&task).await.unwrap();
    assert_eq!(read.boot_device, Some(BootDevice::Disk));
}

#[tokio::test]
async fn supermicro_that_wants_all_boot_flags_for_its_setup_gets_them_and_others_an_error() {
    const SETUP: u8 = 6;
    for (vendor, device, set) in [
        ("supermicro", BootDevice::Bios, Some([0xFF, 0x18, 0, 0, 0])),
        ("Super Micro Computer Inc.", BootDevice::Pxe, Some([0xA0, 0x04, 0, 0, 0])),
        ("dell", BootDevice::Bios, None),
    ] {
        let bmc = bmc_with(|trouble| trouble.chassis.wants_all_flags = Some(SETUP));
        let node = json!({"properties": {"vendor": vendor}});
        let task = task_on(bmc.address(), ipmi::USER, ipmi::PASSWORD, &json!({}), &node);

        let done = Bench::new().management.set_boot_device(&task, device, false).await;

        assert_eq!(done.is_ok(), set.is_some(), "{vendor}: {done:?}");
        assert_eq!(bmc.state().machine.boot_flags(), set.unwrap_or([0; 5]), "{vendor}");
    }
}

#[tokio::test]
async fn a_reset_of_a_machine_that_is_off_is_a_start() {
    let bmc = bmc();
    let bench = Bench::new();
    let never_off = json!({"disable_power_off": true});
    let task = task_on(bmc.address(), ipmi::USER, ipmi::PASSWORD, &json!({}), &never_off);

    bench.power.reboot(&task, None).await.unwrap();

    assert_eq!(bmc.state().data_of((0, 2)), [[1]]);
}

#[tokio::test]
async fn dell_refuses_what_changes_nothing_and_that_is_success() {
    let bmc = like("like-dell");
    bmc.state().trouble.records.chunk = None;
    let bench = Bench::new();
    let task = task_on(bmc.address(), ipmi::USER, ipmi::PASSWORD, &json!({}), &json!({}));

    bench.power.set_power_state(&task, PowerState::Off, None).await.unwrap();
    bmc.state().trouble.chassis.moves_before_order = Some(true);
    bench.power.set_power_state(&task, PowerState::On, None).await.unwrap();

    assert!(bmc.is_on());
}

#[tokio::test]
async fn lenovo_takes_the_better_suite_alone() {
    let bmc = like("like-lenovo");

    status_of(&bmc, &LOGIN).await.unwrap();

    assert_eq!(bmc.open_requests(), 1);
}

#[tokio::test]
async fn a_bmc_with_ipmi_switched_off_is_an_error_that_suggests_it() {
    let nobody = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let target = LOGIN.at(nobody.local_addr().unwrap());

    let deadline = Instant::now() + Duration::from_secs(1);
    let error = transport().execute(&target, GetChassisStatus, deadline).await.unwrap_err();

    assert!(error.to_string().ends_with("IPMI over LAN may be disabled there"), "{error}");
}

#[tokio::test]
async fn wrong_capabilities_are_never_asked_for() {
    let bmc = bmc();

    status_of(&bmc, &LOGIN).await.unwrap();

    assert_eq!(bmc.count((0x06, 0x38)), 0);
}

#[tokio::test]
async fn session_id_zero_is_refused() {
    let bmc = bmc_with(|trouble| trouble.login.session_id_zero = true);

    let error = status_of(&bmc, &LOGIN).await.unwrap_err();

    assert!(error.to_string().ends_with("the BMC gave session ID 0"), "{error}");
    assert_eq!(bmc.rakp_1(), 0);
}

#[tokio::test]
async fn a_key_of_zeros_is_none_and_a_password_of_sixteen_may_sit_in_a_longer_field() {
    let mut settings = Settings::default();
    settings.users[0].password = b"sixteen-bytes-16\0\0\0\0".to_vec();
    let bmc = Bmc::start(settings).unwrap();

    let login = Login { password: "sixteen-bytes-16", bmc_key: Some("\0\0\0\0\0\0\0\0"), ..LOGIN };

    status_of(&bmc, &login).await.unwrap();
}

#[tokio::test]
async fn users_looked_up_by_level_are_found_at_their_own() {
    let bmc = bmc_with(|trouble| trouble.login.level_lookup = true);

    let operator = Login { user: "oper", password: "operpw", privilege: Privilege::Operator, ..LOGIN };

    status_of(&bmc, &operator).await.unwrap();
}

#[tokio::test]
async fn padding_may_be_filled_with_anything_and_refusals_be_short() {
    for change in [
        (|trouble| trouble.session.zero_padding = true) as fn(&mut Trouble),
        |trouble| trouble.login.short_refusals = true,
        |trouble| trouble.login.level_zero = true,
    ] {
        let bmc = bmc_with(change);
        bmc.set_power(true);
        assert!(status_of(&bmc, &LOGIN).await.unwrap());
    }
}

#[tokio::test]
async fn short_refusals_say_what_long_ones_do() {
    let bmc = bmc_with(|trouble| trouble.login.short_refusals = true);

    let error = status_of(&bmc, &Login { user: "nobody", ..LOGIN }).await.unwrap_err();

    assert!(error.to_string().ends_with("failed: user name"), "{error}");
}

#[tokio::test]
async fn a_check_value_that_is_too_short_is_no_panic() {
    let bmc = bmc_with(|trouble| trouble.login.short_check = 4);

    let deadline = Instant::now() + Duration::from_secs(3);
    let error = transport().execute(&LOGIN.at(bmc.address()), GetChassisStatus, deadline).await;

    assert!(error.is_err());
}

#[tokio::test]
async fn a_bmc_with_the_older_suite_alone_is_reached() {
    for (list, guesses) in [
        (SuiteList::Silent, 2),
        (SuiteList::True, 1),
        (SuiteList::Given(vec![0xC0, 17, 0x03, 0x44, 0x81]), 2),
        (SuiteList::Given(vec![0xFF; 100]), 2),
    ] {
        let bmc = with_suites(&[3], list.clone());

        status_of(&bmc, &LOGIN).await.unwrap();

        assert_eq!(bmc.open_requests(), guesses, "{list:?}");
    }
}

#[tokio::test]
async fn a_long_list_of_suites_is_read_to_its_end() {
    let mut list = Vec::new();
    for vendor in 0..20 {
        list.extend([0xC1, 0x80 + vendor, 1, 2, 3, 0x01, 0x41, 0x81]);
    }
    list.extend([0xC0, 3, 0x01, 0x41, 0x81]);
    let bmc = with_suites(&[3], SuiteList::Given(list));

    status_of(&bmc, &LOGIN).await.unwrap();

    assert_eq!(bmc.open_requests(), 1);
}

#[tokio::test]
async fn a_pinned_suite_is_the_only_one_tried() {
    let bmc = with_suites(&[3], SuiteList::True);
    let login = Login { suite: Some(CipherSuite::Sha256), ..LOGIN };

    let error = status_of(&bmc, &login).await.unwrap_err();

    let TransportError::NoCipherSuite { tried, .. } = &error else { panic!("{error}") };
    assert_eq!((tried.as_str(), bmc.state().datagrams), ("17", 2));
}

#[tokio::test]
async fn a_fault_on_the_way_back_of_the_list_of_suites_does_not_matter() {
    for fault in [Fault::Drop, Fault::Corrupt, Fault::Truncate] {
        let bmc = bmc();
        let plan = Plan::Once { way: Way::ToClient, number: 1, fault, seed: 1 };
        let network = Network::between(bmc.address(), plan).unwrap();

        transport().execute(&LOGIN.at(network.address()), GetChassisStatus, soon()).await.unwrap();
    }
}
