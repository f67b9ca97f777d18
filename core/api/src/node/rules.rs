//! What a JSON patch may change of a node.

use crate::patch::{Root, Rules, Unset};
use crate::schema::{Shape, member, text};
use crate::version::table::Topic;

/// The most characters of a description.
pub(super) const DESCRIPTION_LENGTH_MAX: usize = 4096;

/// The most characters of a resource class.
pub(super) const RESOURCE_CLASS_LENGTH_MAX: usize = 80;

/// The members that name an implementation, one for each interface type.
#[rustfmt::skip]
pub const INTERFACE_MEMBERS: &[&str] = &[
    "bios_interface", "boot_interface", "console_interface", "deploy_interface", "firmware_interface",
    "inspect_interface", "management_interface", "network_interface", "power_interface", "raid_interface",
    "rescue_interface", "storage_interface", "vendor_interface",
];

/// The interface type that a member is about: `power` for `power_interface`.
pub(super) fn interface_type(member: &str) -> &str {
    member.strip_suffix("_interface").unwrap_or(member)
}

/// A text that is null when unset.
const fn text_root(name: &'static str) -> Root {
    Root { member: member(name, Shape::Text), unset: Unset::Null }
}

/// The implementation for an interface type; unset, it is the driver's choice.
const fn interface(name: &'static str) -> Root {
    Root { member: member(name, Shape::Text), unset: Unset::Chosen }
}

/// A mapping that is empty when unset.
const fn mapping(name: &'static str) -> Root {
    Root { member: member(name, Shape::Mapping), unset: Unset::Empty }
}

/// A boolean that is false when unset.
const fn flag(name: &'static str) -> Root {
    Root { member: member(name, Shape::Flag), unset: Unset::Flag(false) }
}

/// What may be changed, in the order in which the refusal of anything else lists it.
#[rustfmt::skip]
pub const PATCH: Rules = Rules {
    topic: Topic::Node,
    roots: &[
        Root { member: member("automated_clean", Shape::Flag), unset: Unset::Null },
        interface("bios_interface"),
        interface("boot_interface"),
        text_root("chassis_uuid"),
        Root { member: member("conductor_group", Shape::Text), unset: Unset::Blank },
        interface("console_interface"),
        interface("deploy_interface"),
        Root { member: text("description", DESCRIPTION_LENGTH_MAX), unset: Unset::Null },
        flag("disable_power_off"),
        Root { member: member("driver", Shape::RequiredText), unset: Unset::Required },
        mapping("driver_info"),
        mapping("extra"),
        interface("inspect_interface"),
        mapping("instance_info"),
        text_root("instance_name"),
        text_root("instance_uuid"),
        text_root("lessee"),
        flag("maintenance"),
        interface("management_interface"),
        text_root("name"),
        mapping("network_data"),
        interface("network_interface"),
        text_root("owner"),
        interface("power_interface"),
        mapping("properties"),
        flag("protected"),
        text_root("protected_reason"),
        interface("raid_interface"),
        interface("rescue_interface"),
        Root { member: text("resource_class", RESOURCE_CLASS_LENGTH_MAX), unset: Unset::Null },
        flag("retired"),
        text_root("retired_reason"),
        text_root("shard"),
        interface("storage_interface"),
        interface("vendor_interface"),
        text_root("parent_node"),
        interface("firmware_interface"),
        // next member above this line
    ],
};
