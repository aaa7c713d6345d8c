//! Where a plugin's messages go.

use std::{fmt, io::Write, sync::Arc};

/// How much a message matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    Debug,
    Info,
    Warn,
    Error,
}

impl fmt::Display for Level {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Level::Debug => "debug",
            Level::Info => "info",
            Level::Warn => "warn",
            Level::Error => "error",
        })
    }
}

/// Takes the messages of a plugin, by the plugin's name. They hold no control characters but line breaks and tabs.
#[derive(Clone)]
pub struct LogSink(Arc<Sink>);

type Sink = dyn Fn(&str, Level, &str) + Send + Sync;

impl LogSink {
    pub fn new(sink: impl Fn(&str, Level, &str) + Send + Sync + 'static) -> Self {
        Self(Arc::new(sink))
    }

    pub(crate) fn write(&self, plugin: &str, level: Level, message: &str) {
        (self.0)(plugin, level, message);
    }
}

impl Default for LogSink {
    /// Lines on standard error, without those of level debug.
    fn default() -> Self {
        Self::new(|plugin, level, message| {
            if level > Level::Debug {
                // A log that is lost ends no run.
                let _ = writeln!(std::io::stderr(), "{plugin}: {level}: {message}");
            }
        })
    }
}

impl fmt::Debug for LogSink {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("LogSink")
    }
}

/// The most of a message that an error repeats.
const MESSAGE_BYTES: usize = 4096;

/// A plugin's text made fit for a terminal: without escape sequences, and cut where it is too long.
pub(crate) fn clean(text: &str) -> String {
    cut(text, MESSAGE_BYTES)
}

/// A name that a plugin gave, as it stands in a sentence: on one line, and short.
pub(crate) fn clean_name(name: &str) -> String {
    const NAME_BYTES: usize = 128;
    cut(&name.replace(char::is_control, "␣"), NAME_BYTES)
}

/// Like [`clean`] with another length, in bytes.
pub(crate) fn cut(text: &str, bytes: usize) -> String {
    let end = text.floor_char_boundary(bytes);
    let mut cleaned: String =
        text[..end].chars().filter(|symbol| !symbol.is_control() || matches!(symbol, '\n' | '\t')).collect();
    if end < text.len() {
        cleaned.push_str(" …");
    }
    cleaned
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escape_sequences_do_not_reach_the_terminal() {
        assert_eq!(clean("a\u{1b}[2Jb\r\n\tc\u{9b}"), "a[2Jb\n\tc");
    }

    #[test]
    fn a_name_stays_on_its_line() {
        assert_eq!(clean_name("a\nb\u{1b}"), "a␣b␣");
        assert!(clean_name(&"long".repeat(1000)).len() < 200);
    }

    #[test]
    fn a_long_text_is_cut_between_characters() {
        assert_eq!(cut("aäö", 2), "a …");
        assert_eq!(cut("aäö", 5), "aäö");
    }
}
