//! Every cipher suite there is, and the older version of the protocol.

use std::sync::Arc;
use std::time::Duration;

use farrier_ipmi::chassis::{ChassisControl, GetChassisStatus};
use farrier_ipmi::crypto::CipherSuite;
use farrier_ipmi::target::{Target, Version};
use farrier_ipmi::transport::TransportOptions;
use farrier_ipmi::transport::error::{AuthenticationFault, TransportError};
use farrier_sim::ipmi::{Bmc, Settings};
use farrier_sim::ipmi_sim::{self, IpmiSim};
use farrier_sim::network::{Fault, Network, Plan, Way};
use tokio::time::Instant;

use crate::{LOGIN, Login, PATIENCE, Transport, bmc, bmc_with, eventually, quick, soon, transport};

fn old(login: &Login<'_>, address: std::net::SocketAddr) -> Arc<Target> {
    let target = Arc::into_inner(login.at(address)).unwrap();
    Arc::new(Target { version: Version::V1_5, ..target })
}

#[tokio::test]
async fn every_suite_works_that_a_bmc_accepts_and_a_node_pins() {
    for suite in CipherSuite::ALL {
        let bmc = Bmc::start(Settings { suites: vec![suite.id()], ..Settings::default() }).unwrap();
        let (transport, target) = (transport(), Login { suite: Some(suite), ..LOGIN }.at(bmc.address()));

        transport.execute(&target, ChassisControl::On, soon()).await.unwrap();
        let status = transport.execute(&target, GetChassisStatus, soon()).await.unwrap();
        transport.close(PATIENCE).await;

        assert!(bmc.is_on() && status.power_on, "{suite:?}");
        assert_eq!(bmc.sessions(), 0, "{suite:?}");
    }
}

#[tokio::test]
async fn no_insecure_suite_is_used_by_itself() {
    let bmc = Bmc::start(Settings { suites: vec![0, 1, 2, 15, 16], ..Settings::default() }).unwrap();

    let error = transport().execute(&LOGIN.at(bmc.address()), GetChassisStatus, soon()).await.unwrap_err();

    assert!(matches!(error, TransportError::NoCipherSuite { .. }), "{error}");
    assert_eq!(bmc.rakp_1(), 0);
}

#[tokio::test]
async fn insecure_suites_are_used_where_an_operator_lists_them() {
    let bmc = Bmc::start(Settings { suites: vec![2], ..Settings::default() }).unwrap();
    let options = TransportOptions { suites: vec![CipherSuite::Sha1, CipherSuite::Sha1Plain], ..quick() };

    Transport::new(options).execute(&LOGIN.at(bmc.address()), GetChassisStatus, soon()).await.unwrap();
}

#[tokio::test]
async fn the_older_version_switches_power_and_leaves_no_session() {
    let bmc = bmc();
    let (transport, target) = (transport(), old(&LOGIN, bmc.address()));

    transport.execute(&target, ChassisControl::On, soon()).await.unwrap();
    let status = transport.execute(&target, GetChassisStatus, soon()).await.unwrap();
    transport.close(PATIENCE).await;

    assert!(status.power_on);
    assert_eq!((bmc.open_requests(), bmc.sessions()), (0, 0));
}

#[tokio::test]
async fn the_older_version_reaches_a_bmc_that_others_wrote() {
    let directory = tempfile::tempdir().unwrap();
    let sim = IpmiSim::start(directory.path()).unwrap();
    let login = Login { user: ipmi_sim::USER, password: ipmi_sim::PASSWORD, ..LOGIN };
    let (transport, target) = (transport(), old(&login, sim.address()));

    for on in [true, false, true] {
        let order = if on { ChassisControl::On } else { ChassisControl::Off };
        transport.execute(&target, order, soon()).await.unwrap();
        assert_eq!(transport.execute(&target, GetChassisStatus, soon()).await.unwrap().power_on, on);
    }
    transport.close(PATIENCE).await;
}

#[tokio::test]
async fn the_older_version_refuses_as_the_newer_does() {
    let bmc = bmc();
    let ask = async |login: Login<'_>| {
        let deadline = Instant::now() + Duration::from_secs(20);
        transport().execute(&old(&login, bmc.address()), GetChassisStatus, deadline).await.unwrap_err()
    };

    let unknown = ask(Login { user: "nobody", ..LOGIN }).await;
    let wrong = ask(Login { password: "wrong", ..LOGIN }).await;
    let viewer = ask(Login { user: "viewer", password: "viewpw", ..LOGIN }).await;

    let fault = |error: &TransportError| {
        if let TransportError::Authentication { fault, .. } = error { Some(*fault) } else { None }
    };
    assert_eq!(fault(&unknown), Some(AuthenticationFault::User));
    assert!(matches!(wrong, TransportError::LoginUnanswered { .. }), "{wrong}");
    assert!(matches!(fault(&viewer), Some(AuthenticationFault::Privilege(_))), "{viewer}");
}

#[tokio::test]
async fn the_older_version_survives_a_bad_network() {
    for (way, number) in (1..=5).flat_map(|number| [Way::ToBmc, Way::ToClient].map(|way| (way, number))) {
        for fault in [Fault::Drop, Fault::Duplicate, Fault::Corrupt, Fault::Truncate] {
            let bmc = bmc();
            bmc.set_power(true);
            let plan = Plan::Once { way, number, fault, seed: 3 };
            let network = Network::between(bmc.address(), plan).unwrap();
            let transport = transport();

            let status = transport.execute(&old(&LOGIN, network.address()), GetChassisStatus, soon()).await;
            transport.close(PATIENCE).await;

            assert!(status.unwrap().power_on, "{fault:?} of {number} {way:?}");
        }
    }
}

#[tokio::test]
async fn refused_credentials_rest_in_the_background_and_only_there() {
    let bmc = bmc();
    let (transport, wrong) = (transport(), Login { password: "wrong", ..LOGIN }.at(bmc.address()));
    transport.execute_in_background(&wrong, GetChassisStatus, soon()).await.unwrap_err();
    let tried = bmc.rakp_1();

    let held = transport.execute_in_background(&wrong, GetChassisStatus, soon()).await.unwrap_err();
    let after_held = bmc.rakp_1();
    let asked = transport.execute(&wrong, GetChassisStatus, soon()).await.unwrap_err();
    let after_asked = bmc.rakp_1();
    let right = transport.execute_in_background(&LOGIN.at(bmc.address()), GetChassisStatus, soon()).await;

    assert!(held.to_string().contains("failed: password; not tried again in the background for"), "{held}");
    assert!(matches!(asked, TransportError::Authentication { .. }), "{asked}");
    assert_eq!((tried, after_held, after_asked), (2, 2, 4));
    right.unwrap();
}

#[tokio::test]
async fn refused_credentials_rest_longer_each_time() {
    let bmc = bmc();
    let (transport, wrong) = (transport(), Login { password: "wrong", ..LOGIN }.at(bmc.address()));
    let mut waits = Vec::new();
    for _ in 0..7 {
        transport.execute(&wrong, GetChassisStatus, soon()).await.unwrap_err();
        let held = transport.execute_in_background(&wrong, GetChassisStatus, soon()).await.unwrap_err();
        let TransportError::AuthenticationHeld { wait, .. } = held else { panic!("{held}") };
        waits.push(wait.as_secs() + 1);
    }

    assert_eq!(waits, [30, 60, 120, 240, 480, 600, 600]);
}

#[tokio::test]
async fn a_session_is_not_kept_from_anybody_by_a_refusal_of_others() {
    let bmc = bmc_with(|trouble| trouble.login.rakp_2_statuses = vec![0x0D; 1]);
    let (transport, target) = (transport(), LOGIN.at(bmc.address()));
    transport.execute_in_background(&target, GetChassisStatus, soon()).await.unwrap_err();

    transport.execute(&target, GetChassisStatus, soon()).await.unwrap();
    transport.execute_in_background(&target, GetChassisStatus, soon()).await.unwrap();
    drop(transport);

    eventually("no session", || bmc.sessions() == 0).await;
}
