//! Microversions: what they are, how a request names one, and what each of them added.
//!
//! There is one major version. Within it, a client names a minor version with each request and
//! sees the API as it was at that number. [`TABLE`](table::TABLE) holds every difference; nothing else in the
//! code knows a number.
//!
//! Source: Ironic REST API, version history.

pub mod table;

use std::fmt;

use table::{Kind, Topic, first_minor};

use crate::error::Refusal;

/// The oldest version the contract knows; also what a request without a version gets.
pub const MIN: Microversion = Microversion::new(1);

/// The newest version the contract knows.
///
/// A server advertises the newest version whose changes it has all, which may be older.
pub const MAX: Microversion = Microversion::new(115);

/// The header by which clients of this API name a version, and in which the answer says which one applied.
pub const VERSION_HEADER: &str = "X-OpenStack-Ironic-API-Version";

/// The header with the oldest version the server offers.
pub const MIN_VERSION_HEADER: &str = "X-OpenStack-Ironic-API-Minimum-Version";

/// The header with the newest version the server offers.
pub const MAX_VERSION_HEADER: &str = "X-OpenStack-Ironic-API-Maximum-Version";

/// The header by which clients of any service name a version: `baremetal 1.72`.
pub const SERVICE_VERSION_HEADER: &str = "OpenStack-API-Version";

/// The name of this kind of service in [`SERVICE_VERSION_HEADER`].
pub const SERVICE: &str = "baremetal";

/// The headers under which an answer repeats the id of its request.
pub const REQUEST_ID_HEADERS: [&str; 2] = ["x-openstack-request-id", "openstack-request-id"];

/// The only major version there is.
const MAJOR: u16 = 1;

/// A version of the API, written `1.72`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Microversion {
    minor: u16,
}

impl Microversion {
    /// The version `1.minor`.
    pub const fn new(minor: u16) -> Self {
        Self { minor }
    }

    /// The number behind the dot.
    pub const fn minor(self) -> u16 {
        self.minor
    }

    /// Whether this version knows the field, parameter, endpoint or verb `name` of `topic`.
    ///
    /// A name without a row in [`TABLE`](table::TABLE) is known to every version.
    pub fn has(self, topic: Topic, kind: Kind, name: &str) -> bool {
        first_minor(topic, kind, name) <= self.minor
    }

    /// Reads `1.72`; `None` for anything else, other major versions included.
    pub fn parse(text: &str) -> Option<Self> {
        match numbers(text)? {
            (MAJOR, minor) => Some(Self::new(minor)),
            (_, _) => None,
        }
    }
}

impl fmt::Display for Microversion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{MAJOR}.{}", self.minor)
    }
}

/// The versions one server offers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Range {
    /// The oldest one.
    pub min: Microversion,
    /// The newest one.
    pub max: Microversion,
}

impl Range {
    /// From [`MIN`] up to `max`.
    pub const fn up_to(max: Microversion) -> Self {
        Self { min: MIN, max }
    }

    /// Decides which version a request asks for.
    ///
    /// `service` are the values of [`SERVICE_VERSION_HEADER`], each perhaps naming several services separated by
    /// commas; `own` is the value of [`VERSION_HEADER`]. The service-neutral header wins when both are there. With
    /// neither the oldest version applies; `latest` means the newest.
    ///
    /// # Errors
    ///
    /// - [`Malformed`](VersionRefused::Malformed): not two numbers with a dot between them.
    /// - [`Major`](VersionRefused::Major), [`Minor`](VersionRefused::Minor): a version outside this range.
    pub fn negotiate<'a>(
        &self,
        service: impl IntoIterator<Item = &'a str>,
        own: Option<&str>,
    ) -> Result<Microversion, VersionRefused> {
        let Some(text) = service.into_iter().find_map(for_this_service).or(own).map(str::trim) else {
            return Ok(self.min);
        };
        if text.eq_ignore_ascii_case("latest") {
            return Ok(self.max);
        }
        let (major, minor) = numbers(text).ok_or(VersionRefused::Malformed)?;
        if major != MAJOR {
            return Err(VersionRefused::Major { requested: (major, minor), range: *self });
        }
        let version = Microversion::new(minor);
        if version < self.min || self.max < version {
            return Err(VersionRefused::Minor { requested: version, range: *self });
        }
        Ok(version)
    }
}

/// The version a request asks for is not offered; every variant is answered with 406.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VersionRefused {
    /// The header's value is no version.
    Malformed,
    /// Another major version than the one there is.
    Major {
        /// Major and minor number as requested.
        requested: (u16, u16),
        /// What the server offers.
        range: Range,
    },
    /// A minor version outside the range.
    Minor {
        /// The version as requested.
        requested: Microversion,
        /// What the server offers.
        range: Range,
    },
}

impl VersionRefused {
    /// The answer: 406 with the text that clients know.
    ///
    /// The answer must carry [`MIN_VERSION_HEADER`] and [`MAX_VERSION_HEADER`]: clients read them from it and
    /// ask again.
    pub fn refusal(&self) -> Refusal {
        Refusal::new(406, self.to_string())
    }
}

impl fmt::Display for VersionRefused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (part, major, minor, range) = match *self {
            Self::Malformed => return write!(f, "Invalid value for {VERSION_HEADER} header"),
            Self::Major { requested: (major, minor), range } => ("major", major, minor, range),
            Self::Minor { requested, range } => ("minor", MAJOR, requested.minor, range),
        };
        write!(
            f,
            "Version {major}.{minor} was requested but the {part} version is not supported by this service. The \
             supported version range is: [{}, {}].",
            range.min, range.max
        )
    }
}

impl std::error::Error for VersionRefused {}

/// The version in one value of the service-neutral header, when it names this service.
fn for_this_service(value: &str) -> Option<&str> {
    value.split(',').find_map(|entry| {
        let (service, version) = entry.trim().split_once(char::is_whitespace)?;
        service.eq_ignore_ascii_case(SERVICE).then_some(version)
    })
}

/// Two decimal numbers with a dot between them.
fn numbers(text: &str) -> Option<(u16, u16)> {
    let (major, minor) = text.split_once('.')?;
    Some((digits(major)?, digits(minor)?))
}

/// A decimal number without a sign.
fn digits(text: &str) -> Option<u16> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    const RANGE: Range = Range::up_to(Microversion::new(115));

    #[test]
    fn a_request_without_a_version_gets_the_oldest() {
        assert_eq!(RANGE.negotiate([], None), Ok(MIN));
    }

    #[test]
    fn latest_is_the_newest_of_this_server() {
        let range = Range::up_to(Microversion::new(90));

        assert_eq!(range.negotiate([], Some("latest")), Ok(Microversion::new(90)));
        assert_eq!(range.negotiate(["baremetal latest"], None), Ok(Microversion::new(90)));
    }

    #[test]
    fn the_service_neutral_header_wins() {
        let version = RANGE.negotiate(["compute 2.1, baremetal 1.72"], Some("1.50"));

        assert_eq!(version, Ok(Microversion::new(72)));
    }

    #[test]
    fn another_service_in_the_neutral_header_is_not_for_us() {
        assert_eq!(RANGE.negotiate(["compute 2.1"], Some("1.50")), Ok(Microversion::new(50)));
    }

    #[test]
    fn versions_compare_as_numbers_not_as_text() {
        assert!(Microversion::new(9) < Microversion::new(72));
        assert_eq!(RANGE.negotiate([], Some("1.9")), Ok(Microversion::new(9)));
    }

    #[test]
    fn what_is_no_version_is_malformed() {
        for text in ["junk", "", "1", "1.", ".1", "1.x", "1.2.3", "+1.2", "1.-2", "1.99999999"] {
            assert_eq!(RANGE.negotiate([], Some(text)), Err(VersionRefused::Malformed), "{text:?}");
        }
    }

    #[test]
    fn refusals_say_what_was_asked_and_what_there_is() {
        let texts: Vec<String> = ["junk", "1.999", "1.0", "2.1"]
            .iter()
            .map(|text| RANGE.negotiate([], Some(text)).unwrap_err().to_string())
            .collect();

        insta::assert_snapshot!(texts.join("\n"), @"
        Invalid value for X-OpenStack-Ironic-API-Version header
        Version 1.999 was requested but the minor version is not supported by this service. The supported version range is: [1.1, 1.115].
        Version 1.0 was requested but the minor version is not supported by this service. The supported version range is: [1.1, 1.115].
        Version 2.1 was requested but the major version is not supported by this service. The supported version range is: [1.1, 1.115].
        ");
    }
}
