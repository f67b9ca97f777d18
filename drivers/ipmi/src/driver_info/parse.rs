//! Readers of single values of `driver_info`. Their errors are what comes after the key.

use std::net::{IpAddr, Ipv6Addr};

use farrier_sdk::prelude::*;

use super::Bridging;
use crate::crypto::CipherSuite;
use crate::target::{Privilege, USER_SIZE_MAX, Version};

/// Longest host name, in bytes.
///
/// Source: RFC 1123.
const HOST_SIZE_MAX: usize = 253;

/// Longest label of a host name, in bytes.
const LABEL_SIZE_MAX: usize = 63;

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

pub(super) fn host(value: &Value) -> Result<String, String> {
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

pub(super) fn port(value: &Value) -> Result<u16, String> {
    number(value)
        .and_then(|number| u16::try_from(number).ok())
        .filter(|port| *port != 0)
        .ok_or_else(|| format!("{value} is not a port from 1 to {}", u16::MAX))
}

pub(super) fn user(value: &Value) -> Result<String, String> {
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

pub(super) fn privilege(value: &Value) -> Result<Privilege, String> {
    value.as_str().and_then(Privilege::from_name).ok_or_else(|| {
        let allowed = Privilege::ALL.map(Privilege::as_str).join(", ");
        format!("{value} is not one of {allowed}")
    })
}

pub(super) fn cipher_suite(value: &Value) -> Result<CipherSuite, String> {
    let id = number(value).and_then(|number| u8::try_from(number).ok());
    id.and_then(CipherSuite::from_id)
        .ok_or_else(|| format!("{value} is not a supported cipher suite, use 3 or 17"))
}

pub(super) fn protocol_version(value: &Value) -> Result<Version, String> {
    let text = value.as_str().map_or_else(|| value.to_string(), |text| text.trim().to_owned());
    match text.as_str() {
        "2.0" | "2" => Ok(Version::V2_0),
        "1.5" => Ok(Version::V1_5),
        _ => Err(format!("{value} is not one of 2.0, 1.5")),
    }
}

pub(super) fn bridging(value: &Value) -> Result<Bridging, String> {
    match value.as_str().map(str::trim) {
        Some("no") => Ok(Bridging::No),
        Some("single") => Ok(Bridging::Single),
        Some("dual") => Ok(Bridging::Dual),
        _ => Err(format!("{value} is not one of no, single, dual")),
    }
}

pub(super) fn bus_address(value: &Value) -> Result<u8, String> {
    byte(value).ok_or_else(|| format!("{value} is not an address from 0 to 255 (0x00 to 0xff)"))
}

pub(super) fn channel(value: &Value) -> Result<u8, String> {
    byte(value)
        .filter(|channel| *channel < 16)
        .ok_or_else(|| format!("{value} is not a channel from 0 to 15"))
}

/// A number, or the text of one.
fn number(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| value.as_str()?.trim().parse().ok())
}

/// The same up to 255, and also in the other spellings of [`byte_of`].
fn byte(value: &Value) -> Option<u8> {
    match value.as_str() {
        Some(text) => byte_of(text.trim()),
        None => value.as_u64().and_then(|number| u8::try_from(number).ok()),
    }
}

/// A byte as `ipmitool` reads it: decimal, hexadecimal after `0x`, octal after `0`.
pub(crate) fn byte_of(text: &str) -> Option<u8> {
    let hexadecimal = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"));
    let (digits, radix) = match (hexadecimal, text.strip_prefix('0')) {
        (Some(digits), _) => (digits, 16),
        (None, Some(digits)) if !digits.is_empty() => (digits, 8),
        (None, _) => (text, 10),
    };
    // The standard library takes a sign, which has no place here.
    let only_digits = digits.bytes().all(|byte| byte.is_ascii_alphanumeric());
    only_digits.then(|| u8::from_str_radix(digits, radix).ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_decimal_hexadecimal_and_octal() {
        for (text, byte) in
            [("0", Some(0)), ("32", Some(32)), ("0x20", Some(32)), ("0X2a", Some(42)), ("010", Some(8))]
        {
            assert_eq!(byte_of(text), byte, "{text}");
        }
        for text in ["", "256", "0x100", "+1", "-1", "0x", "0x+1", "08", "1.0", "zwei"] {
            assert_eq!(byte_of(text), None, "{text}");
        }
    }
}
