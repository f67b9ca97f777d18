//! `driver_info` of a node whose BMC speaks Redfish.

use std::path::PathBuf;

use farrier_sdk::prelude::*;

use crate::client::account::{Account, AuthType, Login};
use crate::client::address::{Address, AddressError, Scheme, path_of};
use crate::client::tls::{self, Ciphers, TlsVersion, Verify};
use crate::options::{self, RedfishOptions};

/// Longest path of a System, in bytes.
const SYSTEM_ID_SIZE_MAX: usize = 1024;

/// `driver_info` of a node whose BMC speaks Redfish.
///
/// Source: Ironic, redfish driver.
#[derive(Debug, Clone, Properties)]
pub struct RedfishInfo {
    /// Address of the BMC: `[scheme://]host[:port][/prefix]`, https unless it says http
    #[property(parse = address, kind = "url")]
    pub redfish_address: GivenAddress,
    /// Path of the System; needed if the BMC has several
    #[property(parse = system_id, kind = "string")]
    pub redfish_system_id: Option<String>,
    /// Name of the account
    #[property(parse = user)]
    pub redfish_username: Option<String>,
    /// Password of the account
    #[property(secret)]
    pub redfish_password: Option<SecretRef>,
    /// Whether to check the BMC's certificate: true, false, or the path of a PEM file or folder to trust
    #[property(parse = verify, kind = "boolean or path")]
    pub redfish_verify_ca: Option<Verify>,
    /// How to log in: auto, session or basic
    #[property(parse = auth_type, kind = "string")]
    pub redfish_auth_type: Option<AuthType>,
    /// Root of the service if it is not /redfish/v1/
    #[property(parse = root_prefix, kind = "string")]
    pub redfish_root_prefix: Option<String>,
    /// Oldest TLS version offered: 1.2 or 1.3
    #[property(parse = tls_version, kind = "string")]
    pub redfish_tls_minimum_version: Option<TlsVersion>,
    /// Ciphers offered, by OpenSSL's names with colons between them
    #[property(parse = ciphers, kind = "string")]
    pub redfish_tls_ciphers: Option<Ciphers>,
    /// Seconds to leave a BMC alone that has updated itself, unless the update names others
    #[property(parse = options::seconds, kind = "number")]
    pub firmware_update_unresponsive_bmc_wait: Option<f64>,
    /// Protocol by which the BMC fetches images, if it does not follow from their URLs: HTTP, HTTPS, NFS or CIFS
    #[property(parse = media_protocol, kind = "string")]
    pub vmedia_transport_protocol: Option<String>,
    /// URL of an ISO image with the deploy agent
    #[property(parse = image, kind = "url")]
    pub deploy_iso: Option<String>,
    /// URL of an ISO image with the rescue system
    #[property(parse = image, kind = "url")]
    pub rescue_iso: Option<String>,
}

/// Protocols by which BMCs fetch images.
const MEDIA_PROTOCOLS: [&str; 4] = ["HTTP", "HTTPS", "NFS", "CIFS"];

/// An address, or the empty text, which counts as missing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GivenAddress(Option<Address>);

impl RedfishInfo {
    /// The account that these values describe. Reads no file and asks nobody but the host for the password.
    ///
    /// # Errors
    ///
    /// - [`MissingParameter`](ErrorKind::MissingParameter): an empty address, or a way to log in without an
    ///   account.
    /// - [`InvalidParameter`](ErrorKind::InvalidParameter): two values that contradict each other.
    pub async fn account(&self, task: &DriverTask<Self>, options: &RedfishOptions) -> Result<Account> {
        let address = self.address()?;
        let auth_type = self.redfish_auth_type.unwrap_or_else(|| options.auth_type());
        let login = match (&self.redfish_username, &self.redfish_password) {
            (None, None) if auth_type != AuthType::Auto => {
                let asked = if self.redfish_auth_type.is_some() {
                    "`redfish_auth_type`"
                } else {
                    "option `auth_type`"
                };
                let text =
                    format!("missing `redfish_username` and `redfish_password`, which this {asked} needs");
                return Err(DriverError::missing_parameter(text));
            }
            (None, None) => None,
            (None, Some(_)) => {
                let text = "`redfish_password`: makes no sense without `redfish_username`";
                return Err(DriverError::invalid_parameter(text));
            }
            (Some(user), None) => Some(Login { user: user.clone(), password: Secret::new(String::new()) }),
            (Some(user), Some(password)) => {
                Some(Login { user: user.clone(), password: task.reveal(password).await? })
            }
        };
        let verify = self.redfish_verify_ca.clone().unwrap_or_else(|| options.verify_ca.clone());
        let tls_oldest = self.redfish_tls_minimum_version.unwrap_or(options.tls_minimum_version);
        let ciphers = self.redfish_tls_ciphers.clone().or_else(|| options.ciphers());
        Ok(Account { address, verify, tls_oldest, ciphers, auth_type, login })
    }

    /// Checks what is not worth checking at every call: files, and keys nobody reads.
    ///
    /// # Errors
    ///
    /// As [`account`](Self::account), and [`InvalidParameter`](ErrorKind::InvalidParameter) for a path
    /// without certificates.
    pub async fn validate(&self, task: &DriverTask<Self>, options: &RedfishOptions) -> Result<()> {
        let account = self.account(task, options).await?;
        if let Verify::Path(path) = &account.verify
            && account.address.scheme() == Scheme::Https
        {
            tls::certificates(path)
                .map_err(|error| DriverError::invalid_parameter(format!("`redfish_verify_ca`: {error}")))?;
        }
        for key in self.unknown_keys(&task.node().driver_info) {
            warn!(node = task.node().uuid, key, "`driver_info` has a key that nobody reads");
        }
        Ok(())
    }

    /// Path of the System, if the node names it.
    #[must_use]
    pub fn system_id(&self) -> Option<&str> {
        self.redfish_system_id.as_deref()
    }

    fn address(&self) -> Result<Address> {
        let Some(address) = self.redfish_address.0.clone() else {
            return Err(DriverError::missing_parameter("missing `redfish_address`"));
        };
        let Some(prefix) = &self.redfish_root_prefix else { return Ok(address) };
        let own = address.has_own_prefix().then(|| address.prefix().to_owned());
        let address = address
            .with_prefix(prefix)
            .map_err(|error| DriverError::invalid_parameter(format!("`redfish_root_prefix`: {error}")))?;
        match own {
            Some(own) if own != address.prefix() => Err(DriverError::invalid_parameter(
                "`redfish_root_prefix`: differs from the path in `redfish_address`",
            )),
            Some(_) | None => Ok(address),
        }
    }

    #[expect(clippy::unused_self, reason = "belongs to the struct whose keys it knows")]
    fn unknown_keys<'a>(&self, driver_info: &'a Map<String, Value>) -> Vec<&'a str> {
        let described = Self::DESCRIPTOR;
        let known = |key: &str| described.contains(&format!("\"name\":\"{key}\""));
        driver_info
            .keys()
            .map(String::as_str)
            .filter(|key| key.starts_with("redfish_") && !known(key))
            .collect()
    }
}

/// Reads how to log in.
pub(crate) fn auth_type(value: &Value) -> Result<AuthType, String> {
    value.as_str().and_then(AuthType::from_name).ok_or_else(|| "expected auto, session or basic".to_owned())
}

/// Reads whom to believe; whether a path exists is not looked at here.
pub(crate) fn verify(value: &Value) -> Result<Verify, String> {
    if let Some(truth) = value.as_bool() {
        return Ok(if truth { Verify::System } else { Verify::Nothing });
    }
    let expected = || "expected true, false or the absolute path of a PEM file or folder".to_owned();
    let text = value.as_str().map(str::trim).ok_or_else(expected)?;
    match text.to_ascii_lowercase().as_str() {
        "true" | "yes" | "1" | "on" => Ok(Verify::System),
        "false" | "no" | "0" | "off" => Ok(Verify::Nothing),
        _ if text.starts_with('/') && !text.contains('\0') => Ok(Verify::Path(PathBuf::from(text))),
        _ => Err(expected()),
    }
}

/// Reads the oldest TLS version.
pub(crate) fn tls_version(value: &Value) -> Result<TlsVersion, String> {
    let text = value.as_str().map_or_else(|| value.to_string(), |text| text.trim().to_owned());
    match text.as_str() {
        "1.2" => Ok(TlsVersion::V1_2),
        "1.3" => Ok(TlsVersion::V1_3),
        "1.0" | "1.1" => Err("the TLS library offers nothing older than 1.2".to_owned()),
        _ => Err("expected 1.2 or 1.3".to_owned()),
    }
}

/// Reads a list of ciphers.
pub(crate) fn ciphers(value: &Value) -> Result<Ciphers, String> {
    Ciphers::parse(value.as_str().ok_or("expected text")?)
}

fn address(value: &Value) -> Result<GivenAddress, String> {
    let text = value.as_str().ok_or("expected text")?;
    match Address::parse(text) {
        Ok(address) => Ok(GivenAddress(Some(address))),
        Err(AddressError::Empty) => Ok(GivenAddress(None)),
        Err(error) => Err(error.to_string()),
    }
}

fn user(value: &Value) -> Result<String, String> {
    let text = value.as_str().ok_or("expected text")?;
    if text.is_empty() {
        return Err("is empty".to_owned());
    }
    if text.chars().any(char::is_control) {
        return Err("has control characters".to_owned());
    }
    Ok(text.to_owned())
}

/// Takes anything: what is wrong with an image is said when it is needed, and hinders nothing else.
#[expect(clippy::unnecessary_wraps, reason = "the signature of a parser")]
fn image(value: &Value) -> Result<String, String> {
    Ok(value.as_str().map_or_else(|| value.to_string(), str::to_owned))
}

fn media_protocol(value: &Value) -> Result<String, String> {
    let text = value.as_str().unwrap_or_default().trim().to_ascii_uppercase();
    if MEDIA_PROTOCOLS.contains(&text.as_str()) {
        Ok(text)
    } else {
        Err(format!("expected one of {}", MEDIA_PROTOCOLS.join(", ")))
    }
}

fn root_prefix(value: &Value) -> Result<String, String> {
    value.as_str().map(str::to_owned).ok_or_else(|| "expected a path".to_owned())
}

/// Reads the path of a System: escaped once, with a slash in front.
fn system_id(value: &Value) -> Result<String, String> {
    let text = value.as_str().ok_or("expected a path")?;
    if text.is_empty() {
        return Err("is empty".to_owned());
    }
    if text.len() > SYSTEM_ID_SIZE_MAX {
        return Err(format!("is longer than {SYSTEM_ID_SIZE_MAX} bytes"));
    }
    if text.contains("://") || text.starts_with("//") {
        return Err("is a URL; expected the path of a System on the BMC".to_owned());
    }
    if text.chars().any(char::is_control) {
        return Err("has control characters".to_owned());
    }
    let path = format!("/{}", escape(text.trim_start_matches('/')));
    path_of(&path).filter(|sane| *sane == path).map(str::to_owned).ok_or_else(|| "is no path".to_owned())
}

/// Escapes what cannot stand in a path; escapes that are there already stay.
fn escape(path: &str) -> String {
    let mut escaped = String::with_capacity(path.len());
    let mut rest = path.as_bytes();
    while let Some((byte, after)) = rest.split_first() {
        let is_escape = *byte == b'%' && after.len() >= 2 && after.iter().take(2).all(u8::is_ascii_hexdigit);
        if is_escape || byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@/".contains(byte) {
            escaped.push(char::from(*byte));
        } else {
            escaped.push_str(&format!("%{byte:02X}"));
        }
        rest = after;
    }
    escaped
}

#[cfg(test)]
mod tests {
    use farrier_sdk::serde_json::json;
    use farrier_sdk::testing;
    use insta::assert_snapshot;

    use super::*;

    fn read(info: Value) -> Result<RedfishInfo> {
        RedfishInfo::from_map(info.as_object().unwrap())
    }

    fn validated(info: &Value) -> Result<()> {
        validated_with(info, &json!({}))
    }

    fn validated_with(info: &Value, options: &Value) -> Result<()> {
        let task = testing::task::<RedfishInfo>(json!({"driver_info": info}))?;
        let options = RedfishOptions::from_map(options.as_object().unwrap())?;
        task.block_on(task.info().validate(&task, &options))
    }

    #[test]
    fn everything_that_is_wrong_is_named_at_once() {
        let error =
            read(json!({"redfish_system_id": "", "redfish_verify_ca": 3, "redfish_auth_type": "digest"}))
                .unwrap_err();

        assert_eq!(error.kind(), ErrorKind::MissingParameter);
        assert_snapshot!(error, @"missing `redfish_address`; `redfish_system_id`: is empty; `redfish_verify_ca`: expected true, false or the absolute path of a PEM file or folder; `redfish_auth_type`: expected auto, session or basic");
    }

    #[test]
    fn bad_values_are_invalid_and_an_empty_address_is_missing() {
        let long = format!("/redfish/v1/Systems/{}", "x".repeat(10_240));
        let cases = [
            ("redfish_address", json!(""), ErrorKind::MissingParameter),
            ("redfish_address", json!("https://"), ErrorKind::InvalidParameter),
            ("redfish_address", json!("ftp://h"), ErrorKind::InvalidParameter),
            ("redfish_address", json!("h:99999"), ErrorKind::InvalidParameter),
            ("redfish_address", json!("https://u:p@h"), ErrorKind::InvalidParameter),
            ("redfish_address", json!("https://h?x"), ErrorKind::InvalidParameter),
            ("redfish_address", json!(7), ErrorKind::InvalidParameter),
            ("redfish_address", json!({}), ErrorKind::InvalidParameter),
            ("redfish_system_id", json!(1), ErrorKind::InvalidParameter),
            ("redfish_system_id", json!(""), ErrorKind::InvalidParameter),
            ("redfish_system_id", json!("https://h/redfish/v1/Systems/1"), ErrorKind::InvalidParameter),
            ("redfish_system_id", json!("/redfish/\u{7}"), ErrorKind::InvalidParameter),
            ("redfish_system_id", json!("/redfish/../x"), ErrorKind::InvalidParameter),
            ("redfish_system_id", json!(long), ErrorKind::InvalidParameter),
            ("redfish_verify_ca", json!("maybe"), ErrorKind::InvalidParameter),
            ("redfish_tls_ciphers", json!("RC4-MD5"), ErrorKind::InvalidParameter),
            ("firmware_update_unresponsive_bmc_wait", json!(-1), ErrorKind::InvalidParameter),
            ("redfish_verify_ca", json!(3), ErrorKind::InvalidParameter),
            ("redfish_verify_ca", json!("/no/such/file"), ErrorKind::InvalidParameter),
            ("redfish_auth_type", json!("digest"), ErrorKind::InvalidParameter),
            ("redfish_auth_type", json!("session"), ErrorKind::MissingParameter),
            ("redfish_password", json!("calvin"), ErrorKind::InvalidParameter),
            ("redfish_tls_minimum_version", json!("1.1"), ErrorKind::InvalidParameter),
            ("redfish_root_prefix", json!("/a b"), ErrorKind::InvalidParameter),
        ];
        for (key, value, kind) in cases {
            let mut info = json!({"redfish_address": "bmc1"});
            info[key] = value.clone();
            let error = validated(&info).unwrap_err();
            assert_eq!(error.kind(), kind, "{key} {value}: {error}");
            assert!(error.to_string().contains(key), "{key}: {error}");
            assert!(!error.to_string().contains("calvin"), "{error}");
        }
    }

    #[test]
    fn good_values_are_accepted() {
        let cases = [
            json!({"redfish_address": "bmc1"}),
            json!({"redfish_address": "http://h/prefix", "redfish_root_prefix": "/prefix/"}),
            json!({"redfish_address": "http://h", "redfish_verify_ca": "/no/such/file"}),
            json!({"redfish_address": "::1", "redfish_username": "root", "redfish_password": ""}),
            json!({"redfish_address": "::1", "redfish_username": "root", "redfish_password": "calvin",
                "redfish_auth_type": "BASIC", "redfish_verify_ca": "Off", "redfish_tls_minimum_version": 1.3}),
        ];
        for info in cases {
            validated(&info).unwrap();
        }
    }

    #[test]
    fn a_way_to_log_in_needs_an_account_whoever_demands_it() {
        for way in ["session", "basic"] {
            let error =
                validated_with(&json!({"redfish_address": "bmc1"}), &json!({"auth_type": way})).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::MissingParameter, "{error}");
            let own = json!({"redfish_address": "bmc1", "redfish_auth_type": "auto"});
            validated_with(&own, &json!({"auth_type": way})).unwrap();
        }
    }

    #[test]
    fn two_different_roots_are_refused() {
        let error = validated(&json!({"redfish_address": "h/a", "redfish_root_prefix": "/b"})).unwrap_err();

        assert_snapshot!(error, @"`redfish_root_prefix`: differs from the path in `redfish_address`");
    }

    #[test]
    fn folders_and_files_without_certificates_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("ca.pem");
        let check =
            |path: &std::path::Path| validated(&json!({"redfish_address": "h", "redfish_verify_ca": path}));

        assert!(check(folder.path()).is_err());
        std::fs::write(&file, "no certificate").unwrap();
        assert!(check(&file).is_err() && check(folder.path()).is_err());

        let own = rcgen::generate_simple_self_signed(["bmc1".to_owned()]).unwrap();
        std::fs::write(&file, own.cert.pem()).unwrap();
        assert!(check(&file).is_ok() && check(folder.path()).is_ok());
    }

    #[test]
    fn system_ids_are_escaped_once() {
        let cases = [
            ("/redfish/v1/Systems/1", "/redfish/v1/Systems/1"),
            ("redfish/v1/Systems/1/", "/redfish/v1/Systems/1/"),
            ("/redfish/v1/Systems/a b", "/redfish/v1/Systems/a%20b"),
            ("/redfish/v1/Systems/a%20b", "/redfish/v1/Systems/a%20b"),
            ("/redfish/v1/Systems/100%", "/redfish/v1/Systems/100%25"),
            ("/redfish/v1/Systems/ä?x#y", "/redfish/v1/Systems/%C3%A4%3Fx%23y"),
        ];
        for (given, path) in cases {
            assert_eq!(system_id(&json!(given)).as_deref(), Ok(path), "{given}");
        }
    }

    #[test]
    fn keys_that_nobody_reads_are_found() {
        let info = read(json!({"redfish_address": "h"})).unwrap();
        let given = json!({"redfish_address": "h", "redfish_adress": "h", "deploy_kernel": "k"});

        assert_eq!(info.unknown_keys(given.as_object().unwrap()), ["redfish_adress"]);
    }
}
