//! Everything that the program prints. Standard output takes results; standard error takes the header, progress, notes
//! and errors.
//!
//! A log may be lost while a run trains: a closed pipe (`run 2>&1 | head`), a full disk, a terminal that is gone. So a
//! line that standard error does not take is dropped. A result that standard output does not take is an error, which
//! the caller returns, or drops where the work itself is on disk.

use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use console::{Term, style};
use indicatif::{ProgressBar, ProgressDrawTarget};
use serde_json::Value;

use crate::table::wrapped;

static IS_QUIET: AtomicBool = AtomicBool::new(false);

/// The bar on the screen; other lines are printed above it.
static BAR: Mutex<Option<ProgressBar>> = Mutex::new(None);

/// Standard output did not take a result.
#[derive(Debug, thiserror::Error)]
#[error("cannot write to standard output: {}", brewer::os_reason(.0))]
pub struct LostResult(io::Error);

impl LostResult {
    /// Whether the reader went away, as `head` does when it has read enough.
    pub fn is_broken_pipe(&self) -> bool {
        self.0.kind() == io::ErrorKind::BrokenPipe
    }
}

/// Drops everything but errors and results from now on.
pub fn be_quiet() {
    IS_QUIET.store(true, Ordering::Relaxed);
}

pub fn is_quiet() -> bool {
    IS_QUIET.load(Ordering::Relaxed)
}

/// Prints a line of the result, or several, wrapped at words on a terminal.
pub fn result(text: &str) -> Result<(), LostResult> {
    unwrapped(&fitted(text, result_width()))
}

/// Prints a result for programs: one JSON object on a line of its own.
pub fn json(value: &Value) -> Result<(), LostResult> {
    unwrapped(&value.to_string())
}

/// Prints a text in which line breaks matter.
pub fn unwrapped(text: &str) -> Result<(), LostResult> {
    let mut stream = io::stdout().lock();
    writeln!(stream, "{text}").and_then(|()| stream.flush()).map_err(LostResult)
}

/// Takes the place of a lost result where a command has done its work on disk: says what was lost and goes on. The
/// reader of a closed pipe knows.
pub fn or_note(printed: Result<(), LostResult>) {
    if let Err(lost) = printed
        && !lost.is_broken_pipe()
    {
        error(&lost.to_string());
    }
}

/// Prints a line for people. `--quiet` drops it.
pub fn note(line: &str) {
    if !is_quiet() {
        to_standard_error(line);
    }
}

/// Prints how a command ended where it has no result.
pub fn ending(line: &str) {
    to_standard_error(line);
}

/// Prints what a run does otherwise than one may think. `--quiet` drops it.
pub fn warning(message: &str) {
    note(&format!("{} {message}", style("warning:").yellow().bold().for_stderr()));
}

/// Asks for something on the terminal; the answer follows on the same line.
pub fn prompt(what: &str) {
    let mut stream = io::stderr().lock();
    let _ = write!(stream, "{what}: ").and_then(|()| stream.flush());
}

/// Prints an error.
pub fn error(message: &str) {
    to_standard_error(&format!("{} {message}", style("error:").red().bold().for_stderr()));
}

fn to_standard_error(text: &str) {
    let print = || {
        let mut stream = io::stderr().lock();
        // A log that is lost takes nothing else with it.
        let _ = writeln!(stream, "{}", fitted(text, note_width()));
    };
    match shown_bar() {
        Some(bar) => bar.suspend(print),
        None => print(),
    }
}

/// Where bars are drawn: nowhere with `--quiet`, and nowhere without a terminal.
pub fn draw_target() -> ProgressDrawTarget {
    if is_quiet() { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() }
}

/// Puts a bar on the screen, below all that is printed until [`remove_bar`].
pub fn show_bar(bar: &ProgressBar) {
    *BAR.lock().unwrap_or_else(PoisonError::into_inner) = Some(bar.clone());
}

/// Takes the bar off the screen.
pub fn remove_bar() {
    if let Some(bar) = BAR.lock().unwrap_or_else(PoisonError::into_inner).take() {
        bar.finish_and_clear();
    }
}

fn shown_bar() -> Option<ProgressBar> {
    BAR.lock().unwrap_or_else(PoisonError::into_inner).clone().filter(|bar| !bar.is_hidden())
}

/// The columns of the terminal that results go to; `None` where they go elsewhere, and lines may have any length.
pub fn result_width() -> Option<usize> {
    width(&Term::stdout())
}

/// The columns of the terminal that notes go to.
pub fn note_width() -> Option<usize> {
    width(&Term::stderr())
}

fn width(terminal: &Term) -> Option<usize> {
    let (_, columns) = terminal.size_checked()?;
    (columns > 0).then_some(usize::from(columns))
}

fn fitted(text: &str, width: Option<usize>) -> String {
    match width {
        Some(width) => text.lines().flat_map(|line| wrapped(line, width)).collect::<Vec<_>>().join("\n"),
        None => text.to_owned(),
    }
}
