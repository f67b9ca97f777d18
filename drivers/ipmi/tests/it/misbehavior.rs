//! BMCs that deviate, refuse or are configured in unusual ways.

use std::time::Duration;

use farrier_ipmi::chassis::{ChassisControl, GetChassisStatus};
use farrier_ipmi::command::completion::CompletionCode;
use farrier_ipmi::crypto::CipherSuite;
use farrier_ipmi::packet::Discard;
use farrier_ipmi::target::Privilege;
use farrier_ipmi::transport::TransportOptions;
use farrier_ipmi::transport::error::{AuthenticationFault, TransportError};
use tokio::time::Instant;

use crate::bmc::{Behavior, Bmc};
use crate::faults::{Fault, Faults, Plan, Way};
use crate::{LOGIN, Login, Transport, quick, soon, transport};

async fn status_of(bmc: &Bmc, login: &Login<'_>) -> Result<bool, TransportError> {
    let status = transport().execute(&login.at(bmc.address), GetChassisStatus, soon()).await?;
    Ok(status.power_on)
}

fn authentication_fault(error: &TransportError) -> AuthenticationFault {
    let TransportError::Authentication { fault, .. } = error else { panic!("{error}") };
    *fault
}

#[tokio::test]
async fn the_better_suite_is_taken_where_both_exist() {
    let bmc = Bmc::start(Behavior { suites: vec![17], ..Behavior::default() });

    status_of(&bmc, &LOGIN).await.unwrap();
}

#[tokio::test]
async fn a_bmc_with_the_older_suite_alone_is_reached_and_remembered() {
    let bmc = Bmc::start(Behavior { suites: vec![3], ..Behavior::default() });
    let options = TransportOptions { session_idle_timeout: Duration::from_millis(10), ..quick() };
    let (transport, target) = (Transport::new(options), LOGIN.at(bmc.address));
    transport.execute(&target, GetChassisStatus, soon()).await.unwrap();
    crate::eventually("no session", || bmc.sessions() == 0).await;
    let before = bmc.open_requests();

    transport.execute(&target, GetChassisStatus, soon()).await.unwrap();

    assert_eq!((before, bmc.open_requests()), (2, 3));
}

#[tokio::test]
async fn a_list_of_suites_saves_the_wrong_guess() {
    let list =
        vec![0xC0, 1, 0x01, 0x40, 0x80, 0xC0, 2, 0x01, 0x41, 0x80, 0xC0, 3, 0x01, 0x41, 0x81, 0xC0, 8, 2];
    let bmc = Bmc::start(Behavior { suites: vec![3], suite_list: Some(list), ..Behavior::default() });

    status_of(&bmc, &LOGIN).await.unwrap();

    assert_eq!(bmc.open_requests(), 1);
}

#[tokio::test]
async fn a_list_that_lies_costs_one_guess_and_no_more() {
    let list = vec![0xC0, 17, 0x03, 0x44, 0x81];
    let bmc = Bmc::start(Behavior { suites: vec![3], suite_list: Some(list), ..Behavior::default() });

    status_of(&bmc, &LOGIN).await.unwrap();

    assert_eq!(bmc.open_requests(), 2);
}

#[tokio::test]
async fn a_pinned_suite_is_the_only_one_tried() {
    let bmc = Bmc::start(Behavior { suites: vec![3], ..Behavior::default() });
    let login = Login { suite: Some(CipherSuite::Sha256), ..LOGIN };

    let error = status_of(&bmc, &login).await.unwrap_err();

    let TransportError::NoCipherSuite { tried, .. } = &error else { panic!("{error}") };
    assert_eq!(tried, "17");
}

#[tokio::test]
async fn no_common_suite_is_an_error_that_names_what_was_tried() {
    let bmc = Bmc::start(Behavior { suites: Vec::new(), ..Behavior::default() });

    let error = status_of(&bmc, &LOGIN).await.unwrap_err();

    let TransportError::NoCipherSuite { tried, .. } = &error else { panic!("{error}") };
    assert_eq!(tried, "17, 3");
}

#[tokio::test]
async fn a_downgrade_leads_to_the_next_suite_and_never_into_a_session() {
    let picks_three = Behavior { downgrade: Some([1, 1, 1]), ..Behavior::default() };
    let picks_none = Behavior { downgrade: Some([0, 0, 0]), ..Behavior::default() };

    let bmc = Bmc::start(picks_three);
    status_of(&bmc, &LOGIN).await.unwrap();

    let bmc = Bmc::start(picks_none);
    let error = status_of(&bmc, &LOGIN).await.unwrap_err();
    assert!(matches!(error, TransportError::Downgrade { .. }), "{error}");
    assert_eq!(bmc.rakp_1(), 0);
}

#[tokio::test]
async fn a_wrong_password_is_tried_twice_at_most() {
    let bmc = Bmc::start(Behavior::default());

    let error = status_of(&bmc, &Login { password: "wrong", ..LOGIN }).await.unwrap_err();

    assert_eq!(authentication_fault(&error), AuthenticationFault::Password);
    assert_eq!(bmc.rakp_1(), 2);
    assert!(bmc.state().commands.is_empty());
}

#[tokio::test]
async fn an_unknown_user_is_tried_once() {
    let bmc = Bmc::start(Behavior::default());

    let error = status_of(&bmc, &Login { user: "nobody", ..LOGIN }).await.unwrap_err();

    assert_eq!(authentication_fault(&error), AuthenticationFault::User);
    assert_eq!(bmc.rakp_1(), 1);
}

#[tokio::test]
async fn silence_for_an_unknown_user_is_reported_as_a_failed_login() {
    let bmc = Bmc::start(Behavior { silent_for_unknown_user: true, ..Behavior::default() });
    let deadline = Instant::now() + Duration::from_secs(20);
    let target = Login { user: "nobody", ..LOGIN }.at(bmc.address);

    let error = transport().execute(&target, GetChassisStatus, deadline).await.unwrap_err();

    assert!(matches!(error, TransportError::LoginUnanswered { .. }), "{error}");
}

#[tokio::test]
async fn a_bmc_key_opens_the_session_and_a_wrong_one_does_not() {
    let bmc = Bmc::start(Behavior { bmc_key: Some("kgkgkgkg"), ..Behavior::default() });

    status_of(&bmc, &Login { bmc_key: Some("kgkgkgkg"), ..LOGIN }).await.unwrap();
    for wrong in [Some("other"), None] {
        let error = status_of(&bmc, &Login { bmc_key: wrong, ..LOGIN }).await.unwrap_err();
        assert_eq!(authentication_fault(&error), AuthenticationFault::BmcKey);
    }

    assert_eq!(bmc.rakp_1(), 1 + 2 + 2);
}

#[tokio::test]
async fn a_level_the_user_has_not_is_an_error() {
    let bmc = Bmc::start(Behavior { level: 2, ..Behavior::default() });

    let error = status_of(&bmc, &LOGIN).await.unwrap_err();

    assert_eq!(authentication_fault(&error), AuthenticationFault::Privilege(Privilege::Administrator));
    assert_eq!(bmc.sessions(), 0);
}

#[tokio::test]
async fn a_level_too_low_for_a_command_is_an_error() {
    let bmc = Bmc::start(Behavior::default());
    let target = Login { privilege: Privilege::User, ..LOGIN }.at(bmc.address);
    let transport = transport();

    assert!(transport.execute(&target, GetChassisStatus, soon()).await.is_ok());
    let error = transport.execute(&target, ChassisControl::On, soon()).await.unwrap_err();

    assert_eq!(authentication_fault(&error), AuthenticationFault::Insufficient(Privilege::User));
    assert!(!bmc.state().power);
}

#[tokio::test]
async fn deviations_that_do_no_harm_are_survived() {
    for behavior in [
        Behavior { tag_zero: true, ..Behavior::default() },
        Behavior { bad_checksums: true, ..Behavior::default() },
    ] {
        let bmc = Bmc::start(behavior.clone());
        bmc.state().power = true;
        assert!(status_of(&bmc, &LOGIN).await.unwrap(), "{behavior:?}");
    }
}

#[tokio::test]
async fn junk_before_every_answer_is_counted_and_ignored() {
    let bmc = Bmc::start(Behavior { junk: 20, ..Behavior::default() });
    let (transport, target) =
        (transport(), Login { suite: Some(CipherSuite::Sha256), ..LOGIN }.at(bmc.address));

    for on in [true, false, true] {
        bmc.state().power = on;
        let status = transport.execute(&target, GetChassisStatus, soon()).await;
        assert_eq!(status.unwrap().power_on, on);
    }

    let discards = transport.discards();
    for reason in [Discard::Oversized, Discard::NotIpmi, Discard::Truncated, Discard::BadAuthCode] {
        assert!(discards.iter().any(|(found, count)| *found == reason && 0 < *count), "{reason}");
    }
}

#[tokio::test]
async fn a_busy_bmc_is_asked_again() {
    let bmc = Bmc::start(Behavior::default());
    bmc.state().codes = vec![((0x00, 0x02), 0xC0), ((0x00, 0x02), 0xD2)];
    let target = LOGIN.at(bmc.address);

    transport().execute(&target, ChassisControl::On, soon()).await.unwrap();

    assert!(bmc.state().power);
}

#[tokio::test]
async fn a_bmc_that_stays_busy_is_an_error_with_its_code() {
    let bmc = Bmc::start(Behavior::default());
    bmc.state().codes = vec![((0x00, 0x01), 0xC0); 100];

    let deadline = Instant::now() + Duration::from_secs(2);
    let error = transport().execute(&LOGIN.at(bmc.address), GetChassisStatus, deadline).await.unwrap_err();

    assert_eq!(error.completion_code(), Some(CompletionCode::NODE_BUSY));
}

#[tokio::test]
async fn a_lost_privilege_is_asked_for_again() {
    let bmc = Bmc::start(Behavior::default());
    bmc.state().codes = vec![((0x00, 0x02), 0xD4)];

    transport().execute(&LOGIN.at(bmc.address), ChassisControl::On, soon()).await.unwrap();

    assert_eq!(bmc.count(0x06, 0x3B), 2);
}

#[tokio::test]
async fn what_must_not_be_repeated_is_sent_once() {
    let bmc = Bmc::start(Behavior::default());
    bmc.state().mute.insert((0x00, 0x02), 10);

    let error = transport()
        .execute(&LOGIN.at(bmc.address), ChassisControl::DiagnosticInterrupt, soon())
        .await
        .unwrap_err();

    assert!(error.is_outcome_unknown(), "{error}");
    assert_eq!(bmc.count(0x00, 0x02), 1);
}

#[tokio::test]
async fn a_reset_is_repeated_in_its_own_session_only() {
    let bmc = Bmc::start(Behavior::default());
    bmc.state().mute.insert((0x00, 0x02), 10);

    let error = transport().execute(&LOGIN.at(bmc.address), ChassisControl::Reset, soon()).await.unwrap_err();

    assert!(error.is_outcome_unknown(), "{error}");
    assert_eq!((bmc.count(0x00, 0x02), bmc.open_requests()), (4, 1));
}

#[tokio::test]
async fn a_repeated_answer_is_counted_and_answers_nothing_else() {
    let bmc = Bmc::start(Behavior::default());
    let everything_twice = Plan::Random { seed: 1, rates: vec![(1000, Fault::Duplicate)] };
    let faults = Faults::between(bmc.address, everything_twice).await;
    let (transport, target) = (transport(), LOGIN.at(faults.address));

    for on in [true, false, true, false] {
        bmc.state().power = on;
        let status = transport.execute(&target, GetChassisStatus, soon()).await.unwrap();
        assert_eq!(status.power_on, on);
    }

    assert!(transport.discards().iter().any(|(reason, count)| *reason == Discard::Repeated && 0 < *count));
}

#[tokio::test]
async fn a_proven_user_is_not_believed_gone_at_the_first_refusal() {
    let bmc = Bmc::start(Behavior::default());
    let options = TransportOptions { session_idle_timeout: Duration::from_millis(10), ..quick() };
    let (transport, target) = (Transport::new(options), LOGIN.at(bmc.address));
    transport.execute(&target, GetChassisStatus, soon()).await.unwrap();
    crate::eventually("no session", || bmc.sessions() == 0).await;
    bmc.state().refuse_user_once = true;

    transport.execute(&target, GetChassisStatus, soon()).await.unwrap();

    assert_eq!(bmc.rakp_1(), 3);
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
async fn a_fault_on_the_way_back_of_the_list_of_suites_does_not_matter() {
    let list = vec![0xC0, 17, 0x03, 0x44, 0x81];
    for fault in [Fault::Drop, Fault::Corrupt, Fault::Truncate] {
        let behavior = Behavior { suite_list: Some(list.clone()), ..Behavior::default() };
        let bmc = Bmc::start(behavior);
        let faults = Faults::between(bmc.address, Plan::Once(Way::ToClient, 1, fault)).await;

        transport().execute(&LOGIN.at(faults.address), GetChassisStatus, soon()).await.unwrap();
    }
}
