//! Virtual media.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::argument;
use crate::error::Fault;

/// The kinds of virtual media device.
pub const DEVICE_TYPES: &[&str] = &["cdrom", "disk", "floppy"];

/// From where the BMC reads an image.
const DOWNLOAD_SOURCES: &[&str] = &["http", "local"];

/// A device, as `GET /v1/nodes/ID/vmedia` lists it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Media {
    /// What it can be: `cdrom`, `floppy`, `usb`.
    pub media_types: Vec<String>,
    /// Whether something is inserted.
    pub inserted: bool,
    /// What is inserted.
    pub image: Option<String>,
}

/// What `POST /v1/nodes/ID/vmedia` says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AttachRequest {
    /// One of [`DEVICE_TYPES`].
    pub device_type: String,
    /// Address of the image.
    pub image_url: String,
    /// From where the BMC is to read it; `http` unless given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image_download_source: Option<String>,
}

impl AttachRequest {
    /// Reads and checks a body.
    ///
    /// # Errors
    ///
    /// 400: no device or image, an unknown member or device, or a source that images do not come from.
    pub fn parse(body: &Value) -> Result<Self, Fault> {
        let known = ["device_type", "image_url", "image_download_source"];
        let arguments = argument::read(body, &known, &["device_type", "image_url"])?;
        let required = |name| {
            argument::text(&arguments, name)?
                .filter(|text| !text.is_empty())
                .ok_or_else(|| Fault::missing_parameter(name))
        };
        let (device_type, image_url) = (required("device_type")?, required("image_url")?);
        check_device_type(&device_type)?;
        let source = argument::text(&arguments, "image_download_source")?;
        if let Some(source) = source.as_deref().filter(|source| !DOWNLOAD_SOURCES.contains(source)) {
            let text = format!(
                "Invalid image_download_source {source}, allowed are: {}",
                DOWNLOAD_SOURCES.join(", ")
            );
            return Err(Fault::invalid(text));
        }
        Ok(Self { device_type, image_url, image_download_source: source })
    }
}

/// Checks the name of a kind of device.
///
/// # Errors
///
/// 400: there is no such kind.
pub fn check_device_type(text: &str) -> Result<(), Fault> {
    if DEVICE_TYPES.contains(&text) {
        return Ok(());
    }
    Err(Fault::invalid(format!("Invalid device_type {text}, allowed are: {}", DEVICE_TYPES.join(", "))))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn wrong_requests_are_refused() {
        let refused = |body| AttachRequest::parse(&body).unwrap_err().to_string();
        let texts = [
            refused(json!({"device_type": "cdrom"})),
            refused(json!({"device_type": "cdrom", "image_url": ""})),
            refused(json!({"device_type": "tape", "image_url": "http://h/i"})),
            refused(json!({"device_type": "cdrom", "image_url": "http://h/i", "image_download_source": "x"})),
        ];

        insta::assert_snapshot!(texts.join("\n"), @r"
        Missing mandatory parameter: image_url
        Missing mandatory parameter: image_url
        Invalid device_type tape, allowed are: cdrom, disk, floppy
        Invalid image_download_source x, allowed are: http, local
        ");
    }
}
