//! Exit codes: 0 for success, 2 for what the user gave, 1 for what went wrong at run time, 130 after Ctrl-C.

use std::process::ExitCode;

use brewer::Fault;
use console::style;

const RUN: u8 = 1;
const INPUT: u8 = 2;
/// 128 + SIGINT, as shells have it.
pub const INTERRUPTED: u8 = 130;

/// Prints an error on one line and returns its exit code.
pub fn report(error: &anyhow::Error) -> ExitCode {
    eprintln!("{} {error:#}", style("error:").red().bold().for_stderr());
    let fault = error.chain().find_map(|cause| Some(cause.downcast_ref::<brewer::Error>()?.fault()));
    ExitCode::from(match fault {
        Some(Fault::Input) => INPUT,
        Some(Fault::Run) | None => RUN,
    })
}
