//! How fast the conductor is beside the reference, measured in the same run on the same machine.
//!
//! And the drivers beside other clients, by benchmarks of their own.
//!
//! The reference is installed from its published package, with versions, in an environment of its own.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use farrier_sim::farrierd::{Farrierd, Settings};
use farrier_sim::port::free_port;
use farrier_sim::{process, venv};
use serde_json::{Map, Value, json};

use crate::command::run;
use crate::error::TaskError;
use crate::install;
use crate::workspace::Workspace;

/// The package of the reference and all it needs, with versions.
const REQUIREMENTS: &str = include_str!("../bench/requirements.txt");

/// Nodes in a list that is measured; the reference has as many.
const NODES: usize = 1000;
/// How often the list is asked for.
const LISTS: u32 = 100;

/// What is measured on both sides: name of the figure, what it is, and whether less of it is better.
const FIGURES: &[(&str, &str, Better)] = &[
    ("lock_pairs_per_second", "exclusive acquire + release, one task, pairs/s", Better::More),
    ("lock_p50_ms_8_tasks", "the same by 8 tasks, p50, ms", Better::Less),
    ("lock_p99_ms_8_tasks", "the same by 8 tasks, p99, ms", Better::Less),
    ("node_list_1000_per_second", "GET /v1/nodes?limit=1000, answers/s", Better::More),
    ("power_sync_nodes_per_second", "power synchronisation, nodes/s", Better::More),
    // next figure above this line
];

/// Which side of a figure is the good one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Better {
    More,
    Less,
}

/// Options of `bench`.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// What is measured
    #[arg(value_enum, default_value_t = Subject::Conductor)]
    subject: Subject,
}

/// What can be measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Subject {
    /// The conductor beside the reference.
    Conductor,
    /// The `ipmi` driver beside other clients, then the daemon with thousands of its BMCs.
    Ipmi,
    /// The `redfish` driver beside sushy, the reference's library.
    Redfish,
    // next subject above this line
}

/// Measures.
pub(crate) fn run_benchmark(workspace: &Workspace, options: &Options) -> Result<(), TaskError> {
    match options.subject {
        Subject::Conductor => compare(workspace),
        Subject::Ipmi => ipmi(workspace),
        Subject::Redfish => redfish(workspace),
    }
}

/// The driver by itself, then through the daemon.
fn ipmi(workspace: &Workspace) -> Result<(), TaskError> {
    install::for_tests(workspace)?;
    let profile =
        ["build", "--quiet", "--release", "--package", "farrier-server", "--package", "farrier-ipmi"];
    run(workspace.cargo(profile))?;
    for (package, bench) in [("farrier-ipmi", "speed"), ("farrier-e2e", "power_sync")] {
        let mut measure = workspace.cargo(["bench", "--quiet", "--package", package, "--bench", bench]);
        measure.env("FARRIER_VENV", venv::directory());
        run(measure)?;
    }
    Ok(())
}

/// Measures both and shows the ratios.
fn compare(workspace: &Workspace) -> Result<(), TaskError> {
    let reference = reference(workspace)?;
    let ours = ours(workspace)?;
    println!("\n{:<50} {:>12} {:>12} {:>8}", "", "reference", "farrier", "ratio");
    for &(name, what, better) in FIGURES {
        let (theirs, ours) = (figure(&reference, name), figure(&ours, name));
        let ratio = match better {
            Better::More => ours / theirs,
            Better::Less => theirs / ours,
        };
        println!("{what:<50} {theirs:>12.2} {ours:>12.2} {ratio:>7.0}x");
    }
    let version = reference.get("version").and_then(Value::as_str).unwrap_or("of unknown version");
    println!("the reference is ironic {version}, with SQLite and fake drivers as here");
    Ok(())
}

/// A figure; not a number when it was not measured, which the table then shows.
fn figure(figures: &Map<String, Value>, name: &str) -> f64 {
    figures.get(name).and_then(Value::as_f64).unwrap_or(f64::NAN)
}

/// What the reference reaches here.
fn reference(workspace: &Workspace) -> Result<Map<String, Value>, TaskError> {
    let python = reference_python(workspace)?;
    println!("measuring the reference, which takes about a minute");
    let mut measure = Command::new(python);
    measure.arg(workspace.root.join("tests/xtask/bench/reference.py"));
    let printed = process::run(measure)?;
    // The reference itself prints warnings before the result.
    let last = printed.lines().next_back().unwrap_or_default();
    serde_json::from_str(last).map_err(|_| TaskError::Figures { of: "the reference" })
}

/// A Python that has the reference and its library.
fn reference_python(workspace: &Workspace) -> Result<PathBuf, TaskError> {
    let directory = workspace.target.join("reference-venv");
    install::python_environment(&directory, REQUIREMENTS)?;
    Ok(directory.join("bin/python"))
}

/// What a poll of the power state over Redfish costs beside the reference's library; prints a table of its own.
fn redfish(workspace: &Workspace) -> Result<(), TaskError> {
    println!("\nmeasuring the redfish driver, which takes about a minute");
    let mut measure =
        workspace.cargo(["bench", "--quiet", "--package", "farrier-redfish", "--bench", "polls"]);
    measure.env("FARRIER_REFERENCE_PYTHON", reference_python(workspace)?);
    run(measure)
}

/// What we reach here, all built with optimization.
fn ours(workspace: &Workspace) -> Result<Map<String, Value>, TaskError> {
    let directory = workspace.target.join("bench-run");
    fs::create_dir_all(&directory).map_err(TaskError::io(format!("make `{}`", directory.display())))?;
    let path: PathBuf = directory.join("figures.json");
    let mut measure =
        workspace.cargo(["bench", "--quiet", "--package", "farrier-conductor", "--bench", "figures"]);
    measure.env("FARRIER_FIGURES", &path);
    run(measure)?;
    let text = fs::read_to_string(&path).map_err(TaskError::io(format!("read `{}`", path.display())))?;
    let mut figures: Map<String, Value> =
        serde_json::from_str(&text).map_err(|_| TaskError::Figures { of: "our benchmark" })?;
    let rate = list_rate(workspace, &directory)?;
    figures.insert("node_list_1000_per_second".to_owned(), json!(rate));
    Ok(figures)
}

/// GET /v1/nodes?limit=1000 over a connection of its own each: answers per second.
fn list_rate(workspace: &Workspace, directory: &Path) -> Result<f64, TaskError> {
    let profile =
        ["build", "--quiet", "--release", "--package", "farrier-server", "--package", "farrier-fake"];
    run(workspace.cargo(profile))?;
    let plugins = directory.join("plugins");
    fs::create_dir_all(&plugins).map_err(TaskError::io(format!("make `{}`", plugins.display())))?;
    let library = "libfarrier_fake.so";
    fs::copy(workspace.target.join("release").join(library), plugins.join(library))
        .map_err(TaskError::io(format!("copy `{library}`")))?;
    let database = directory.join("farrier.db");
    if database.exists() {
        fs::remove_file(&database).map_err(TaskError::io(format!("remove `{}`", database.display())))?;
    }
    let mut farrierd = Farrierd::start(&Settings {
        program: workspace.target.join("release/farrierd"),
        directory: directory.to_owned(),
        plugins,
        port: free_port()?,
        database: None,
        hardware_types: vec!["fake-hardware".to_owned()],
        drivers: Vec::new(),
        conductor: Vec::new(),
        tables: String::new(),
    })?;
    for number in 0..NODES {
        let node = json!({
            "driver": "fake-hardware",
            "name": format!("node-{number}"),
            "driver_info": {"address": "127.0.0.1"},
            "properties": {"cpus": 4, "memory_mb": 8192},
        });
        farrierd.call("POST", "/v1/nodes", Some(&node))?;
    }
    let path = format!("/v1/nodes?limit={NODES}");
    let listed = farrierd.call("GET", &path, None)?.json();
    let got = listed.get("nodes").and_then(Value::as_array).map_or(0, Vec::len);
    if got != NODES {
        return Err(TaskError::Figures { of: "our list of nodes" });
    }
    let begin = Instant::now();
    for _ in 0..LISTS {
        farrierd.call("GET", &path, None)?;
    }
    let rate = f64::from(LISTS) / begin.elapsed().as_secs_f64();
    farrierd.stop()?;
    Ok(rate)
}
