//! The command line of operators.

fn main() {}
