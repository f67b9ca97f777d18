use farrier_sdk::prelude::*;

struct First;

#[interface(vendor, name = "acme")]
impl VendorInterface for First {
    type Info = NoInfo;
}

struct Second;

#[interface(vendor, name = "acme-2", aliases = ["acme"])]
impl VendorInterface for Second {
    type Info = NoInfo;
}

export_plugin! {
    name: "acme",
    interfaces: [First, Second],
    hardware: {},
}

fn main() {}
