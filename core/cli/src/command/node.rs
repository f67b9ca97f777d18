//! `farrier node`.

mod change;
mod console;
mod edit;
mod facts;
mod power;
mod provision;
mod values;

use clap::{Args, Subcommand};
use farrier_api::boot_device::BootDeviceRequest;
use farrier_api::node::NODE;
use farrier_api::validation::Validation;
use serde_json::{Value, json};

use super::{Context, ListArguments, Listing, delete, filter, path, with_query};
use provision::Way;

use crate::error::{CliError, Failures};
use crate::output::{Cell, Column, Done};

/// What can be done with nodes.
#[derive(Debug, Subcommand)]
pub(crate) enum NodeCommand {
    /// Enroll a node
    Create(edit::CreateArguments),
    /// List the nodes
    #[command(visible_alias = "ls")]
    List {
        #[command(flatten)]
        filters: NodeFilters,
        #[command(flatten)]
        list: ListArguments,
    },
    /// Show one node
    Show {
        /// UUID or name of the node
        node: String,
        /// These members alone
        #[arg(long, value_name = "MEMBER", value_delimiter = ',')]
        fields: Vec<String>,
    },
    /// Change members of nodes
    Set(edit::SetArguments),
    /// Set members of nodes back to their defaults
    Unset(edit::UnsetArguments),
    /// Delete nodes, with their ports
    Delete {
        /// UUIDs or names of the nodes
        #[arg(required = true, value_name = "NODE")]
        nodes: Vec<String>,
        /// Do not ask
        #[arg(short, long)]
        yes: bool,
    },
    /// Check whether a node's settings are complete
    Validate {
        /// UUID or name of the node
        node: String,
    },
    /// Tell or change the power of nodes
    #[command(subcommand)]
    Power(power::PowerCommand),
    /// Tell or set the device a node boots from
    Boot(BootArguments),
    /// Bring nodes under control
    Manage(provision::MoveArguments),
    /// Make nodes available, cleaned first
    Provide(provision::MoveArguments),
    /// Find out what nodes are made of
    Inspect(provision::MoveArguments),
    /// Run clean steps on nodes under control
    Clean(provision::StepArguments),
    /// Put an instance on available nodes
    Deploy(provision::DeployArguments),
    /// Put the instance on nodes again
    Rebuild(provision::DeployArguments),
    /// Remove the instance of nodes, and clean them
    Undeploy(provision::MoveArguments),
    /// Take over machines that are in use already
    Adopt(provision::MoveArguments),
    /// Start the rescue system on nodes in use
    Rescue(provision::RescueArguments),
    /// Go back from the rescue system to the instance
    Unrescue(provision::MoveArguments),
    /// Run service steps on nodes in use
    Service(provision::StepArguments),
    /// Give up what nodes wait for
    Abort(provision::MoveArguments),
    /// Let nodes go on that are held
    Unhold(provision::MoveArguments),
    /// Put nodes into maintenance, or take them out
    #[command(subcommand)]
    Maintenance(facts::MaintenanceCommand),
    /// List what happened to a node
    History {
        /// UUID or name of the node
        node: String,
    },
    /// List or change the traits of a node
    #[command(subcommand)]
    Trait(facts::TraitCommand),
    /// List the BIOS settings of a node, as they were last read
    Bios {
        /// UUID or name of the node
        node: String,
    },
    /// List the firmware of a node's components, as it was last read
    Firmware {
        /// UUID or name of the node
        node: String,
    },
    /// Show what the last inspection of a node found
    Inventory {
        /// UUID or name of the node
        node: String,
    },
    /// List or call the vendor methods of a node
    #[command(subcommand)]
    Vendor(facts::VendorCommand),
    /// Tell where the console of a node is, or switch it
    Console(console::ConsoleArguments),
}

/// Which nodes.
#[derive(Debug, Args)]
pub(crate) struct NodeFilters {
    /// Of this driver
    #[arg(long)]
    driver: Option<String>,
    /// In this provision state
    #[arg(long, value_name = "STATE")]
    provision_state: Option<String>,
    /// Of this resource class
    #[arg(long, value_name = "CLASS")]
    resource_class: Option<String>,
    /// Of this conductor group
    #[arg(long, value_name = "GROUP")]
    conductor_group: Option<String>,
    /// Of this owner
    #[arg(long)]
    owner: Option<String>,
    /// Of this conductor
    #[arg(long, value_name = "HOSTNAME")]
    conductor: Option<String>,
    /// In maintenance, or not
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true")]
    maintenance: Option<bool>,
    /// With an instance, or without
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true")]
    associated: Option<bool>,
}

/// What to boot from.
#[derive(Debug, Args)]
pub(crate) struct BootArguments {
    /// UUID or name of the node
    node: String,
    /// The device: pxe, disk, cdrom, bios, ...; without it, tell the present one
    device: Option<String>,
    /// For every boot, not for the next alone
    #[arg(long, requires = "device")]
    persistent: bool,
    /// List the devices that can be set
    #[arg(long, conflicts_with_all = ["device", "persistent"])]
    supported: bool,
}

/// Does what the command says.
pub(super) async fn run(command: NodeCommand, context: &Context<'_>) -> Result<(), Failures> {
    match command {
        NodeCommand::Create(arguments) => Ok(edit::create(context, &arguments).await?),
        NodeCommand::List { filters, list } => Ok(listing().run(context, &list, filters.query()).await?),
        NodeCommand::Show { node, fields } => Ok(show(context, &node, &fields).await?),
        NodeCommand::Set(arguments) => edit::set(context, &arguments).await,
        NodeCommand::Unset(arguments) => edit::unset(context, &arguments).await,
        NodeCommand::Delete { nodes, yes } => delete(context, &NODE, "node", &nodes, yes).await,
        NodeCommand::Validate { node } => Ok(validate(context, &node).await?),
        NodeCommand::Power(command) => power::run(context, &command).await,
        NodeCommand::Boot(arguments) => Ok(boot(context, &arguments).await?),
        NodeCommand::Maintenance(command) => facts::maintenance(context, &command).await,
        NodeCommand::History { node } => Ok(facts::history(context, &node).await?),
        NodeCommand::Trait(command) => facts::traits(context, &command).await,
        NodeCommand::Bios { node } => Ok(facts::bios(context, &node).await?),
        NodeCommand::Firmware { node } => Ok(facts::firmware(context, &node).await?),
        NodeCommand::Inventory { node } => Ok(facts::inventory(context, &node).await?),
        NodeCommand::Vendor(command) => Ok(facts::vendor(context, &command).await?),
        NodeCommand::Console(arguments) => console::run(context, &arguments).await,
        NodeCommand::Manage(moved) => provision::plain(context, Way::MANAGE, &moved).await,
        NodeCommand::Provide(moved) => provision::plain(context, Way::PROVIDE, &moved).await,
        NodeCommand::Inspect(moved) => provision::plain(context, Way::INSPECT, &moved).await,
        NodeCommand::Clean(given) => provision::steps(context, Way::CLEAN, &given).await,
        NodeCommand::Deploy(given) => provision::deploy(context, Way::DEPLOY, &given).await,
        NodeCommand::Rebuild(given) => provision::deploy(context, Way::REBUILD, &given).await,
        NodeCommand::Undeploy(moved) => provision::plain(context, Way::UNDEPLOY, &moved).await,
        NodeCommand::Adopt(moved) => provision::plain(context, Way::ADOPT, &moved).await,
        NodeCommand::Rescue(given) => provision::rescue(context, &given).await,
        NodeCommand::Unrescue(moved) => provision::plain(context, Way::UNRESCUE, &moved).await,
        NodeCommand::Service(given) => provision::steps(context, Way::SERVICE, &given).await,
        NodeCommand::Abort(moved) => provision::plain(context, Way::ABORT, &moved).await,
        NodeCommand::Unhold(moved) => provision::plain(context, Way::UNHOLD, &moved).await,
    }
}

/// Shows one node.
async fn show(context: &Context<'_>, node: &str, fields: &[String]) -> Result<(), CliError> {
    let query = if fields.is_empty() { Vec::new() } else { vec![("fields", fields.join(","))] };
    let shown = context.client.get(&with_query(&path(&NODE, node), &query)).await;
    context.output.object(&NODE, &NAMES, &shown.map_err(CliError::request(format!("show node `{node}`")))?)
}

/// Checks the settings of a node; what is missing is the result, not an error.
async fn validate(context: &Context<'_>, node: &str) -> Result<(), CliError> {
    let action = || CliError::request(format!("validate node `{node}`"));
    let answer = context.client.get(&format!("{}/validate", path(&NODE, node))).await.map_err(action())?;
    if context.output.format().is_complete() {
        return context.output.facts("", &answer);
    }
    let validation: Validation = serde_json::from_value(answer).unwrap_or_default();
    let rows: Vec<Value> = validation
        .into_iter()
        .map(|(name, result)| {
            let text = match result.result {
                Some(true) => "ok",
                Some(false) => "error",
                None => "unsupported",
            };
            json!({"interface": name, "result": text, "reason": result.reason})
        })
        .collect();
    let columns = [
        Column::new("INTERFACE", "interface", Cell::Text),
        Column::new("RESULT", "result", Cell::State),
        Column::new("REASON", "reason", Cell::Text),
    ];
    context.output.list(&columns, &["interface"], &rows)
}

/// Tells or sets the boot device.
async fn boot(context: &Context<'_>, arguments: &BootArguments) -> Result<(), CliError> {
    let node = &arguments.node;
    let path = format!("{}/management/boot_device", path(&NODE, node));
    if let Some(device) = &arguments.device {
        let request = BootDeviceRequest { boot_device: device.clone(), persistent: arguments.persistent };
        let body = json!({"boot_device": request.boot_device, "persistent": request.persistent});
        let action = CliError::request(format!("set the boot device of node `{node}`"));
        context.client.put(&path, &body).await.map_err(action)?;
        let what =
            if request.persistent { "set to boot from it from now on" } else { "set to boot from it once" };
        return context.output.done(&[Done { kind: "node", ident: node.clone(), what, object: Some(body) }]);
    }
    if arguments.supported {
        let action = CliError::request(format!("list the boot devices of node `{node}`"));
        let answer = context.client.get(&format!("{path}/supported")).await.map_err(action)?;
        if context.output.format().is_complete() {
            return context.output.facts("", &answer);
        }
        let devices = answer.get("supported_boot_devices").and_then(Value::as_array);
        let rows: Vec<Value> =
            devices.into_iter().flatten().map(|device| json!({"device": device})).collect();
        return context.output.list(&[Column::new("DEVICE", "device", Cell::Text)], &["device"], &rows);
    }
    let action = CliError::request(format!("read the boot device of node `{node}`"));
    let answer = context.client.get(&path).await.map_err(action)?;
    if context.output.format().is_complete() {
        return context.output.facts("", &answer);
    }
    let columns = [
        Column::new("DEVICE", "boot_device", Cell::Text),
        Column::new("PERSISTENT", "persistent", Cell::Text),
    ];
    context.output.list(&columns, &["boot_device"], &[answer])
}

impl NodeFilters {
    /// The filters that were given, as the query has them.
    fn query(&self) -> Vec<(&'static str, String)> {
        let flag = |name, flag: Option<bool>| {
            flag.map(|flag| (name, if flag { "True" } else { "False" }.to_owned()))
        };
        let given = [
            filter("driver", self.driver.as_ref()),
            filter("provision_state", self.provision_state.as_ref()),
            filter("resource_class", self.resource_class.as_ref()),
            filter("conductor_group", self.conductor_group.as_ref()),
            filter("owner", self.owner.as_ref()),
            filter("conductor", self.conductor.as_ref()),
            flag("maintenance", self.maintenance),
            flag("associated", self.associated),
        ];
        given.into_iter().flatten().collect()
    }
}

/// The members that name a node, the best first.
const NAMES: [&str; 2] = ["name", "uuid"];

/// How nodes are listed.
fn listing() -> Listing {
    Listing {
        resource: &NODE,
        columns: vec![
            Column::new("NAME", "name", Cell::Or("uuid")),
            Column::new("DRIVER", "driver", Cell::Text),
            Column::new("POWER", "power_state", Cell::State),
            Column::new("PROVISION", "provision_state", Cell::State),
            Column::new("MAINTENANCE", "maintenance", Cell::Odd),
            Column::wide("UUID", "uuid", Cell::Text),
            Column::wide("LOCKED BY", "reservation", Cell::Text),
            Column::wide("CONDUCTOR", "conductor", Cell::Text),
            Column::wide("CLASS", "resource_class", Cell::Text),
            Column::wide("INSTANCE", "instance_uuid", Cell::Text),
            Column::wide("AGE", "created_at", Cell::Age),
            Column::wide("LAST ERROR", "last_error", Cell::Text),
        ],
        names: &NAMES,
    }
}
