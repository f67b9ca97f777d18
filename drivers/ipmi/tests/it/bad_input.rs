//! What gets which error: one test for each kind of bad input.
//!
//! What is wrong with `driver_info` is tested beside its reader; boot devices, sensor records and raw commands
//! in the files named after them.

use std::net::UdpSocket;
use std::time::Duration;

use farrier_ipmi::chassis::{ChassisControl, GetChassisStatus};
use farrier_ipmi::command::completion::CompletionCode;
use farrier_ipmi::crypto::CipherSuite;
use farrier_ipmi::packet::Discard;
use farrier_ipmi::target::Privilege;
use farrier_ipmi::transport::error::{AuthenticationFault, TransportError};
use farrier_sim::inject::Trouble;
use farrier_sim::ipmi::{Bmc, Settings};
use farrier_sim::network::{Fault, Network, Plan, Way};
use ipmi_rs::app::GetDeviceId;
use tokio::time::Instant;

use crate::{LOGIN, Login, PATIENCE, Transport, bmc, bmc_with, eventually, soon, transport};

/// A login that asks nobody which cipher suite to use.
const PINNED: Login<'static> = Login { suite: Some(CipherSuite::Sha256), ..LOGIN };

const CHASSIS_STATUS: (u8, u8) = (0x00, 0x01);
const CHASSIS_CONTROL: (u8, u8) = (0x00, 0x02);

async fn status_of(bmc: &Bmc, login: &Login<'_>) -> Result<bool, TransportError> {
    let status = transport().execute(&login.at(bmc.address()), GetChassisStatus, soon()).await?;
    Ok(status.power_on)
}

fn authentication_fault(error: &TransportError) -> AuthenticationFault {
    let TransportError::Authentication { fault, .. } = error else { panic!("{error}") };
    *fault
}

/// How often datagrams were ignored for a reason.
fn discarded(transport: &Transport, reason: Discard) -> u64 {
    transport.discards().into_iter().find(|(found, _)| *found == reason).unwrap().1
}

#[tokio::test]
async fn a_name_without_address_is_an_error_that_names_it() {
    let target = LOGIN.at("127.0.0.1:623".parse().unwrap());
    let mut target = std::sync::Arc::into_inner(target).unwrap();
    target.endpoint.host = "no-such-host.invalid".into();

    let deadline = Instant::now() + Duration::from_secs(4);
    let error = transport().execute(&target.into(), GetChassisStatus, deadline).await.unwrap_err();

    assert!(error.to_string().starts_with("cannot resolve `no-such-host.invalid:623`: "), "{error}");
}

#[tokio::test]
async fn a_closed_port_is_tried_again_at_a_pace_and_reported() {
    let bmc = bmc();
    let target = PINNED.at(bmc.address());
    bmc.stop();

    let deadline = Instant::now() + Duration::from_secs(2);
    let error = transport().execute(&target, GetChassisStatus, deadline).await.unwrap_err();

    let TransportError::Refused { effort, .. } = error else { panic!("{error}") };
    assert!((2..10).contains(&effort.sends), "{effort}");
}

#[tokio::test]
async fn no_answer_at_all_is_given_up_after_four_logins() {
    let nobody = UdpSocket::bind("127.0.0.1:0").unwrap();
    let target = PINNED.at(nobody.local_addr().unwrap());

    // Without pauses: the clock runs as soon as everybody waits.
    tokio::time::pause();
    let deadline = Instant::now() + Duration::from_secs(600);
    let error = transport().execute(&target, GetChassisStatus, deadline).await.unwrap_err();

    let TransportError::NoReply { endpoint, effort } = error else { panic!("{error}") };
    assert_eq!((endpoint.port, effort.logins, effort.sends), (nobody.local_addr().unwrap().port(), 4, 16));
}

#[tokio::test]
async fn silence_after_rakp_1_is_reported_as_a_failed_login() {
    let bmc = bmc_with(|trouble| trouble.login.silent_for_unknown_user = true);

    let error = status_of(&bmc, &Login { user: "nobody", ..PINNED }).await.unwrap_err();

    assert!(matches!(error, TransportError::LoginUnanswered { .. }), "{error}");
    let text = error.to_string();
    assert!(
        text.contains("no answer to login") && text.contains("user name or password probably wrong"),
        "{text}"
    );
    eventually("no login", || bmc.state().logins_under_way() == 0).await;
}

#[tokio::test]
async fn silence_after_rakp_3_is_reported_as_a_failed_login() {
    let bmc = bmc_with(|trouble| trouble.login.silent = [0, 0, u32::MAX]);

    let deadline = Instant::now() + Duration::from_secs(4);
    let target = PINNED.at(bmc.address());
    let error = transport().execute(&target, GetChassisStatus, deadline).await.unwrap_err();

    // The password was proven right, so it is not blamed.
    assert!(matches!(error, TransportError::NoReply { .. }), "{error}");
}

#[tokio::test]
async fn a_wrong_password_is_tried_twice_at_most() {
    let bmc = bmc();

    let error = status_of(&bmc, &Login { password: "wrong", ..LOGIN }).await.unwrap_err();

    assert_eq!(authentication_fault(&error), AuthenticationFault::Password);
    assert!(error.to_string().ends_with("failed: password"), "{error}");
    assert_eq!(bmc.rakp_1(), 2);
    assert!(bmc.state().commands.is_empty());
    eventually("no login", || bmc.state().logins_under_way() == 0).await;
}

#[tokio::test]
async fn a_password_the_bmc_refuses_is_tried_twice_at_most() {
    let bmc = bmc_with(|trouble| trouble.login.rakp_4_statuses = vec![0x0F; 10]);

    let error = status_of(&bmc, &PINNED).await.unwrap_err();

    assert_eq!(authentication_fault(&error), AuthenticationFault::Password);
    assert_eq!(bmc.rakp_1(), 2);
}

#[tokio::test]
async fn an_unknown_user_is_tried_once() {
    let bmc = bmc();

    let error = status_of(&bmc, &Login { user: "nobody", ..LOGIN }).await.unwrap_err();

    assert_eq!(authentication_fault(&error), AuthenticationFault::User);
    assert!(error.to_string().ends_with("failed: user name"), "{error}");
    assert_eq!(bmc.rakp_1(), 1);
}

#[tokio::test]
async fn a_level_that_is_refused_at_login_is_tried_once() {
    let bmc = bmc_with(|trouble| trouble.login.rakp_2_statuses = vec![0x0A; 10]);

    let error = status_of(&bmc, &PINNED).await.unwrap_err();

    assert!(error.to_string().ends_with("failed: privilege level ADMINISTRATOR not allowed"), "{error}");
    assert_eq!(bmc.rakp_1(), 1);
}

#[tokio::test]
async fn a_role_that_no_suite_allows_is_an_error_of_the_level() {
    let bmc = bmc_with(|trouble| trouble.login.open_statuses = vec![0x09; 10]);

    let error = status_of(&bmc, &LOGIN).await.unwrap_err();

    assert_eq!(authentication_fault(&error), AuthenticationFault::Privilege(Privilege::Administrator));
    assert_eq!(bmc.rakp_1(), 0);
}

#[tokio::test]
async fn a_level_the_user_has_not_is_an_error() {
    let bmc = bmc();
    let viewer = Login { user: "viewer", password: "viewpw", ..LOGIN };

    let error = status_of(&bmc, &viewer).await.unwrap_err();

    assert_eq!(authentication_fault(&error), AuthenticationFault::Privilege(Privilege::Administrator));
    assert_eq!(bmc.sessions(), 0);
}

#[tokio::test]
async fn a_wrong_bmc_key_is_tried_twice_at_most() {
    let settings = Settings { bmc_key: Some(b"kgkgkgkg".to_vec()), ..Settings::default() };
    let bmc = Bmc::start(settings).unwrap();

    for (attempts, wrong) in [(2, Some("other")), (4, None)] {
        let error = status_of(&bmc, &Login { bmc_key: wrong, ..LOGIN }).await.unwrap_err();
        assert!(error.to_string().ends_with("failed: K_g, the BMC key"), "{error}");
        assert_eq!(bmc.rakp_1(), attempts);
    }

    status_of(&bmc, &Login { bmc_key: Some("kgkgkgkg"), ..LOGIN }).await.unwrap();
}

#[tokio::test]
async fn no_common_suite_is_an_error_that_names_what_was_tried() {
    let bmc = Bmc::start(Settings { suites: Vec::new(), ..Settings::default() }).unwrap();

    let error = status_of(&bmc, &LOGIN).await.unwrap_err();

    assert!(error.to_string().starts_with("no usable cipher suite with"), "{error}");
    assert!(error.to_string().contains("(tried 17, 3)"), "{error}");
}

#[tokio::test]
async fn a_downgrade_leads_to_the_next_suite_and_never_into_a_session() {
    let picks_three = bmc_with(|trouble| trouble.login.downgrade = Some([1, 1, 1]));
    let picks_none = bmc_with(|trouble| trouble.login.downgrade = Some([0, 0, 0]));

    status_of(&picks_three, &LOGIN).await.unwrap();
    let error = status_of(&picks_none, &LOGIN).await.unwrap_err();

    assert!(error.to_string().contains("tried to downgrade the session"), "{error}");
    assert_eq!(picks_none.rakp_1(), 0);
}

#[tokio::test]
async fn slots_that_stay_taken_are_an_error() {
    let bmc = Bmc::start(Settings { slots: 0, ..Settings::default() }).unwrap();

    let deadline = Instant::now() + Duration::from_secs(2);
    let error = transport().execute(&PINNED.at(bmc.address()), GetChassisStatus, deadline).await.unwrap_err();

    assert!(error.to_string().starts_with("too many sessions on the BMC"), "{error}");
}

#[tokio::test]
async fn junk_before_every_answer_is_counted_and_ignored() {
    let bmc = bmc_with(|trouble| trouble.junk = 20);
    let (transport, target) = (transport(), PINNED.at(bmc.address()));

    for on in [true, false, true] {
        bmc.set_power(on);
        let status = transport.execute(&target, GetChassisStatus, soon()).await;
        assert_eq!(status.unwrap().power_on, on);
    }

    for reason in [Discard::Oversized, Discard::NotIpmi, Discard::Truncated, Discard::BadAuthCode] {
        assert!(0 < discarded(&transport, reason), "{reason}");
    }
}

#[tokio::test]
async fn answers_that_are_no_answers_are_counted_by_reason_and_ignored() {
    type Switch = fn(&mut Trouble);
    let rows: [(Discard, Switch); 4] = [
        (Discard::Foreign, |trouble| trouble.session.wrong_session = 1),
        (Discard::Unasked, |trouble| trouble.session.wrong_request = 1),
        (Discard::Repeated, |trouble| trouble.session.repeats = 1),
        (Discard::Repeated, |trouble| trouble.session.stale_first = true),
    ];
    for (reason, switch) in rows {
        let bmc = bmc();
        let (transport, target) = (transport(), PINNED.at(bmc.address()));
        transport.execute(&target, GetDeviceId, soon()).await.unwrap();
        switch(&mut bmc.state().trouble);

        for on in [true, false, true] {
            bmc.set_power(on);
            let status = transport.execute(&target, GetChassisStatus, soon()).await.unwrap();
            assert_eq!(status.power_on, on, "{reason}");
        }

        assert!(0 < discarded(&transport, reason), "{reason}");
        assert_eq!(bmc.open_requests(), 1, "{reason}");
    }
}

#[tokio::test]
async fn answers_from_another_address_are_never_seen() {
    let bmc = bmc_with(|trouble| trouble.delay = Duration::from_millis(300));
    let (transport, target) = (transport(), PINNED.at(bmc.address()));
    let stranger = UdpSocket::bind("127.0.0.1:0").unwrap();
    let asking = transport.execute(&target, GetChassisStatus, soon());
    let disturbing = async {
        // Whoever guesses every port of ours still has the wrong one himself.
        for port in 1024..=u16::MAX {
            stranger.send_to(&[6, 0, 0xFF, 7, 6, 0x11, 0], ("127.0.0.1", port)).unwrap_or_default();
        }
    };

    let (status, ()) = tokio::join!(asking, disturbing);

    status.unwrap();
    assert_eq!(transport.discards().iter().map(|(_, count)| count).sum::<u64>(), 0);
}

#[tokio::test]
async fn an_oversized_datagram_is_ignored() {
    let bmc = bmc();
    let (transport, target) = (transport(), PINNED.at(bmc.address()));
    transport.execute(&target, GetDeviceId, soon()).await.unwrap();
    bmc.state().trouble.session.oversized = true;

    let deadline = Instant::now() + Duration::from_secs(2);
    transport.execute(&target, GetChassisStatus, deadline).await.unwrap_err();

    assert!(0 < discarded(&transport, Discard::Oversized));
}

#[tokio::test]
async fn answers_outside_of_the_protection_are_ignored() {
    let bmc = bmc();
    let (transport, target) = (transport(), PINNED.at(bmc.address()));
    transport.execute(&target, GetDeviceId, soon()).await.unwrap();
    bmc.state().trouble.session.unprotected = true;

    let deadline = Instant::now() + Duration::from_secs(2);
    transport.execute(&target, GetChassisStatus, deadline).await.unwrap_err();

    assert!(0 < discarded(&transport, Discard::Unauthenticated));
}

#[tokio::test]
async fn three_undecipherable_answers_lead_to_a_new_session() {
    let bmc = bmc();
    bmc.set_power(true);
    let (transport, target) = (transport(), PINNED.at(bmc.address()));
    transport.execute(&target, GetDeviceId, soon()).await.unwrap();
    bmc.state().trouble.session.undecipherable = 3;

    let status = transport.execute(&target, GetChassisStatus, soon()).await.unwrap();

    assert!(status.power_on);
    assert_eq!((bmc.open_requests(), discarded(&transport, Discard::Undecipherable)), (2, 2));
}

#[tokio::test]
async fn a_short_body_is_malformed_and_not_asked_for_again() {
    let bmc = bmc();
    bmc.state().trouble.short.insert(CHASSIS_STATUS, 0);

    let error = status_of(&bmc, &PINNED).await.unwrap_err();

    assert!(error.to_string().starts_with("malformed reply of"), "{error}");
    assert!(error.to_string().ends_with("to Get Chassis Status (00h/01h)"), "{error}");
    assert_eq!(bmc.count(CHASSIS_STATUS), 1);
}

#[tokio::test]
async fn a_busy_bmc_is_asked_again() {
    for code in CompletionCode::RETRYABLE {
        let bmc = bmc();
        bmc.state().trouble.refuse(CHASSIS_CONTROL, code.0, 2);

        transport().execute(&PINNED.at(bmc.address()), ChassisControl::On, soon()).await.unwrap();

        assert!(bmc.is_on(), "{code}");
    }
}

#[tokio::test]
async fn a_bmc_that_stays_busy_is_an_error_with_its_code() {
    let bmc = bmc();
    bmc.state().trouble.refuse(CHASSIS_STATUS, 0xC0, 100);

    let deadline = Instant::now() + Duration::from_secs(2);
    let error = transport().execute(&PINNED.at(bmc.address()), GetChassisStatus, deadline).await.unwrap_err();

    assert_eq!(error.completion_code(), Some(CompletionCode::NODE_BUSY));
    assert!(error.to_string().ends_with("refused Get Chassis Status: node busy (c0h)"), "{error}");
}

#[tokio::test]
async fn another_completion_code_is_an_error_at_once() {
    for code in [0xC1, 0xC2, 0xC7, 0xCC, 0xCE, 0xD3, 0xD6, 0xFF, 0x01, 0x90] {
        let bmc = bmc();
        bmc.state().trouble.refuse(CHASSIS_STATUS, code, 100);

        let error = status_of(&bmc, &PINNED).await.unwrap_err();

        assert_eq!(error.completion_code(), Some(CompletionCode(code)));
        assert_eq!(bmc.state().trouble.codes.len(), 99, "{code:02x}");
    }
}

#[tokio::test]
async fn a_lost_privilege_is_asked_for_again_once() {
    let bmc = bmc();
    bmc.state().trouble.refuse(CHASSIS_CONTROL, 0xD4, 1);

    transport().execute(&PINNED.at(bmc.address()), ChassisControl::On, soon()).await.unwrap();

    assert_eq!(bmc.count((0x06, 0x3B)), 2);
}

#[tokio::test]
async fn a_level_too_low_for_a_command_is_an_error() {
    let bmc = bmc();
    let target = Login { privilege: Privilege::User, ..PINNED }.at(bmc.address());
    let transport = transport();

    assert!(transport.execute(&target, GetChassisStatus, soon()).await.is_ok());
    let error = transport.execute(&target, ChassisControl::On, soon()).await.unwrap_err();

    assert_eq!(authentication_fault(&error), AuthenticationFault::Insufficient(Privilege::User));
    assert!(error.to_string().contains("insufficient privilege"), "{error}");
    assert!(!bmc.is_on());
}

#[tokio::test]
async fn a_bmc_that_restarts_is_logged_in_to_again() {
    let bmc = bmc();
    let (transport, target) = (transport(), PINNED.at(bmc.address()));
    transport.execute(&target, GetChassisStatus, soon()).await.unwrap();
    bmc.state().restart(Duration::from_millis(700));

    transport.execute(&target, ChassisControl::On, soon()).await.unwrap();

    assert!(bmc.is_on());
    assert_eq!(bmc.sessions(), 1);
}

#[tokio::test]
async fn what_must_not_be_repeated_is_sent_once_and_its_outcome_unknown() {
    let bmc = bmc();
    bmc.state().trouble.mute.insert(CHASSIS_CONTROL, 10);

    let order = ChassisControl::DiagnosticInterrupt;
    let error = transport().execute(&PINNED.at(bmc.address()), order, soon()).await.unwrap_err();

    assert!(error.is_outcome_unknown(), "{error}");
    assert_eq!(bmc.state().machine.interrupts, 1);
}

#[tokio::test]
async fn a_reset_is_repeated_in_its_own_session_only() {
    let bmc = bmc();
    bmc.state().trouble.mute.insert(CHASSIS_CONTROL, 10);

    let target = PINNED.at(bmc.address());
    let error = transport().execute(&target, ChassisControl::Reset, soon()).await.unwrap_err();

    assert!(error.is_outcome_unknown(), "{error}");
    assert_eq!((bmc.count(CHASSIS_CONTROL), bmc.open_requests()), (4, 1));
}

#[tokio::test]
async fn a_duplicate_request_counts_as_unknown_or_is_asked_again() {
    let bmc = bmc();
    bmc.state().trouble.refuse(CHASSIS_CONTROL, 0xCF, 1);
    bmc.state().trouble.refuse(CHASSIS_STATUS, 0xCF, 1);
    let (transport, target) = (transport(), PINNED.at(bmc.address()));

    let error = transport.execute(&target, ChassisControl::Reset, soon()).await.unwrap_err();
    let status = transport.execute(&target, GetChassisStatus, soon()).await;

    assert!(error.is_outcome_unknown(), "{error}");
    assert!(!status.unwrap().power_on);
}

#[tokio::test]
async fn a_duplicate_of_an_order_that_was_repeated_is_a_success_and_of_another_is_given_again() {
    let order = async |plan: Plan| {
        let bmc = bmc();
        bmc.state().trouble.refuse(CHASSIS_CONTROL, 0xCF, 1);
        let network = Network::between(bmc.address(), plan).unwrap();
        let before = bmc.state().datagrams;
        transport().execute(&PINNED.at(network.address()), ChassisControl::On, soon()).await.unwrap();
        (bmc.is_on(), bmc.state().datagrams - before)
    };

    // The first copy of the order is lost, so the BMC that takes the second for a duplicate is believed.
    let fifth = Plan::Once { way: Way::ToBmc, number: 5, fault: Fault::Drop, seed: 1 };
    let repeated = order(fifth).await;
    let single = order(Plan::Random { seed: 1, rates: Vec::new() }).await;

    // Three messages of the login, the level, the order.
    assert_eq!((repeated, single), ((false, 5), (true, 6)));
}

#[tokio::test]
async fn a_repeated_answer_answers_nothing_else() {
    let bmc = bmc();
    let everything_twice = Plan::Random { seed: 1, rates: vec![(1000, Fault::Duplicate)] };
    let network = Network::between(bmc.address(), everything_twice).unwrap();
    let (transport, target) = (transport(), PINNED.at(network.address()));

    for on in [true, false, true, false] {
        bmc.set_power(on);
        let status = transport.execute(&target, GetChassisStatus, soon()).await.unwrap();
        assert_eq!(status.power_on, on);
    }

    assert!(0 < discarded(&transport, Discard::Repeated));
    transport.close(PATIENCE).await;
}

#[tokio::test]
async fn a_proven_user_is_not_believed_gone_at_the_first_refusal() {
    let bmc = bmc();
    let (transport, target) = (transport(), PINNED.at(bmc.address()));
    transport.execute(&target, GetChassisStatus, soon()).await.unwrap();
    bmc.state().forget_sessions();
    bmc.state().trouble.login.rakp_2_statuses = vec![0x0D];

    transport.execute(&target, GetChassisStatus, soon()).await.unwrap();

    assert_eq!(bmc.rakp_1(), 3);
}
