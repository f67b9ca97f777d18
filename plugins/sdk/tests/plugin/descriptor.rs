//! What the plugin says about itself without being run.

use std::collections::BTreeSet;

use farrier_sdk::descriptor::Descriptor;
use farrier_sdk::interface::InterfaceType;
use serde_json::Value;

use crate::acme::farrier_plugin;

fn text() -> &'static str {
    farrier_plugin().descriptor()().as_str()
}

/// The descriptor without what changes from build to build.
fn steady() -> Value {
    let mut descriptor: Value = serde_json::from_str(text()).unwrap();
    for (key, value) in [("rustc", "1.0.0"), ("sdk", "1.0.0"), ("version", "1.0.0")] {
        assert!(descriptor[key].is_string(), "{key}");
        descriptor[key] = Value::from(value);
    }
    descriptor["cpu"].take();
    descriptor
}

#[test]
fn the_descriptor_tells_everything_about_the_plugin() {
    insta::assert_json_snapshot!(steady());
}

#[test]
fn every_member_of_the_text_is_read() {
    let descriptor: Descriptor = serde_json::from_str(text()).unwrap();

    let (mut written, mut read) = (paths(&serde_json::from_str(text()).unwrap()), BTreeSet::new());
    collect(&serde_json::to_value(descriptor).unwrap(), "", &mut read);
    // A step without arguments has none to read.
    written.retain(|path| !read.contains(path));

    assert!(written.is_empty(), "{written:?}");
}

fn paths(value: &Value) -> BTreeSet<String> {
    let mut paths = BTreeSet::new();
    collect(value, "", &mut paths);
    paths
}

/// Adds the path of every member below `value`; places in lists do not count.
fn collect(value: &Value, path: &str, paths: &mut BTreeSet<String>) {
    match value {
        Value::Object(members) => {
            for (key, member) in members {
                let path = format!("{path}.{key}");
                collect(member, &path, paths);
                paths.insert(path);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, path, paths)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[test]
fn an_alias_finds_its_implementation() {
    let descriptor: Descriptor = serde_json::from_str(text()).unwrap();

    let found = descriptor.interface(InterfaceType::Power, "acmetool").unwrap();

    assert_eq!(found.name, "acme");
    assert!(descriptor.interface(InterfaceType::Management, "acmetool").is_none());
}

#[test]
fn only_methods_that_answer_are_listed() {
    let descriptor: Descriptor = serde_json::from_str(text()).unwrap();

    let methods = &descriptor.interface(InterfaceType::Management, "acme").unwrap().methods;

    let expected =
        ["get_boot_device", "get_sensors_data", "get_supported_boot_devices", "set_boot_device", "validate"];
    assert_eq!(methods.iter().map(String::as_str).collect::<Vec<_>>(), expected);
}

#[test]
fn the_note_in_the_file_is_the_descriptor_of_the_code() {
    let program = std::fs::read(std::env::current_exe().unwrap()).unwrap();

    let mut header = Vec::new();
    header.extend(8_u32.to_le_bytes());
    header.extend(u32::try_from(text().len()).unwrap().to_le_bytes());
    header.extend(farrier_abi::note::TYPE_DESCRIPTOR.to_le_bytes());
    header.extend(farrier_abi::note::OWNER);
    let starts: Vec<_> =
        program.windows(header.len()).enumerate().filter(|(_, window)| *window == header).collect();

    assert_eq!(starts.len(), 1, "the linker kept one note");
    let start = starts[0].0 + header.len();
    assert_eq!(&program[start..start + text().len()], text().as_bytes());
    assert_eq!(text().len() % 4, 0);
}
