use farrier_sdk::prelude::*;

export_plugin! {
    name: "acme",
    interfaces: [],
    hardware: {
        "acme" => { power: ["acme"] },
        "acme" => { power: ["ipmitool"] },
    },
}

fn main() {}
