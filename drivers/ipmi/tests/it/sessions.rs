//! How long sessions live, and that none is left behind.

use std::sync::Arc;
use std::time::Duration;

use farrier_ipmi::chassis::{ChassisControl, GetChassisStatus};
use farrier_ipmi::crypto::CipherSuite;
use farrier_ipmi::target::Privilege;
use farrier_ipmi::transport::error::TransportError;
use farrier_ipmi::transport::{Transport, TransportOptions};
use farrier_sdk::prelude::*;
use farrier_sdk::serde_json::json;
use farrier_sim::ipmi::{self, Bmc, Fleet, Place, Settings};
use farrier_sim::network::{Fault, Network, Plan, Way};
use farrier_sim::wait::wait_for;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::bench::{Bench, task};
use crate::{LOGIN, Login, PATIENCE, bmc, eventually, quick, soon, transport};

#[tokio::test]
async fn one_session_serves_many_commands_at_a_time() {
    let bmc = bmc();
    let (transport, target) = (transport(), LOGIN.at(bmc.address()));

    let status = || transport.execute(&target, GetChassisStatus, soon());
    let (first, second, third) = tokio::join!(status(), status(), status());

    assert!(first.is_ok() && second.is_ok() && third.is_ok());
    assert_eq!((bmc.open_requests(), bmc.count((0x00, 0x01)), bmc.sessions()), (1, 3, 1));
}

#[tokio::test]
async fn dropping_the_transport_closes_its_session() {
    let bmc = bmc();
    let transport = transport();
    transport.execute(&LOGIN.at(bmc.address()), GetChassisStatus, soon()).await.unwrap();
    assert_eq!(bmc.sessions(), 1);

    drop(transport);

    eventually("no session", || bmc.sessions() == 0).await;
    assert_eq!(bmc.count((0x06, 0x3C)), 1);
}

#[tokio::test]
async fn closing_the_transport_waits_for_its_sessions() {
    let bmcs: Vec<_> = (0..5).map(|_| bmc()).collect();
    let transport = transport();
    for bmc in &bmcs {
        transport.execute(&LOGIN.at(bmc.address()), GetChassisStatus, soon()).await.unwrap();
    }

    transport.close(PATIENCE).await;

    assert!(bmcs.iter().all(|bmc| bmc.sessions() == 0));
    let error = transport.execute(&LOGIN.at(bmcs[0].address()), GetChassisStatus, soon()).await.unwrap_err();
    assert!(matches!(error, TransportError::Closing(_)), "{error}");
}

/// As when a plugin stops: what was not sent by the end of `close` never is.
#[test]
fn closing_two_thousand_sessions_leaves_none_though_a_tenth_is_dead() {
    // On a busy machine it takes a while until all are open, and none is to be closed before.
    let idle = Duration::from_secs(3600);
    let settings = |_| Settings { log_max: 0, idle_timeout: idle, ..Settings::default() };
    let fleet = Fleet::start(2000, Place::Any([127, 0, 0, 1].into()), settings).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let bench = Arc::new(runtime.block_on(async { Bench::with(&json!({"session_idle_timeout": 3600})) }));
    runtime.block_on(async {
        // Each task has open files of its own.
        for some in fleet.bmcs.chunks(200) {
            let mut calls = JoinSet::new();
            for bmc in some {
                let bench = Arc::clone(&bench);
                let task = task(bmc.address(), ipmi::USER, ipmi::PASSWORD, &json!({"ipmi_cipher_suite": 17}));
                calls.spawn(async move { bench.power.get_power_state(&task).await.unwrap() });
            }
            calls.join_all().await;
        }
    });
    assert_eq!(fleet.bmcs.iter().map(Bmc::sessions).sum::<usize>(), 2000);
    let (dead, alive): (Vec<_>, Vec<_>) =
        fleet.bmcs.iter().enumerate().partition(|(index, _)| index % 10 == 3);
    for (_, bmc) in &dead {
        bmc.state().trouble.deaf = true;
    }

    runtime.block_on(bench.shared.close(PATIENCE));
    runtime.shutdown_background();

    // What was sent last may not have been taken yet.
    let open = || alive.iter().filter(|(_, bmc)| bmc.sessions() != 0).count();
    wait_for("all sessions are closed", PATIENCE, || (open() == 0).then_some(())).unwrap();
    assert!(dead.iter().all(|(_, bmc)| bmc.sessions() == 1));
}

#[tokio::test]
async fn an_idle_session_is_closed_and_opened_again() {
    let bmc = bmc();
    let options = TransportOptions { session_idle_timeout: Duration::from_millis(50), ..quick() };
    let (transport, target) = (Transport::new(options), LOGIN.at(bmc.address()));
    transport.execute(&target, GetChassisStatus, soon()).await.unwrap();

    eventually("no session", || bmc.sessions() == 0).await;
    transport.execute(&target, GetChassisStatus, soon()).await.unwrap();

    assert_eq!(bmc.open_requests(), 2);
}

#[tokio::test]
async fn other_credentials_get_another_session() {
    let bmc = bmc();
    let transport = transport();
    let operator = Login { privilege: Privilege::Operator, ..LOGIN };
    transport.execute(&LOGIN.at(bmc.address()), GetChassisStatus, soon()).await.unwrap();

    transport.execute(&operator.at(bmc.address()), GetChassisStatus, soon()).await.unwrap();

    assert_eq!((bmc.open_requests(), bmc.sessions()), (2, 1));
}

#[tokio::test]
async fn a_session_the_bmc_forgot_is_replaced() {
    let bmc = bmc();
    let (transport, target) = (transport(), LOGIN.at(bmc.address()));
    transport.execute(&target, GetChassisStatus, soon()).await.unwrap();
    bmc.state().forget_sessions();

    transport.execute(&target, ChassisControl::On, soon()).await.unwrap();

    assert!(bmc.is_on());
    assert_eq!(bmc.sessions(), 1);
}

#[tokio::test]
async fn a_caller_that_is_dropped_leaves_no_session() {
    // The answer to the third message of the login comes late: the caller is gone by then.
    let abandon = async |number| {
        let bmc = bmc();
        let fault = Fault::Late(Duration::from_secs(3));
        let plan = Plan::Once { way: Way::ToClient, number, fault, seed: 1 };
        let faults = Network::between(bmc.address(), plan).unwrap();
        let target = Login { suite: Some(CipherSuite::Sha1), ..LOGIN }.at(faults.address());
        let options = TransportOptions { session_idle_timeout: Duration::from_millis(50), ..quick() };
        let transport = Transport::new(options);

        let abandoned = transport.execute(&target, GetChassisStatus, soon());
        tokio::time::timeout(Duration::from_millis(60), abandoned).await.unwrap_err();

        eventually("no session", || bmc.sessions() == 0).await;
        transport.close(PATIENCE).await;
        assert_eq!(bmc.sessions(), 0);
    };
    // Together, for each takes its time.
    tokio::join!(abandon(1), abandon(2), abandon(3), abandon(5));
}

#[tokio::test]
async fn the_command_of_a_dropped_caller_is_not_sent_later() {
    let bmc = bmc();
    let options = TransportOptions { login_interval: Duration::from_secs(5), ..quick() };
    let pinned = Login { suite: Some(CipherSuite::Sha256), ..LOGIN };
    let (transport, target) = (Transport::new(options), pinned.at(bmc.address()));
    transport.execute(&target, GetChassisStatus, soon()).await.unwrap();
    // Another user's session has to be opened first, which is held back.
    let other = Login { privilege: Privilege::Operator, ..pinned }.at(bmc.address());

    let abandoned = transport.execute(&other, ChassisControl::On, soon());
    tokio::time::timeout(Duration::from_millis(50), abandoned).await.unwrap_err();
    transport.execute(&target, GetChassisStatus, soon()).await.unwrap();

    assert_eq!(bmc.count((0x00, 0x02)), 0);
}

#[tokio::test]
async fn taken_slots_are_waited_for() {
    let bmc = Bmc::start(Settings { slots: 1, ..Settings::default() }).unwrap();
    let (holder, waiter) = (Arc::new(transport()), transport());
    holder.execute(&LOGIN.at(bmc.address()), GetChassisStatus, soon()).await.unwrap();
    let target = LOGIN.at(bmc.address());
    let waiting = waiter.execute(&target, GetChassisStatus, soon());
    let freeing = async {
        eventually("a refusal", || bmc.open_requests() >= 2).await;
        holder.close(PATIENCE).await;
    };

    let (status, ()) = tokio::join!(waiting, freeing);

    status.unwrap();
}

#[tokio::test]
async fn slots_that_stay_taken_are_an_error() {
    let bmc = Bmc::start(Settings { slots: 0, ..Settings::default() }).unwrap();

    let deadline = Instant::now() + Duration::from_secs(2);
    let error = transport().execute(&LOGIN.at(bmc.address()), GetChassisStatus, deadline).await.unwrap_err();

    assert!(matches!(error, TransportError::TooManySessions { .. }), "{error}");
}

#[tokio::test]
async fn sessions_beyond_the_limit_close_the_oldest() {
    let bmcs: Vec<_> = (0..4).map(|_| bmc()).collect();
    let options = TransportOptions { sessions_max: 2, ..quick() };
    let transport = Transport::new(options);
    for bmc in &bmcs {
        transport.execute(&LOGIN.at(bmc.address()), GetChassisStatus, soon()).await.unwrap();
    }

    eventually("two sessions", || bmcs.iter().map(Bmc::sessions).sum::<usize>() == 2).await;

    assert_eq!((bmcs[0].sessions(), bmcs[3].sessions()), (0, 1));
}

#[tokio::test]
async fn a_place_given_twice_is_given_back_once() {
    let plan = Plan::Once { way: Way::ToBmc, number: 1, fault: Fault::Duplicate, seed: 1 };
    let bmc = Bmc::start(Settings { network: plan, ..Settings::default() }).unwrap();
    let target = Login { suite: Some(CipherSuite::Sha256), ..LOGIN }.at(bmc.address());

    transport().execute(&target, GetChassisStatus, soon()).await.unwrap();

    assert_eq!(bmc.open_requests(), 2);
    eventually("no login", || bmc.state().logins_under_way() == 0).await;
}
