use brewer_plugin_host::{Level, Log};
use console::style;
use indicatif::ProgressBar;

/// Prints what plugins log to standard error, above the progress bar if there is one.
pub struct LogLines {
    bar: Option<ProgressBar>,
}

impl LogLines {
    pub fn above(bar: ProgressBar) -> Self {
        Self { bar: Some(bar) }
    }

    pub fn plain() -> Self {
        Self { bar: None }
    }
}

impl Log for LogLines {
    fn log(&self, plugin: &str, level: Level, message: &str) {
        let line = format!("  {} {message}", style(format!("{plugin} {level}:")).dim().for_stderr());
        match &self.bar {
            Some(bar) if !bar.is_hidden() => bar.println(line),
            _ => eprintln!("{line}"),
        }
    }
}
