//! What the macros tell a vendor who forgot something.
//!
//! The messages are part of the contract with vendors: read a changed one before it is accepted.
#![forbid(unsafe_code)]

#[test]
fn mistakes_are_explained_by_the_compiler() {
    trybuild::TestCases::new().compile_fail("tests/ui/*.rs");
}
