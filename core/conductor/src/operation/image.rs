//! What is said of the image of an instance.
//!
//! Source: Ironic's conductor utilities.

use farrier_model::node::{Fields, Node};
use serde_json::Value;

/// Whether the image is a whole disk, in `driver_internal_info`.
const WHOLE_DISK: &str = "is_whole_disk_image";

/// What kind of image it is, in `instance_info`.
const TYPE: &str = "image_type";

/// An image of a whole disk.
const TYPE_WHOLE_DISK: &str = "whole-disk";

/// An image of one partition.
const TYPE_PARTITION: &str = "partition";

/// Notes on a node what kind of image its instance has, if it names one.
pub(crate) fn note_type(node: &mut Node) {
    let Some(whole_disk) = is_whole_disk(&node.instance_info) else { return };
    let kind = if whole_disk { TYPE_WHOLE_DISK } else { TYPE_PARTITION };
    node.instance_info.insert(TYPE.to_owned(), kind.into());
    node.driver_internal_info.insert(WHOLE_DISK.to_owned(), whole_disk.into());
}

/// Whether the image is a whole disk; none if the node names no image.
fn is_whole_disk(instance_info: &Fields) -> Option<bool> {
    let text = |key| instance_info.get(key).and_then(Value::as_str).filter(|text| !text.is_empty());
    text("image_source")?;
    Some(match text(TYPE) {
        Some(kind) => kind == TYPE_WHOLE_DISK,
        None => text("kernel").is_none() || text("ramdisk").is_none(),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use uuid::Uuid;

    use super::*;

    fn noted(instance_info: &Value) -> (Option<Value>, Option<Value>) {
        let mut node = Node::new(Uuid::nil(), "fake-hardware");
        node.instance_info = instance_info.as_object().cloned().unwrap_or_default();
        note_type(&mut node);
        (node.instance_info.remove(TYPE), node.driver_internal_info.remove(WHOLE_DISK))
    }

    #[test]
    fn an_image_with_kernel_and_ramdisk_is_no_whole_disk() {
        let (whole, part) = ((json!("whole-disk"), json!(true)), (json!("partition"), json!(false)));
        for (instance_info, (kind, whole_disk)) in [
            (json!({"image_source": "http://a/b"}), &whole),
            (json!({"image_source": "http://a/b", "kernel": "http://a/k"}), &whole),
            (json!({"image_source": "http://a/b", "kernel": "http://a/k", "ramdisk": "http://a/r"}), &part),
            (json!({"image_source": "http://a/b", "image_type": "partition"}), &part),
            (json!({"image_source": "a", "image_type": "whole-disk", "kernel": "k", "ramdisk": "r"}), &whole),
        ] {
            let expected = (Some(kind.clone()), Some(whole_disk.clone()));
            assert_eq!(noted(&instance_info), expected, "{instance_info}");
        }
    }

    #[test]
    fn without_an_image_nothing_is_noted() {
        for instance_info in [json!({}), json!({"image_source": ""})] {
            assert_eq!(noted(&instance_info), (None, None), "{instance_info}");
        }
    }
}
