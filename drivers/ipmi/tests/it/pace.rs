//! How fast one BMC is spoken to, and that many do not wait for each other.

use std::net::UdpSocket;
use std::sync::Arc;
use std::time::Duration;

use farrier_ipmi::chassis::{ChassisControl, GetChassisStatus};
use farrier_ipmi::crypto::CipherSuite;
use farrier_ipmi::transport::TransportOptions;
use farrier_sim::ipmi::{Bmc, Fleet, Place, Settings};
use ipmi_rs::app::GetDeviceId;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::{LOGIN, Login, PATIENCE, Transport, bmc, bmc_with, eventually, quick, soon, transport};

const PINNED: Login<'static> = Login { suite: Some(CipherSuite::Sha256), ..LOGIN };

/// Times between the commands a BMC was given.
fn gaps(bmc: &Bmc) -> Vec<Duration> {
    let state = bmc.state();
    let times: Vec<_> = state.commands.iter().map(|seen| seen.at).collect();
    times.windows(2).map(|pair| pair[1] - pair[0]).collect()
}

#[tokio::test]
async fn messages_in_a_session_are_held_apart() {
    let bmc = bmc();
    let interval = Duration::from_millis(60);
    let transport = Transport::new(TransportOptions { message_interval: interval, ..quick() });

    let started = Instant::now();
    for _ in 0..5 {
        transport.execute(&PINNED.at(bmc.address()), GetDeviceId, soon()).await.unwrap();
    }

    assert!(interval * 4 <= started.elapsed());
}

#[tokio::test]
async fn logins_to_one_bmc_are_held_apart() {
    let bmc = bmc();
    let interval = Duration::from_millis(300);
    let options = TransportOptions {
        login_interval: interval,
        session_idle_timeout: Duration::from_millis(10),
        ..quick()
    };
    let (transport, target) = (Transport::new(options), PINNED.at(bmc.address()));

    let started = Instant::now();
    for _ in 0..3 {
        transport.execute(&target, GetChassisStatus, soon()).await.unwrap();
        eventually("no session", || bmc.sessions() == 0).await;
    }

    assert_eq!(bmc.open_requests(), 3);
    assert!(interval * 2 <= started.elapsed());
}

#[tokio::test]
async fn bmcs_behind_one_address_do_not_wait_for_each_other() {
    let bmcs: Vec<_> = (0..20).map(|_| bmc()).collect();
    let hour = Duration::from_secs(3600);
    let transport = Transport::new(TransportOptions { login_interval: hour, ..quick() });

    for bmc in &bmcs {
        transport.execute(&PINNED.at(bmc.address()), GetChassisStatus, soon()).await.unwrap();
    }

    assert!(bmcs.iter().all(|bmc| bmc.sessions() == 1));
}

#[tokio::test]
async fn two_callers_of_one_bmc_never_have_a_command_each_on_its_way() {
    let delay = Duration::from_millis(20);
    let bmc = bmc_with(|trouble| trouble.delay = delay);
    let (transport, target) = (Arc::new(transport()), PINNED.at(bmc.address()));
    let mut callers = JoinSet::new();
    for _ in 0..4 {
        let (transport, target) = (Arc::clone(&transport), Arc::clone(&target));
        callers.spawn(async move {
            for _ in 0..5 {
                transport.execute(&target, GetDeviceId, soon()).await.unwrap();
            }
        });
    }
    while let Some(caller) = callers.join_next().await {
        caller.unwrap();
    }

    // A command is never given before the one before it was answered.
    assert!(gaps(&bmc).iter().all(|gap| delay <= *gap), "{:?}", gaps(&bmc));
    assert_eq!((bmc.count((0x06, 0x01)), bmc.open_requests()), (20, 1));
}

#[tokio::test]
async fn commands_of_one_caller_stay_in_order() {
    let bmc = bmc();
    let (transport, target) = (Arc::new(transport()), PINNED.at(bmc.address()));
    let orders = [ChassisControl::On, ChassisControl::Off, ChassisControl::On, ChassisControl::Reset];

    let mut waiting = Vec::new();
    for order in orders {
        let (transport, target) = (Arc::clone(&transport), Arc::clone(&target));
        waiting.push(tokio::spawn(async move { transport.execute(&target, order, soon()).await }));
        // The next caller comes after this one has handed over its command.
        tokio::task::yield_now().await;
    }
    for caller in waiting {
        caller.await.unwrap().unwrap();
    }

    assert_eq!(bmc.state().data_of((0x00, 0x02)), [[1], [0], [1], [3]]);
}

#[tokio::test]
async fn a_thousand_logins_leave_no_session() {
    let bmc = bmc();
    for _ in 0..1000 {
        let transport = transport();
        transport.execute(&PINNED.at(bmc.address()), GetChassisStatus, soon()).await.unwrap();
        transport.close(PATIENCE).await;
    }

    assert!(1000 <= bmc.open_requests());
    assert_eq!(bmc.sessions(), 0);
}

#[tokio::test]
async fn a_driver_that_is_dropped_anywhere_in_a_command_leaves_no_session() {
    let bmc = Bmc::start(Settings { slots: 400, ..Settings::default() }).unwrap();
    bmc.state().trouble.delay = Duration::from_millis(1);
    for patience in 0..200 {
        let transport = transport();
        let target = PINNED.at(bmc.address());
        let asking = transport.execute(&target, GetChassisStatus, soon());
        // From before the first datagram to after the last.
        tokio::time::timeout(Duration::from_micros(patience * 75), asking)
            .await
            .map(drop)
            .unwrap_or_default();
        drop(transport);
    }

    eventually("no session", || bmc.sessions() == 0).await;
    assert!(20 < bmc.open_requests());
}

#[tokio::test]
async fn a_hundred_dead_bmcs_do_not_delay_nine_hundred_live_ones() {
    let settings = |_| Settings { log_max: 0, ..Settings::default() };
    let fleet = Fleet::start(900, Place::Any([127, 0, 0, 1].into()), settings).unwrap();
    let dead: Vec<_> = (0..100).map(|_| UdpSocket::bind("127.0.0.1:0").unwrap()).collect();
    let transport = Arc::new(transport());
    let (mut live, mut given_up) = (JoinSet::new(), JoinSet::new());
    for socket in &dead {
        let (transport, target) = (Arc::clone(&transport), PINNED.at(socket.local_addr().unwrap()));
        given_up.spawn(async move { transport.execute(&target, GetChassisStatus, soon()).await.map(drop) });
    }
    tokio::task::yield_now().await;

    for bmc in &fleet.bmcs {
        let (transport, target) = (Arc::clone(&transport), PINNED.at(bmc.address()));
        live.spawn(async move { transport.execute(&target, GetChassisStatus, soon()).await.map(drop) });
    }
    while let Some(status) = live.join_next().await {
        status.unwrap().unwrap();
    }

    // Every live one has answered before the first dead one is even given up.
    assert!(given_up.try_join_next().is_none());
    transport.close(PATIENCE).await;
    assert!(fleet.bmcs.iter().all(|bmc| bmc.sessions() == 0));
}

#[tokio::test]
async fn more_logins_than_may_run_at_once_wait_their_turn() {
    let settings = |_| {
        let mut settings = Settings { log_max: 0, ..Settings::default() };
        settings.trouble.delay = Duration::from_millis(30);
        settings
    };
    let fleet = Fleet::start(600, Place::Any([127, 0, 0, 1].into()), settings).unwrap();
    let transport = Arc::new(transport());
    let mut asking = JoinSet::new();
    for bmc in &fleet.bmcs {
        let (transport, target) = (Arc::clone(&transport), PINNED.at(bmc.address()));
        asking.spawn(async move { transport.execute(&target, GetChassisStatus, soon()).await.map(drop) });
    }
    while let Some(status) = asking.join_next().await {
        status.unwrap().unwrap();
    }

    let mut opened: Vec<_> = fleet.bmcs.iter().map(|bmc| bmc.state().login_times[0]).collect();
    opened.sort_unstable();
    // The 257th login begins when one of the first 256 has had its three answers.
    assert!(Duration::from_millis(90) <= opened[256] - opened[0]);
}

#[tokio::test]
async fn a_command_that_waits_too_long_for_others_says_so() {
    let bmc = bmc_with(|trouble| trouble.delay = Duration::from_millis(400));
    let (transport, target) = (Arc::new(transport()), PINNED.at(bmc.address()));
    let first = {
        let (transport, target) = (Arc::clone(&transport), Arc::clone(&target));
        tokio::spawn(async move { transport.execute(&target, GetDeviceId, soon()).await.map(drop) })
    };
    tokio::task::yield_now().await;

    let deadline = Instant::now() + Duration::from_millis(200);
    let error = transport.execute(&target, GetDeviceId, deadline).await.unwrap_err();

    assert!(error.to_string().contains("was busy with other commands"), "{error}");
    first.await.unwrap().unwrap();
}
