//! The product in a minute: a conductor, three plugins, two simulated BMCs, one node of each kind.

mod act;
mod deploy;
mod left;
mod machine;
mod table;

use std::collections::BTreeMap;
use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use farrier_sim::farrierd::{Farrierd, Settings};
use farrier_sim::port::free_port;
use farrier_sim::{process, venv};
use serde_json::Value;

use self::left::Left;
use self::machine::Machines;
use crate::command::run as run_command;
use crate::error::TaskError;
use crate::workspace::Workspace;
use crate::{install, plugins};

/// Profile of cargo that is built: ready in a third of the time that an optimized one takes, and shared with
/// the tests.
const PROFILE: &str = "dev";
/// Where the clients look when they are told nothing; used when it is free.
const PORT: u16 = 6385;
/// How long an action of the fake driver takes, in seconds: long enough to be watched.
const FAKE_DELAY: &str = "[fake]\npower_delay = \"0.3\"\n";

/// Options of `demo`.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Stop the conductor and the simulators at the end
    #[arg(long, conflicts_with = "stop")]
    once: bool,
    /// Deploy an image on a virtual machine instead, see it boot, and take it away again
    #[arg(long, conflicts_with = "stop")]
    deploy: bool,
    /// Only stop what an earlier demonstration left running
    #[arg(long)]
    stop: bool,
}

/// Builds, starts, enrolls, powers on and off, and shows what happened.
pub(crate) fn run(workspace: &Workspace, options: &Options) -> Result<(), TaskError> {
    let directory = workspace.target.join("demo-run");
    let left = Left::new(&directory);
    left.stop()?;
    if options.stop {
        return Ok(());
    }
    install::for_building()?;
    if options.deploy {
        install::for_redfish_machine()?;
        build(workspace)?;
        clear(&directory)?;
        return deploy::show(workspace, &directory);
    }
    install::for_ipmi()?;
    install::for_redfish()?;
    build(workspace)?;
    if !options.once {
        process::outlive_us();
    }
    clear(&directory)?;
    let shown = show(workspace, &directory, &left, options.once);
    if shown.is_err() {
        left.stop()?;
    }
    shown
}

/// Everything after the build.
fn show(workspace: &Workspace, directory: &Path, left: &Left, once: bool) -> Result<(), TaskError> {
    let machines = Machines::start(directory, left)?;
    let conductor = start(workspace, directory, left)?;
    let rows = act::run(&conductor, &machines, &plugin_files(workspace, &conductor)?)?;
    println!("\n{}", table::text(&rows));
    if let Some(row) = rows.iter().find(|row| row.after.as_ref() != Some(&row.action)) {
        return Err(TaskError::Demo { node: row.node.clone(), action: row.action.clone() });
    }
    if once {
        println!("stopping the conductor and the simulators (`--once`)");
    } else {
        next(workspace, &conductor);
    }
    Ok(())
}

fn build(workspace: &Workspace) -> Result<(), TaskError> {
    let start = Instant::now();
    let mut command = workspace.cargo(["build", "--profile", PROFILE]);
    command.args(["--package", "farrier-server", "--package", "farrier-cli"]);
    for driver in plugins::DRIVERS {
        command.args(["--package", &format!("farrier-{driver}")]);
    }
    run_command(command)?;
    plugins::collect(workspace, PROFILE)?;
    println!("built in {:.0} s; plugins in {}", start.elapsed().as_secs_f64(), shown(&workspace.plugins()));
    Ok(())
}

fn clear(directory: &Path) -> Result<(), TaskError> {
    if directory.exists() {
        fs::remove_dir_all(directory).map_err(TaskError::io(format!("clear `{}`", directory.display())))?;
    }
    fs::create_dir_all(directory).map_err(TaskError::io(format!("make `{}`", directory.display())))
}

/// Settings of a conductor with all our plugins.
fn settings(workspace: &Workspace, directory: &Path) -> Result<Settings, TaskError> {
    Ok(Settings {
        program: program(workspace, "farrierd"),
        directory: directory.to_owned(),
        plugins: workspace.plugins(),
        port: if TcpListener::bind((Ipv4Addr::LOCALHOST, PORT)).is_ok() { PORT } else { free_port()? },
        database: None,
        hardware_types: ["fake-hardware", "ipmi", "redfish"].map(str::to_owned).to_vec(),
        drivers: Vec::new(),
        conductor: Vec::new(),
        tables: FAKE_DELAY.to_owned(),
    })
}

fn start(workspace: &Workspace, directory: &Path, left: &Left) -> Result<Farrierd, TaskError> {
    let mut conductor = Farrierd::start(&settings(workspace, directory)?)?;
    left.note("farrierd", conductor.process().id())?;
    println!(
        "conductor: http://{}, ready after {} ms, {} MiB resident, log in {}",
        conductor.address(),
        conductor.ready_after().as_millis(),
        conductor.resident_kib() / 1024,
        shown(conductor.process().log()),
    );
    Ok(conductor)
}

/// The file name of the plugin that brings each hardware type, as the daemon itself lists them.
fn plugin_files(workspace: &Workspace, conductor: &Farrierd) -> Result<BTreeMap<String, String>, TaskError> {
    let mut ask = Command::new(program(workspace, "farrierd"));
    ask.args(["plugins", "--json", "--config"]).arg(conductor.config());
    let list: Value = serde_json::from_str(&process::run(ask)?).unwrap_or_default();
    let mut files = BTreeMap::new();
    for library in list.as_array().into_iter().flatten().filter_map(|row| row.get("library")) {
        let path = library.get("path").and_then(Value::as_str).unwrap_or_default();
        let file = path.rsplit('/').next().unwrap_or_default();
        let types = library.pointer("/offers/hardware_types").and_then(Value::as_array);
        for hardware_type in types.into_iter().flatten().filter_map(Value::as_str) {
            files.insert(hardware_type.to_owned(), file.to_owned());
        }
    }
    Ok(files)
}

/// Says what to type next, with the conductor still running.
fn next(workspace: &Workspace, conductor: &Farrierd) {
    let farrier = program(workspace, "farrier");
    let farrierd = program(workspace, "farrierd");
    let baremetal = venv::directory().join("bin/baremetal");
    println!("The conductor and the simulators keep running. Try:\n");
    println!("  export FARRIER_URL=http://{0} OS_ENDPOINT=http://{0} OS_AUTH_TYPE=none", conductor.address());
    println!("  {} node list", shown(&farrier));
    println!("  {} node power on demo-ipmi", shown(&farrier));
    println!("  {} node show demo-redfish --fields power_state driver", shown(&baremetal));
    println!("  {} plugins --config {}", shown(&farrierd), shown(conductor.config()));
    println!("  cargo xtask demo --stop");
}

fn program(workspace: &Workspace, name: &str) -> PathBuf {
    workspace.target.join(plugins::output(PROFILE)).join(name)
}

/// `path` as short as it can be typed here.
fn shown(path: &Path) -> String {
    let here = std::env::current_dir().unwrap_or_default();
    path.strip_prefix(here).unwrap_or(path).display().to_string()
}
