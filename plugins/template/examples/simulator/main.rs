//! The simulated device as a program: prints where it is, as one line of JSON, and serves until it is ended.

mod device;

use std::io::{self, Write};

use device::{Simulator, Trouble};
use farrier_sdk::serde_json::json;

fn main() -> io::Result<()> {
    let simulator = Simulator::start(Trouble::None)?;
    let account = json!({"address": simulator.address(), "user": "admin", "password": Simulator::PASSWORD});
    writeln!(io::stdout(), "{account}")?;
    loop {
        std::thread::park();
    }
}
