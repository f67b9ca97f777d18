//! `farrier plugin run`: one call from the shell.

use std::io::Read;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use farrier_host::{CallOptions, Cassette, Interface, Plugin};
use farrier_loader::{LoadError, Trust};
use farrier_sdk::error::{DriverError, ErrorKind};
use farrier_sdk::interface::InterfaceType;
use farrier_sdk::interface::power::PowerState;
use serde_json::{Map, Value, json};

use super::super::pair::{Pair, mapping};
use super::error::SOCKETS_OF_ITS_OWN;
use super::node::{Node, Shared, secrets};
use super::{PluginError, check, inspect};
use crate::error::CliError;
use crate::output::{Output, Progress};

/// Longest value that is read from a file, in bytes.
const VALUE_SIZE_MAX: u64 = 64 * 1024;

/// What to call, on which node.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The library
    file: PathBuf,
    /// Interface type, as `power`
    #[arg(value_parser = clap::value_parser!(InterfaceType))]
    kind: InterfaceType,
    /// Method, as `get_power_state`; a step is run by `execute_step`
    method: String,
    /// Which implementation, if the plugin has several [default: its first]
    #[arg(long, value_name = "NAME")]
    implementation: Option<String>,
    /// An argument of the method
    #[arg(long = "arg", value_name = "KEY=VALUE")]
    arguments: Vec<Pair>,
    /// What the node has in its `driver_info`
    #[arg(long, value_name = "KEY=VALUE")]
    driver_info: Vec<Pair>,
    /// The same, with the value from an environment variable: for passwords
    #[arg(long, value_name = "KEY=VARIABLE")]
    driver_info_env: Vec<Pair>,
    /// The same, with the value from a file, or from standard input when it is `-`
    #[arg(long, value_name = "KEY=FILE")]
    driver_info_file: Vec<Pair>,
    /// An option of the plugin, as in its table of the configuration
    #[arg(long = "option", value_name = "KEY=VALUE")]
    options: Vec<Pair>,
    /// How long the call may take
    #[arg(long, value_name = "SECONDS", default_value_t = 120)]
    timeout: u64,
    /// Record the HTTP requests of the plugin, without secrets, to a new file
    #[arg(long, value_name = "FILE")]
    record: Option<PathBuf>,
    /// Answer the HTTP requests of the plugin from such a file
    #[arg(long, value_name = "FILE", conflicts_with = "record")]
    replay: Option<PathBuf>,
    /// What of the plugin's log to show on standard error: a level
    #[arg(long, value_name = "LEVEL", default_value = "info")]
    log: tracing::Level,
}

/// Makes the call and writes the answer.
pub(super) async fn run(arguments: &Arguments, output: &Output) -> Result<(), CliError> {
    let driver_info = driver_info(arguments)?;
    let cassette = cassette(arguments)?;
    let plugin = Arc::new(load(arguments, cassette.clone(), output)?);
    let interface = open(&plugin, arguments)?;
    let progress = Progress::new();
    for key in secrets(plugin.descriptor()) {
        if arguments.driver_info.iter().any(|pair| pair.key == key) {
            progress.note(&format!(
                "`{key}` is a secret, and others can see command lines: `--driver-info-env {key}=VARIABLE` is safer"
            ));
        }
    }
    let timeout = Duration::from_secs(arguments.timeout);
    let node = Node::new(Arc::clone(&plugin), driver_info, progress.clone(), timeout);
    let given = Value::Object(mapping(&arguments.arguments)).to_string().into_bytes();
    let options = CallOptions { timeout: Some(timeout), ..CallOptions::default() };
    let answer = interface.call(&arguments.method, given, Arc::new(Shared(node)), &options).await;
    // What it still has under way ends with this process.
    plugin.close(Duration::from_secs(2)).await.unwrap_or_default();
    if let (Some(file), Some(0)) = (&arguments.record, cassette.map(|cassette| cassette.exchanges())) {
        progress.note(&format!("nothing was recorded in `{}`: {SOCKETS_OF_ITS_OWN}", file.display()));
    }
    let answer = answer.map_err(|error| PluginError::Failed {
        method: arguments.method.clone(),
        hint: hint(&arguments.method, &interface, &error),
        error,
    })?;
    let answer: Value = serde_json::from_slice(&answer).unwrap_or_default();
    let text = serde_json::to_string_pretty(&answer).unwrap_or_default();
    output.facts(&(text + "\n"), &json!({"answer": answer}))
}

/// What to do about an error of this method.
fn hint(method: &str, interface: &Interface, error: &DriverError) -> Option<String> {
    let has_it = interface.descriptor().methods.contains(method);
    if error.kind() == ErrorKind::Unsupported && !has_it {
        return Some("`farrier plugin inspect` tells which methods it has".to_owned());
    }
    if error.kind() == ErrorKind::InvalidParameter && method == "set_power_state" {
        let states = PowerState::ALL.into_iter().filter(|state| *state != PowerState::Error);
        let states: Vec<String> = states.map(|state| format!("`{state}`")).collect();
        return Some(format!("`state` is one of {}, as far as the machine can", states.join(", ")));
    }
    None
}

/// The cassette that is written or answers.
fn cassette(arguments: &Arguments) -> Result<Option<Cassette>, CliError> {
    let made = match (&arguments.record, &arguments.replay) {
        (Some(path), _) => Some(Cassette::record(path)),
        (None, Some(path)) => Some(Cassette::replay(path)),
        (None, None) => None,
    };
    let cassette = made.transpose().map_err(|source| PluginError::Cassette { source })?;
    match (&arguments.replay, &cassette) {
        (Some(file), Some(cassette)) if cassette.exchanges() == 0 => {
            Err(PluginError::EmptyCassette { file: file.clone() }.into())
        }
        _ => Ok(cassette),
    }
}

/// What the node has, from all three places.
fn driver_info(arguments: &Arguments) -> Result<Map<String, Value>, CliError> {
    let mut info = mapping(&arguments.driver_info);
    for Pair { key, value } in &arguments.driver_info_env {
        let name = plain(value);
        let value = std::env::var(&name)
            .map_err(|_| PluginError::Missing(format!("the environment has no variable `{name}`")))?;
        info.insert(key.clone(), Value::from(value));
    }
    for Pair { key, value } in &arguments.driver_info_file {
        info.insert(key.clone(), Value::from(file(&plain(value))?));
    }
    Ok(info)
}

/// What was typed: a name that looks like JSON is one all the same.
fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// The content of a file without the end of its last line.
fn file(path: &str) -> Result<String, CliError> {
    let mut text = String::new();
    let read = if path == "-" {
        std::io::stdin().take(VALUE_SIZE_MAX).read_to_string(&mut text)
    } else {
        std::fs::File::open(path).and_then(|file| file.take(VALUE_SIZE_MAX).read_to_string(&mut text))
    };
    read.map_err(|source| PluginError::Value { what: format!("`{path}`"), source })?;
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}

/// Loads the library, in a child process first.
fn load(arguments: &Arguments, cassette: Option<Cassette>, output: &Output) -> Result<Plugin, CliError> {
    let file = &arguments.file;
    output.log(arguments.log);
    let examination = inspect::examine(file)?;
    let mut loader = check::loader(&examination, &arguments.options);
    loader.cassette = cassette;
    let mut report = loader.load(examination.into_scan(Trust::Assumed));
    match report.plugins.pop() {
        Some(plugin) => Ok(plugin),
        None => {
            let none = || LoadError::NotAPlugin { why: "it offers nothing".to_owned() };
            let source = report.refused.pop().map_or_else(none, |refusal| refusal.error);
            Err(PluginError::Refused { file: file.clone(), source }.into())
        }
    }
}

fn open(plugin: &Plugin, arguments: &Arguments) -> Result<Arc<Interface>, CliError> {
    let kind = arguments.kind;
    let listed: Vec<&str> = plugin
        .descriptor()
        .interfaces
        .iter()
        .filter(|interface| interface.kind == kind)
        .map(|interface| interface.name.as_str())
        .collect();
    let chosen = match &arguments.implementation {
        Some(name) => plugin.descriptor().interface(kind, name).map(|interface| interface.name.as_str()),
        None => listed.first().copied(),
    };
    let Some(chosen) = chosen else {
        let offered = if listed.is_empty() { "none".to_owned() } else { listed.join(", ") };
        return Err(PluginError::NoImplementation {
            plugin: plugin.name().to_owned(),
            kind: kind.to_string(),
            name: arguments.implementation.clone(),
            offered,
        }
        .into());
    };
    let opened = plugin.open_interface(kind, chosen);
    opened.map_err(|error| {
        PluginError::Failed { method: "open_interface".to_owned(), hint: None, error }.into()
    })
}
