//! History as clients see it.

use farrier_api::history::HistoryEntry as Wire;
use farrier_model::history::HistoryEntry;

use super::time;

/// An entry on the wire, of a node that links call `node`.
pub(crate) fn wire(base: &str, node: &str, entry: &HistoryEntry) -> Wire {
    let wire = Wire {
        uuid: entry.uuid.to_string(),
        created_at: Some(time(entry.created_at)),
        severity: entry.severity.as_str().to_owned(),
        event: entry.event.clone(),
        event_type: entry.event_type.clone(),
        conductor: entry.conductor.clone(),
        user: entry.user.clone(),
        project: entry.project.clone(),
        state: entry.state.map(|state| state.as_str().to_owned()),
        target_provision_state: entry.target_provision_state.map(|state| state.as_str().to_owned()),
        duration_seconds: entry.duration_seconds,
        links: Vec::new(),
    };
    wire.with_links(base, node)
}
