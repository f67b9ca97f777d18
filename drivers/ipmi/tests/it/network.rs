//! Right answers over bad networks.

use std::sync::Arc;
use std::time::Duration;

use farrier_ipmi::chassis::{ChassisControl, GetChassisStatus};
use farrier_ipmi::crypto::CipherSuite;
use farrier_ipmi::transport::Transport;
use farrier_sim::ipmi_sim::{IpmiSim, PASSWORD, USER};
use farrier_sim::network::{Fault, Network, Plan, Way};
use tokio::task::JoinSet;

use crate::{LOGIN, Login, PATIENCE, bmc, eventually, quick, soon};

/// Datagrams in each direction: open session, RAKP 1, RAKP 3, privilege, status, close.
const DATAGRAMS: u32 = 6;

const FAULTS: [Fault; 6] = [
    Fault::Drop,
    Fault::Duplicate,
    Fault::Late(Duration::from_millis(1300)),
    Fault::Overtaken,
    Fault::Corrupt,
    Fault::Truncate,
];

/// Logs in, asks, closes; with one fault at one place.
async fn one_fault(way: Way, number: u32, fault: Fault) {
    let bmc = bmc();
    bmc.set_power(true);
    let faults = Network::between(bmc.address(), Plan::Once { way, number, fault, seed: 1 }).unwrap();
    let target = Login { suite: Some(CipherSuite::Sha256), ..LOGIN }.at(faults.address());
    let transport = Transport::new(quick());

    let status = transport.execute(&target, GetChassisStatus, soon()).await;
    let place = format!("{fault:?} of datagram {number} {way:?}");
    eventually(&format!("delivery after {place}"), || faults.is_settled()).await;
    transport.close(PATIENCE).await;

    assert!(status.unwrap_or_else(|error| panic!("{place}: {error}")).power_on, "{place}");
    eventually(&format!("no session after {place}"), || bmc.sessions() == 0).await;
}

#[tokio::test]
async fn one_fault_anywhere_changes_no_answer_and_leaves_no_session() {
    let mut runs = JoinSet::new();
    for way in [Way::ToBmc, Way::ToClient] {
        for number in 1..=DATAGRAMS {
            for fault in FAULTS {
                runs.spawn(one_fault(way, number, fault));
            }
        }
    }
    while let Some(run) = runs.join_next().await {
        run.unwrap();
    }
}

/// Toggles power and reads it back; every state read must be the one set last.
async fn toggle(transport: &Transport, target: &Arc<farrier_ipmi::target::Target>, rounds: u32) {
    for round in 0..rounds {
        let on = round % 2 == 0;
        let control = if on { ChassisControl::On } else { ChassisControl::Off };
        transport.execute(target, control, soon()).await.unwrap_or_else(|error| panic!("{round}: {error}"));
        let status = transport.execute(target, GetChassisStatus, soon()).await;
        let status = status.unwrap_or_else(|error| panic!("{round}: {error}"));
        assert_eq!(status.power_on, on, "round {round}");
    }
}

fn bad_network(seed: u64) -> Plan {
    Plan::Random {
        seed,
        rates: vec![
            (100, Fault::Drop),
            (50, Fault::Duplicate),
            (50, Fault::Overtaken),
            (5, Fault::Corrupt),
            (5, Fault::Truncate),
            (10, Fault::Late(Duration::from_millis(700))),
        ],
    }
}

#[tokio::test]
async fn no_state_is_wrong_over_a_bad_network() {
    let mut runs = JoinSet::new();
    for seed in 1..=12 {
        runs.spawn(async move {
            let bmc = bmc();
            let faults = Network::between(bmc.address(), bad_network(seed)).unwrap();
            let target = Login { suite: Some(CipherSuite::Sha256), ..LOGIN }.at(faults.address());
            toggle(&Transport::new(quick()), &target, 20).await;
        });
    }
    while let Some(run) = runs.join_next().await {
        run.unwrap();
    }
}

#[tokio::test]
async fn no_state_of_the_simulator_is_wrong_over_a_bad_network() {
    let directory = tempfile::tempdir().unwrap();
    let sim = IpmiSim::start(directory.path()).unwrap();
    let faults = Network::between(sim.address(), bad_network(7)).unwrap();
    let target = Login { user: USER, password: PASSWORD, suite: Some(CipherSuite::Sha1), ..LOGIN }
        .at(faults.address());

    toggle(&Transport::new(quick()), &target, 20).await;
}
