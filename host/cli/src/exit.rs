//! Exit codes; [`CODES`] is how the help texts explain them.

use std::any::Any;
use std::backtrace::{Backtrace, BacktraceStatus};
use std::io::{self, Write};
use std::panic::{self, AssertUnwindSafe};
use std::process::ExitCode;

use brewer::{Fault, libtorch};
use brewer_plugin_host::printable;

use crate::output::{self, LostResult};

const RUN: u8 = 1;
const INPUT: u8 = 2;
/// 128 + SIGPIPE: how a program ends whose reader goes away.
const BROKEN_PIPE: u8 = 141;

/// Runs the program. A panic, which is a defect of it, ends it with one sentence and the code of what went wrong at run
/// time.
pub fn without_panics(program: impl FnOnce() -> ExitCode) -> ExitCode {
    panic::set_hook(Box::new(|panic| {
        if libtorch::becomes_an_error(panic.payload()) {
            return;
        }
        let place = panic.location().map(|place| format!(" at {}:{}", place.file(), place.line())).unwrap_or_default();
        // Where nobody reads standard error, there is nobody to tell.
        let _ = writeln!(io::stderr(), "{}", defect(panic.payload(), &place));
        let backtrace = Backtrace::capture();
        if backtrace.status() == BacktraceStatus::Captured {
            let _ = writeln!(io::stderr(), "{backtrace}");
        }
    }));
    // Unwind safety: nothing is used afterwards.
    panic::catch_unwind(AssertUnwindSafe(program)).unwrap_or(ExitCode::from(RUN))
}

fn defect(payload: &(dyn Any + Send), place: &str) -> String {
    let text = match libtorch::refusal(payload) {
        Some(error) => format!("libtorch: {}", libtorch::message(&error)),
        None => {
            let text = payload.downcast_ref::<String>().map(String::as_str).or(payload.downcast_ref::<&str>().copied());
            text.unwrap_or("a panic").to_owned()
        }
    };
    format!("error: a defect of brewer-host{place}: {text}. Please report this line and the command that led to it")
}

/// What each exit code means.
pub const CODES: &str = "\
Exit codes:
  0    success
  1    something went wrong while running: a full disk, a plugin that failed, a loss that is not finite
  2    something you gave is wrong: an option, an experiment, data, a checkpoint, a plugin file
  129, 130, 143  ended by SIGHUP, Ctrl-C (SIGINT) or SIGTERM
  141  the reader of the result went away, as in `brewer-host schema | head`; `run`, `cache`, `plugin new` and
       `plugin build` complete without a reader and end with 0";

/// Prints an error and returns its exit code. A lost reader is no error: the program ends quietly, as others do.
pub fn report(error: &anyhow::Error) -> ExitCode {
    if error.downcast_ref::<LostResult>().is_some_and(LostResult::is_broken_pipe) {
        return ExitCode::from(BROKEN_PIPE);
    }
    // Names of files can hold anything.
    let message = message(error).split('\n').map(printable).collect::<Vec<_>>().join("\n");
    output::error(&message);
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
    use super::*;

    #[test]
    fn a_panic_ends_with_one_sentence_and_code_1() {
        let payload: Box<dyn Any + Send> = Box::new("index out of bounds");
        let sentence = defect(&*payload, " at loader.rs:3");
        assert!(
            sentence.contains("a defect of brewer-host at loader.rs:3: index out of bounds. Please report"),
            "{sentence}"
        );
        let quoted = r#"called `Result::unwrap()` on an `Err` value: Torch("no such dim\nException raised from f\nframe #0: g")"#;
        let payload: Box<dyn Any + Send> = Box::new(quoted.to_owned());
        let sentence = defect(&*payload, "");
        assert!(sentence.starts_with("error: a defect of brewer-host: libtorch: no such dim. Please"), "{sentence}");

        let usual = panic::take_hook();
        let code = without_panics(|| panic!("this is the test's own"));
        panic::set_hook(usual);
        assert_eq!(format!("{code:?}"), format!("{:?}", ExitCode::from(1)));
        assert_eq!(format!("{:?}", without_panics(|| ExitCode::from(2))), format!("{:?}", ExitCode::from(2)));
        drop(panic::take_hook());
    }

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
