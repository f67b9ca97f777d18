//! Running commands that the developer may watch.

use std::process::Command;

use crate::error::TaskError;

/// Shows `command` and runs it with our own input and output.
pub(crate) fn run(mut command: Command) -> Result<(), TaskError> {
    let line = line(&command);
    println!("$ {line}");
    let status = command.status().map_err(TaskError::io(format!("start `{line}`")))?;
    if status.success() {
        Ok(())
    } else {
        Err(TaskError::Command { command: line, status: status.to_string() })
    }
}

/// Whether `command` runs and succeeds; its output is thrown away.
pub(crate) fn succeeds(mut command: Command) -> bool {
    command.output().is_ok_and(|output| output.status.success())
}

/// The command as one would type it.
fn line(command: &Command) -> String {
    let program = command.get_program().to_string_lossy();
    let program = program.rsplit('/').next().unwrap_or(&program).to_owned();
    let arguments = command.get_args().map(|argument| {
        let argument = argument.to_string_lossy();
        if argument.contains(' ') { format!("'{argument}'") } else { argument.into_owned() }
    });
    std::iter::once(program).chain(arguments).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_command_is_named_as_typed() {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", "exit 4"]);

        let error = run(command).unwrap_err();

        assert_eq!(error.to_string(), "`sh -c 'exit 4'` failed with exit status: 4");
    }
}
