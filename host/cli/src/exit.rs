//! Exit codes: 0 for success, 2 for what the user gave, 1 for what went wrong at run time, 130 after Ctrl-C.

use std::process::ExitCode;

use brewer::Fault;
use brewer_plugin_host::printable;
use console::style;

const RUN: u8 = 1;
const INPUT: u8 = 2;
/// 128 + SIGINT, as shells have it.
pub const INTERRUPTED: u8 = 130;

/// Prints an error on one line and returns its exit code.
pub fn report(error: &anyhow::Error) -> ExitCode {
    // Names of files can hold anything.
    let message = format!("{error:#}").split('\n').map(printable).collect::<Vec<_>>().join("\n");
    eprintln!("{} {message}", style("error:").red().bold().for_stderr());
    let fault = error.chain().find_map(|cause| match cause.downcast_ref::<brewer::Error>() {
        Some(error) => Some(error.fault()),
        None => cause.downcast_ref::<Input>().map(|_| Fault::Input),
    });
    ExitCode::from(match fault {
        Some(Fault::Input) => INPUT,
        Some(Fault::Run) | None => RUN,
    })
}

/// What the user gave is wrong; the message is the error's below it.
#[derive(Debug, thiserror::Error)]
#[error("{0:#}")]
struct Input(anyhow::Error);

/// An error of the plugin kit, which is about what the user gave.
pub fn input(error: anyhow::Error) -> anyhow::Error {
    Input(error).into()
}
