//! A real machine, as far as QEMU is one: it boots, resets, obeys its power button and speaks on its serial port.

use std::time::Duration;

use farrier_sdk::prelude::*;
use farrier_sdk::serde_json::json;
use farrier_sim::lab_vm::{FAREWELL, GREETING, LabVm, PASSWORD, USER};
use farrier_sim::port::free_port;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

use crate::PATIENCE;
use crate::bench::{Bench, Task, task_on};

fn on(vm: &LabVm, node: &Value) -> Task {
    let info = json!({"ipmi_terminal_port": free_port().unwrap(), "ipmi_cipher_suite": 3});
    task_on(vm.address(), USER, PASSWORD, &info, node)
}

/// Reads until the machine has printed something.
async fn read_until(client: &mut TcpStream, wanted: &str) -> String {
    let (mut printed, mut buffer) = (String::new(), [0; 256]);
    while !printed.contains(wanted) {
        let read = timeout(PATIENCE, client.read(&mut buffer)).await;
        let size = read.unwrap_or_else(|_| panic!("`{wanted}` never came after {printed:?}")).unwrap();
        assert_ne!(size, 0, "the console is closed after {printed:?}");
        printed.push_str(&String::from_utf8_lossy(&buffer[..size]));
    }
    printed
}

/// Types until the machine gives something back: its BMC connects to the serial port when it likes.
async fn wait_for_echo(client: &mut TcpStream) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        assert!(Instant::now() < deadline, "the guest never echoes");
        client.write_all(b".").await.unwrap();
        if timeout(Duration::from_secs(1), client.read(&mut [0; 64])).await.is_ok() {
            return;
        }
    }
}

/// What the machine was told. On and off may be told twice, since its BMC is slow to say that it has heard: twice on is
/// on. A reset and the power button must not be.
fn orders(vm: &LabVm) -> Vec<String> {
    let mut orders = vm.actions();
    orders.dedup_by(|next, before| next == before && next.starts_with("power "));
    orders
}

#[tokio::test]
async fn a_machine_is_powered_on_talks_is_reset_and_shuts_itself_down() {
    let directory = tempfile::tempdir().unwrap();
    let vm = LabVm::start(directory.path()).unwrap();
    let (bench, task) = (Bench::new(), on(&vm, &json!({})));
    assert_eq!(bench.power.get_power_state(&task).await.unwrap(), PowerState::Off);

    bench.power.set_power_state(&task, PowerState::On, None).await.unwrap();
    assert!(vm.is_running());
    bench.console.start_console(&task).await.unwrap();
    let url = bench.console.get_console(&task).await.unwrap().unwrap().url;
    let mut client = TcpStream::connect(url.strip_prefix("tcp://").unwrap()).await.unwrap();
    wait_for_echo(&mut client).await;
    client.write_all(b"farrier\r").await.unwrap();
    read_until(&mut client, "farrier\r\n").await;

    let never_off = on(&vm, &json!({"disable_power_off": true}));
    bench.power.reboot(&never_off, None).await.unwrap();
    read_until(&mut client, GREETING).await;

    bench.power.set_power_state(&task, PowerState::SoftOff, None).await.unwrap();
    read_until(&mut client, FAREWELL).await;
    assert!(!vm.is_running());
    bench.console.stop_console(&task).await.unwrap();
    assert_eq!(orders(&vm), ["power 1", "reset 1", "shutdown 1"]);
}

#[tokio::test]
async fn a_machine_is_rebooted_and_cut_off() {
    let directory = tempfile::tempdir().unwrap();
    let vm = LabVm::start(directory.path()).unwrap();
    let (bench, task) = (Bench::new(), on(&vm, &json!({})));

    bench.power.reboot(&task, None).await.unwrap();
    bench.power.reboot(&task, None).await.unwrap();
    bench.power.set_power_state(&task, PowerState::Off, None).await.unwrap();

    assert!(!vm.is_running());
    assert_eq!(orders(&vm), ["power 1", "power 0", "power 1", "power 0"]);
}
