//! Where a BMC is, and which of its links may be followed.

use std::fmt;
use std::net::Ipv6Addr;

/// Root of a Redfish service where the node names none.
///
/// Source: DSP0266, section 6.
pub const PREFIX_DEFAULT: &str = "/redfish/v1/";

/// Longest link followed, in bytes; real ones have less than 200.
const LINK_SIZE_MAX: usize = 2048;

/// How a BMC is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// Plain text.
    Http,
    /// TLS.
    Https,
}

impl Scheme {
    /// The scheme as it stands in a URL.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    const fn port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }
}

/// Scheme, host, port and root of one Redfish service.
///
/// Prints as its origin, `https://bmc1:8443`, without the port where it is the scheme's own.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Address {
    scheme: Scheme,
    host: String,
    port: u16,
    prefix: String,
    prefix_given: bool,
}

/// Why a text is no address of a BMC.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// Nothing there.
    #[error("is empty")]
    Empty,
    /// Neither http nor https.
    #[error("has the scheme `{0}`; only `http` and `https` are possible")]
    Scheme(String),
    /// User and password belong into their own keys.
    #[error("carries a user; set `redfish_username` and `redfish_password` instead")]
    UserInfo,
    /// A query or a fragment means nothing here.
    #[error("has a query or a fragment")]
    Query,
    /// No host name, or none that could be one.
    #[error("has no valid host")]
    Host,
    /// A port is 1 to 65535.
    #[error("has an invalid port `{0}`")]
    Port(String),
    /// A path with spaces, control characters or dots.
    #[error("has an invalid path")]
    Path,
}

impl Address {
    /// Reads `[scheme://]host[:port][/prefix]`; without a scheme it is https.
    ///
    /// A bare IPv6 address gets its brackets. A path becomes the root of the service.
    ///
    /// # Errors
    ///
    /// [`AddressError`], by the part that is wrong.
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        let text = text.trim();
        if text.is_empty() {
            return Err(AddressError::Empty);
        }
        let (scheme, rest) = match text.split_once("://") {
            Some((scheme, rest)) => match scheme.to_ascii_lowercase().as_str() {
                "http" => (Scheme::Http, rest),
                "https" => (Scheme::Https, rest),
                other => return Err(AddressError::Scheme(other.chars().take(32).collect())),
            },
            None => (Scheme::Https, text),
        };
        let (authority, path) = match rest.find('/') {
            Some(at) => rest.split_at(at),
            None => (rest, ""),
        };
        if authority.contains('@') {
            return Err(AddressError::UserInfo);
        }
        if rest.contains(['?', '#']) {
            return Err(AddressError::Query);
        }
        let (host, port) = split_port(authority)?;
        let port = match port {
            None => scheme.port(),
            Some(digits) => {
                port_number(digits).ok_or_else(|| AddressError::Port(digits.chars().take(16).collect()))?
            }
        };
        let host = host_text(host).ok_or(AddressError::Host)?;
        let mut address = Self { scheme, host, port, prefix: PREFIX_DEFAULT.to_owned(), prefix_given: false };
        // What the HTTP library makes of the host decides; it refuses, for example, `256.1.1.1`.
        reqwest::Url::parse(&address.to_string()).map_err(|_| AddressError::Host)?;
        if !path.trim_matches('/').is_empty() {
            address = address.with_prefix(path)?;
        }
        Ok(address)
    }

    /// The same BMC with another root of the service.
    ///
    /// # Errors
    ///
    /// [`AddressError::Path`] when `prefix` cannot be a path.
    pub fn with_prefix(mut self, prefix: &str) -> Result<Self, AddressError> {
        let inner = prefix.trim_matches('/');
        if inner.is_empty() || !is_sane_path(inner) || inner.contains(['?', '#', '\\']) {
            return Err(AddressError::Path);
        }
        self.prefix = format!("/{inner}/");
        self.prefix_given = true;
        Ok(self)
    }

    /// Root of the service, with a slash at both ends.
    #[must_use]
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// Whether the root was named and is not the standard's own.
    #[must_use]
    pub fn has_own_prefix(&self) -> bool {
        self.prefix_given
    }

    /// How the BMC is spoken to.
    #[must_use]
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// The URL of a path on this BMC.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        format!("{self}{path}")
    }

    /// Reduces a link the BMC gave to what is asked on this address: path and query.
    ///
    /// The host of an absolute link is dropped, because BMCs behind address translation name themselves
    /// wrongly and nobody else may see our credentials. `None` for what must not be followed: links that are
    /// not below `/redfish/` or the root of the service, climb with dots, or hold control characters. A fragment that
    /// names a part of the resource stays; it is not sent.
    #[must_use]
    pub fn link(&self, link: &str) -> Option<String> {
        let path = path_of(link)?;
        let low = path.to_ascii_lowercase();
        let below = low.starts_with("/redfish/") || low.starts_with(&self.prefix.to_ascii_lowercase());
        let part = link.split_once('#').map(|(_, part)| part);
        let part = part.filter(|part| part.starts_with('/') && !part.contains(is_odd));
        below.then(|| part.map_or_else(|| path.to_owned(), |part| format!("{path}#{part}")))
    }

    /// Where a redirect from `path` leads on this BMC; `None` when it leads elsewhere, or out of the service.
    #[must_use]
    pub fn redirect(&self, path: &str, location: &str) -> Option<String> {
        let asked = reqwest::Url::parse(&self.url(path)).ok()?;
        let target = asked.join(location).ok().filter(|_| !location.trim().is_empty())?;
        let same = asked.scheme() == target.scheme()
            && asked.host_str() == target.host_str()
            && asked.port_or_known_default() == target.port_or_known_default();
        let query = target.query().map(|query| format!("?{query}")).unwrap_or_default();
        let path = format!("{}{query}", target.path());
        (same && self.link(&format!("{}/", canonical(&path))).is_some()).then_some(path)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme.as_str(), self.host)?;
        if self.port == self.scheme.port() { Ok(()) } else { write!(f, ":{}", self.port) }
    }
}

/// Path and query of a link, without scheme, host and fragment; `None` when it is no usable link.
#[must_use]
pub fn path_of(link: &str) -> Option<&str> {
    if link.len() > LINK_SIZE_MAX {
        return None;
    }
    let link = link.split('#').next().unwrap_or_default();
    let path = match link.split_once("://") {
        Some((scheme, rest)) if matches!(scheme.to_ascii_lowercase().as_str(), "http" | "https") => {
            rest.find('/').and_then(|at| rest.get(at..))?
        }
        Some(_) | None => link,
    };
    let usable = path.starts_with('/') && !path.starts_with("//") && is_sane_path(path);
    usable.then_some(path)
}

/// A path without its query and its trailing slash: what two links to one resource have in common.
#[must_use]
pub fn canonical(path: &str) -> &str {
    path.split('?').next().unwrap_or_default().trim_end_matches('/')
}

/// Whether a character stands in no link.
fn is_odd(c: char) -> bool {
    c.is_control() || c.is_whitespace() || c == '\\'
}

fn is_sane_path(path: &str) -> bool {
    let clean = !path.contains(is_odd);
    let climbs = canonical(path).split('/').any(|part| {
        let part = part.to_ascii_lowercase().replace("%2e", ".");
        part == "." || part == ".."
    });
    clean && !climbs
}

fn split_port(authority: &str) -> Result<(&str, Option<&str>), AddressError> {
    if authority.starts_with('[') {
        let (host, rest) = authority.split_once(']').ok_or(AddressError::Host)?;
        return match rest.strip_prefix(':') {
            Some(port) => Ok((host, Some(port))),
            None if rest.is_empty() => Ok((host, None)),
            None => Err(AddressError::Host),
        };
    }
    if authority.parse::<Ipv6Addr>().is_ok() {
        return Ok((authority, None));
    }
    match authority.split_once(':') {
        Some((host, port)) => Ok((host, Some(port))),
        None => Ok((authority, None)),
    }
}

fn port_number(digits: &str) -> Option<u16> {
    let plain = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    plain.then(|| digits.parse().ok()).flatten().filter(|port| *port != 0)
}

/// The host in lower case, an IPv6 address in brackets; `None` when it cannot be one.
fn host_text(host: &str) -> Option<String> {
    if let Some(inner) = host.strip_prefix('[') {
        return inner.parse::<Ipv6Addr>().ok().map(|address| format!("[{address}]"));
    }
    if let Ok(address) = host.parse::<Ipv6Addr>() {
        return Some(format!("[{address}]"));
    }
    let named = !host.is_empty()
        && host.len() <= 253
        && host.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_'));
    named.then(|| host.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parsed(text: &str) -> (String, String) {
        let address = Address::parse(text).unwrap();
        (address.to_string(), address.prefix().to_owned())
    }

    #[test]
    fn usual_addresses_are_read() {
        let cases = [
            ("bmc1", "https://bmc1", "/redfish/v1/"),
            ("bmc1:8443", "https://bmc1:8443", "/redfish/v1/"),
            ("HTTPS://BMC1:443/", "https://bmc1", "/redfish/v1/"),
            ("::1", "https://[::1]", "/redfish/v1/"),
            ("[::1]:8443", "https://[::1]:8443", "/redfish/v1/"),
            ("http://[2001:DB8::5]", "http://[2001:db8::5]", "/redfish/v1/"),
            ("http://h/prefix", "http://h", "/prefix/"),
            ("192.0.2.7", "https://192.0.2.7", "/redfish/v1/"),
        ];
        for (text, origin, prefix) in cases {
            assert_eq!(parsed(text), (origin.to_owned(), prefix.to_owned()), "{text}");
        }
    }

    #[test]
    fn wrong_addresses_are_refused_by_their_wrong_part() {
        let cases = [
            ("", AddressError::Empty),
            ("  ", AddressError::Empty),
            ("https://", AddressError::Host),
            ("ftp://h", AddressError::Scheme("ftp".to_owned())),
            ("h:99999", AddressError::Port("99999".to_owned())),
            ("h:0", AddressError::Port("0".to_owned())),
            ("h:", AddressError::Port(String::new())),
            ("https://u:p@h", AddressError::UserInfo),
            ("https://h?x", AddressError::Query),
            ("https://h/p#f", AddressError::Query),
            ("256.1.1.1", AddressError::Host),
            ("bad host", AddressError::Host),
            ("[::1", AddressError::Host),
            ("h/a/../b", AddressError::Path),
            ("h/a b", AddressError::Path),
        ];
        for (text, error) in cases {
            assert_eq!(Address::parse(text), Err(error), "{text}");
        }
    }

    #[test]
    fn a_password_in_the_address_is_not_repeated() {
        let error = Address::parse("https://root:calvin@h").unwrap_err();

        assert!(!error.to_string().contains("calvin"));
    }

    #[test]
    fn links_stay_on_the_bmc_and_below_the_service() {
        let address = Address::parse("https://192.0.2.7").unwrap();
        let cases = [
            ("/redfish/v1/Systems/1", Some("/redfish/v1/Systems/1")),
            ("/redfish/v1/systems/1/bios/settings/", Some("/redfish/v1/systems/1/bios/settings/")),
            ("https://10.0.0.1/redfish/v1/x?$skip=2", Some("/redfish/v1/x?$skip=2")),
            (
                "https://h/redfish/v1/Chassis/1/Power#/PowerControl/0",
                Some("/redfish/v1/Chassis/1/Power#/PowerControl/0"),
            ),
            ("/redfish/v1/Chassis/1/Power#top", Some("/redfish/v1/Chassis/1/Power")),
            ("/redfish/v1/Chassis/1/Power#/a\r\nX: y", Some("/redfish/v1/Chassis/1/Power")),
            ("//evil.example/redfish/v1/", None),
            ("/redfish/v1/../../etc", None),
            ("/redfish/v1/%2E%2e/x", None),
            ("/cgi/upload", None),
            ("ftp://h/redfish/v1/x", None),
            ("Systems/1", None),
            ("/redfish/v1/a b", None),
            ("/redfish/v1/a\r\nX: y", None),
            ("", None),
        ];
        for (link, expected) in cases {
            assert_eq!(address.link(link).as_deref(), expected, "{link}");
        }
    }

    #[test]
    fn redirects_stay_on_scheme_host_and_port() {
        let address = Address::parse("https://bmc1").unwrap();
        let cases = [
            ("/redfish/v1/x?a=b", Some("/redfish/v1/x?a=b")),
            ("https://BMC1:443/redfish", Some("/redfish")),
            ("2", Some("/redfish/v1/Systems/2")),
            ("https://bmc1:444/redfish", None),
            ("http://bmc1/redfish", None),
            ("//bmc2/redfish", None),
            ("/login.html", None),
            ("/redfish/../login.html", None),
            ("/redfish/v1", Some("/redfish/v1")),
            ("", None),
        ];
        for (location, target) in cases {
            assert_eq!(address.redirect("/redfish/v1/Systems/1", location).as_deref(), target, "{location}");
        }
    }

    proptest! {
        #[test]
        fn no_address_panics_and_what_is_read_is_a_url(text in "\\PC{0,40}") {
            if let Ok(address) = Address::parse(&text) {
                prop_assert!(reqwest::Url::parse(&address.url(address.prefix())).is_ok());
            }
        }

        #[test]
        fn no_link_leaves_the_origin(link in "(https?://|//|/)?[a-z./@:%#?\\\\-]{0,30}") {
            let address = Address::parse("https://bmc1").unwrap();
            if let Some(path) = address.link(&link) {
                let url = reqwest::Url::parse(&address.url(&path)).unwrap();
                prop_assert_eq!(url.host_str(), Some("bmc1"));
                prop_assert!(url.path().to_ascii_lowercase().starts_with("/redfish/"));
            }
        }
    }
}
