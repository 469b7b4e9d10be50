//! Running a command to its end.

use std::io::Write as _;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};

/// What a command said and how it ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// Standard output; invalid UTF-8 is replaced.
    pub stdout: String,
    /// Standard error; invalid UTF-8 is replaced.
    pub stderr: String,
    /// The exit code, or 128 + the number of the signal that ended it.
    pub code: i32,
}

impl Output {
    /// Tells whether the command ended with exit code 0.
    pub fn success(&self) -> bool {
        self.code == 0
    }
}

/// Runs `command` with `stdin` as its input.
pub(crate) fn run(command: &mut Command, stdin: &[u8]) -> Result<Output> {
    let name = format!("failed to run `{}`", show(command));
    command.stdin(Stdio::piped());
    command.stdout(Stdio::piped());
    command.stderr(Stdio::piped());
    let mut child = command.spawn().with_context(|| name.clone())?;
    let mut pipe = child.stdin.take().expect("stdin was set to a pipe");
    let (written, output) = std::thread::scope(|scope| {
        // A command may answer before it has read everything, so reading must not wait.
        let writer = scope.spawn(move || pipe.write_all(stdin));
        let output = child.wait_with_output();
        (writer.join().expect("writing does not panic"), output)
    });
    // A command is free not to read its input.
    drop(written);
    Ok(output.context(name)?.into())
}

/// Runs `command` and returns its standard output; anything but exit code 0 is an error.
pub(crate) fn stdout_of(command: &mut Command) -> Result<String> {
    let output = run(command, b"")?;
    if !output.success() {
        bail!(
            "`{}` ended with exit code {}\n{}{}",
            show(command),
            output.code,
            output.stdout,
            output.stderr,
        );
    }
    Ok(output.stdout)
}

/// Returns a command as one might have typed it.
fn show(command: &Command) -> String {
    let mut text = command.get_program().to_string_lossy().into_owned();
    for argument in command.get_args() {
        text.push(' ');
        text.push_str(&argument.to_string_lossy());
    }
    text
}

impl From<std::process::Output> for Output {
    fn from(output: std::process::Output) -> Self {
        use std::os::unix::process::ExitStatusExt as _;
        let status = output.status;
        Self {
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
            code: status
                .code()
                .or_else(|| status.signal().map(|signal| 128 + signal))
                .expect("a process that ended has an exit code or a signal"),
        }
    }
}
