//! A virtual media device: a drive whose disc is an image on the network.

use serde::Deserialize;

use super::{object, text, texts, truth};

/// What a BMC says of a device without an image where it should say nothing.
const NO_IMAGE: [&str; 2] = ["none", "null"];

/// Source: DSP0268, `VirtualMedia`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct VirtualMedia {
    /// Identifier among its kin.
    #[serde(deserialize_with = "text")]
    pub id: Option<String>,
    /// Name.
    #[serde(deserialize_with = "text")]
    pub name: Option<String>,
    /// What it can be: CD, DVD, Floppy, `USBStick`.
    #[serde(deserialize_with = "texts")]
    pub media_types: Option<Vec<String>>,
    /// What is in it.
    #[serde(deserialize_with = "text")]
    pub image: Option<String>,
    /// Whether something is in it.
    #[serde(deserialize_with = "truth")]
    pub inserted: Option<bool>,
    /// What it can be asked to do.
    #[serde(deserialize_with = "object")]
    pub actions: Option<MediaActions>,
}

/// Actions of a virtual media device.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct MediaActions {
    /// Inserts an image.
    #[serde(rename = "#VirtualMedia.InsertMedia", deserialize_with = "object")]
    pub insert: Option<MediaAction>,
    /// Ejects it.
    #[serde(rename = "#VirtualMedia.EjectMedia", deserialize_with = "object")]
    pub eject: Option<MediaAction>,
}

/// One action.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct MediaAction {
    /// Where to post it.
    #[serde(deserialize_with = "text")]
    pub target: Option<String>,
}

impl VirtualMedia {
    /// What is in the device, as far as it says so.
    #[must_use]
    pub fn image(&self) -> Option<&str> {
        let image = self.image.as_deref()?;
        let none = NO_IMAGE.iter().any(|none| image.eq_ignore_ascii_case(none));
        (!none).then_some(image)
    }

    /// Whether something is in the device.
    #[must_use]
    pub fn is_inserted(&self) -> bool {
        self.inserted.unwrap_or_else(|| self.image().is_some())
    }

    /// Where to post what inserts an image.
    #[must_use]
    pub fn insert_target(&self) -> Option<&str> {
        self.actions.as_ref()?.insert.as_ref()?.target.as_deref()
    }

    /// Where to post what ejects it.
    #[must_use]
    pub fn eject_target(&self) -> Option<&str> {
        self.actions.as_ref()?.eject.as_ref()?.target.as_deref()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn read(value: &Value) -> VirtualMedia {
        super::super::read(value.to_string().as_bytes()).unwrap()
    }

    #[test]
    fn what_is_inserted_is_said_by_the_flag_else_by_the_image() {
        let rows = [
            (json!({"Inserted": true}), true),
            (json!({"Inserted": false, "Image": "http://h/a.iso"}), false),
            (json!({"Inserted": "true"}), true),
            (json!({"Image": "http://h/a.iso"}), true),
            (json!({"Inserted": null, "Image": ""}), false),
            (json!({"Image": "None"}), false),
            (json!({"Inserted": 7, "Image": "null"}), false),
            (json!({}), false),
        ];
        for (body, inserted) in rows {
            assert_eq!(read(&body).is_inserted(), inserted, "{body}");
        }
    }

    #[test]
    fn actions_without_a_target_are_none() {
        let media = read(&json!({"Actions": {"#VirtualMedia.InsertMedia": {"target": null}, "Oem": 3,
            "#VirtualMedia.EjectMedia": {"target": "/redfish/v1/x"}}}));

        assert_eq!((media.insert_target(), media.eject_target()), (None, Some("/redfish/v1/x")));
    }
}
