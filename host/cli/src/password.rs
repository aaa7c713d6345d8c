//! Passwords: typed at the terminal without being shown, or read from standard input.

use std::io::{self, Read};

use anyhow::{Context, Result};
use console::Term;

use crate::{interrupt, output};

/// The longest password that is read, in bytes.
const LONGEST: u64 = 64 << 10;

/// Asks for a password at the terminal. An interrupt leaves the terminal as it was.
pub fn ask(what: &str) -> Result<String> {
    output::prompt(what);
    let _restored = interrupt::restore_terminal();
    Ok(Term::stderr().read_secure_line()?)
}

/// Reads a password from standard input, up to its end. A line break at the end is not part of it.
pub fn read() -> Result<String> {
    let mut text = String::new();
    io::stdin().take(LONGEST).read_to_string(&mut text).context("the password cannot be read")?;
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}
