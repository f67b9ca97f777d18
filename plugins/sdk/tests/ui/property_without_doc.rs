use farrier_sdk::prelude::*;

#[derive(Properties)]
struct AcmeInfo {
    /// Address of the BMC
    acme_address: String,
    acme_port: u16,
}

fn main() {}
