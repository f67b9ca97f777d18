use farrier_sdk::prelude::*;

#[derive(serde::Deserialize, StepArgs)]
struct ResetArgs {
    force: bool,
}

fn main() {}
