//! The daemon: REST API, conductor and plugins in one process.

fn main() {}
