//! The rows of the reference have tests, and the manual says which.

use std::fs;

use farrier_e2e::rows::{PAGE, Rows};

use crate::architecture::root;

#[test]
fn no_test_proves_a_row_that_does_not_exist() {
    let rows = Rows::find(&root()).unwrap();

    assert!(rows.unknown().is_empty(), "{:?}", rows.unknown());
}

#[test]
fn every_row_has_a_test() {
    let missing: Vec<String> =
        Rows::find(&root()).unwrap().missing().iter().map(ToString::to_string).collect();

    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn the_page_of_the_manual_is_what_the_tests_say() {
    let page = fs::read_to_string(root().join(PAGE)).unwrap();

    let current = Rows::find(&root()).unwrap().to_string();

    assert!(page == current, "`cargo xtask docs --pages` writes it anew");
}
