//! Exit codes: 0 for success, 2 for what the user gave, 1 for what went wrong at run time, 128 and a signal's number after
//! it.

use std::any::Any;
use std::backtrace::{Backtrace, BacktraceStatus};
use std::io::{self, Write};
use std::panic::{self, AssertUnwindSafe};
use std::process::ExitCode;

use brewer::{Fault, libtorch};
use console::style;

const RUN: u8 = 1;
const INPUT: u8 = 2;

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

/// Prints an error on one line and returns its exit code.
pub fn report(error: &anyhow::Error) -> ExitCode {
    eprintln!("{} {}", style("error:").red().bold().for_stderr(), message(error));
    let fault = error.chain().find_map(|cause| match cause.downcast_ref::<brewer::Error>() {
        Some(error) => Some(error.fault()),
        None => cause.downcast_ref::<Input>().map(|_| Fault::Input),
    });
    ExitCode::from(match fault {
        Some(Fault::Input) => INPUT,
        Some(Fault::Run) | None => RUN,
    })
}

/// The error and its causes on one line. Many errors name their cause themselves: it is not repeated.
fn message(error: &anyhow::Error) -> String {
    let mut message = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if message.is_empty() {
            message = cause;
        } else if !message.contains(&cause) {
            message = format!("{message}: {cause}");
        }
    }
    message
}

/// What the user gave is wrong; the message is the error's below it.
#[derive(Debug, thiserror::Error)]
#[error("{0:#}")]
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
}
