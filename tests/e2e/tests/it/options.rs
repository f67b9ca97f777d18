//! The manual's page of all options is what the sources say.

use std::fs;

use farrier_e2e::options::{Options, PAGE};

use crate::architecture::root;

#[test]
fn the_page_of_options_is_what_the_sources_say() {
    let page = fs::read_to_string(root().join(PAGE)).unwrap();

    let current = Options::find(&root()).unwrap().to_string();

    assert!(page == current, "`cargo xtask docs --pages` writes it anew");
}

#[test]
fn every_option_has_a_type_a_default_and_a_meaning() {
    let Options(tables) = Options::find(&root()).unwrap();

    for table in tables {
        for row in table.rows {
            let whole =
                [&row.name, &row.kind, &row.default, &row.meaning].iter().all(|text| !text.is_empty());
            assert!(whole, "{}: {row:?}", table.title);
            // What is left of Rust is no value of the configuration.
            assert!(!row.default.contains("::") && !row.default.contains("()"), "{}: {row:?}", table.title);
        }
    }
}
