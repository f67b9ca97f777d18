use farrier_sdk::prelude::*;

export_plugin! {
    name: "acme",
    interfaces: [],
    hardware: { "acme_bmc" => { power: ["acme"] } },
}

fn main() {}
