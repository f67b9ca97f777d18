use farrier_sdk::prelude::*;

struct AcmeVendor;

#[interface(vender, name = "acme")]
impl VendorInterface for AcmeVendor {
    type Info = NoInfo;
}

fn main() {}
