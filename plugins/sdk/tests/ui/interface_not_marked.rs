use farrier_sdk::prelude::*;

struct AcmeVendor;

impl VendorInterface for AcmeVendor {
    type Info = NoInfo;
}

export_plugin! {
    name: "acme",
    interfaces: [AcmeVendor],
    hardware: {},
}

fn main() {}
