//! The serial console as an operator uses it.

use std::time::Duration;

use farrier_sdk::prelude::*;
use farrier_sdk::serde_json::json;
use farrier_sim::ipmi::{self, Bmc, Settings};
use farrier_sim::network::{Fault, Plan};
use farrier_sim::port::free_port;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use crate::bench::{Bench, Task, task, task_on};
use crate::{PATIENCE, bmc, bmc_with, eventually};

/// A task on a node with a console at a free port.
fn on(bmc: &Bmc) -> Task {
    task(bmc.address(), ipmi::USER, ipmi::PASSWORD, &json!({"ipmi_terminal_port": free_port().unwrap()}))
}

/// Connects to the console of a node.
async fn connect(bench: &Bench, task: &Task) -> TcpStream {
    let info = bench.console.get_console(task).await.unwrap().unwrap();
    assert_eq!(info.kind, "socat");
    TcpStream::connect(info.url.strip_prefix("tcp://").unwrap()).await.unwrap()
}

/// Reads exactly what is expected.
async fn expect(client: &mut TcpStream, text: &[u8]) {
    let mut read = vec![0; text.len()];
    let outcome = timeout(PATIENCE, client.read_exact(&mut read)).await;
    outcome.expect("the console falls silent").unwrap();
    assert!(read == text, "{} instead of {}", read.escape_ascii(), text.escape_ascii());
}

/// Text in which every place is different from its neighbors.
fn long_text(size: usize) -> Vec<u8> {
    (0..).flat_map(|line: usize| format!("{line:07}\n").into_bytes()).take(size).collect()
}

#[tokio::test]
async fn characters_go_to_the_machine_and_come_back() {
    let bmc = bmc();
    let (bench, task) = (Bench::new(), on(&bmc));
    bench.console.start_console(&task).await.unwrap();
    let mut client = connect(&bench, &task).await;

    client.write_all(b"hello\r").await.unwrap();

    expect(&mut client, b"hello\r").await;
    bmc.print(b"login: ");
    expect(&mut client, b"login: ").await;
    bench.console.stop_console(&task).await.unwrap();
    assert!(!bmc.state().has_console());
    assert_eq!(bmc.sessions(), 0);
    assert_eq!(client.read(&mut [0; 1]).await.unwrap(), 0);
}

#[tokio::test]
async fn much_goes_both_ways_over_a_bad_network_unchanged() {
    let rates =
        vec![(100, Fault::Drop), (50, Fault::Duplicate), (50, Fault::Overtaken), (20, Fault::Corrupt)];
    let network = Plan::Random { seed: 11, rates };
    let bmc = Bmc::start(Settings { network, ..Settings::default() }).unwrap();
    let (bench, task) = (Bench::new(), on(&bmc));
    bench.console.start_console(&task).await.unwrap();
    let mut client = connect(&bench, &task).await;
    let text = long_text(3000);

    client.write_all(&text).await.unwrap();

    expect(&mut client, &text).await;
    assert_eq!(bmc.state().machine.console.received, text);
}

#[tokio::test]
async fn much_output_arrives_whole_and_in_order() {
    let bmc = bmc();
    let (bench, task) = (Bench::new(), on(&bmc));
    bench.console.start_console(&task).await.unwrap();
    let mut client = connect(&bench, &task).await;
    client.write_all(b".").await.unwrap();
    expect(&mut client, b".").await;
    let text = long_text(60_000);

    bmc.print(&text);

    expect(&mut client, &text).await;
}

#[tokio::test]
async fn there_is_one_client_at_a_time() {
    let bmc = bmc();
    let (bench, task) = (Bench::new(), on(&bmc));
    bench.console.start_console(&task).await.unwrap();
    let mut first = connect(&bench, &task).await;
    first.write_all(b"1").await.unwrap();
    expect(&mut first, b"1").await;

    let mut second = connect(&bench, &task).await;
    expect(&mut second, b"the console is in use\r\n").await;
    assert_eq!(second.read(&mut [0; 1]).await.unwrap(), 0);
    drop(first);
    // The console notices the end of the first a moment later.
    let mut third = connect(&bench, &task).await;
    loop {
        third.write_all(b"3").await.unwrap_or_default();
        let mut byte = [0];
        if timeout(PATIENCE, third.read(&mut byte)).await.unwrap().is_ok_and(|size| size == 1)
            && byte == *b"3"
        {
            break;
        }
        third = connect(&bench, &task).await;
    }
}

#[tokio::test]
async fn an_idle_client_is_sent_away() {
    let bmc = bmc();
    let bench = Bench::with(&json!({"console_idle_timeout": 0.2}));
    let task = on(&bmc);
    bench.console.start_console(&task).await.unwrap();

    let mut client = connect(&bench, &task).await;

    assert_eq!(timeout(PATIENCE, client.read(&mut [0; 1])).await.unwrap().unwrap(), 0);
}

#[tokio::test]
async fn asking_where_the_console_is_does_not_touch_it() {
    let bmc = bmc();
    let (bench, task) = (Bench::new(), on(&bmc));
    bench.console.start_console(&task).await.unwrap();
    let before = bmc.state().datagrams;

    for _ in 0..10 {
        bench.console.get_console(&task).await.unwrap().unwrap();
    }

    assert_eq!(bmc.state().datagrams, before);
    assert!(bmc.state().has_console());
}

#[tokio::test]
async fn a_console_that_somebody_has_is_taken_from_him() {
    let bmc = bmc();
    let (theirs, ours) = (Bench::new(), Bench::new());
    let (their_task, our_task) = (on(&bmc), on(&bmc));
    theirs.console.start_console(&their_task).await.unwrap();

    ours.console.start_console(&our_task).await.unwrap();
    let mut client = connect(&ours, &our_task).await;
    client.write_all(b"mine").await.unwrap();

    expect(&mut client, b"mine").await;
    theirs.shared.close(PATIENCE).await;
}

#[tokio::test]
async fn starting_again_replaces_the_console() {
    let bmc = bmc();
    let (bench, task) = (Bench::new(), on(&bmc));
    bench.console.start_console(&task).await.unwrap();

    bench.console.start_console(&task).await.unwrap();
    let mut client = connect(&bench, &task).await;
    client.write_all(b"again").await.unwrap();

    expect(&mut client, b"again").await;
    eventually("one console session", || bmc.sessions() == 1).await;
}

#[tokio::test]
async fn a_console_that_is_lost_comes_back_and_its_client_stays() {
    let bmc = bmc();
    let (bench, task) = (Bench::new(), on(&bmc));
    bench.console.start_console(&task).await.unwrap();
    let mut client = connect(&bench, &task).await;
    client.write_all(b"1").await.unwrap();
    expect(&mut client, b"1").await;

    bmc.take_console();
    eventually("no console", || !bmc.state().has_console()).await;
    eventually("a console", || bmc.state().has_console()).await;
    client.write_all(b"2").await.unwrap();

    expect(&mut client, b"2").await;
}

#[tokio::test]
async fn a_bmc_that_forgot_the_console_is_asked_for_it_again() {
    let bmc = bmc();
    let (bench, task) = (Bench::new(), on(&bmc));
    bench.console.start_console(&task).await.unwrap();
    let mut client = connect(&bench, &task).await;
    bmc.state().forget_sessions();

    // What is typed is never acknowledged, which tells before the questions do.
    client.write_all(b"x").await.unwrap();

    eventually("a console", || bmc.state().has_console()).await;
}

#[tokio::test]
async fn a_stopped_console_may_be_stopped_again_also_by_somebody_else() {
    let bmc = bmc();
    let task = on(&bmc);
    let (first, second) = (Bench::new(), Bench::new());
    first.console.start_console(&task).await.unwrap();

    // As after a restart of the conductor: nothing is known here.
    second.console.stop_console(&task).await.unwrap();
    second.console.stop_console(&task).await.unwrap();

    assert!(!bmc.state().has_console());
    first.shared.close(PATIENCE).await;
}

#[tokio::test]
async fn the_end_of_the_plugin_gives_consoles_back() {
    let bmc = bmc();
    let (bench, task) = (Bench::new(), on(&bmc));
    bench.console.start_console(&task).await.unwrap();

    bench.shared.close(PATIENCE).await;

    assert!(!bmc.state().has_console());
    assert_eq!(bmc.sessions(), 0);
}

#[tokio::test]
async fn strange_sizes_and_ports_are_survived_and_slow_machines_too() {
    for (sizes, port) in [((0, 0), None), ((0x2000, 0x4000), Some(0x6F02)), ((9, 64), Some(1))] {
        let bmc = bmc_with(|trouble| {
            trouble.console.sizes = Some(sizes);
            trouble.console.port = port;
            trouble.console.busy = 2;
            trouble.console.accepts = Some(3);
        });
        let (bench, task) = (Bench::new(), on(&bmc));
        bench.console.start_console(&task).await.unwrap();
        let mut client = connect(&bench, &task).await;
        let text = long_text(100);

        client.write_all(&text).await.unwrap();

        expect(&mut client, &text).await;
        assert_eq!(bmc.state().machine.console.received, text);
    }
}

#[tokio::test]
async fn a_console_the_bmc_does_not_give_is_an_error_that_says_why() {
    for (code, reason) in [
        (0x81, "the console is disabled on the BMC (81h)"),
        (0x82, "the BMC has no console left to give (82h)"),
        (0x83, "the BMC gives its console only unencrypted (83h)"),
        (0xC1, "invalid command (c1h)"),
    ] {
        let bmc = bmc_with(|trouble| trouble.console.activation_codes = vec![code]);
        let (bench, task) = (Bench::new(), on(&bmc));

        let error = bench.console.start_console(&task).await.unwrap_err();

        assert!(error.message().ends_with(&format!("refused Activate Payload: {reason}")), "{error}");
        assert_eq!(bmc.sessions(), 0);
    }
}

#[tokio::test]
async fn a_console_without_a_port_or_with_the_older_protocol_is_refused_without_traffic() {
    let bmc = bmc();
    let bench = Bench::new();
    let old = json!({"ipmi_protocol_version": "1.5", "ipmi_terminal_port": 7000});
    let portless = task(bmc.address(), ipmi::USER, ipmi::PASSWORD, &json!({}));
    let old = task(bmc.address(), ipmi::USER, ipmi::PASSWORD, &old);

    let missing = bench.console.validate(&portless).await.unwrap_err();
    let invalid = bench.console.start_console(&old).await.unwrap_err();

    assert_eq!(missing.kind(), ErrorKind::MissingParameter);
    assert!(missing.message().contains("`ipmi_terminal_port`"), "{missing}");
    assert_eq!(invalid.kind(), ErrorKind::InvalidParameter);
    assert_eq!(bench.console.get_console(&portless).await, Ok(None));
    assert_eq!(bmc.state().datagrams, 0);
}

#[tokio::test]
async fn a_port_that_is_taken_is_an_error_that_names_it() {
    let bmc = bmc();
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = taken.local_addr().unwrap().port();
    let task = task(bmc.address(), ipmi::USER, ipmi::PASSWORD, &json!({ "ipmi_terminal_port": port }));

    let error = Bench::new().console.start_console(&task).await.unwrap_err();

    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert!(error.message().contains(&format!("port {port}")), "{error}");
    assert_eq!(bmc.state().datagrams, 0);
}

#[tokio::test]
async fn a_port_comes_from_the_range_and_is_remembered() {
    let bmc = bmc();
    let (first, second) = (free_port().unwrap(), free_port().unwrap());
    let range = format!("{}:{}", first.min(second), first.max(second));
    let bench = Bench::with(&json!({ "console_port_range": range }));
    let task = task(bmc.address(), ipmi::USER, ipmi::PASSWORD, &json!({}));

    bench.console.start_console(&task).await.unwrap();
    let stored = task.refresh().await.unwrap().driver_internal_info["allocated_ipmi_terminal_port"].clone();
    let info = bench.console.get_console(&task).await.unwrap().unwrap();

    assert_eq!(info.url, format!("tcp://127.0.0.1:{stored}"));
    let elsewhere = Bench::new();
    let node = json!({"driver_internal_info": {"allocated_ipmi_terminal_port": stored}});
    let known = task_on(bmc.address(), ipmi::USER, ipmi::PASSWORD, &json!({}), &node);
    assert_eq!(elsewhere.console.get_console(&known).await.unwrap().unwrap().url, info.url);
}

#[tokio::test]
async fn power_and_console_do_not_disturb_each_other() {
    let bmc = bmc();
    let (bench, task) = (Bench::new(), on(&bmc));
    bench.console.start_console(&task).await.unwrap();
    let mut client = connect(&bench, &task).await;

    for on in [true, false, true] {
        let state = if on { PowerState::On } else { PowerState::Off };
        bench.power.set_power_state(&task, state, Some(Duration::from_secs(20))).await.unwrap();
        client.write_all(b"still here").await.unwrap();
        expect(&mut client, b"still here").await;
        assert_eq!(bmc.is_on(), on);
    }

    assert_eq!(bmc.sessions(), 2);
}
