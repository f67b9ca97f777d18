//! Conductors as clients see them.

use farrier_api::conductor::Conductor as Wire;
use farrier_model::conductor::Conductor;

use super::time;

/// A conductor on the wire, with whether it can be counted on.
pub(crate) fn wire(base: &str, (conductor, alive): &(Conductor, bool)) -> Wire {
    let wire = Wire {
        created_at: Some(time(conductor.created_at)),
        updated_at: Some(time(conductor.updated_at)),
        hostname: conductor.hostname.clone(),
        conductor_group: conductor.conductor_group.clone(),
        drivers: conductor.drivers.clone(),
        links: Vec::new(),
        alive: *alive,
    };
    wire.with_links(base)
}
