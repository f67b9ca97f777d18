//! Step 13: both sides lay out the types of the boundary alike.

use std::collections::BTreeSet;

use abi_stable::StableAbi;
use abi_stable::abi_stability::abi_checking::{
    AbiInstability, AbiInstabilityError, AbiInstabilityErrors, check_layout_compatibility,
};
use abi_stable::library::LibHeader;
use abi_stable::type_layout::{TLFieldOrFunction, TypeLayout};
use farrier_abi::{PluginModRef, abi_stable};

use crate::error::LoadError;
use crate::text::list;

/// Most differences that a summary tells: the first ones say what happened.
const DIFFERENCES_MAX: usize = 3;

/// Compares the library's types with ours, in both directions: one passes when the library is as new as this
/// host or newer, the other when it is older. Both fail when a type has changed in a way that it never may.
///
/// # Errors
///
/// [`LoadError::Layout`].
pub(crate) fn check(header: &LibHeader) -> Result<(), LoadError> {
    let host = <PluginModRef as StableAbi>::LAYOUT;
    let Some(library) = header.layout() else {
        let summary = "the library was built without them".to_owned();
        return Err(LoadError::Layout { types: Vec::new(), summary, full: String::new() });
    };
    let Err(errors) = check_layout_compatibility(host, library) else { return Ok(()) };
    if check_layout_compatibility(library, host).is_ok() {
        return Ok(());
    }
    Err(condense(&errors))
}

/// The types and differences that matter, out of a thousand lines.
fn condense(errors: &AbiInstabilityErrors) -> LoadError {
    let mut types = BTreeSet::new();
    let mut differences = Vec::new();
    for error in errors.errors.iter().filter(|error| !error.errs.is_empty()) {
        let place = place(error, errors.interface);
        for difference in &error.errs {
            let text = format!("`{place}` {}", describe(difference));
            if !differences.contains(&text) {
                differences.push(text);
            }
        }
        types.insert(place);
    }
    let left = differences.len().saturating_sub(DIFFERENCES_MAX);
    differences.truncate(DIFFERENCES_MAX);
    let mut summary = differences.join("; ");
    if 0 < left {
        summary.push_str(&format!("; and {left} more"));
    }
    LoadError::Layout { types: types.into_iter().collect(), summary, full: errors.to_string() }
}

/// The type, or the function, that differs.
fn place(error: &AbiInstabilityError, root: &'static TypeLayout) -> String {
    let innermost = error.stack_trace.iter().next_back();
    match innermost.map(|step| &step.expected) {
        Some(TLFieldOrFunction::Field(field)) => field.layout().name().to_owned(),
        Some(TLFieldOrFunction::Function(function)) => function.name.as_str().to_owned(),
        None => root.name().to_owned(),
    }
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "the kinds that our types can differ in have a text; the full comparison has them all"
)]
fn describe(difference: &AbiInstability) -> String {
    match difference {
        AbiInstability::Name(found) => format!("is `{}` there", found.found),
        AbiInstability::Package(found) => format!("is of package `{}` there", found.found),
        AbiInstability::PackageVersion(found) => {
            format!("is of version {} there, {} here", found.found, found.expected)
        }
        AbiInstability::Size(found) => format!("has {} bytes there, {} here", found.found, found.expected),
        AbiInstability::Alignment(found) => {
            format!("is aligned to {} bytes there, {} here", found.found, found.expected)
        }
        AbiInstability::FieldCountMismatch(found) => {
            format!("has {} fields there, {} here", found.found, found.expected)
        }
        AbiInstability::UnexpectedField(found) => {
            format!(
                "has field {} where {} is here",
                list([found.found.name()]),
                list([found.expected.name()])
            )
        }
        AbiInstability::MismatchedPrefixSize(_) => "begins differently".to_owned(),
        AbiInstability::FnQualifierMismatch(_) => "is called differently".to_owned(),
        _ => "differs".to_owned(),
    }
}
