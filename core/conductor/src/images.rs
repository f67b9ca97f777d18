//! Files of this machine as the images of nodes: drivers see an address that a BMC can fetch, never the file.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use farrier_model::node::Node;
use farrier_sdk::task::Node as Snapshot;
use serde_json::Value;
use uuid::Uuid;

/// The member of `instance_info` with the image that a machine boots.
pub(crate) const BOOT_ISO: &str = "boot_iso";

/// How an image in a file begins.
pub(crate) const FILE: &str = "file://";

/// Hands out addresses of files.
///
/// Whoever implements it serves the files too, and decides which may be: the conductor only asks.
pub trait Images: fmt::Debug + Send + Sync {
    /// The address that the BMC of `node` can fetch the file from; none if it is not served, for whatever reason.
    fn address(&self, node: Uuid, file: &Path) -> Option<String>;
}

/// Whoever serves images, if anybody does.
pub(crate) type Server = Option<Arc<dyn Images>>;

/// The file that an image is in; none for an image that is elsewhere.
#[must_use]
pub(crate) fn file(image: &str) -> Option<&Path> {
    let rest = image.strip_prefix(FILE)?;
    let path = rest.strip_prefix("localhost").filter(|path| path.starts_with('/')).unwrap_or(rest);
    Some(Path::new(path))
}

/// The file that the image of a node is in, if it is in one.
#[must_use]
pub fn file_of(node: &Node) -> Option<&Path> {
    node.instance_info.get(BOOT_ISO)?.as_str().and_then(file)
}

/// Replaces a file by its address, where it has one; without one the file stays, for the driver to refuse.
pub(crate) fn show_address(server: &Server, node: Uuid, snapshot: &mut Snapshot) {
    let Some(server) = server else { return };
    let Some(image) = snapshot.instance_info.get_mut(BOOT_ISO) else { return };
    let address = image.as_str().and_then(file).and_then(|file| server.address(node, file));
    if let Some(address) = address {
        *image = Value::String(address);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_told_from_an_address() {
        for (image, expected) in [
            ("file:///srv/a.iso", Some("/srv/a.iso")),
            ("file://localhost/srv/a.iso", Some("/srv/a.iso")),
            ("file://elsewhere/a.iso", Some("elsewhere/a.iso")),
            ("http://198.51.100.1/a.iso", None),
            ("/srv/a.iso", None),
        ] {
            assert_eq!(file(image), expected.map(Path::new), "{image}");
        }
    }
}
