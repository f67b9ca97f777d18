//! The members of a node that the command line can set.

use std::collections::BTreeMap;

use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches};
use farrier_api::node::INTERFACE_MEMBERS;
use serde_json::{Map, Value};

use super::super::pair::Pair;

/// Members that both a new and an existing node can be given.
#[derive(Debug, Args)]
pub(crate) struct NodeValues {
    /// Name: letters, digits and -._~
    #[arg(long)]
    name: Option<String>,
    /// What the driver must know to reach the BMC; `farrier driver properties` lists it
    #[arg(long, value_name = "KEY=VALUE")]
    pub(super) driver_info: Vec<Pair>,
    /// What the machine is: cpus, memory_mb, local_gb, cpu_arch, capabilities
    #[arg(long = "property", value_name = "KEY=VALUE")]
    pub(super) properties: Vec<Pair>,
    /// What else to remember
    #[arg(long, value_name = "KEY=VALUE")]
    pub(super) extra: Vec<Pair>,
    /// What the instance needs
    #[arg(long, value_name = "KEY=VALUE")]
    pub(super) instance_info: Vec<Pair>,
    /// Resource class
    #[arg(long, value_name = "CLASS")]
    resource_class: Option<String>,
    /// Group of conductors that may work on it
    #[arg(long, value_name = "GROUP")]
    conductor_group: Option<String>,
    /// What people should know of it
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,
    /// Who owns it
    #[arg(long)]
    owner: Option<String>,
    /// Who uses it
    #[arg(long)]
    lessee: Option<String>,
    /// Shard it belongs to
    #[arg(long)]
    shard: Option<String>,
    /// UUID or name of the node it is a part of
    #[arg(long, value_name = "NODE")]
    parent_node: Option<String>,
    /// Whether it is cleaned before it becomes available
    #[arg(long, value_name = "BOOL")]
    automated_clean: Option<bool>,
    /// Whether it must never be powered off
    #[arg(long, value_name = "BOOL")]
    disable_power_off: Option<bool>,
    #[command(flatten)]
    interfaces: InterfaceValues,
}

impl NodeValues {
    /// The members that are given as a whole, without the mappings.
    pub(super) fn members(&self) -> Map<String, Value> {
        let texts = [
            ("name", &self.name),
            ("resource_class", &self.resource_class),
            ("conductor_group", &self.conductor_group),
            ("description", &self.description),
            ("owner", &self.owner),
            ("lessee", &self.lessee),
            ("shard", &self.shard),
            ("parent_node", &self.parent_node),
        ];
        let flags =
            [("automated_clean", self.automated_clean), ("disable_power_off", self.disable_power_off)];
        let texts = texts.into_iter().filter_map(|(name, text)| Some((name, Value::from(text.clone()?))));
        let flags = flags.into_iter().filter_map(|(name, flag)| Some((name, Value::from(flag?))));
        let interfaces = self.interfaces.0.iter().map(|(name, text)| (*name, Value::from(text.clone())));
        texts.chain(flags).chain(interfaces).map(|(name, value)| (name.to_owned(), value)).collect()
    }

    /// The mappings with the pairs that are given for them.
    pub(super) fn mappings(&self) -> [(&'static str, &[Pair]); 4] {
        [
            ("driver_info", &self.driver_info),
            ("properties", &self.properties),
            ("extra", &self.extra),
            ("instance_info", &self.instance_info),
        ]
    }
}

/// One option for each interface type: `--power-interface ipmitool`.
#[derive(Debug, Default)]
struct InterfaceValues(BTreeMap<&'static str, String>);

/// One switch for each interface type: `--power-interface`.
#[derive(Debug, Default)]
pub(super) struct InterfaceSwitches(pub(super) Vec<&'static str>);

impl Args for InterfaceValues {
    fn augment_args(command: Command) -> Command {
        INTERFACE_MEMBERS.iter().fold(command, |command, name| {
            let help = format!("Implementation for {} instead of the driver's choice", kind(name));
            command.arg(Arg::new(*name).long(option(name)).value_name("NAME").help(help))
        })
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for InterfaceValues {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let given = INTERFACE_MEMBERS
            .iter()
            .filter_map(|name| Some((*name, matches.get_one::<String>(name)?.clone())));
        Ok(Self(given.collect()))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

impl Args for InterfaceSwitches {
    fn augment_args(command: Command) -> Command {
        INTERFACE_MEMBERS.iter().fold(command, |command, name| {
            let help = format!("Back to the driver's choice for {}", kind(name));
            command.arg(Arg::new(*name).long(option(name)).action(ArgAction::SetTrue).help(help))
        })
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for InterfaceSwitches {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        Ok(Self(INTERFACE_MEMBERS.iter().copied().filter(|name| matches.get_flag(name)).collect()))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

/// The option for a member: `power-interface` for `power_interface`.
fn option(member: &str) -> String {
    member.replace('_', "-")
}

/// The interface type of a member: `power` for `power_interface`.
fn kind(member: &str) -> &str {
    member.strip_suffix("_interface").unwrap_or(member)
}
