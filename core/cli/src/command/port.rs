//! `farrier port`.

use clap::{Args, Subcommand};
use farrier_api::identity::is_uuid;
use farrier_api::node::NODE;
use farrier_api::port::PORT;
use serde_json::{Map, Value};

use super::pair::{Pair, mapping};
use super::{Context, ListArguments, Listing, delete, filter, path, with_query};
use crate::error::{CliError, Failures};
use crate::output::{Cell, Column};

/// What can be done with ports.
#[derive(Debug, Subcommand)]
pub(crate) enum PortCommand {
    /// Add a port to a node
    Create(PortCreateArguments),
    /// List the ports
    #[command(visible_alias = "ls")]
    List {
        /// Of this node alone, by UUID or name
        #[arg(long)]
        node: Option<String>,
        /// With this MAC address
        #[arg(long, value_name = "MAC")]
        address: Option<String>,
        #[command(flatten)]
        list: ListArguments,
    },
    /// Show one port
    Show {
        /// UUID or MAC address of the port
        port: String,
    },
    /// Delete ports
    Delete {
        /// UUIDs of the ports
        #[arg(required = true, value_name = "PORT")]
        ports: Vec<String>,
        /// Do not ask
        #[arg(short, long)]
        yes: bool,
    },
}

/// What a new port is given.
#[derive(Debug, Args)]
pub(crate) struct PortCreateArguments {
    /// MAC address
    #[arg(value_name = "MAC")]
    address: String,
    /// UUID or name of the node
    #[arg(long)]
    node: String,
    /// UUID of the port, instead of one that the server makes up
    #[arg(long)]
    uuid: Option<String>,
    /// Name of the port
    #[arg(long)]
    name: Option<String>,
    /// What people should know of it
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,
    /// Whether the node boots from this port
    #[arg(long, value_name = "BOOL")]
    pxe_enabled: Option<bool>,
    /// The network it is plugged into
    #[arg(long, value_name = "NAME")]
    physical_network: Option<String>,
    /// Where it is plugged in: switch_id, port_id, switch_info
    #[arg(long, value_name = "KEY=VALUE")]
    local_link_connection: Vec<Pair>,
    /// What else to remember
    #[arg(long, value_name = "KEY=VALUE")]
    extra: Vec<Pair>,
}

/// Does what the command says.
pub(super) async fn run(command: PortCommand, context: &Context<'_>) -> Result<(), Failures> {
    match command {
        PortCommand::Create(arguments) => Ok(create(context, &arguments).await?),
        PortCommand::List { node, address, list } => {
            let filters = [filter("node", node.as_ref()), filter("address", address.as_ref())];
            Ok(listing().run(context, &list, filters.into_iter().flatten().collect()).await?)
        }
        PortCommand::Show { port } => {
            let shown = find(context, &port).await?;
            Ok(context.output.object(&PORT, &["uuid"], &shown)?)
        }
        PortCommand::Delete { ports, yes } => delete(context, &PORT, "port", &ports, yes).await,
    }
}

/// Creates a port.
async fn create(context: &Context<'_>, arguments: &PortCreateArguments) -> Result<(), CliError> {
    let action = || CliError::request(format!("create port `{}`", arguments.address));
    let node = if is_uuid(&arguments.node) {
        Value::from(arguments.node.clone())
    } else {
        // Only new servers take a name here.
        let path = with_query(&path(&NODE, &arguments.node), &[("fields", "uuid".to_owned())]);
        context.client.get(&path).await.map_err(action())?.get("uuid").cloned().unwrap_or_default()
    };
    let body = arguments.body(node);
    let created = context.client.post(PORT.collection, &Value::from(body)).await.map_err(action())?;
    context.output.object(&PORT, &["uuid"], &created)
}

/// Reads one port by its UUID or its address.
async fn find(context: &Context<'_>, port: &str) -> Result<Value, CliError> {
    let action = || CliError::request(format!("show port `{port}`"));
    if !port.contains(':') {
        return context.client.get(&path(&PORT, port)).await.map_err(action());
    }
    let path = with_query("ports/detail", &[("address", port.to_owned())]);
    let found = context.client.list(PORT.collection, &path, None).await.map_err(action())?;
    found.into_iter().next().ok_or_else(|| CliError::NotFound { what: format!("port with address `{port}`") })
}

impl PortCreateArguments {
    /// The body of the request.
    fn body(&self, node: Value) -> Map<String, Value> {
        let text =
            |name: &str, text: &Option<String>| text.clone().map(|text| (name.to_owned(), Value::from(text)));
        let pairs = |name: &str, pairs: &[Pair]| {
            (!pairs.is_empty()).then(|| (name.to_owned(), Value::from(mapping(pairs))))
        };
        let given = [
            text("uuid", &self.uuid),
            text("name", &self.name),
            text("description", &self.description),
            text("physical_network", &self.physical_network),
            self.pxe_enabled.map(|enabled| ("pxe_enabled".to_owned(), Value::from(enabled))),
            pairs("local_link_connection", &self.local_link_connection),
            pairs("extra", &self.extra),
        ];
        let required = [("address", Value::from(self.address.clone())), ("node_uuid", node)];
        let required = required.map(|(name, value)| (name.to_owned(), value));
        required.into_iter().chain(given.into_iter().flatten()).collect()
    }
}

/// How ports are listed.
fn listing() -> Listing {
    Listing {
        resource: &PORT,
        columns: vec![
            Column::new("UUID", "uuid", Cell::Text),
            Column::new("ADDRESS", "address", Cell::Text),
            Column::new("NODE", "node_uuid", Cell::Text),
            Column::new("PXE", "pxe_enabled", Cell::Text),
            Column::wide("NAME", "name", Cell::Text),
            Column::wide("NETWORK", "physical_network", Cell::Text),
            Column::wide("LINK", "local_link_connection", Cell::Text),
            Column::wide("AGE", "created_at", Cell::Age),
        ],
        names: &["uuid"],
    }
}
