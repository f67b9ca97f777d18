//! The driver against pyghmi's BMC, over IPv6.

use farrier_ipmi::chassis::{ChassisControl, GetChassisStatus};
use farrier_sdk::prelude::*;
use farrier_sdk::serde_json::json;
use farrier_sim::port::free_port;
use farrier_sim::pyghmi::{PASSWORD, Pyghmi, USER};
use ipmi_rs::app::GetDeviceId;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::bench::{Bench, Task, task};
use crate::{LOGIN, Login, PATIENCE, soon, transport};

const PYGHMI: Login<'static> = Login { user: USER, password: PASSWORD, ..LOGIN };

fn pyghmi() -> (Pyghmi, TempDir) {
    let directory = tempfile::tempdir().unwrap();
    (Pyghmi::start(directory.path()).unwrap(), directory)
}

fn on(bmc: &Pyghmi) -> Task {
    let port = free_port().unwrap();
    task(bmc.address(), USER, PASSWORD, &json!({ "ipmi_terminal_port": port }))
}

#[tokio::test]
async fn its_machine_is_switched_and_told_what_to_boot() {
    let (bmc, _directory) = pyghmi();
    let (bench, task) = (Bench::new(), on(&bmc));

    bench.management.set_boot_device(&task, BootDevice::Pxe, false).await.unwrap();
    bench.power.set_power_state(&task, PowerState::On, None).await.unwrap();
    let state = bench.power.get_power_state(&task).await.unwrap();
    bench.power.set_power_state(&task, PowerState::SoftOff, None).await.unwrap();

    assert_eq!(state, PowerState::On);
    assert_eq!(bmc.actions(), ["boot network", "on", "shutdown"]);
    let device = bench.management.get_boot_device(&task).await.unwrap().boot_device;
    assert_eq!(device, Some(BootDevice::Pxe));
}

#[tokio::test]
async fn commands_of_ipmi_rs_run_and_many_sessions_follow_each_other() {
    let (bmc, _directory) = pyghmi();
    for _ in 0..20 {
        let transport = transport();
        transport.execute(&PYGHMI.at(bmc.address()), GetDeviceId, soon()).await.unwrap();
        transport.close(PATIENCE).await;
    }
}

#[tokio::test]
async fn wrong_users_and_passwords_are_errors_that_say_so() {
    let (bmc, _directory) = pyghmi();
    let ask = async |login: Login<'_>| {
        transport().execute(&login.at(bmc.address()), GetChassisStatus, soon()).await.unwrap_err().to_string()
    };

    // It dies of a login that is given up before RAKP 2, so this also shows that it is spared that.
    let user = ask(Login { user: "nobody", ..PYGHMI }).await;
    let password = ask(Login { password: "wrong", ..PYGHMI }).await;

    assert!(user.contains("user name or password probably wrong"), "{user}");
    assert!(password.ends_with("failed: password"), "{password}");
}

#[tokio::test]
async fn a_diagnostic_interrupt_it_has_not_is_refused() {
    let (bmc, _directory) = pyghmi();

    let order = ChassisControl::DiagnosticInterrupt;
    let error = transport().execute(&PYGHMI.at(bmc.address()), order, soon()).await.unwrap_err();

    assert!(error.to_string().contains("refused Chassis Control"), "{error}");
}

#[tokio::test]
async fn its_console_gives_back_what_is_typed() {
    let (bmc, _directory) = pyghmi();
    let (bench, task) = (Bench::new(), on(&bmc));
    bench.power.set_power_state(&task, PowerState::On, None).await.unwrap();
    bench.console.start_console(&task).await.unwrap();
    let url = bench.console.get_console(&task).await.unwrap().unwrap().url;
    let mut client = TcpStream::connect(url.strip_prefix("tcp://").unwrap()).await.unwrap();

    client.write_all(b"hello").await.unwrap();

    let mut echo = [0; 5];
    timeout(PATIENCE, client.read_exact(&mut echo)).await.unwrap().unwrap();
    assert_eq!(&echo, b"hello");
    bench.console.stop_console(&task).await.unwrap();
}
