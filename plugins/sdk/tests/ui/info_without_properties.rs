use farrier_sdk::prelude::*;

struct AcmeInfo;

struct AcmeVendor;

#[interface(vendor, name = "acme")]
impl VendorInterface for AcmeVendor {
    type Info = AcmeInfo;
}

fn main() {}
