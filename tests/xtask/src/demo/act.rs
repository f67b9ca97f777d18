//! Enrolls the nodes and powers them on and off, through the REST API alone.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use farrier_sim::error::SimError;
use farrier_sim::farrierd::Farrierd;
use farrier_sim::wait::wait_for;
use serde_json::{Value, json};

use super::machine::{Machine, Machines};
use super::table::Row;
use crate::error::TaskError;

/// How long a power action may take.
const PATIENCE: Duration = Duration::from_secs(60);
/// What is done to each node, in this order.
const ACTIONS: [&str; 2] = ["power on", "power off"];

/// Enrolls every machine and does all actions with each; a row per action.
///
/// `plugins` tells the file that brings each hardware type.
pub(super) fn run(
    conductor: &Farrierd,
    machines: &Machines,
    plugins: &BTreeMap<String, String>,
) -> Result<Vec<Row>, TaskError> {
    for machine in machines.all() {
        let node = json!({
            "name": machine.node, "driver": machine.driver, "driver_info": machine.driver_info,
        });
        call(conductor, "POST", "/v1/nodes", Some(&node))?;
        println!("enrolled {} (driver `{}`)", machine.node, machine.driver);
    }
    let mut rows = Vec::new();
    for machine in machines.all() {
        for action in ACTIONS {
            let plugin = plugins.get(machine.driver).cloned().unwrap_or_default();
            rows.push(power(conductor, machine, action, plugin)?);
        }
    }
    Ok(rows)
}

/// Asks for one action and watches the node until it is done.
fn power(conductor: &Farrierd, machine: &Machine, action: &str, plugin: String) -> Result<Row, TaskError> {
    let path = format!("/v1/nodes/{}", machine.node);
    let before = member(&call(conductor, "GET", &path, None)?, "power_state");
    let start = Instant::now();
    let states = format!("{path}/states/power");
    call(conductor, "PUT", &states, Some(&json!({ "target": action })))?;

    let mut lock = None;
    let what = format!("`{action}` of `{}`", machine.node);
    let node = wait_for(&what, PATIENCE, || match call(conductor, "GET", &path, None) {
        Ok(node) => {
            let holder = member(&node, "reservation");
            let done = holder.is_none() && member(&node, "target_power_state").is_none();
            lock = holder.or(lock.take());
            done.then_some(Ok(node))
        }
        Err(error) => Some(Err(error)),
    })??;
    let time = start.elapsed();
    println!("{}: {action} done", machine.node);
    if let Some(error) = member(&node, "last_error") {
        println!("{}: {error}", machine.node);
    }
    Ok(Row {
        node: machine.node.clone(),
        driver: machine.driver.to_owned(),
        plugin,
        action: action.to_owned(),
        lock,
        before,
        after: member(&node, "power_state"),
        bmc: machine.power(),
        time,
    })
}

/// One request that must succeed.
pub(super) fn call(
    conductor: &Farrierd,
    method: &str,
    path: &str,
    body: Option<&Value>,
) -> Result<Value, TaskError> {
    let response = conductor.call(method, path, body)?;
    if (200..300).contains(&response.status) {
        return Ok(response.json());
    }
    let answer = String::from_utf8_lossy(&response.body).into_owned();
    Err(SimError::Failed {
        program: format!("{method} {path}"),
        status: response.status.to_string(),
        output: answer,
    }
    .into())
}

pub(super) fn member(node: &Value, name: &str) -> Option<String> {
    node.get(name).and_then(Value::as_str).map(str::to_owned)
}
