use brewer_plugin_host::{Level, LogSink};
use console::style;
use indicatif::ProgressBar;

/// Prints what plugins log to standard error, above the progress bar if there is one. Messages of level debug are left
/// out.
pub fn sink(bar: Option<ProgressBar>) -> LogSink {
    LogSink::new(move |plugin, level, message| {
        if level == Level::Debug {
            return;
        }
        let line = format!("  {} {message}", style(format!("{plugin} {level}:")).dim().for_stderr());
        match &bar {
            Some(bar) if !bar.is_hidden() => bar.println(line),
            _ => eprintln!("{line}"),
        }
    })
}
