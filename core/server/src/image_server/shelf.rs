//! Which files may be served, and under which addresses.

use std::fmt;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, bail, ensure};
use farrier_conductor::images::Images;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use uuid::Uuid;

use crate::config::ImageServerConfig;

/// Where images are. No `?` and no `&`: some BMCs cut addresses there.
pub(super) const ROUTE: &str = "/images/{node}/{expires}/{signature}/{name}";

/// The shortest secret: 128 bits as hex.
const SECRET_LENGTH_MIN: usize = 32;

/// Bytes of a signature; some BMCs take no long addresses.
const SIGNATURE_LENGTH: usize = 16;

/// What is signed begins with it.
const SCHEME: &str = "farrier-image-1";

/// What an image is called whose own name is not fit for an address.
const NAME: &str = "image.iso";

/// The directories that are served, and the key of the addresses.
pub(super) struct Shelf {
    /// Without links.
    directories: Vec<PathBuf>,
    /// What addresses begin with, without a slash at its end.
    base: String,
    key: Hmac<Sha256>,
    lifetime: Duration,
}

impl fmt::Debug for Shelf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shelf")
            .field("directories", &self.directories)
            .field("base", &self.base)
            .finish_non_exhaustive()
    }
}

/// What an address says, besides its signature.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ticket<'a> {
    /// Whose image it is.
    pub(super) node: Uuid,
    /// Until when the address is good, in seconds since 1970.
    pub(super) expires: u64,
    /// What the image is called.
    pub(super) name: &'a str,
}

impl Shelf {
    /// Checks the options; `address` is where is listened.
    pub(super) fn new(config: &ImageServerConfig, address: SocketAddr) -> anyhow::Result<Self> {
        let mut directories = Vec::new();
        for directory in &config.directories {
            let shown = directory.display();
            let real = fs::canonicalize(directory).with_context(|| {
                format!("`{shown}` in `directories` of table `[image_server]` can not be used")
            })?;
            ensure!(real.is_dir(), "`{shown}` in `directories` of table `[image_server]` is not a directory");
            directories.push(real);
        }
        let base = match &config.public_url {
            Some(url) => url.trim_end_matches('/').to_owned(),
            None => format!("http://{address}"),
        };
        if !["http://", "https://"].iter().any(|scheme| base.starts_with(scheme)) {
            bail!("`public_url` in table `[image_server]` begins neither with http:// nor with https://");
        }
        ensure!(config.url_lifetime != 0, "`url_lifetime` in table `[image_server]` is 0");
        let secret = match &config.secret {
            Some(secret) => secret.expose().clone(),
            // Addresses of this process only.
            None => format!("{}{}", Uuid::new_v4().simple(), Uuid::new_v4().simple()),
        };
        let length = secret.chars().count();
        ensure!(
            SECRET_LENGTH_MIN <= length,
            "`secret` in table `[image_server]` has {length} characters, at least {SECRET_LENGTH_MIN} are needed"
        );
        let key = Hmac::new_from_slice(secret.as_bytes()).context("the secret is no key")?;
        Ok(Self { directories, base, key, lifetime: Duration::from_secs(config.url_lifetime) })
    }

    /// The file itself, without links, if it may be served: a regular file in one of the directories.
    pub(super) fn path(&self, asked: &Path) -> Option<PathBuf> {
        if !asked.is_absolute() {
            return None;
        }
        let real = fs::canonicalize(asked).ok()?;
        let inside = self.directories.iter().any(|directory| real.starts_with(directory));
        (inside && real.is_file()).then_some(real)
    }

    /// Whether an address is one of ours and still good; takes the same time whatever is wrong with the signature.
    pub(super) fn accepts(&self, ticket: Ticket<'_>, signature: &str, now: SystemTime) -> bool {
        let Some(bytes) = from_hex(signature) else { return false };
        self.mac(ticket).verify_truncated_left(&bytes).is_ok() && seconds(now) <= ticket.expires
    }

    fn sign(&self, ticket: Ticket<'_>) -> String {
        let bytes = self.mac(ticket).finalize().into_bytes();
        bytes.iter().take(SIGNATURE_LENGTH).map(|byte| format!("{byte:02x}")).collect()
    }

    fn mac(&self, ticket: Ticket<'_>) -> Hmac<Sha256> {
        let Ticket { node, expires, name } = ticket;
        self.key.clone().chain_update(format!("{SCHEME}\n{node}\n{expires}\n{name}\n"))
    }

    /// The address of a file at a time.
    pub(super) fn address_at(&self, node: Uuid, file: &Path, now: SystemTime) -> Option<String> {
        let path = self.path(file)?;
        let ticket = Ticket { node, expires: seconds(now + self.lifetime), name: name(&path) };
        let Ticket { expires, name, .. } = ticket;
        Some(format!("{}/images/{node}/{expires}/{}/{name}", self.base, self.sign(ticket)))
    }
}

impl Images for Shelf {
    fn address(&self, node: Uuid, file: &Path) -> Option<String> {
        self.address_at(node, file, SystemTime::now())
    }
}

/// What a file is called in its address.
pub(super) fn name(path: &Path) -> &str {
    let fits = |name: &&str| {
        !name.starts_with('.')
            && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_'))
    };
    path.file_name().and_then(|name| name.to_str()).filter(fits).unwrap_or(NAME)
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

/// A whole signature; none for anything else.
fn from_hex(text: &str) -> Option<[u8; SIGNATURE_LENGTH]> {
    let mut bytes = [0; SIGNATURE_LENGTH];
    let digits = text.as_bytes();
    if digits.len() != 2 * SIGNATURE_LENGTH {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(bytes)
}
