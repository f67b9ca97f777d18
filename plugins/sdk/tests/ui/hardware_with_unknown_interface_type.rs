use farrier_sdk::prelude::*;

export_plugin! {
    name: "acme",
    interfaces: [],
    hardware: { "acme" => { powr: ["acme"] } },
}

fn main() {}
