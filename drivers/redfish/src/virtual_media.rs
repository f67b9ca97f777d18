//! Virtual media: images on the network that a BMC shows its machine as discs.
//!
//! A BMC has several devices, of several kinds, at the System, at its managers, or the same ones at both. An
//! image goes into the first free one of its kind that takes it.

mod slot;

use std::fmt;
use std::time::Duration;

use farrier_sdk::prelude::VirtualMedia as MediaState;
use reqwest::Method;

pub use self::slot::MediaTuning;
use self::slot::Slot;
use crate::client::MediaPlaces;
use crate::client::error::{Failure, RedfishError, Result};
use crate::client::operation::Operation;
use crate::resource::manager::Manager;
use crate::resource::virtual_media::VirtualMedia;

/// Longest URL of an image, in bytes; the shortest limit known of a BMC is 255.
const URL_SIZE_MAX: usize = 2048;

/// Schemes of URLs that BMCs fetch images from, with the name of the protocol in Redfish.
#[rustfmt::skip]
const SCHEMES: &[(&str, &str)] = &[
    ("http",  "HTTP"),
    ("https", "HTTPS"),
    ("nfs",   "NFS"),
    ("cifs",  "CIFS"),
    ("smb",   "CIFS"),
    // next scheme above this line
];

/// What an image is to a machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MediaKind {
    /// A disc.
    Disc,
    /// A USB stick.
    Stick,
    /// A floppy.
    Floppy,
}

/// Names of kinds in the API, best first.
#[rustfmt::skip]
const KINDS: &[(&str, MediaKind)] = &[
    ("cdrom",  MediaKind::Disc),
    ("dvd",    MediaKind::Disc),
    ("usb",    MediaKind::Stick),
    ("disk",   MediaKind::Stick),
    ("floppy", MediaKind::Floppy),
    // next name above this line
];

impl MediaKind {
    /// The kind of this name.
    ///
    /// # Errors
    ///
    /// A text that names the kinds.
    pub fn from_name(name: &str) -> Result<Self, String> {
        let found = KINDS.iter().find(|(known, _)| known.eq_ignore_ascii_case(name.trim()));
        found.map(|(_, kind)| *kind).ok_or_else(|| {
            let names: Vec<_> = KINDS.iter().map(|(name, _)| format!("`{name}`")).collect();
            let given: String = name.chars().filter(|c| !c.is_control()).take(32).collect();
            format!("`{given}` is not a virtual media device; expected one of {}", names.join(", "))
        })
    }

    /// Media types of the standard that serve for this kind, best first.
    const fn types(self) -> &'static [&'static str] {
        match self {
            Self::Disc => &["CD", "DVD"],
            Self::Stick => &["USBStick"],
            Self::Floppy => &["Floppy"],
        }
    }

    /// What names of devices contain that do not say their media types, in lower case.
    const fn hints(self) -> &'static [&'static str] {
        match self {
            Self::Disc => &["cd", "dvd"],
            Self::Stick => &["usb", "removable"],
            Self::Floppy => &["floppy"],
        }
    }

    /// How well a device fits, 0 best; `None` when it does not.
    fn rank(self, media: &VirtualMedia) -> Option<usize> {
        if let Some(types) = &media.media_types {
            let has = |wanted: &&str| types.iter().any(|shown| shown.eq_ignore_ascii_case(wanted));
            return self.types().iter().position(has);
        }
        let texts = [media.id.as_deref(), media.name.as_deref()];
        let texts = texts.into_iter().flatten().map(str::to_lowercase).collect::<Vec<_>>();
        let named = |hint: &&str| texts.iter().any(|text| text.contains(*hint));
        self.hints().iter().any(named).then_some(0)
    }
}

impl fmt::Display for MediaKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let named = KINDS.iter().find(|(_, kind)| kind == self);
        f.write_str(named.map_or("media", |(name, _)| name))
    }
}

/// The URL of an image that a BMC can be given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageUrl {
    text: String,
    protocol: &'static str,
}

impl ImageUrl {
    /// Reads a URL; asks nobody.
    ///
    /// # Errors
    ///
    /// A text that says what is wrong, without the URL, which may hold a password.
    pub fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        if text.is_empty() {
            return Err("is empty".to_owned());
        }
        if text.len() > URL_SIZE_MAX {
            return Err(format!("is longer than {URL_SIZE_MAX} bytes"));
        }
        if text.chars().any(|c| c.is_control() || c.is_whitespace()) {
            return Err("has spaces or control characters".to_owned());
        }
        let scheme = text.split_once("://").map(|(scheme, _)| scheme.to_ascii_lowercase());
        let known = SCHEMES.iter().find(|(name, _)| Some(*name) == scheme.as_deref());
        let Some((_, protocol)) = known else {
            let names: Vec<_> = SCHEMES.iter().map(|(name, _)| *name).collect();
            return Err(format!("is no URL that a BMC can fetch; expected one of {}", names.join(", ")));
        };
        let url = reqwest::Url::parse(text).map_err(|error| format!("is no URL: {error}"))?;
        // The parser takes the path for the host where there is none.
        let no_host = text.split_once("://").is_none_or(|(_, rest)| rest.starts_with(['/', '?', '#']));
        if no_host || url.host_str().is_none_or(str::is_empty) {
            return Err("has no host".to_owned());
        }
        Ok(Self { text: text.to_owned(), protocol })
    }

    /// The URL.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The protocol's name in Redfish.
    #[must_use]
    pub fn protocol(&self) -> &'static str {
        self.protocol
    }
}

impl Operation {
    /// Virtual media devices of a machine and what is in them.
    ///
    /// # Errors
    ///
    /// [`Failure::Unsupported`] when there is none; those of reading.
    pub async fn media_state(&self, system: Option<&str>) -> Result<Vec<MediaState>> {
        let (slots, _) = self.media_slots(system).await?;
        Ok(slots.iter().map(|slot| state_of(&slot.media)).collect())
    }

    /// Inserts an image into the first free device of its kind that takes it, and waits until it shows there.
    ///
    /// An image that is in such a device already stays where it is.
    ///
    /// # Errors
    ///
    /// [`Failure::Unsupported`] when the machine has no virtual media; [`Failure::Invalid`] when no device takes
    /// the image, with the reasons of the first and the last; those of a POST.
    pub async fn insert_media(
        &self,
        system: Option<&str>,
        kind: MediaKind,
        image: &ImageUrl,
        tuning: &MediaTuning<'_>,
    ) -> Result<()> {
        let (slots, place) = self.media_slots(system).await?;
        let invalid = |text| Err(self.error(Method::POST, &place, Failure::Invalid(text)));
        let mut fitting: Vec<(usize, &Slot)> =
            slots.iter().filter_map(|slot| Some((kind.rank(&slot.media)?, slot))).collect();
        fitting.sort_by_key(|(rank, _)| *rank);
        if fitting.is_empty() {
            return invalid(format!("no virtual media device of this machine is a `{kind}`"));
        }
        if fitting.iter().any(|(_, slot)| slot.holds(image)) {
            return Ok(());
        }
        let mut reasons = Vec::new();
        for (_, slot) in fitting {
            if slot.media.is_inserted() {
                reasons.push(format!("`{}` holds another image", slot.path));
                continue;
            }
            match self.insert_into(slot, image, tuning).await {
                Ok(()) => return self.await_media(slot, true, tuning).await,
                Err(error) if is_another_tried(&error) => reasons.push(error.failure.to_string()),
                Err(error) => return Err(error),
            }
        }
        reasons.dedup();
        let shown = match reasons.as_slice() {
            [first, .., last] => format!("{first}; {last}"),
            _ => reasons.concat(),
        };
        invalid(format!("no virtual media device took the image: {shown}"))
    }

    /// Ejects what is in the devices of these kinds, or in all, and waits until it is gone.
    ///
    /// Ejecting nothing is a success.
    ///
    /// # Errors
    ///
    /// [`Failure::Unsupported`] when the machine has no virtual media; those of a POST.
    pub async fn eject_media(
        &self,
        system: Option<&str>,
        kinds: Option<&[MediaKind]>,
        tuning: &MediaTuning<'_>,
    ) -> Result<()> {
        let (path, places) = self.media_places(system).await?;
        let mut seen = false;
        // The same device can stand in the collection of the System and in that of a manager.
        for place in &places.collections {
            for slot in self.slots_of(place, places.expands).await? {
                seen = true;
                let wanted =
                    kinds.is_none_or(|kinds| kinds.iter().any(|kind| kind.rank(&slot.media).is_some()));
                if wanted && slot.media.is_inserted() {
                    self.eject_from(&slot, tuning).await?;
                }
            }
        }
        if seen { Ok(()) } else { Err(self.no_media(&path)) }
    }

    /// Devices to insert into, with the collection that the first is in: the System's, else those of all its managers.
    async fn media_slots(&self, system: Option<&str>) -> Result<(Vec<Slot>, String)> {
        let (path, places) = self.media_places(system).await?;
        let (mut slots, mut first) = (Vec::new(), None);
        for (number, place) in places.collections.into_iter().enumerate() {
            let found = self.slots_of(&place, places.expands).await?;
            if found.is_empty() {
                continue;
            }
            slots.extend(found);
            first.get_or_insert(place);
            if number == 0 && places.has_own {
                break;
            }
        }
        first.map(|first| (slots, first)).ok_or_else(|| self.no_media(&path))
    }

    async fn slots_of(&self, place: &str, expands: bool) -> Result<Vec<Slot>> {
        match self.resources(place, expands).await {
            Ok(members) => Ok(members.into_iter().map(|(path, media)| Slot { path, media }).collect()),
            // A link may point to nothing.
            Err(error) if error.is_missing() => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }

    /// Path of the System, and where its devices are; looked for once in a client's life.
    async fn media_places(&self, system: Option<&str>) -> Result<(String, MediaPlaces)> {
        if let Some(path) = self.lease().system_path(system)
            && let Some(places) = self.lease().known_media(&path)
        {
            return Ok((path, places));
        }
        let found = self.system(system).await?;
        let own = found.system.virtual_media.as_deref().and_then(|link| self.link(link));
        let has_own = own.is_some();
        let mut collections: Vec<String> = own.into_iter().collect();
        for manager in self.managers(&found).await? {
            let Some(manager) = self.read_optional::<Manager>(&manager).await? else { continue };
            let link = manager.virtual_media.as_deref().and_then(|link| self.link(link));
            if let Some(link) = link.filter(|link| !collections.contains(link)) {
                collections.push(link);
            }
        }
        let places = MediaPlaces { expands: self.expands(&found).await, collections, has_own };
        self.lease().remember_media(&found.path, places.clone());
        Ok((found.path, places))
    }

    fn no_media(&self, system: &str) -> RedfishError {
        let text = format!("`{system}` has no virtual media");
        self.error(Method::GET, system, Failure::Unsupported(text))
    }
}

/// Whether the next device may take what this one refused.
fn is_another_tried(error: &RedfishError) -> bool {
    let refused = error.status().is_some_and(|status| matches!(status.as_u16(), 400 | 404 | 405));
    refused || matches!(error.failure, Failure::Unsupported(_))
}

fn state_of(media: &VirtualMedia) -> MediaState {
    let mut types: Vec<String> = Vec::new();
    match &media.media_types {
        Some(shown) => {
            for shown in shown {
                let named = KINDS.iter().find(|(_, kind)| kind.types().iter().any(|own| own == shown));
                let name = named.map_or_else(|| shown.to_lowercase(), |(name, _)| (*name).to_owned());
                if !types.contains(&name) {
                    types.push(name);
                }
            }
        }
        None => {
            let kinds = [MediaKind::Disc, MediaKind::Stick, MediaKind::Floppy];
            types.extend(kinds.iter().filter(|kind| kind.rank(media).is_some()).map(ToString::to_string));
        }
    }
    let inserted = media.is_inserted();
    let image = media.image().filter(|_| inserted).map(str::to_owned);
    MediaState { media_types: types, inserted, image }
}

/// How long a BMC may take until a device shows what was done to it.
pub(crate) fn tuning<'a>(
    options: &crate::options::RedfishOptions,
    protocol: Option<&'a str>,
) -> MediaTuning<'a> {
    let seconds = |seconds: f64| -> Duration { crate::options::duration(seconds) };
    MediaTuning {
        protocol,
        change_timeout: seconds(options.media_change_timeout),
        retry_interval: seconds(options.media_retry_interval),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn media(types: Option<&[&str]>, id: &str) -> VirtualMedia {
        let types = types.map(|types| types.iter().map(|text| (*text).to_owned()).collect());
        VirtualMedia { media_types: types, id: Some(id.to_owned()), ..VirtualMedia::default() }
    }

    #[test]
    fn devices_fit_by_their_types_else_by_their_names() {
        let rows = [
            (MediaKind::Disc, media(Some(&["DVD", "CD"]), "1"), Some(0)),
            (MediaKind::Disc, media(Some(&["DVD"]), "1"), Some(1)),
            (MediaKind::Disc, media(Some(&["USBStick"]), "CD"), None),
            (MediaKind::Disc, media(None, "CD1"), Some(0)),
            (MediaKind::Disc, media(None, "VirtualDvd"), Some(0)),
            (MediaKind::Disc, media(None, "EXT1"), None),
            (MediaKind::Stick, media(Some(&["CD", "USBStick"]), "USB1"), Some(0)),
            (MediaKind::Floppy, media(Some(&["Floppy", "USBStick"]), "1"), Some(0)),
            (MediaKind::Floppy, media(None, "Floppy1"), Some(0)),
        ];
        for (kind, media, rank) in rows {
            assert_eq!(kind.rank(&media), rank, "{kind:?} {media:?}");
        }
    }

    #[test]
    fn urls_that_no_bmc_can_fetch_are_refused() {
        let long = format!("http://h/{}", "x".repeat(8192));
        let bad = [
            "",
            " ",
            "file:///x",
            "http://",
            "https:///x.iso",
            "ftp://h/x",
            "h/x.iso",
            "http://h/a b",
            &long,
        ];
        for url in bad {
            assert!(ImageUrl::parse(url).is_err(), "{url}");
        }
        for (url, protocol) in
            [("http://h/x.iso", "HTTP"), ("HTTPS://[::1]:8/x", "HTTPS"), ("smb://h/s/x", "CIFS")]
        {
            assert_eq!(ImageUrl::parse(url).unwrap().protocol(), protocol);
        }
    }

    #[test]
    fn states_are_shown_in_our_words() {
        let shown = state_of(&media(Some(&["CD", "DVD", "USBStick", "Tape"]), "1"));
        let by_name = state_of(&media(None, "CD1"));

        assert_eq!(shown.media_types, ["cdrom", "usb", "tape"]);
        assert_eq!(by_name.media_types, ["cdrom"]);
        assert_eq!((shown.inserted, shown.image), (false, None));
    }

    #[test]
    fn unknown_kinds_are_refused_with_the_known_ones() {
        let error = MediaKind::from_name("tape").unwrap_err();

        insta::assert_snapshot!(error, @"`tape` is not a virtual media device; expected one of `cdrom`, `dvd`, `usb`, `disk`, `floppy`");
    }
}
