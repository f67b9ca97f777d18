//! Which nodes a list is asked for.

use std::collections::BTreeSet;

use farrier_api::error::Fault;
use farrier_api::paging::ListQuery;
use farrier_conductor::service::Conductor;
use farrier_model::node::NodeName;
use farrier_store::{Children, NodeFilter};

use super::super::error::HttpError;
use super::super::patch::uuid;

/// The filter that a query means; none when no node can pass it.
///
/// # Errors
///
/// 400: a value that no node can have.
pub(super) async fn filter(
    conductor: &Conductor,
    query: &ListQuery,
) -> Result<Option<NodeFilter>, HttpError> {
    let text = |name: &str| query.text(name).map(str::to_owned);
    let mut filter = NodeFilter {
        instance_uuid: uuid("instance_uuid", query.text("instance_uuid"))?,
        instance_name: text("instance_name"),
        associated: query.flag("associated"),
        chassis_uuid: uuid("chassis_uuid", query.text("chassis_uuid"))?,
        maintenance: query.flag("maintenance"),
        fault: fault(query)?,
        retired: query.flag("retired"),
        drivers: text("driver").into_iter().collect(),
        resource_class: text("resource_class"),
        conductor_group: query.text("conductor_group").map(str::to_lowercase),
        owner: text("owner"),
        lessee: text("lessee"),
        project: text("project"),
        description_contains: text("description_contains"),
        shards: query.list("shard").to_vec(),
        sharded: query.flag("sharded"),
        ..NodeFilter::default()
    };
    if let Some(state) = query.text("provision_state") {
        let known = state.parse().map_err(|_| invalid_provision_state(state))?;
        filter.provision_states.push(known);
    }
    let Some(children) = children(conductor, query).await? else { return Ok(None) };
    filter.children = children;
    Ok(by_conductor(conductor, query, filter))
}

/// The fault in an argument.
fn fault(query: &ListQuery) -> Result<Option<farrier_model::node::Fault>, Fault> {
    let Some(text) = query.text("fault") else { return Ok(None) };
    text.parse().map(Some).map_err(|_| Fault::invalid(format!("Fault \"{text}\" is not valid")))
}

fn invalid_provision_state(text: &str) -> Fault {
    Fault::invalid(format!("Provision state \"{text}\" is not valid"))
}

/// What to do with nodes that are parts of others; none when the parent does not exist.
///
/// A list of whole machines leaves parts out, unless they are asked for or the node of one instance is looked for.
async fn children(conductor: &Conductor, query: &ListQuery) -> Result<Option<Children>, HttpError> {
    if let Some(parent) = query.text("parent_node") {
        return match conductor.node(&NodeName::from(parent)).await {
            Ok(parent) => Ok(Some(Children::Of(parent.uuid))),
            Err(error) if error.is_node_not_found() => Ok(None),
            Err(error) => Err(error.into()),
        };
    }
    let included = query.flag("include_children") == Some(true) || query.text("instance_uuid").is_some();
    Ok(Some(if included { Children::Included } else { Children::Excluded }))
}

/// Narrows a filter to the nodes that one conductor answers for.
fn by_conductor(conductor: &Conductor, query: &ListQuery, mut filter: NodeFilter) -> Option<NodeFilter> {
    let Some(hostname) = query.text("conductor") else { return Some(filter) };
    if hostname != conductor.host() {
        return None;
    }
    let group = conductor.group();
    if filter.conductor_group.as_ref().is_some_and(|wanted| *wanted != group) {
        return None;
    }
    let offered: BTreeSet<String> =
        conductor.registry().hardware_types().map(|hardware| hardware.name.clone()).collect();
    filter.drivers = match filter.drivers.is_empty() {
        true => offered.into_iter().collect(),
        false => filter.drivers.into_iter().filter(|name| offered.contains(name)).collect(),
    };
    filter.conductor_group = Some(group);
    (!filter.drivers.is_empty()).then_some(filter)
}
