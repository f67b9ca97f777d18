use farrier_sdk::prelude::*;

#[derive(Properties)]
struct AcmeInfo {
    /// Password of the BMC
    #[property(secrete)]
    acme_password: SecretRef,
}

fn main() {}
