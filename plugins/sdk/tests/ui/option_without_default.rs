use farrier_sdk::prelude::*;

#[derive(Options)]
struct AcmeOptions {
    /// Seconds to wait
    timeout_s: u32,
}

fn main() {}
