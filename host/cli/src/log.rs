use brewer_plugin_host::{Level, LogSink};
use console::style;

use crate::output;

/// Prints what plugins log, but for messages of level debug.
pub fn sink() -> LogSink {
    LogSink::new(move |plugin, level, message| {
        if level > Level::Debug {
            output::note(&format!("  {} {message}", style(format!("{plugin} {level}:")).dim().for_stderr()));
        }
    })
}
