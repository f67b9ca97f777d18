//! Steps 5 and 6: what a plugin says about itself, and whether that fits this host.
//!
//! Reads in two goes. The first takes what every schema will have and what it offers, so that a refusal can
//! name both; the second takes everything. A descriptor is a stranger's text.

use std::collections::{BTreeMap, BTreeSet};

use farrier_abi::note;
use farrier_abi::{ABI_LIB, ABI_VERSION};
use farrier_sdk::descriptor::Descriptor;
use farrier_sdk::interface::InterfaceType;
use serde_json::Value;

use crate::elf::{Image, Note};
use crate::error::LoadError;
use crate::library::Offers;
use crate::system;
use crate::text::tame;

/// Form of the descriptor that this host reads.
const SCHEMA: u64 = 1;

/// Longest name of a plugin, hardware type or implementation, in bytes.
const NAME_SIZE_MAX: usize = 64;

/// What could be read.
#[derive(Debug)]
pub(crate) struct Reading {
    /// Name of the plugin, if it says one that can be shown.
    pub(crate) name: Option<String>,
    /// Its version, likewise.
    pub(crate) version: Option<String>,
    /// What it offers, as far as that has the form it has today.
    pub(crate) offers: Offers,
    /// All of it, if it fits this host.
    pub(crate) descriptor: Result<Descriptor, LoadError>,
}

/// Finds the descriptor's text in a library.
///
/// # Errors
///
/// [`LoadError::NotAPlugin`], [`LoadError::BadDescriptor`].
pub(crate) fn find<'a>(image: &Image<'a>) -> Result<&'a [u8], LoadError> {
    let owner = note::OWNER.strip_suffix(b"\0").unwrap_or(&note::OWNER);
    let notes = image.notes().unwrap_or_default();
    let ours = |note: &&Note<'_>| note.owner == owner && note.kind == note::TYPE_DESCRIPTOR;
    let mut found = notes.iter().filter(ours);
    let Some(first) = found.next() else {
        return Err(LoadError::NotAPlugin { why: "it has no descriptor".to_owned() });
    };
    if found.next().is_some() {
        return Err(bad("there is more than one"));
    }
    if note::DESCRIPTOR_SIZE_MAX < first.description.len() {
        return Err(bad(format!("it has {} bytes", first.description.len())));
    }
    Ok(first.description)
}

/// Reads the descriptor's text.
pub(crate) fn read(text: &[u8]) -> Reading {
    let value: Value = match serde_json::from_slice(text) {
        Ok(value) => value,
        Err(error) => {
            let why = format!("it is not JSON: {error}");
            let descriptor = Err(bad(why));
            return Reading { name: None, version: None, offers: Offers::default(), descriptor };
        }
    };
    let string = |key: &str| value.get(key).and_then(Value::as_str).map(tame).filter(|text| !text.is_empty());
    let descriptor = check(&value).and_then(|()| {
        // From the text: a value has lost members that are there twice.
        let descriptor: Descriptor = serde_json::from_slice(text).map_err(|error| bad(error.to_string()))?;
        check_names(&descriptor)?;
        check_build(&descriptor)?;
        Ok(descriptor)
    });
    Reading { name: string("name"), version: string("version"), offers: offers(&value), descriptor }
}

/// The numbers that say how to read the rest.
fn check(value: &Value) -> Result<(), LoadError> {
    let number = |key: &str| {
        value.get(key).and_then(Value::as_u64).ok_or_else(|| bad(format!("`{key}` is not a number")))
    };
    let (schema, abi) = (number("schema")?, number("abi")?);
    if abi != u64::from(ABI_VERSION) {
        return Err(LoadError::AbiVersion { found: abi, supported: ABI_VERSION });
    }
    if schema != SCHEMA {
        return Err(bad(format!("it has schema {schema}, this host reads {SCHEMA}")));
    }
    Ok(())
}

/// How it was built.
fn check_build(descriptor: &Descriptor) -> Result<(), LoadError> {
    if descriptor.abi_lib != ABI_LIB {
        let found = tame(&descriptor.abi_lib);
        return Err(LoadError::AbiLibrary { found, supported: ABI_LIB.to_owned() });
    }
    if descriptor.panic != "unwind" {
        return Err(LoadError::PanicStrategy { found: tame(&descriptor.panic) });
    }
    if descriptor.libc != system::LIBC {
        let found = tame(&descriptor.libc);
        return Err(LoadError::Libc { found, expected: system::LIBC.to_owned() });
    }
    let missing: Vec<String> =
        descriptor.cpu.iter().filter(|name| !system::has_feature(name)).map(|name| tame(name)).collect();
    if missing.is_empty() { Ok(()) } else { Err(LoadError::CpuFeature { missing }) }
}

/// All names have a form that configuration, API and paths can carry, and none is there twice.
fn check_names(descriptor: &Descriptor) -> Result<(), LoadError> {
    check_name("the plugin", &descriptor.name, is_name)?;
    let version = &descriptor.version;
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b".-+~_".contains(&byte);
    if version.is_empty() || NAME_SIZE_MAX < version.len() || !version.bytes().all(allowed) {
        return Err(bad(format!("`{}` is not a version", tame(version))));
    }
    for (name, supported) in &descriptor.hardware_types {
        check_name("a hardware type", name, is_hardware_type_name)?;
        for listed in supported.values().flatten() {
            check_name("a supported implementation", listed, is_name)?;
        }
    }
    let mut taken = BTreeSet::new();
    for interface in &descriptor.interfaces {
        for name in std::iter::once(&interface.name).chain(&interface.aliases) {
            check_name("an implementation", name, is_name)?;
            if !taken.insert((interface.kind, name)) {
                return Err(bad(format!("it has two {} interfaces `{name}`", interface.kind)));
            }
        }
    }
    Ok(())
}

fn check_name(what: &str, name: &str, rule: fn(&str) -> bool) -> Result<(), LoadError> {
    if rule(name) {
        return Ok(());
    }
    Err(bad(format!("{what} cannot be called `{}`", tame(name))))
}

/// Lower-case letters, digits and hyphens.
fn is_name(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=NAME_SIZE_MAX).contains(&name.len()) && name.bytes().all(allowed)
}

/// Also dots and underscores, which Ironic's hardware types may have.
fn is_hardware_type_name(name: &str) -> bool {
    is_name(&name.replace(['.', '_'], "-")) && name.starts_with(|first: char| first.is_ascii_alphanumeric())
}

/// What it offers, taken from whatever has the expected form.
fn offers(value: &Value) -> Offers {
    let types = value.get("hardware_types").and_then(Value::as_object);
    let hardware_types = types
        .into_iter()
        .flat_map(|types| types.keys())
        .filter(|name| is_hardware_type_name(name))
        .cloned()
        .collect();
    let mut interfaces: BTreeMap<InterfaceType, Vec<String>> = BTreeMap::new();
    for interface in value.get("interfaces").and_then(Value::as_array).into_iter().flatten() {
        let text = |key: &str| interface.get(key).and_then(Value::as_str);
        let Some(kind) = text("type").and_then(|kind| kind.parse().ok()) else { continue };
        let aliases = interface.get("aliases").and_then(Value::as_array).into_iter().flatten();
        let names = text("name").into_iter().chain(aliases.filter_map(Value::as_str));
        interfaces.entry(kind).or_default().extend(names.filter(|name| is_name(name)).map(str::to_owned));
    }
    Offers { hardware_types, interfaces }
}

fn bad(why: impl AsRef<str>) -> LoadError {
    LoadError::BadDescriptor { why: tame(why.as_ref()) }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn descriptor() -> Value {
        json!({
            "schema": 1, "abi": 1, "abi_lib": ABI_LIB, "panic": "unwind", "libc": system::LIBC, "cpu": [],
            "sdk": "0.1.0", "rustc": "1.95.0", "name": "acme", "version": "0.3.1",
            "hardware_types": {"acme": {"power": ["acme"]}},
            "interfaces": [{"type": "power", "name": "acme", "aliases": ["acme-old"]}],
        })
    }

    /// The descriptor with one member changed, read.
    fn with(pointer: &str, value: Value) -> Reading {
        let mut changed = descriptor();
        *changed.pointer_mut(pointer).unwrap() = value;
        read(changed.to_string().as_bytes())
    }

    fn refusal(pointer: &str, value: Value) -> String {
        with(pointer, value).descriptor.unwrap_err().to_string()
    }

    #[test]
    fn a_good_descriptor_is_read() {
        let text = format!("{}   ", descriptor());

        let reading = read(text.as_bytes());

        assert_eq!(reading.descriptor.unwrap().name, "acme");
        assert!(reading.offers.has_hardware_type("acme"));
        assert!(reading.offers.has_interface(InterfaceType::Power, "acme-old"));
    }

    #[test]
    fn another_abi_is_told_before_anything_else_and_offers_stay_known() {
        let reading = with("/abi", json!(2));

        assert_eq!(reading.descriptor.unwrap_err(), LoadError::AbiVersion { found: 2, supported: 1 });
        assert!(reading.offers.has_hardware_type("acme"));
    }

    #[test]
    fn each_way_to_be_built_for_another_host_has_its_message() {
        insta::assert_snapshot!(refusal("/abi_lib", json!("stabby/72")), @"built on `stabby/72`, this host is built on `abi_stable/0.11`");
        insta::assert_snapshot!(refusal("/panic", json!("abort")), @"built with panic strategy `abort`, only `unwind` keeps a panic inside the plugin");
        insta::assert_snapshot!(refusal("/libc", json!("musl")), @"built for C library `musl`, this host has `gnu`");
        insta::assert_snapshot!(refusal("/cpu", json!(["warp"])), @"built to use `warp`, which this CPU lacks");
    }

    #[test]
    fn each_way_to_be_unreadable_has_its_message() {
        insta::assert_snapshot!(refusal("/schema", json!(2)), @"its descriptor is not acceptable: it has schema 2, this host reads 1");
        insta::assert_snapshot!(refusal("/schema", json!("1")), @"its descriptor is not acceptable: `schema` is not a number");
        insta::assert_snapshot!(refusal("/name", json!("Acme Corp.")), @"its descriptor is not acceptable: the plugin cannot be called `Acme Corp.`");
        insta::assert_snapshot!(refusal("/version", json!("../..")), @"its descriptor is not acceptable: `../..` is not a version");
        insta::assert_snapshot!(refusal("/interfaces/0/aliases", json!(["acme"])), @"its descriptor is not acceptable: it has two power interfaces `acme`");
        insta::assert_snapshot!(refusal("/interfaces/0/name", json!("")), @"its descriptor is not acceptable: an implementation cannot be called ``");
        insta::assert_snapshot!(refusal("/hardware_types/acme/power", json!(["a b"])), @"its descriptor is not acceptable: a supported implementation cannot be called `a b`");
    }

    #[test]
    fn names_of_hardware_types_may_be_as_ironics_are() {
        assert!(is_hardware_type_name("fake-hardware"));
        assert!(is_hardware_type_name("pxe_ipmitool.v2"));
        assert!(!is_hardware_type_name("../acme"));
        assert!(!is_hardware_type_name(&"x".repeat(65)));
    }

    #[test]
    fn terminal_codes_in_names_are_not_repeated() {
        assert!(!refusal("/name", json!("\u{1b}[31mred")).contains('\u{1b}'));
    }

    proptest! {
        #[test]
        fn no_text_panics(text in vec(any::<u8>(), 0..256)) {
            let _ = read(&text);
        }
    }
}
