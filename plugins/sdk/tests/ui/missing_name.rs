use farrier_sdk::prelude::*;

struct AcmeVendor;

#[interface(vendor)]
impl VendorInterface for AcmeVendor {
    type Info = NoInfo;
}

fn main() {}
