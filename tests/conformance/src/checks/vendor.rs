//! `VND`: vendor methods.

use std::collections::BTreeSet;

use farrier_sdk::error::ErrorKind;
use farrier_sdk::interface::InterfaceType;
use serde_json::{Map, Value, json};

use super::stand::{self, Stand, is_broken};
use crate::bench::{Answer, Bench};
use crate::check::{Check, Judgement, Level, Needs, none_of, not_applicable};

/// What the API can be asked with.
const HTTP_METHODS: [&str; 5] = ["GET", "POST", "PUT", "PATCH", "DELETE"];

#[rustfmt::skip]
pub(super) const CHECKS: &[Check] = &[
    Check { id: "VND-001", level: Level::Must, needs: Needs::File, run: http_methods_are_some,
        requirement: "Every vendor method accepts at least one of GET, POST, PUT, PATCH and DELETE, and nothing else.",
        source: "descriptor: the API answers others itself" },
    Check { id: "VND-002", level: Level::Must, needs: Needs::Plugin, run: declared_methods_answer,
        requirement: "Every vendor method that is declared answers, if only with an error of its machine or its arguments.",
        source: "descriptor: the conductor goes by what is listed" },
    Check { id: "VND-003", level: Level::Must, needs: Needs::Plugin, run: good_arguments_are_accepted,
        requirement: "`validate` accepts a vendor method with the arguments that the profile has for it.",
        source: "VendorInterface::validate" },
    Check { id: "VND-004", level: Level::Must, needs: Needs::Plugin, run: missing_arguments_are_refused,
        requirement: "`validate` refuses a vendor method without an argument that it needs as `missing_parameter`.",
        source: "VendorInterface::validate: before the lock is taken" },
    Check { id: "VND-005", level: Level::Must, needs: Needs::Plugin, run: wrong_arguments_are_refused,
        requirement: "`validate` refuses a vendor method whose argument has a wrong type as `invalid_parameter`.",
        source: "VendorInterface::validate: before the lock is taken" },
    Check { id: "VND-006", level: Level::Must, needs: Needs::MachineChanged, run: methods_work,
        requirement: "A vendor method that the profile has arguments for works on the machine.",
        source: "VendorInterface" },
];

/// The vendor methods that the profile has arguments for.
fn given<'a>(stand: &'a Stand) -> impl Iterator<Item = (&'a str, &'a Map<String, Value>)> {
    let methods = &stand.bench.profile().vendor_methods;
    let described = stand.described.vendor_methods.iter();
    described.filter_map(|method| Some((method.name.as_str(), methods.get(&method.name)?)))
}

fn validated(stand: &Stand, method: &str, arguments: &Map<String, Value>) -> Answer {
    stand.call("validate", &json!({"method": method, "arguments": arguments}))
}

/// Looks at every argument of every method in the profile, if there are any.
fn each_argument(
    bench: &Bench,
    look: impl Fn(&Stand, &str, &str, Map<String, Value>) -> Option<String>,
) -> Judgement {
    stand::each_absent(bench, InterfaceType::Vendor, |stand| {
        let (mut faults, mut looked) = (Vec::new(), false);
        for (method, arguments) in given(stand) {
            for name in arguments.keys() {
                looked = true;
                faults.extend(look(stand, method, name, arguments.clone()));
            }
        }
        if looked {
            none_of(&faults)
        } else {
            not_applicable("the profile has no arguments of vendor methods")
        }
    })
}

fn http_methods_are_some(bench: &Bench) -> Judgement {
    let (mut faults, mut looked) = (Vec::new(), false);
    for interface in &bench.descriptor()?.interfaces {
        for method in &interface.vendor_methods {
            looked = true;
            let distinct: BTreeSet<&String> = method.http_methods.iter().collect();
            let known = distinct.iter().all(|name| HTTP_METHODS.contains(&name.as_str()));
            if distinct.is_empty() || distinct.len() != method.http_methods.len() || !known {
                let place = format!("`{}` of {} `{}`", method.name, interface.kind, interface.name);
                faults.push(format!("{place} accepts {:?}", method.http_methods));
            }
        }
    }
    if looked { none_of(&faults) } else { not_applicable("it has no vendor method") }
}

fn declared_methods_answer(bench: &Bench) -> Judgement {
    stand::each_absent(bench, InterfaceType::Vendor, |stand| {
        let mut faults = Vec::new();
        for method in &stand.described.vendor_methods {
            let arguments = stand.bench.profile().vendor_methods.get(&method.name);
            let call = json!({"method": method.name, "arguments": arguments.cloned().unwrap_or_default()});
            if let Err(error) = stand.call("vendor_call", &call)
                && (error.kind() == ErrorKind::Unsupported || is_broken(error.kind()))
            {
                faults.push(format!("`{}` is {:?}: {error}", method.name, error.kind()));
            }
        }
        if stand.described.vendor_methods.is_empty() {
            return not_applicable("it has no vendor method");
        }
        none_of(&faults)
    })
}

fn good_arguments_are_accepted(bench: &Bench) -> Judgement {
    stand::each_absent(bench, InterfaceType::Vendor, |stand| {
        let (mut faults, mut looked) = (Vec::new(), false);
        for (method, arguments) in given(stand) {
            looked = true;
            if let Err(error) = validated(stand, method, arguments) {
                faults.push(format!("`{method}` is {:?}: {error}", error.kind()));
            }
        }
        if looked {
            none_of(&faults)
        } else {
            not_applicable("the profile has no arguments of vendor methods")
        }
    })
}

fn missing_arguments_are_refused(bench: &Bench) -> Judgement {
    each_argument(bench, |stand, method, name, mut arguments| {
        arguments.remove(name);
        match validated(stand, method, &arguments) {
            Err(error) if error.kind() == ErrorKind::MissingParameter => None,
            Err(error) => Some(format!("`{method}` without `{name}` is {:?}: {error}", error.kind())),
            Ok(_) => Some(format!("`{method}` without `{name}` was accepted")),
        }
    })
}

fn wrong_arguments_are_refused(bench: &Bench) -> Judgement {
    each_argument(bench, |stand, method, name, mut arguments| {
        // No argument is a list of lists.
        arguments.insert(name.to_owned(), json!([[{"kit": null}]]));
        match validated(stand, method, &arguments) {
            Err(error) if error.kind() == ErrorKind::InvalidParameter => None,
            Err(error) => Some(format!("`{method}` with a bad `{name}` is {:?}: {error}", error.kind())),
            Ok(_) => Some(format!("`{method}` with a bad `{name}` was accepted")),
        }
    })
}

fn methods_work(bench: &Bench) -> Judgement {
    stand::each(bench, InterfaceType::Vendor, |stand| {
        let mut looked = false;
        for (method, arguments) in given(stand) {
            looked = true;
            let call = json!({"method": method, "arguments": arguments});
            if let Err(error) = stand.call("vendor_call", &call) {
                return Err(stand.refused(method, &format!("`{method}`"), &error));
            }
        }
        if looked { Ok(()) } else { not_applicable("the profile has no arguments of vendor methods") }
    })
}
