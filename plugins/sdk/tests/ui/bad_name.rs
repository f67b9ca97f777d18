use farrier_sdk::prelude::*;

struct AcmeVendor;

#[interface(vendor, name = "Acme BMC")]
impl VendorInterface for AcmeVendor {
    type Info = NoInfo;
}

fn main() {}
