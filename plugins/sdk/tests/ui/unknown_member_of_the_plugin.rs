use farrier_sdk::prelude::*;

export_plugin! {
    name: "acme",
    interface: [],
}

fn main() {}
