//! What a demonstration leaves running, so that a later one can stop it.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use farrier_sim::process::end_group;

use crate::error::TaskError;

/// How long each may take to end before it is killed.
const PATIENCE: Duration = Duration::from_secs(30);

/// The list of processes, in a file.
#[derive(Debug)]
pub(super) struct Left {
    file: PathBuf,
}

impl Left {
    /// The list of the demonstration in `directory`.
    pub(super) fn new(directory: &Path) -> Self {
        Self { file: directory.join("processes") }
    }

    /// Adds one.
    pub(super) fn note(&self, name: &str, id: u32) -> Result<(), TaskError> {
        let failed = || TaskError::io(format!("write `{}`", self.file.display()));
        let mut file = OpenOptions::new().create(true).append(true).open(&self.file).map_err(failed())?;
        writeln!(file, "{id} {} {name}", started(id).unwrap_or_default()).map_err(failed())
    }

    /// Stops all that still run, the last first, and forgets them.
    pub(super) fn stop(&self) -> Result<(), TaskError> {
        let Ok(text) = fs::read_to_string(&self.file) else { return Ok(()) };
        for line in text.lines().rev() {
            let mut words = line.split(' ');
            let (Some(Ok(id)), Some(time)) = (words.next().map(str::parse::<u32>), words.next()) else {
                continue;
            };
            // A process that began at another moment is somebody else's that got the same number.
            if started(id).as_deref() == Some(time) {
                println!("stopping {} (process {id})", words.next().unwrap_or_default());
                end_group(id, PATIENCE)?;
            }
        }
        fs::remove_file(&self.file).map_err(TaskError::io(format!("remove `{}`", self.file.display())))
    }
}

/// When the process began, in the kernel's ticks since the machine did; `None` when it is gone.
fn started(id: u32) -> Option<String> {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    // The second field is the program's name, in parentheses, with anything in it; this is the 22nd.
    let fields = stat.rsplit_once(')')?.1;
    fields.split_whitespace().nth(19).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_of_the_same_number_is_left_alone() {
        let directory = std::env::temp_dir().join(format!("farrier-left-{}", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        let left = Left::new(&directory);
        fs::write(&left.file, format!("{} 1 ourselves\n", std::process::id())).unwrap();

        left.stop().unwrap();

        assert!(!left.file.exists());
        fs::remove_dir_all(directory).unwrap();
    }
}
