//! One virtual media device: what goes into it, and out of it.

use std::time::Duration;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::ImageUrl;
use crate::client::error::{Failure, RedfishError, Result};
use crate::client::operation::Operation;
use crate::resource::virtual_media::VirtualMedia;

/// Most often one device is asked for the sake of a parameter it misses.
const POSTS_MAX: u32 = 4;

/// Most often a device is asked that fails, because an eject may still be under way.
const TRIES_MAX: u32 = 3;

/// Most often a request is sent again whose answer was lost.
const REPEATS_MAX: u32 = 2;

/// A parameter and its value; without one it is the protocol of the URL.
type Parameter = (&'static str, Option<&'static str>);

/// Parameters of the action that some BMCs want and the standard does not, with what they get.
#[rustfmt::skip]
const PARAMETERS: &[(&str, &[Parameter])] = &[
    ("TransferProtocolType", &[("TransferProtocolType", None)]),
    ("TransferMethod",       &[("TransferMethod", Some("Stream"))]),
    ("UserName",             &[("UserName", Some("none")), ("Password", Some("none"))]),
    ("Password",             &[("UserName", Some("none")), ("Password", Some("none"))]),
    // next parameter above this line
];

/// How images are inserted, and how patiently.
#[derive(Debug, Clone, Copy)]
pub struct MediaTuning<'a> {
    /// Protocol by which the BMC fetches images, where the node names it.
    pub protocol: Option<&'a str>,
    /// Until a device shows what was done to it.
    pub change_timeout: Duration,
    /// Before a device is asked again that failed.
    pub retry_interval: Duration,
}

/// A device as it was read.
#[derive(Debug, Clone)]
pub(super) struct Slot {
    pub(super) path: String,
    pub(super) media: VirtualMedia,
}

impl Slot {
    /// Whether this image is in it.
    pub(super) fn holds(&self, image: &ImageUrl) -> bool {
        self.media.is_inserted() && self.media.image() == Some(image.as_str())
    }
}

impl Operation {
    /// Asks one device to take an image; does not wait until it shows there.
    pub(super) async fn insert_into(
        &self,
        slot: &Slot,
        image: &ImageUrl,
        tuning: &MediaTuning<'_>,
    ) -> Result<()> {
        let Some(target) = slot.media.insert_target().and_then(|target| self.link(target)) else {
            self.expect_patch(slot, "InsertMedia").await?;
            let body = json!({"Image": image.as_str(), "Inserted": true, "WriteProtected": true});
            return self.patch(&slot.path, &body).await;
        };
        let mut body = json!({"Image": image.as_str()});
        if let (Some(protocol), Some(body)) = (tuning.protocol, body.as_object_mut()) {
            body.insert("TransferProtocolType".to_owned(), protocol.into());
        }
        let (mut posts, mut tries, mut repeats) = (1, 1, 0);
        loop {
            let Err(error) = self.carry_out(&target, &body).await else { return Ok(()) };
            if error.is_outcome_unknown() {
                if self.shows_media(slot, &error).await? {
                    return Ok(());
                }
                repeats += 1;
                if repeats > REPEATS_MAX {
                    return Err(error);
                }
            } else if error.status() == Some(StatusCode::BAD_REQUEST)
                && posts < POSTS_MAX
                && complete(&mut body, &error, tuning.protocol.unwrap_or(image.protocol()))
            {
                posts += 1;
            } else if error.status().is_some_and(|status| status.is_server_error()) && tries < TRIES_MAX {
                tries += 1;
                self.pause(tuning.retry_interval).await;
            } else {
                return Err(error);
            }
        }
    }

    /// Empties one device and waits until it is empty.
    pub(super) async fn eject_from(&self, slot: &Slot, tuning: &MediaTuning<'_>) -> Result<()> {
        let mut repeats = 0;
        loop {
            let Err(error) = self.ask_to_eject(slot).await else {
                return self.await_media(slot, false, tuning).await;
            };
            // A device that is empty was emptied, whatever the answer was.
            let part = self.part(self.request_time() * 2);
            let now = part.read::<VirtualMedia>(&slot.path).await.map_err(|_| error.clone())?;
            if !now.is_inserted() {
                return Ok(());
            }
            repeats += 1;
            if !error.is_outcome_unknown() || repeats > REPEATS_MAX {
                return Err(error);
            }
        }
    }

    async fn ask_to_eject(&self, slot: &Slot) -> Result<()> {
        if let Some(target) = slot.media.eject_target().and_then(|target| self.link(target)) {
            return self.carry_out(&target, &json!({})).await;
        }
        self.expect_patch(slot, "EjectMedia").await?;
        self.patch(&slot.path, &json!({"Image": null, "Inserted": false})).await
    }

    /// Waits until a device is full, or empty.
    pub(super) async fn await_media(
        &self,
        slot: &Slot,
        inserted: bool,
        tuning: &MediaTuning<'_>,
    ) -> Result<()> {
        let end = Instant::now() + tuning.change_timeout;
        loop {
            let now = self.read::<VirtualMedia>(&slot.path).await?;
            // One that does not say whether it is full is believed to be what it was asked to be.
            if now.inserted.is_none_or(|shown| shown == inserted) {
                return Ok(());
            }
            if Instant::now() >= end || self.time_left().is_zero() {
                let wanted = if inserted { "full" } else { "empty" };
                let text = format!(
                    "virtual media device `{}` is not {wanted} after {} s",
                    slot.path,
                    tuning.change_timeout.as_secs_f32()
                );
                return Err(self.error(Method::GET, &slot.path, Failure::Failed(text)));
            }
            self.pause(self.poll_interval()).await;
        }
    }

    /// Whether a device is full after a request without an answer; the error itself when that cannot be told.
    async fn shows_media(&self, slot: &Slot, error: &RedfishError) -> Result<bool> {
        let part = self.part(self.request_time() * 2);
        let Ok(now) = part.read::<VirtualMedia>(&slot.path).await else { return Err(error.clone()) };
        Ok(now.is_inserted())
    }

    /// Refuses a device that has neither an action nor can be written.
    async fn expect_patch(&self, slot: &Slot, action: &str) -> Result<()> {
        let (_, methods) = self.read_with_methods::<Value>(&slot.path).await?;
        if methods.is_none_or(|methods| methods.iter().any(|method| method == "PATCH")) {
            return Ok(());
        }
        let text = format!("`{}` has no action `{action}` and cannot be written", slot.path);
        Err(self.error(Method::POST, &slot.path, Failure::Unsupported(text)))
    }
}

/// Adds what a BMC misses, each once; `false` when it misses nothing that could be added.
fn complete(body: &mut Value, error: &RedfishError, protocol: &str) -> bool {
    let (Some(messages), Some(body)) = (error.messages(), body.as_object_mut()) else { return false };
    let named = |name: &str| {
        let in_lists = messages.list().iter().any(|message| {
            let related = message.related.iter().any(|path| path.ends_with(name));
            related || message.args.iter().any(|arg| arg == name)
        });
        in_lists || messages.mentions(name)
    };
    let missing = PARAMETERS.iter().find(|(name, values)| {
        named(name) && values.iter().any(|(parameter, _)| !body.contains_key(*parameter))
    });
    let Some((_, values)) = missing else { return false };
    for (parameter, value) in *values {
        body.insert((*parameter).to_owned(), value.unwrap_or(protocol).into());
    }
    true
}
