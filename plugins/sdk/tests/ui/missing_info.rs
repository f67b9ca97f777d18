use farrier_sdk::prelude::*;

struct AcmeVendor;

#[interface(vendor, name = "acme")]
impl VendorInterface for AcmeVendor {}

fn main() {}
