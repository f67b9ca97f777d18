//! Runs the program.

use std::process::Output;

use assert_cmd::cargo::cargo_bin;
use serde_json::Value;

use crate::fake::Fake;

/// What became of one run.
pub(crate) struct Run {
    /// The code it ended with.
    pub(crate) code: i32,
    /// Standard output.
    pub(crate) stdout: String,
    /// Standard error, with the address of the fake server replaced.
    pub(crate) stderr: String,
}

impl Run {
    /// Standard output as JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).expect("the output is JSON")
    }
}

/// Runs the program against a fake server that is busy never: `line` are its words.
pub(crate) fn farrier(fake: &Fake, line: &str) -> Run {
    let run = program(&[("FARRIER_URL", &fake.url)], &format!("{line} --retries 0"));
    Run { stderr: run.stderr.replace(&fake.url, "http://fake"), ..run }
}

/// Runs the program with these variables and no others of its own.
pub(crate) fn program(variables: &[(&str, &str)], line: &str) -> Run {
    let mut command = std::process::Command::new(cargo_bin("farrier"));
    for name in ["FARRIER_USERNAME", "FARRIER_PASSWORD", "OS_AUTH_TYPE", "OS_USERNAME", "OS_PASSWORD"] {
        command.env_remove(name);
    }
    for name in ["FARRIER_URL", "OS_ENDPOINT", "http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"] {
        command.env_remove(name);
    }
    command.envs(variables.iter().copied()).args(line.split_whitespace());
    let Output { status, stdout, stderr } = command.output().expect("the program starts");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("the output is text");
    Run {
        code: status.code().expect("the program ends by itself"),
        stdout: text(stdout),
        stderr: text(stderr),
    }
}
