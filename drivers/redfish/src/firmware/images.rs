//! Images of which nobody says what they are for: what the older step of the management interface takes.

use farrier_sdk::prelude::*;
use serde::Deserialize;

use super::{ANYTHING, PROTOCOLS, WAIT_MAX};
use crate::virtual_media::ImageUrl;

/// Where images are that BMCs fetch themselves; the reference can also fetch them for the BMC.
const SOURCE: &str = "http";

/// Arguments of `update_firmware`.
///
/// Source: Ironic, redfish management.
#[derive(Debug, Deserialize, StepArgs)]
pub struct FirmwareImages {
    /// Images to apply in this order, each with `url` and `checksum`, and optionally `wait` in seconds and `source`,
    /// which can only be http: the BMC fetches an image itself, and checks it in its own way
    pub firmware_images: Vec<FirmwareImage>,
}

/// One image.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FirmwareImage {
    /// Where it is.
    pub url: String,
    /// What the reference wants to know; nobody here has the image to compare it with.
    pub checksum: String,
    /// Seconds to wait afterwards.
    #[serde(default)]
    pub wait: Option<u64>,
    /// From where the BMC gets it.
    #[serde(default)]
    pub source: Option<String>,
}

impl FirmwareImages {
    /// The images as updates.
    ///
    /// # Errors
    ///
    /// [`InvalidParameter`](ErrorKind::InvalidParameter) naming everything that makes no sense on any machine.
    pub(crate) fn updates(self) -> Result<Vec<FirmwareUpdate>> {
        let mut wrong = Vec::new();
        if self.firmware_images.is_empty() {
            wrong.push("is empty".to_owned());
        }
        for (index, image) in self.firmware_images.iter().enumerate() {
            match ImageUrl::parse(&image.url) {
                Err(text) => wrong.push(format!("the URL of image {index} {text}")),
                Ok(url) if !PROTOCOLS.contains(&url.protocol()) => {
                    wrong.push(format!("the URL of image {index} is neither http nor https"));
                }
                Ok(_) => {}
            }
            if image.checksum.is_empty() {
                wrong.push(format!("image {index} has no checksum"));
            }
            if image.wait.is_some_and(|wait| wait == 0 || wait > WAIT_MAX) {
                wrong.push(format!("`wait` of image {index} is not 1 to {WAIT_MAX} s"));
            }
            if image.source.as_ref().is_some_and(|source| !source.eq_ignore_ascii_case(SOURCE)) {
                wrong.push(format!("`source` of image {index} is not `{SOURCE}`"));
            }
        }
        if !wrong.is_empty() {
            return Err(DriverError::invalid_parameter(format!("`firmware_images`: {}", wrong.join("; "))));
        }
        let update = |image: FirmwareImage| FirmwareUpdate {
            component: ANYTHING.to_owned(),
            url: image.url,
            wait: image.wait,
        };
        Ok(self.firmware_images.into_iter().map(update).collect())
    }
}

#[cfg(test)]
mod tests {
    use farrier_sdk::serde_json::{from_value, json};

    use super::*;

    fn read(images: Value) -> Result<Vec<FirmwareUpdate>> {
        from_value::<FirmwareImages>(json!({"firmware_images": images})).unwrap().updates()
    }

    #[test]
    fn images_become_updates_of_anything() {
        let updates =
            read(json!([{"url": "http://h/x", "checksum": "c", "wait": 7, "source": "http"}])).unwrap();

        assert_eq!(
            updates,
            [FirmwareUpdate { component: ANYTHING.to_owned(), url: "http://h/x".to_owned(), wait: Some(7) }]
        );
    }

    #[test]
    fn what_makes_no_sense_is_named_all_at_once() {
        let error = read(json!([{"url": "file:///x", "checksum": ""}, {"url": "nfs://h/x", "checksum": "c", "wait": 0, "source": "swift"}]))
            .unwrap_err();

        let parts = [
            "image 0 is no URL",
            "image 0 has no checksum",
            "image 1 is neither",
            "`wait` of image 1",
            "`source` of image 1",
        ];
        assert!(parts.iter().all(|part| error.message().contains(part)), "{error}");
        assert_eq!(read(json!([])).unwrap_err().kind(), ErrorKind::InvalidParameter);
        assert!(from_value::<FirmwareImages>(json!({"firmware_images": [{"url": "http://h/x"}]})).is_err());
    }
}
