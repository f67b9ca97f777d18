//! Versions of the API: which are offered, which one a request asks for, and which paths that version has.

use axum::http::HeaderMap;
use farrier_api::version::table::{Kind, Topic};
use farrier_api::version::{Microversion, Range, SERVICE_VERSION_HEADER, VERSION_HEADER, VersionRefused};

use super::agent::CONTINUE_INSPECTION;

/// What is offered.
///
/// The newest version of the contract, although some of what it names has no route yet and is answered with 404:
/// port groups, volumes, allocations, templates, runbooks, chassis, shards, events and inspection rules. Clients of
/// today ask for this version by name; with an older one they would not
/// show the fields that are there.
pub(super) const OFFERED: Range = Range::up_to(Microversion::new(115));

/// Decides which version a request asks for.
///
/// # Errors
///
/// [`VersionRefused`]: not offered, or no version.
pub(super) fn negotiate(headers: &HeaderMap) -> Result<Microversion, VersionRefused> {
    let service = headers.get_all(SERVICE_VERSION_HEADER);
    // A value that is no text is no version either.
    let own = headers.get(VERSION_HEADER).map(|value| value.to_str().unwrap_or_default());
    OFFERED.negotiate(service.iter().filter_map(|value| value.to_str().ok()), own)
}

/// Whether a path answers a request that names no version although the oldest one does not have it: agents that know
/// no versions hand over what they found.
pub(super) fn is_free_of_versions(headers: &HeaderMap, path: &str) -> bool {
    let named = [VERSION_HEADER, SERVICE_VERSION_HEADER].iter().any(|name| headers.contains_key(*name));
    path == CONTINUE_INSPECTION && !named
}

/// Whether `version` has what is at `path`; true for a path that no version has.
pub(super) fn has_path(version: Microversion, path: &str) -> bool {
    let mut elements = path.split('/').skip(1);
    let (Some("v1"), Some(collection)) = (elements.next(), elements.next()) else { return true };
    if !version.has(Topic::Root, Kind::Endpoint, collection) {
        return false;
    }
    let topic = match collection {
        "nodes" => Topic::Node,
        "drivers" => Topic::Driver,
        "portgroups" => Topic::Portgroup,
        "runbooks" => Topic::Runbook,
        _ => return true,
    };
    // Behind the name of one; rows of the table have one element or two.
    let below: Vec<&str> = elements.skip(1).take(2).collect();
    (1..=below.len()).all(|length| {
        let name = below.iter().take(length).copied().collect::<Vec<_>>().join("/");
        version.has(topic, Kind::Endpoint, &name)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_come_with_their_version() {
        for (path, first) in [
            ("/v1/nodes", 1),
            ("/v1/conductors", 49),
            ("/v1/conductors/host-1", 49),
            ("/v1/nodes/n1/states", 1),
            ("/v1/nodes/n1/states/raid", 12),
            ("/v1/nodes/n1/states/boot_mode", 76),
            ("/v1/nodes/n1/management/boot_device/supported", 1),
            ("/v1/nodes/n1/management/indicators/led@system", 63),
            ("/v1/nodes/n1/bios/setting", 40),
            ("/v1/nodes/bios", 1),
        ] {
            assert!(has_path(Microversion::new(first), path), "{path} in 1.{first}");
            assert!(first == 1 || !has_path(Microversion::new(first - 1), path), "{path} before 1.{first}");
        }
    }

    #[test]
    fn what_is_not_of_this_api_has_no_version() {
        for path in ["/", "/v1", "/v2/conductors", "/v1/nosuch", ""] {
            assert!(has_path(Microversion::new(1), path), "{path:?}");
        }
    }

    #[test]
    fn a_header_that_is_no_text_is_no_version() {
        let mut headers = HeaderMap::new();
        headers.insert(VERSION_HEADER, axum::http::HeaderValue::from_bytes(b"\xff").unwrap());

        assert_eq!(negotiate(&headers), Err(VersionRefused::Malformed));
    }
}
