//! Doc comments and JSON text.

use syn::{Attribute, Expr, ExprLit, Lit, Meta};

/// The doc comment of an item as one text: lines joined by spaces, empty without one.
pub(crate) fn doc(attributes: &[Attribute]) -> String {
    let lines = attributes.iter().filter_map(|attribute| match &attribute.meta {
        Meta::NameValue(pair) if pair.path.is_ident("doc") => match &pair.value {
            Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => Some(text.value().trim().to_owned()),
            _ => None,
        },
        _ => None,
    });
    lines.filter(|line| !line.is_empty()).collect::<Vec<_>>().join(" ")
}

/// `text` as a JSON string, quotes included.
pub(crate) fn json(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            other if (other as u32) < 0x20 => out.push_str(&format!("\\u{:04x}", other as u32)),
            other => out.push(other),
        }
    }
    out.push('"');
    out
}

/// A JSON list of strings.
pub(crate) fn json_list<T: AsRef<str>>(items: &[T]) -> String {
    format!("[{}]", items.iter().map(|item| json(item.as_ref())).collect::<Vec<_>>().join(","))
}
