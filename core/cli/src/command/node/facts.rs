//! What belongs to a node: history, traits, BIOS settings, firmware, inventory, vendor methods, console.

use clap::{Args, Subcommand};
use farrier_api::link::encoded;
use farrier_api::node::NODE;
use serde_json::{Value, json};

use super::super::pair::{Pair, mapping};
use super::super::{Context, path};
use crate::error::{CliError, Failures};
use crate::output::{Cell, Column, Done};

/// What can be done with traits.
#[derive(Debug, Subcommand)]
pub(crate) enum TraitCommand {
    /// List the traits of a node
    #[command(visible_alias = "ls")]
    List {
        /// UUID or name of the node
        node: String,
    },
    /// Give a node traits
    Add(TraitArguments),
    /// Take traits from a node
    Remove(TraitArguments),
    /// Give a node these traits and no others; none take all away
    Set {
        /// UUID or name of the node
        node: String,
        /// Standard traits, or CUSTOM_ and capitals
        #[arg(value_name = "TRAIT")]
        traits: Vec<String>,
    },
}

/// A node and traits.
#[derive(Debug, Args)]
pub(crate) struct TraitArguments {
    /// UUID or name of the node
    node: String,
    /// Standard traits, or CUSTOM_ and capitals
    #[arg(required = true, value_name = "TRAIT")]
    traits: Vec<String>,
}

/// What can be done with vendor methods.
#[derive(Debug, Subcommand)]
pub(crate) enum VendorCommand {
    /// List the methods of a node
    #[command(visible_alias = "ls")]
    List {
        /// UUID or name of the node
        node: String,
    },
    /// Call a method that takes POST
    Call {
        /// UUID or name of the node
        node: String,
        /// The method
        method: String,
        /// Arguments of the method
        #[arg(long = "argument", value_name = "KEY=VALUE")]
        arguments: Vec<Pair>,
    },
}

/// What can be done with maintenance.
#[derive(Debug, Subcommand)]
pub(crate) enum MaintenanceCommand {
    /// Have the conductor leave nodes alone
    On {
        /// UUIDs or names of the nodes
        #[arg(required = true, value_name = "NODE")]
        nodes: Vec<String>,
        /// Why
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
    },
    /// Have the conductor look after nodes again
    Off {
        /// UUIDs or names of the nodes
        #[arg(required = true, value_name = "NODE")]
        nodes: Vec<String>,
    },
}

/// Lists what happened to a node, the newest last.
pub(super) async fn history(context: &Context<'_>, node: &str) -> Result<(), CliError> {
    let action = CliError::request(format!("read the history of node `{node}`"));
    let path = format!("{}/history?detail=True", path(&NODE, node));
    let items = context.client.list("history", &path, None).await.map_err(action)?;
    let columns = [
        Column::new("AGE", "created_at", Cell::Age),
        Column::new("SEVERITY", "severity", Cell::Text),
        Column::new("TYPE", "event_type", Cell::Text),
        Column::new("EVENT", "event", Cell::Text),
        Column::wide("UUID", "uuid", Cell::Text),
        Column::wide("CONDUCTOR", "conductor", Cell::Text),
        Column::wide("USER", "user", Cell::Text),
    ];
    context.output.list(&columns, &["uuid"], &items)
}

/// Lists the BIOS settings of a node as they were last read.
pub(super) async fn bios(context: &Context<'_>, node: &str) -> Result<(), CliError> {
    let columns = [
        Column::new("NAME", "name", Cell::Text),
        Column::new("VALUE", "value", Cell::Text),
        Column::wide("READ", "created_at", Cell::Age),
        Column::wide("CHANGED", "updated_at", Cell::Age),
    ];
    items(context, node, "bios", "list the BIOS settings", &columns, &["name"]).await
}

/// Lists the firmware of a node's components as it was last read.
pub(super) async fn firmware(context: &Context<'_>, node: &str) -> Result<(), CliError> {
    let columns = [
        Column::new("COMPONENT", "component", Cell::Text),
        Column::new("VERSION", "current_version", Cell::Text),
        Column::new("FIRST", "initial_version", Cell::Text),
        Column::wide("FLASHED", "last_version_flashed", Cell::Text),
        Column::wide("CHANGED", "updated_at", Cell::Age),
    ];
    items(context, node, "firmware", "list the firmware", &columns, &["component"]).await
}

async fn items(
    context: &Context<'_>,
    node: &str,
    collection: &str,
    what: &str,
    columns: &[Column],
    names: &[&str],
) -> Result<(), CliError> {
    let action = CliError::request(format!("{what} of node `{node}`"));
    let path = format!("{}/{collection}", path(&NODE, node));
    let items = context.client.list(collection, &path, None).await.map_err(action)?;
    context.output.list(columns, names, &items)
}

/// Writes what the last inspection found, as JSON or YAML.
pub(super) async fn inventory(context: &Context<'_>, node: &str) -> Result<(), CliError> {
    let action = CliError::request(format!("read the inventory of node `{node}`"));
    let found = context.client.get(&format!("{}/inventory", path(&NODE, node))).await.map_err(action)?;
    let text = serde_json::to_string_pretty(&found).unwrap_or_default() + "\n";
    context.output.facts(&text, &found)
}

/// Does what the command says with traits.
pub(super) async fn traits(context: &Context<'_>, command: &TraitCommand) -> Result<(), Failures> {
    let below = |node: &str| format!("{}/traits", path(&NODE, node));
    match command {
        TraitCommand::List { node } => {
            let action = CliError::request(format!("list the traits of node `{node}`"));
            let answer = context.client.get(&below(node)).await.map_err(action)?;
            let found = answer.get("traits").and_then(Value::as_array);
            let rows: Vec<Value> = found.into_iter().flatten().map(|name| json!({"trait": name})).collect();
            Ok(context.output.list(&[Column::new("TRAIT", "trait", Cell::Text)], &["trait"], &rows)?)
        }
        TraitCommand::Add(TraitArguments { node, traits }) => {
            for name in traits {
                let action = CliError::request(format!("give node `{node}` the trait `{name}`"));
                let path = format!("{}/{}", below(node), encoded(name));
                context.client.put(&path, &Value::Null).await.map_err(action)?;
            }
            Ok(done(context, node, "given the traits")?)
        }
        TraitCommand::Remove(TraitArguments { node, traits }) => {
            for name in traits {
                let action = CliError::request(format!("take the trait `{name}` from node `{node}`"));
                context.client.delete(&format!("{}/{}", below(node), encoded(name))).await.map_err(action)?;
            }
            Ok(done(context, node, "relieved of the traits")?)
        }
        TraitCommand::Set { node, traits } => {
            let action = CliError::request(format!("set the traits of node `{node}`"));
            context.client.put(&below(node), &json!({"traits": traits})).await.map_err(action)?;
            Ok(done(context, node, "given the traits")?)
        }
    }
}

/// Does what the command says with vendor methods.
pub(super) async fn vendor(context: &Context<'_>, command: &VendorCommand) -> Result<(), CliError> {
    match command {
        VendorCommand::List { node } => {
            let action = CliError::request(format!("list the vendor methods of node `{node}`"));
            let path = format!("{}/vendor_passthru/methods", path(&NODE, node));
            let answer = context.client.get(&path).await.map_err(action)?;
            let methods = answer.as_object().cloned().unwrap_or_default();
            let rows: Vec<Value> = methods
                .into_iter()
                .map(|(name, mut method)| {
                    if let Some(members) = method.as_object_mut() {
                        members.insert("name".to_owned(), Value::from(name));
                    }
                    method
                })
                .collect();
            let columns = [
                Column::new("NAME", "name", Cell::Text),
                Column::new("IN BACKGROUND", "async", Cell::Text),
                Column::new("DESCRIPTION", "description", Cell::Text),
                Column::wide("NEEDS LOCK", "require_exclusive_lock", Cell::Text),
            ];
            context.output.list(&columns, &["name"], &rows)
        }
        VendorCommand::Call { node, method, arguments } => {
            let action = CliError::request(format!("call `{method}` of node `{node}`"));
            let path = format!("{}/vendor_passthru/{}", path(&NODE, node), encoded(method));
            let body = Value::Object(mapping(arguments));
            let answer = context.client.post(&path, &body).await.map_err(action)?;
            if answer.is_null() {
                return done(context, node, "asked");
            }
            context.output.facts(&format!("{answer:#}\n"), &answer)
        }
    }
}

/// Puts nodes into maintenance, or takes them out.
pub(super) async fn maintenance(context: &Context<'_>, command: &MaintenanceCommand) -> Result<(), Failures> {
    let (nodes, what) = match command {
        MaintenanceCommand::On { nodes, .. } => (nodes, "put into maintenance"),
        MaintenanceCommand::Off { nodes } => (nodes, "taken out of maintenance"),
    };
    let mut outcome = super::super::Outcome::default();
    for node in nodes {
        let path = format!("{}/maintenance", path(&NODE, node));
        let asked = match command {
            MaintenanceCommand::On { reason, .. } => {
                context.client.put(&path, &json!({"reason": reason})).await
            }
            MaintenanceCommand::Off { .. } => context.client.delete(&path).await,
        };
        let done = Done { kind: "node", ident: node.clone(), what, object: None };
        outcome.add(
            asked
                .map(|()| done)
                .map_err(CliError::request(format!("change the maintenance of node `{node}`"))),
        );
    }
    outcome.end(context.output)
}

fn done(context: &Context<'_>, node: &str, what: &'static str) -> Result<(), CliError> {
    context.output.done(&[Done { kind: "node", ident: node.to_owned(), what, object: None }])
}
