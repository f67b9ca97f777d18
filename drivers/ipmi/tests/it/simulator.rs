//! The transport against `ipmi_sim`, and `ipmitool` looking at the same BMC.

use std::sync::Arc;
use std::time::Duration;

use farrier_ipmi::chassis::boot::{BootFlags, GetBootFlags, SetBootOption, selector};
use farrier_ipmi::chassis::{ChassisControl, GetChassisStatus};
use farrier_ipmi::command::completion::CompletionCode;
use farrier_ipmi::crypto::CipherSuite;
use farrier_ipmi::target::Target;
use farrier_ipmi::transport::Transport;
use farrier_ipmi::transport::error::{AuthenticationFault, TransportError};
use farrier_sim::ipmi_sim::{IpmiSim, PASSWORD, USER};
use ipmi_rs::app::GetDeviceId;
use tempfile::TempDir;
use tokio::time::Instant;

use crate::ipmitool::ipmitool_as;
use crate::{LOGIN, Login, PATIENCE, soon, transport};

fn simulator() -> (IpmiSim, TempDir) {
    let directory = tempfile::tempdir().unwrap();
    (IpmiSim::start(directory.path()).unwrap(), directory)
}

fn login_to(sim: &IpmiSim) -> Arc<Target> {
    Login { user: USER, password: PASSWORD, ..LOGIN }.at(sim.address())
}

async fn ipmitool(sim: &IpmiSim, words: &'static [&'static str]) -> String {
    let address = sim.address();
    let work = move || ipmitool_as(address, 3, &["-U", USER, "-P", PASSWORD], words);
    tokio::task::spawn_blocking(work).await.unwrap()
}

async fn is_on(transport: &Transport, target: &Arc<Target>) -> bool {
    transport.execute(target, GetChassisStatus, soon()).await.unwrap().power_on
}

#[tokio::test]
async fn power_changes_and_others_see_it() {
    let (sim, _directory) = simulator();
    let (transport, target) = (transport(), login_to(&sim));
    assert!(!is_on(&transport, &target).await);

    transport.execute(&target, ChassisControl::On, soon()).await.unwrap();
    assert!(is_on(&transport, &target).await);
    assert!(ipmitool(&sim, &["power", "status"]).await.contains("is on"));

    transport.execute(&target, ChassisControl::Reset, soon()).await.unwrap();
    transport.execute(&target, ChassisControl::SoftOff, soon()).await.unwrap();
    assert!(!is_on(&transport, &target).await);
    assert!(ipmitool(&sim, &["power", "status"]).await.contains("is off"));

    transport.execute(&target, ChassisControl::On, soon()).await.unwrap();
    transport.execute(&target, ChassisControl::Off, soon()).await.unwrap();
    assert!(!is_on(&transport, &target).await);
    assert_eq!(sim.actions(), ["power 1", "reset 1", "shutdown 1", "power 1", "power 0"]);
}

#[tokio::test]
async fn a_change_of_others_is_seen() {
    let (sim, _directory) = simulator();
    let (transport, target) = (transport(), login_to(&sim));
    assert!(!is_on(&transport, &target).await);

    ipmitool(&sim, &["power", "on"]).await;

    assert!(is_on(&transport, &target).await);
}

#[tokio::test]
async fn the_boot_device_is_set_and_read() {
    let (sim, _directory) = simulator();
    let (transport, target) = (transport(), login_to(&sim));
    let flags = BootFlags { valid: true, persistent: false, uefi: true, selector: selector::PXE };

    transport.execute(&target, SetBootOption::KeepFlags, soon()).await.unwrap();
    transport.execute(&target, SetBootOption::Flags(flags), soon()).await.unwrap();

    assert_eq!(sim.boot_device(), "pxe");
    assert!(ipmitool(&sim, &["chassis", "bootparam", "get", "5"]).await.contains("Force PXE"));
    let read = transport.execute(&target, GetBootFlags, soon()).await.unwrap();
    assert_eq!(read.selector, selector::PXE);
}

#[tokio::test]
async fn what_the_bmc_refuses_is_an_error_with_its_code() {
    let (sim, _directory) = simulator();
    let (transport, target) = (transport(), login_to(&sim));

    let error = transport.execute(&target, ChassisControl::DiagnosticInterrupt, soon()).await.unwrap_err();

    assert_eq!(error.completion_code(), Some(CompletionCode::INVALID_FIELD));
}

#[tokio::test]
async fn commands_of_ipmi_rs_run_as_they_are() {
    let (sim, _directory) = simulator();

    let id = transport().execute(&login_to(&sim), GetDeviceId, soon()).await.unwrap();

    assert_eq!(id.manufacturer_id, 0x1291);
}

#[tokio::test]
async fn more_logins_than_the_bmc_has_slots_leave_none_taken() {
    let (sim, _directory) = simulator();
    let target = Login { user: USER, password: PASSWORD, suite: Some(CipherSuite::Sha1), ..LOGIN };
    let target = target.at(sim.address());

    for _ in 0..100 {
        let transport = transport();
        transport.execute(&target, GetDeviceId, soon()).await.unwrap();
        transport.close(PATIENCE).await;
    }

    let text = ipmitool(&sim, &["session", "info", "active"]).await;
    let active = text.lines().find(|line| line.starts_with("active sessions")).unwrap();
    assert!(active.ends_with(": 1"), "{text}");
}

#[tokio::test]
async fn a_wrong_password_is_an_error_at_once() {
    let (sim, _directory) = simulator();
    let target = Login { user: USER, password: "wrong", ..LOGIN }.at(sim.address());

    let error = transport().execute(&target, GetChassisStatus, soon()).await.unwrap_err();

    let TransportError::Authentication { fault, endpoint } = &error else { panic!("{error}") };
    assert_eq!(*fault, AuthenticationFault::Password);
    assert_eq!(endpoint.port, sim.address().port());
    assert!(!error.to_string().contains("wrong"), "{error}");
}

#[tokio::test]
async fn an_unknown_user_is_an_error_at_once() {
    let (sim, _directory) = simulator();
    let target = Login { user: "nobody", password: PASSWORD, ..LOGIN }.at(sim.address());

    let error = transport().execute(&target, GetChassisStatus, soon()).await.unwrap_err();

    let fault = AuthenticationFault::User;
    assert!(
        matches!(&error, TransportError::Authentication { fault: found, .. } if *found == fault),
        "{error}"
    );
}

#[tokio::test]
async fn a_deaf_bmc_is_reported_within_the_limit_with_what_was_tried() {
    let (mut sim, _directory) = simulator();
    sim.go_deaf().unwrap();
    let limit = Duration::from_secs(3);
    let started = Instant::now();

    let error = transport().execute(&login_to(&sim), GetChassisStatus, started + limit).await.unwrap_err();

    assert!(limit <= started.elapsed());
    let text = error.to_string();
    let expected = format!("no reply from `{}`: sent 3 datagrams in 1 login attempt", sim.address());
    assert!(text.starts_with(&expected), "{text}");
}

#[tokio::test]
async fn a_closed_port_is_reported_as_such() {
    let (mut sim, _directory) = simulator();
    let target = login_to(&sim);
    sim.process().stop().unwrap();

    let deadline = Instant::now() + Duration::from_secs(2);
    let error = transport().execute(&target, GetChassisStatus, deadline).await.unwrap_err();

    assert!(matches!(error, TransportError::Refused { .. }), "{error}");
}

#[tokio::test]
async fn a_bmc_that_comes_back_within_the_limit_is_no_error() {
    let (mut sim, _directory) = simulator();
    let (transport, target) = (transport(), login_to(&sim));
    assert!(!is_on(&transport, &target).await);
    sim.go_deaf().unwrap();
    let mut waiting = std::pin::pin!(transport.execute(&target, GetChassisStatus, soon()));

    tokio::time::timeout(Duration::from_millis(700), waiting.as_mut()).await.unwrap_err();
    sim.hear_again().unwrap();
    let status = waiting.await;

    assert!(!status.unwrap().power_on);
}
