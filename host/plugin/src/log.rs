//! Where a plugin's messages go.

use std::{fmt, io::Write, sync::Arc};

/// How much a message matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// For the author of the plugin.
    Debug,
    /// What is as it should be.
    Info,
    /// What may be wrong.
    Warn,
    /// What is wrong.
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

/// Takes the messages of a plugin, by the plugin's name. A message is printable; its lines but the first are indented.
#[derive(Clone)]
pub struct LogSink(Arc<Sink>);

type Sink = dyn Fn(&str, Level, &str) + Send + Sync;

impl LogSink {
    /// A sink that hands each message to a function: the plugin's name, the level, the message.
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
