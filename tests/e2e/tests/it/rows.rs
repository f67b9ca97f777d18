//! The rows of the reference have tests.

use farrier_e2e::rows::Rows;

use crate::architecture::root;

#[test]
fn no_test_proves_a_row_that_does_not_exist() {
    let rows = Rows::find(&root()).unwrap();

    assert!(rows.unknown().is_empty(), "{:?}", rows.unknown());
}
