//! ABI 1 as it is laid out: names, order, types, sizes, alignments and offsets of everything that crosses the
//! boundary.
//!
//! **Invariant:** from the first published SDK on, `abi_v1.txt` is never edited, except that a method may be
//! appended to a trait, with a default body, below the ones that are there.

use farrier_abi::abi_stable::StableAbi;
use farrier_abi::abi_stable::type_layout::{TLData, TLField, TLFields, TypeLayout};
use farrier_abi::future::{FfiWaker, WakerTable};
use farrier_abi::{
    BFuture, Bytes, HostBox, InterfaceBox, LogRecord, PluginBox, PluginModRef, Reply, TaskBox,
};

/// The layout that every plugin of ABI 1 relies on.
const FROZEN: &str = include_str!("abi_v1.txt");

#[test]
#[cfg(target_pointer_width = "64")]
fn the_boundary_is_laid_out_as_ever() {
    let now: String = [
        <PluginModRef as StableAbi>::LAYOUT,
        <PluginBox as StableAbi>::LAYOUT,
        <InterfaceBox as StableAbi>::LAYOUT,
        <HostBox as StableAbi>::LAYOUT,
        <TaskBox as StableAbi>::LAYOUT,
        <LogRecord<'static> as StableAbi>::LAYOUT,
        <BFuture<()> as StableAbi>::LAYOUT,
        <BFuture<Reply> as StableAbi>::LAYOUT,
        <FfiWaker as StableAbi>::LAYOUT,
        <WakerTable as StableAbi>::LAYOUT,
        <Reply as StableAbi>::LAYOUT,
        <Bytes as StableAbi>::LAYOUT,
    ]
    .into_iter()
    .map(describe)
    .collect();

    assert!(now == FROZEN, "this would lock every plugin out; the boundary is now:\n{now}");
}

/// A type, and where its fields are.
fn describe(layout: &'static TypeLayout) -> String {
    let fields = match layout.data() {
        TLData::Struct { fields } => fields,
        TLData::PrefixType(prefix) => {
            let required = prefix.first_suffix_field;
            return format!("{}    the first {required} are required\n", lines(layout, prefix.fields));
        }
        TLData::Enum(variants) => {
            let fields = variants.fields.iter().map(|field| field.full_type().to_string());
            let fields = fields.collect::<Vec<_>>().join(", ");
            return format!("{}    variants {} of {fields}\n", head(layout), variants.variant_names);
        }
        TLData::Primitive(_) | TLData::Opaque | TLData::Union { .. } => return head(layout),
    };
    let mut text = lines(layout, fields);
    text.extend(vtables(layout).into_iter().map(describe));
    text
}

fn head(layout: &TypeLayout) -> String {
    format!("{}: {} bytes, aligned to {}\n", layout.full_type(), layout.size(), layout.alignment())
}

/// The type and its fields, one line each, at the offsets that C gives them.
fn lines(layout: &TypeLayout, fields: TLFields) -> String {
    let mut text = head(layout);
    let mut end = 0;
    for field in fields.iter() {
        let inner = field.layout();
        let at = usize::next_multiple_of(end, inner.alignment());
        end = at + inner.size();
        let signature = signature(&field).unwrap_or_else(|| inner.full_type().to_string());
        text.push_str(&format!("    {at:>3} {}: {}\n", field.name(), signature.trim()));
    }
    text
}

/// What is called through a field, if it is a function; without names of parameters, which may change.
fn signature(field: &TLField) -> Option<String> {
    let shown = field.to_string();
    let (_, function) = shown.split_once("fn pointer(s):")?;
    let function = function.split_once("lifetime indices").map_or(function, |(function, _)| function);
    let (before, rest) = function.trim().split_once('(')?;
    // Two kinds of parentheses: of the parameters, and of unit.
    let (parameters, answer) = rest.rsplit_once(")->")?;
    let parameters =
        parameters.split(", ").map(|one| one.split_once(": ").map_or(one, |(_, kind)| kind).trim());
    Some(format!("{before}({}) -> {answer}", parameters.collect::<Vec<_>>().join(", ")))
}

/// Method tables of a trait object, and root modules: they hide behind the parameters of a pointer's type.
fn vtables(layout: &'static TypeLayout) -> Vec<&'static TypeLayout> {
    let mut found = Vec::new();
    let mut left = vec![layout];
    while let Some(next) = left.pop() {
        for parameter in next.generics().type_params() {
            let parameter = parameter();
            if matches!(parameter.data(), TLData::PrefixType(_)) {
                found.push(parameter);
            }
        }
        if let TLData::Struct { fields } = next.data() {
            left.extend(fields.iter().map(|field| field.layout()));
        }
        left.extend(next.phantom_fields().iter().map(|field| field.layout()));
    }
    found
}
