//! The manual's page of the interface types has every method of the SDK, and no other.

use std::collections::BTreeMap;
use std::fs;

use crate::architecture::root;

const PAGE: &str = "docs/src/vendor/reference.md";

/// Types whose methods are the SDK's; those of `vendor` are the plugin's own.
const KINDS: [&str; 12] = [
    "bios",
    "boot",
    "console",
    "deploy",
    "firmware",
    "inspect",
    "management",
    "network",
    "power",
    "raid",
    "rescue",
    "storage",
];

/// Methods by name, with whether they have to be written.
type Methods = BTreeMap<String, bool>;

/// The methods of a trait of the SDK.
fn in_sdk(kind: &str) -> Methods {
    let text = fs::read_to_string(root().join(format!("plugins/sdk/src/interface/{kind}.rs"))).unwrap();
    let body = text.split_once("\npub trait ").unwrap().1.split("\n}").next().unwrap().to_owned();
    let mut methods = Methods::new();
    let mut parts = body.split("async fn ");
    let mut before = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let name = part.split('(').next().unwrap().to_owned();
        // Its own head ends with a body or without; what stands before it may say that it is optional.
        let head_end = part.find([';', '{']).unwrap();
        let has_body = part.get(head_end..).is_some_and(|end| end.starts_with('{'));
        let attributes = before.rsplit("\n\n").next().unwrap_or_default();
        let optional = attributes.contains("#[provided(") || attributes.contains("unsupported");
        methods.insert(name, !has_body && !optional);
        part.clone_into(&mut before);
    }
    methods
}

/// The methods of a section of the page.
fn on_page(page: &str, kind: &str) -> Methods {
    let section = page.split(&format!("\n## {kind}\n")).nth(1).unwrap().split("\n## ").next().unwrap();
    let rows = section.lines().filter_map(|line| line.strip_prefix("| `"));
    rows.map(|row| {
        let name = row.split(['`', '(']).next().unwrap().to_owned();
        let cells: Vec<&str> = row.split(" | ").collect();
        assert_eq!(cells.len(), 6, "{kind}: {row}");
        (name, cells[2].starts_with("needed"))
    })
    .collect()
}

#[test]
fn every_method_has_its_row_and_says_whether_it_has_to_be_written() {
    let page = fs::read_to_string(root().join(PAGE)).unwrap();

    for kind in KINDS {
        assert_eq!(on_page(&page, kind), in_sdk(kind), "{kind}: the page, then the SDK");
    }
}
