//! What can go wrong between a reference and its bytes.

use std::{fmt, io, path::Path};

/// An error of this crate: what it is about, and what is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    kind: ErrorKind,
    subject: String,
    problem: String,
}

/// Whose matter an error is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// What the user gave: a reference, a file, an option.
    Input,
    /// The registry asks for credentials, or refuses those it got.
    Denied,
    /// The registry has no such repository, tag or blob.
    NotFound,
    /// What was received or found is not what it must be, and is not used.
    Refused,
    /// The registry, or the way to it, failed.
    Network,
    /// The store, or another file of this machine, could not be read or written.
    Disk,
}

/// A result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    pub(crate) fn new(kind: ErrorKind, subject: impl fmt::Display, problem: impl fmt::Display) -> Self {
        Self { kind, subject: subject.to_string(), problem: problem.to_string() }
    }

    pub(crate) fn input(subject: impl fmt::Display, problem: impl fmt::Display) -> Self {
        Self::new(ErrorKind::Input, subject, problem)
    }

    pub(crate) fn refused(subject: impl fmt::Display, problem: impl fmt::Display) -> Self {
        Self::new(ErrorKind::Refused, subject, problem)
    }

    pub(crate) fn network(subject: impl fmt::Display, problem: impl fmt::Display) -> Self {
        Self::new(ErrorKind::Network, subject, problem)
    }

    pub(crate) fn disk(path: &Path, error: io::Error) -> Self {
        Self::new(ErrorKind::Disk, path.display(), error)
    }

    /// A full disk, mostly.
    pub(crate) fn unwritten(path: &Path, error: io::Error) -> Self {
        Self::new(ErrorKind::Disk, path.display(), format!("it cannot be written: {error}"))
    }

    /// Whose matter it is.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// Whether the user can mend it by giving something else; a failure of the network or the disk is none of that.
    pub fn is_input(&self) -> bool {
        !matches!(self.kind, ErrorKind::Network | ErrorKind::Disk)
    }

    /// The same problem, said of `subject`.
    pub(crate) fn about(self, subject: impl fmt::Display) -> Self {
        Self { subject: subject.to_string(), ..self }
    }

    /// The same error, with what it kept from arriving in front of it.
    pub(crate) fn on_the_way_to(self, subject: impl fmt::Display) -> Self {
        Self { subject: format!("{subject}: {}", self.subject), ..self }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.subject, self.problem)
    }
}

impl std::error::Error for Error {}

/// Text from outside as it may be printed: at most `longest` characters, and no control character, which could rewrite
/// what the terminal shows.
pub fn printable(text: &str, longest: usize) -> String {
    let mut shown = String::new();
    for (index, character) in text.trim().chars().enumerate() {
        if index == longest {
            shown.push('…');
            break;
        }
        // Direction marks turn the text around them; a terminal obeys them as it obeys escapes.
        let is_direction =
            matches!(character, '\u{200e}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        match character {
            '\n' | '\t' => shown.push(' '),
            _ if character.is_control() || is_direction => shown.extend(character.escape_unicode()),
            _ => shown.push(character),
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_from_outside_cannot_rewrite_the_terminal() {
        assert_eq!(printable("a\x1b[2Kb\u{202e}c\n", 99), "a\\u{1b}[2Kb\\u{202e}c");
        assert_eq!(printable("abcdef", 3), "abc…");
    }
}
