//! `driver_info` of an IPMI node: what it may hold, and the BMC it leads to.

use std::net::{IpAddr, Ipv6Addr};

use farrier_sdk::prelude::*;

use crate::crypto::CipherSuite;
use crate::shared::Shared;
use crate::target::{
    Credentials, CredentialsError, Endpoint, KEY_SIZE_MAX, Privilege, Target, USER_SIZE_MAX,
};

/// Longest host name, in bytes.
///
/// Source: RFC 1123.
const HOST_SIZE_MAX: usize = 253;

/// Longest label of a host name, in bytes.
const LABEL_SIZE_MAX: usize = 63;

/// Cipher suites others know, whose weakness the refusal names.
const INSECURE_SUITES: [u8; 5] = [0, 1, 2, 15, 16];

/// What `driver_info` of an IPMI node holds.
///
/// Source: Ironic `ipmitool`.
#[derive(Debug, Clone, Properties)]
pub struct IpmiInfo {
    /// IP address or host name of the BMC.
    #[property(parse = host, kind = "string")]
    pub ipmi_address: String,
    /// UDP port of the BMC; 623 by default.
    #[property(default = 623, parse = port, kind = "integer")]
    pub ipmi_port: u16,
    /// User to log in as, at most 16 bytes; none by default, which means the NULL user.
    #[property(default = "", parse = user, kind = "string")]
    pub ipmi_username: String,
    /// Password of that user, at most 20 bytes; empty by default.
    #[property(secret)]
    pub ipmi_password: Option<SecretRef>,
    /// Level of the session: ADMINISTRATOR (default), OPERATOR, USER or CALLBACK. Power changes need OPERATOR.
    #[property(default = Privilege::Administrator, parse = privilege, kind = "string")]
    pub ipmi_priv_level: Privilege,
    /// Key of the BMC (K_g) if it has one, in hexadecimal digits, at most 40.
    #[property(secret)]
    pub ipmi_hex_kg_key: Option<SecretRef>,
    /// The only cipher suite to use, 3 or 17; by default the best one that works.
    #[property(parse = cipher_suite, kind = "integer")]
    pub ipmi_cipher_suite: Option<CipherSuite>,
    /// Version of the protocol; 2.0, which is the default, is the only one spoken.
    #[property(parse = protocol_version, kind = "string")]
    pub ipmi_protocol_version: Option<String>,
    /// Set the boot device again before each power on, for BMCs that forget it; false by default.
    #[property(default = false, parse = boolean, kind = "boolean")]
    pub ipmi_force_boot_device: bool,
    /// Tell the BMC not to forget a boot device after 60 seconds; by default as the option `[ipmi]disable_boot_timeout`
    /// says.
    #[property(parse = boolean, kind = "boolean")]
    pub ipmi_disable_boot_timeout: Option<bool>,
    /// Kind of bridging to a controller behind the BMC; `no`, which is the default, is the only one there is.
    #[property(parse = bridging, kind = "string")]
    pub ipmi_bridging: Option<String>,
    /// Address of this side on the bus between controllers; for bridging.
    #[property(kind = "string")]
    pub ipmi_local_address: Option<Value>,
    /// Address of the controller behind the BMC; for bridging.
    #[property(kind = "string")]
    pub ipmi_target_address: Option<Value>,
    /// Channel to the controller behind the BMC; for bridging.
    #[property(kind = "string")]
    pub ipmi_target_channel: Option<Value>,
    /// Address of the controller in between; for dual bridging.
    #[property(kind = "string")]
    pub ipmi_transit_address: Option<Value>,
    /// Channel to the controller in between; for dual bridging.
    #[property(kind = "string")]
    pub ipmi_transit_channel: Option<Value>,
    /// TCP port on which the console of the node is offered.
    #[property(parse = port, kind = "integer")]
    pub ipmi_terminal_port: Option<u16>,
}

/// All keys above, to tell misspelled ones.
const KEYS: [&str; 17] = [
    "ipmi_address",
    "ipmi_port",
    "ipmi_username",
    "ipmi_password",
    "ipmi_priv_level",
    "ipmi_hex_kg_key",
    "ipmi_cipher_suite",
    "ipmi_protocol_version",
    "ipmi_force_boot_device",
    "ipmi_disable_boot_timeout",
    "ipmi_bridging",
    "ipmi_local_address",
    "ipmi_target_address",
    "ipmi_target_channel",
    "ipmi_transit_address",
    "ipmi_transit_channel",
    "ipmi_terminal_port",
];

/// Checks what reading `driver_info` cannot check, and warns of what is probably not meant. Never talks to
/// the BMC.
///
/// # Errors
///
/// As [`target`].
pub(crate) async fn validate(shared: &Shared, task: &DriverTask<IpmiInfo>) -> Result<()> {
    let node = task.node().uuid.as_str();
    let misspelled = |key: &&String| key.starts_with("ipmi_") && !KEYS.contains(&key.as_str());
    for key in task.node().driver_info.keys().filter(misspelled) {
        if shared.is_news(task, key) {
            warn!(node, key, "`driver_info` has a key that means nothing");
        }
    }
    if task.info().ipmi_username.is_empty() && shared.is_news(task, "NULL user") {
        warn!(node, "`ipmi_username` is not set, the NULL user is logged in");
    }
    if task.info().ipmi_password.is_none() && shared.is_news(task, "empty password") {
        warn!(node, "`ipmi_password` is not set, the empty password is used");
    }
    target(task).await.map(drop)
}

/// The BMC of a node and the credentials for it; asks the host for the secrets.
///
/// # Errors
///
/// [`InvalidParameter`](ErrorKind::InvalidParameter): password or BMC key is too long, the key not
/// hexadecimal. No message repeats a secret.
pub async fn target(task: &DriverTask<IpmiInfo>) -> Result<Arc<Target>> {
    let info = task.info();
    let password = match &info.ipmi_password {
        Some(reference) => Secret::new(task.reveal(reference).await?.expose().as_bytes().to_vec()),
        None => Secret::new(Vec::new()),
    };
    let bmc_key = match &info.ipmi_hex_kg_key {
        Some(reference) => Some(key_of(task.reveal(reference).await?.expose())?),
        None => None,
    };
    let credentials = Credentials::new(info.ipmi_username.clone(), password, bmc_key, info.ipmi_priv_level);
    Ok(Arc::new(Target {
        endpoint: Endpoint { host: info.ipmi_address.clone(), port: info.ipmi_port },
        credentials: credentials.map_err(invalid_credentials)?,
        suite: info.ipmi_cipher_suite,
    }))
}

fn invalid_credentials(error: CredentialsError) -> DriverError {
    let key = match error {
        CredentialsError::UserTooLong(_) | CredentialsError::UserWithNul => "ipmi_username",
        CredentialsError::PasswordTooLong => "ipmi_password",
        CredentialsError::BmcKeyTooLong => "ipmi_hex_kg_key",
    };
    DriverError::invalid_parameter(format!("`{key}`: {error}"))
}

/// The bytes of a BMC key written in hexadecimal digits.
fn key_of(digits: &str) -> Result<Secret<Vec<u8>>> {
    let allowed = KEY_SIZE_MAX * 2;
    let wrong = || {
        let text =
            format!("`ipmi_hex_kg_key`: expected an even number of hexadecimal digits, at most {allowed}");
        DriverError::invalid_parameter(text)
    };
    let digits: Option<Vec<u8>> = digits
        .trim()
        .chars()
        .map(|digit| digit.to_digit(16).and_then(|digit| u8::try_from(digit).ok()))
        .collect();
    let digits = Secret::new(digits.ok_or_else(wrong)?);
    let (pairs, rest) = digits.expose().as_chunks::<2>();
    if !rest.is_empty() || allowed < digits.expose().len() {
        return Err(wrong());
    }
    Ok(Secret::new(pairs.iter().map(|[high, low]| high << 4 | low).collect()))
}

/// True or false in any of the spellings operators use.
pub(crate) fn boolean(value: &Value) -> Result<bool, String> {
    let text = match value {
        Value::Bool(value) => return Ok(*value),
        Value::Number(number) => number.to_string(),
        Value::String(text) => text.trim().to_ascii_lowercase(),
        Value::Null | Value::Array(_) | Value::Object(_) => String::new(),
    };
    match text.as_str() {
        "1" | "t" | "true" | "on" | "y" | "yes" => Ok(true),
        "0" | "f" | "false" | "off" | "n" | "no" => Ok(false),
        _ => Err(format!("{value} is neither true nor false (also 1, yes, on; 0, no, off)")),
    }
}

fn host(value: &Value) -> Result<String, String> {
    let text = value.as_str().map(str::trim).unwrap_or_default();
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    if let Ok(address) = bare.parse::<IpAddr>() {
        return Ok(address.to_string());
    }
    // An address of one link carries the name of the link.
    if let Some((address, link)) = bare.split_once('%')
        && let Ok(address) = address.parse::<Ipv6Addr>()
        && !link.is_empty()
    {
        return Ok(format!("{address}%{link}"));
    }
    if is_host_name(text) {
        return Ok(text.to_ascii_lowercase());
    }
    Err(format!("{value} is neither an IP address nor a host name"))
}

/// Whether a text is a host name: labels of letters, digits and hyphens. One of digits alone would be a
/// mistyped IP address.
fn is_host_name(text: &str) -> bool {
    let name = text.strip_suffix('.').unwrap_or(text);
    let is_label = |label: &str| {
        (1..=LABEL_SIZE_MAX).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    let last = name.rsplit('.').next().unwrap_or_default();
    name.len() <= HOST_SIZE_MAX
        && name.split('.').all(is_label)
        && !last.bytes().all(|byte| byte.is_ascii_digit())
}

fn port(value: &Value) -> Result<u16, String> {
    let number = value.as_u64().or_else(|| value.as_str()?.trim().parse().ok());
    number
        .and_then(|number| u16::try_from(number).ok())
        .filter(|port| *port != 0)
        .ok_or_else(|| format!("{value} is not a port from 1 to {}", u16::MAX))
}

fn user(value: &Value) -> Result<String, String> {
    let name = match value {
        Value::String(name) => name.clone(),
        Value::Number(number) => number.to_string(),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => {
            return Err(format!("{value} is not a user name"));
        }
    };
    if USER_SIZE_MAX < name.len() || name.contains('\0') {
        return Err(format!("{value} is not a user name of at most {USER_SIZE_MAX} bytes without NUL"));
    }
    Ok(name)
}

fn privilege(value: &Value) -> Result<Privilege, String> {
    value.as_str().and_then(Privilege::from_name).ok_or_else(|| {
        let allowed = Privilege::ALL.map(Privilege::as_str).join(", ");
        format!("{value} is not one of {allowed}")
    })
}

fn cipher_suite(value: &Value) -> Result<CipherSuite, String> {
    let number = value.as_u64().or_else(|| value.as_str()?.trim().parse().ok());
    let id = number.and_then(|number| u8::try_from(number).ok());
    if let Some(suite) = id.and_then(CipherSuite::from_id) {
        return Ok(suite);
    }
    let insecure = id.is_some_and(|id| INSECURE_SUITES.contains(&id));
    let reason = if insecure { "an insecure cipher suite" } else { "not a supported cipher suite" };
    Err(format!("{value} is {reason}, use 3 or 17"))
}

fn protocol_version(value: &Value) -> Result<String, String> {
    let text = value.as_str().map_or_else(|| value.to_string(), |text| text.trim().to_owned());
    match text.as_str() {
        "2.0" | "2" => Ok("2.0".to_owned()),
        "1.5" => Err("1.5 is not spoken, only 2.0".to_owned()),
        _ => Err(format!("{value} is not a version of the protocol, only 2.0 is spoken")),
    }
}

fn bridging(value: &Value) -> Result<String, String> {
    match value.as_str().map(str::trim) {
        Some("no") => Ok("no".to_owned()),
        Some(kind @ ("single" | "dual")) => Err(format!("{kind} bridging is not available, only no")),
        _ => Err(format!("{value} is not a kind of bridging, only no is available")),
    }
}

#[cfg(test)]
mod tests;
