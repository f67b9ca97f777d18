//! Writes the corpus each target begins with to `corpus/TARGET`.

mod entries;

use std::io;
use std::path::Path;

fn main() -> io::Result<()> {
    for target in entries::TARGETS {
        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target.name);
        std::fs::create_dir_all(&directory)?;
        for (number, seed) in target.corpus().iter().enumerate() {
            std::fs::write(directory.join(format!("seed-{number:03}")), seed)?;
        }
    }
    entries::run("datagram", &[]);
    Ok(())
}
