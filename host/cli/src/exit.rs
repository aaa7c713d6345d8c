//! Exit codes; [`CODES`] is how the help texts explain them.

use std::process::ExitCode;

use brewer::Fault;

use crate::output::{self, LostResult};

const RUN: u8 = 1;
const INPUT: u8 = 2;
/// 128 + SIGINT, as shells have it.
pub const INTERRUPTED: u8 = 130;
/// 128 + SIGPIPE: how a program ends whose reader goes away.
const BROKEN_PIPE: u8 = 141;

/// What each exit code means.
pub const CODES: &str = "\
Exit codes:
  0    success
  1    something went wrong while running: a full disk, a plugin that failed, a loss that is not finite
  2    something you gave is wrong: an option, an experiment, data, a checkpoint, a plugin file
  130  interrupted by Ctrl-C (SIGINT)
  141  the reader of the result went away, as in `brewer-host schema | head`; `run`, `cache`, `plugin new` and
       `plugin build` complete without a reader and end with 0";

/// Prints an error and returns its exit code. A lost reader is no error: the program ends quietly, as others do.
pub fn report(error: &anyhow::Error) -> ExitCode {
    if error.downcast_ref::<LostResult>().is_some_and(LostResult::is_broken_pipe) {
        return ExitCode::from(BROKEN_PIPE);
    }
    output::error(&message(error));
    let fault = error.chain().find_map(|cause| match cause.downcast_ref::<brewer::Error>() {
        Some(error) => Some(error.fault()),
        None => cause.downcast_ref::<Input>().map(|_| Fault::Input),
    });
    ExitCode::from(match fault {
        Some(Fault::Input) => INPUT,
        Some(Fault::Run) | None => RUN,
    })
}

/// An error and its causes, each once.
fn message(error: &anyhow::Error) -> String {
    let mut message = String::new();
    for cause in error.chain() {
        let text = cause.to_string();
        if !message.contains(&text) {
            message += if message.is_empty() { "" } else { ": " };
            message += &text;
        }
        // Its message holds what its own causes say.
        if cause.is::<brewer::Error>() {
            break;
        }
    }
    message
}

/// What the user gave is wrong; the message is the error's below it.
#[derive(Debug, thiserror::Error)]
#[error("{}", message(.0))]
struct Input(anyhow::Error);

/// An error of the plugin kit, which is about what the user gave.
pub fn input(error: anyhow::Error) -> anyhow::Error {
    Input(error).into()
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[test]
    fn a_cause_is_printed_once() {
        let cause = io::Error::other("no room");
        let whole = brewer::train::TrainError::Write { path: "out".into(), source: cause };
        let error = anyhow::Error::from(brewer::Error::from(whole));
        assert_eq!(message(&error), "cannot write out: no room");
        let missing = io::Error::from_raw_os_error(2);
        let whole = brewer::train::TrainError::Write { path: "out".into(), source: missing };
        assert_eq!(message(&brewer::Error::from(whole).into()), "cannot write out: it does not exist");
        let error = anyhow::Error::from(io::Error::other("no room")).context("cannot write out");
        assert_eq!(message(&error), "cannot write out: no room");
        assert_eq!(message(&input(error)), "cannot write out: no room");
    }
}
