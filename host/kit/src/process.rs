//! Running other programs, with errors that say which one failed and how.

use std::{
    io::ErrorKind,
    process::{Command, ExitStatus, Output, Stdio},
};

use anyhow::{Context, Result, anyhow, bail};

/// Runs `command`; what it prints goes where this tool's own output goes.
pub fn run(command: &mut Command) -> Result<()> {
    let status = command.status().map_err(|error| not_started(command, error))?;
    check(command, status)
}

/// Runs `command` and returns what it printed to stdout, trimmed. Its stderr is part of the error if it fails.
pub fn capture(command: &mut Command) -> Result<String> {
    let output = output(command)?;
    let text = String::from_utf8(output.stdout).with_context(|| format!("`{}` printed no UTF-8", line(command)))?;
    Ok(text.trim().to_owned())
}

/// Runs `command` and returns what it printed. Its stderr is part of the error if it fails.
pub fn output(command: &mut Command) -> Result<Output> {
    let output = command.stdin(Stdio::null()).output().map_err(|error| not_started(command, error))?;
    check(command, output.status).map_err(|failure| {
        let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        if said.is_empty() { failure } else { anyhow!(said).context(failure.to_string()) }
    })?;
    Ok(output)
}

/// Whether `program` can be started at all.
pub fn exists(program: &str) -> bool {
    let started = Command::new(program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    !matches!(started, Err(error) if error.kind() == ErrorKind::NotFound)
}

/// Fails unless `command` ended well.
pub fn check(command: &Command, status: ExitStatus) -> Result<()> {
    if !status.success() {
        bail!("`{}` failed ({status})", line(command));
    }
    Ok(())
}

/// The error for a `command` that did not start.
pub fn not_started(command: &Command, error: std::io::Error) -> anyhow::Error {
    let program = command.get_program().to_string_lossy();
    if error.kind() == ErrorKind::NotFound {
        anyhow!("the program `{program}` was not found: install it, or put it on the PATH")
    } else {
        anyhow::Error::new(error).context(format!("`{program}` could not be started"))
    }
}

/// The command line as one would type it.
fn line(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_names_the_command_and_what_it_said() {
        let error = capture(Command::new("sh").args(["-c", "echo out of tea >&2; exit 3"])).unwrap_err();
        let text = format!("{error:#}");
        assert!(text.contains("out of tea") && text.contains("exit status: 3"), "{text}");
    }

    #[test]
    fn a_missing_program_is_named() {
        let error = run(&mut Command::new("no-such-program-here")).unwrap_err();
        assert!(error.to_string().contains("`no-such-program-here` was not found"), "{error}");
        assert!(!exists("no-such-program-here"));
    }
}
