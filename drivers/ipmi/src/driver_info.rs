//! `driver_info` of an IPMI node: what it may hold, and the BMC it leads to.

pub(crate) mod parse;

use farrier_sdk::prelude::*;

use crate::crypto::CipherSuite;
use crate::options::IpmiOptions;
use crate::shared::Shared;
use crate::target::{
    Credentials, CredentialsError, Endpoint, Hop, KEY_SIZE_MAX, OLD_PASSWORD_SIZE_MAX, Privilege, Route,
    Target, Version,
};
use parse::{
    boolean, bridging, bus_address, channel, cipher_suite, host, port, privilege, protocol_version, user,
};

/// Our address on the bus between controllers, unless a node says otherwise.
const LOCAL_ADDRESS: u8 = 0x20;

/// How a controller behind the BMC is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Bridging {
    /// It is the BMC itself.
    #[default]
    No,
    /// The BMC passes messages to it.
    Single,
    /// A controller in between passes them on.
    Dual,
}

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
    /// Version of the protocol: 2.0 (default), or 1.5 for BMCs that speak nothing newer; that one hides nothing.
    #[property(default = Version::V2_0, parse = protocol_version, kind = "string")]
    pub ipmi_protocol_version: Version,
    /// Set the boot device again before each power on, for BMCs that forget it; false by default.
    #[property(default = false, parse = boolean, kind = "boolean")]
    pub ipmi_force_boot_device: bool,
    /// Tell the BMC not to forget a boot device after 60 seconds; by default as the option `[ipmi]disable_boot_timeout`
    /// says.
    #[property(parse = boolean, kind = "boolean")]
    pub ipmi_disable_boot_timeout: Option<bool>,
    /// How the controller that is meant is reached: `no` (default: it is the BMC), `single` or `dual` bridging.
    #[property(default = Bridging::No, parse = bridging, kind = "string")]
    pub ipmi_bridging: Bridging,
    /// Our address on the bus between controllers, 0x20 by default; for bridging.
    #[property(default = LOCAL_ADDRESS, parse = bus_address, kind = "string")]
    pub ipmi_local_address: u8,
    /// Address of the controller behind the BMC; for bridging.
    #[property(parse = bus_address, kind = "string")]
    pub ipmi_target_address: Option<u8>,
    /// Channel that leads to the controller behind the BMC; for bridging.
    #[property(parse = channel, kind = "string")]
    pub ipmi_target_channel: Option<u8>,
    /// Address of the controller in between; for dual bridging.
    #[property(parse = bus_address, kind = "string")]
    pub ipmi_transit_address: Option<u8>,
    /// Channel that leads to the controller in between; for dual bridging.
    #[property(parse = channel, kind = "string")]
    pub ipmi_transit_channel: Option<u8>,
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
    target(&shared.options, task).await.map(drop)
}

/// The BMC of a node and the credentials for it; asks the host for the secrets.
///
/// # Errors
///
/// - [`InvalidParameter`](ErrorKind::InvalidParameter): password or BMC key is too long, the key not hexadecimal,
///   a cipher suite not allowed, or keys that do not go together. No message repeats a secret.
/// - [`MissingParameter`](ErrorKind::MissingParameter) names all keys that bridging lacks.
pub async fn target(options: &IpmiOptions, task: &DriverTask<IpmiInfo>) -> Result<Arc<Target>> {
    let info = task.info();
    let suite = suite(options, info)?;
    let route = route(info)?;
    let password = match &info.ipmi_password {
        Some(reference) => Secret::new(task.reveal(reference).await?.expose().as_bytes().to_vec()),
        None => Secret::new(Vec::new()),
    };
    let version = info.ipmi_protocol_version;
    if version == Version::V1_5 && OLD_PASSWORD_SIZE_MAX < password.expose().len() {
        let text =
            format!("`ipmi_password`: password is longer than the {OLD_PASSWORD_SIZE_MAX} bytes of IPMI 1.5");
        return Err(DriverError::invalid_parameter(text));
    }
    let bmc_key = match &info.ipmi_hex_kg_key {
        Some(reference) => Some(key_of(task.reveal(reference).await?.expose())?),
        None => None,
    };
    let credentials = Credentials::new(info.ipmi_username.clone(), password, bmc_key, info.ipmi_priv_level);
    let endpoint = Endpoint { host: info.ipmi_address.clone(), port: info.ipmi_port };
    let target = Target::new(endpoint, credentials.map_err(invalid_credentials)?);
    Ok(Arc::new(Target { suite, version, route, ..target }))
}

/// The cipher suite a node pins, if it may.
fn suite(options: &IpmiOptions, info: &IpmiInfo) -> Result<Option<CipherSuite>> {
    let Some(suite) = info.ipmi_cipher_suite else { return Ok(None) };
    if info.ipmi_protocol_version == Version::V1_5 {
        let text = "`ipmi_cipher_suite`: version 1.5 of `ipmi_protocol_version` has no cipher suites";
        return Err(DriverError::invalid_parameter(text));
    }
    if !suite.is_good() && !options.allow_insecure_cipher_suites {
        let text = format!(
            "`ipmi_cipher_suite`: {} is an insecure cipher suite, use 3 or 17; \
             `[ipmi]allow_insecure_cipher_suites` allows it all the same",
            suite.id()
        );
        return Err(DriverError::invalid_parameter(text));
    }
    Ok(Some(suite))
}

/// The way to the controller that is meant, if it is not the BMC itself.
fn route(info: &IpmiInfo) -> Result<Option<Route>> {
    let target = [
        ("ipmi_target_channel", info.ipmi_target_channel),
        ("ipmi_target_address", info.ipmi_target_address),
    ];
    let transit = [
        ("ipmi_transit_channel", info.ipmi_transit_channel),
        ("ipmi_transit_address", info.ipmi_transit_address),
    ];
    let (kind, needed) = match info.ipmi_bridging {
        Bridging::No => return Ok(None),
        Bridging::Single => ("single", target.to_vec()),
        Bridging::Dual => ("dual", [target, transit].concat()),
    };
    let missing: Vec<_> =
        needed.iter().filter(|(_, value)| value.is_none()).map(|(key, _)| format!("`{key}`")).collect();
    if !missing.is_empty() {
        let text = format!("{kind} bridging needs {}", missing.join(", "));
        return Err(DriverError::missing_parameter(text));
    }
    let hop = |[(_, channel), (_, address)]: [(&str, Option<u8>); 2]| {
        channel.zip(address).map(|(channel, address)| Hop { channel, address })
    };
    let transit = if info.ipmi_bridging == Bridging::Dual { hop(transit) } else { None };
    let local_address = info.ipmi_local_address;
    Ok(hop(target).map(|target| Route { local_address, target, transit }))
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

#[cfg(test)]
mod tests;
