//! `farrier node create`, `set` and `unset`.

use clap::Args;
use farrier_api::node::NODE;
use serde_json::{Map, Value, json};

use super::super::pair::mapping;
use super::super::{Context, Outcome, path};
use super::NAMES;
use super::values::{InterfaceSwitches, NodeValues};
use crate::error::{CliError, Failures};
use crate::output::Done;

/// What a new node is given.
#[derive(Debug, Args)]
pub(crate) struct CreateArguments {
    /// Driver; `farrier driver list` tells which there are
    #[arg(long)]
    driver: String,
    /// UUID, instead of one that the server makes up
    #[arg(long)]
    uuid: Option<String>,
    #[command(flatten)]
    values: NodeValues,
}

/// What existing nodes are given.
#[derive(Debug, Args)]
pub(crate) struct SetArguments {
    /// UUIDs or names of the nodes
    #[arg(required = true, value_name = "NODE")]
    nodes: Vec<String>,
    /// Another driver
    #[arg(long)]
    driver: Option<String>,
    /// Let the new driver choose every implementation that is not given here
    #[arg(long, requires = "driver")]
    reset_interfaces: bool,
    /// UUID of the instance on it
    #[arg(long, value_name = "UUID")]
    instance_uuid: Option<String>,
    #[command(flatten)]
    values: NodeValues,
}

/// What is taken from existing nodes.
#[derive(Debug, Args)]
pub(crate) struct UnsetArguments {
    /// UUIDs or names of the nodes
    #[arg(required = true, value_name = "NODE")]
    nodes: Vec<String>,
    /// A member of driver_info
    #[arg(long, value_name = "KEY")]
    driver_info: Vec<String>,
    /// A member of properties
    #[arg(long = "property", value_name = "KEY")]
    properties: Vec<String>,
    /// A member of extra
    #[arg(long, value_name = "KEY")]
    extra: Vec<String>,
    /// A member of instance_info
    #[arg(long, value_name = "KEY")]
    instance_info: Vec<String>,
    /// The name
    #[arg(long)]
    name: bool,
    /// The resource class
    #[arg(long)]
    resource_class: bool,
    /// The conductor group
    #[arg(long)]
    conductor_group: bool,
    /// The description
    #[arg(long)]
    description: bool,
    /// The owner
    #[arg(long)]
    owner: bool,
    /// The lessee
    #[arg(long)]
    lessee: bool,
    /// The shard
    #[arg(long)]
    shard: bool,
    /// The parent node
    #[arg(long)]
    parent_node: bool,
    /// The instance
    #[arg(long)]
    instance_uuid: bool,
    /// Whether it is cleaned before it becomes available
    #[arg(long)]
    automated_clean: bool,
    /// Whether it must never be powered off
    #[arg(long)]
    disable_power_off: bool,
    #[command(flatten)]
    interfaces: InterfaceSwitches,
}

/// Creates a node and shows it.
pub(super) async fn create(context: &Context<'_>, arguments: &CreateArguments) -> Result<(), CliError> {
    let created = context.client.post(NODE.collection, &Value::from(arguments.body())).await;
    context.output.object(&NODE, &NAMES, &created.map_err(CliError::request("create the node"))?)
}

/// Changes nodes, one after another.
pub(super) async fn set(context: &Context<'_>, arguments: &SetArguments) -> Result<(), Failures> {
    let query = if arguments.reset_interfaces { "?reset_interfaces=True" } else { "" };
    patch(context, &arguments.nodes, query, arguments.operations()).await
}

/// Sets members of nodes back, one node after another.
pub(super) async fn unset(context: &Context<'_>, arguments: &UnsetArguments) -> Result<(), Failures> {
    patch(context, &arguments.nodes, "", arguments.operations()).await
}

/// Sends the same operations to every node.
async fn patch(
    context: &Context<'_>,
    nodes: &[String],
    query: &str,
    operations: Vec<Value>,
) -> Result<(), Failures> {
    if operations.is_empty() {
        return Err(CliError::Usage { message: "nothing to change: name a member".to_owned() }.into());
    }
    let body = Value::from(operations);
    let mut outcome = Outcome::default();
    for node in nodes {
        let changed = context.client.patch(&format!("{}{query}", path(&NODE, node)), &body).await;
        outcome.add(
            changed
                .map(|object| Done {
                    kind: "node",
                    ident: node.clone(),
                    what: "changed",
                    object: Some(object),
                })
                .map_err(CliError::request(format!("change node `{node}`"))),
        );
    }
    outcome.end(context.output)
}

impl CreateArguments {
    /// The body of the request.
    fn body(&self) -> Map<String, Value> {
        let mut body = self.values.members();
        body.insert("driver".to_owned(), Value::from(self.driver.clone()));
        if let Some(uuid) = &self.uuid {
            body.insert("uuid".to_owned(), Value::from(uuid.clone()));
        }
        for (name, pairs) in self.values.mappings() {
            if !pairs.is_empty() {
                body.insert(name.to_owned(), Value::from(mapping(pairs)));
            }
        }
        body
    }
}

impl SetArguments {
    /// The JSON patch.
    fn operations(&self) -> Vec<Value> {
        let mut operations = Vec::new();
        let texts = [("driver", &self.driver), ("instance_uuid", &self.instance_uuid)];
        for (name, text) in texts {
            operations.extend(text.iter().map(|text| add(&[name], &Value::from(text.clone()))));
        }
        operations.extend(self.values.members().iter().map(|(name, value)| add(&[name], value)));
        for (name, pairs) in self.values.mappings() {
            operations.extend(pairs.iter().map(|pair| add(&[name, &pair.key], &pair.value)));
        }
        operations
    }
}

impl UnsetArguments {
    /// The JSON patch.
    fn operations(&self) -> Vec<Value> {
        let switches = [
            ("name", self.name),
            ("resource_class", self.resource_class),
            ("conductor_group", self.conductor_group),
            ("description", self.description),
            ("owner", self.owner),
            ("lessee", self.lessee),
            ("shard", self.shard),
            ("parent_node", self.parent_node),
            ("instance_uuid", self.instance_uuid),
            ("automated_clean", self.automated_clean),
            ("disable_power_off", self.disable_power_off),
        ];
        let mappings = [
            ("driver_info", &self.driver_info),
            ("properties", &self.properties),
            ("extra", &self.extra),
            ("instance_info", &self.instance_info),
        ];
        let members = switches.iter().filter(|(_, given)| *given).map(|(name, _)| *name);
        let mut operations: Vec<Value> =
            members.chain(self.interfaces.0.iter().copied()).map(|name| remove(&[name])).collect();
        for (name, keys) in mappings {
            operations.extend(keys.iter().map(|key| remove(&[name, key])));
        }
        operations
    }
}

/// An operation that sets a member.
fn add(path: &[&str], value: &Value) -> Value {
    json!({"op": "add", "path": pointer(path), "value": value})
}

/// An operation that takes a member away.
fn remove(path: &[&str]) -> Value {
    json!({"op": "remove", "path": pointer(path)})
}

/// A JSON pointer.
fn pointer(path: &[&str]) -> String {
    path.iter().map(|element| format!("/{}", element.replace('~', "~0").replace('/', "~1"))).collect()
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    enum Line {
        Create(CreateArguments),
        Set(SetArguments),
        Unset(UnsetArguments),
    }

    fn body(line: &str) -> Value {
        let words = std::iter::once("farrier").chain(line.split_whitespace());
        match Line::try_parse_from(words).unwrap() {
            Line::Create(arguments) => Value::from(arguments.body()),
            Line::Set(arguments) => Value::from(arguments.operations()),
            Line::Unset(arguments) => Value::from(arguments.operations()),
        }
    }

    #[test]
    fn a_new_node_is_described_by_its_options() {
        let body = body(
            "create --driver ipmi --name n1 --driver-info ipmi_address=127.0.0.1 --driver-info ipmi_password=123 \
             --property cpus=8 --power-interface ipmitool --automated-clean false --owner o",
        );

        assert_eq!(
            body,
            json!({
                "driver": "ipmi", "name": "n1", "properties": {"cpus": 8}, "power_interface": "ipmitool",
                "driver_info": {"ipmi_address": "127.0.0.1", "ipmi_password": "123"}, "automated_clean": false,
                "owner": "o",
            })
        );
    }

    #[test]
    fn changes_are_operations_on_members() {
        assert_eq!(
            body("set n1 --driver redfish --name n2 --extra a/b=1 --boot-interface ipxe"),
            json!([
                {"op": "add", "path": "/driver", "value": "redfish"},
                {"op": "add", "path": "/boot_interface", "value": "ipxe"},
                {"op": "add", "path": "/name", "value": "n2"},
                {"op": "add", "path": "/extra/a~1b", "value": 1},
            ])
        );
    }

    #[test]
    fn unset_members_are_removed() {
        assert_eq!(
            body("unset n1 --name --power-interface --property cpus --property x~y"),
            json!([
                {"op": "remove", "path": "/name"},
                {"op": "remove", "path": "/power_interface"},
                {"op": "remove", "path": "/properties/cpus"},
                {"op": "remove", "path": "/properties/x~0y"},
            ])
        );
    }

    #[test]
    fn arguments_print_no_secrets() {
        let words = ["farrier", "create", "--driver", "ipmi", "--driver-info", "ipmi_password=hunter2"];

        let line = Line::try_parse_from(words).unwrap();

        assert!(!format!("{line:?}").contains("hunter2"));
    }
}
