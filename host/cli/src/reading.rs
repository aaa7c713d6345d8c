//! The reading of data: a bar on a terminal, a line every so often elsewhere.

use std::cell::RefCell;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use brewer::data::ReadProgress;
use indicatif::{HumanBytes, HumanCount, HumanDuration, ProgressBar, ProgressStyle};

use crate::{header, output};

/// A file that is read sooner needs no bar.
const REDRAW: Duration = Duration::from_millis(500);
/// Between two lines where there is no terminal.
const LINE: Duration = Duration::from_secs(10);

/// Shows on standard error how far data is read.
pub struct Reading {
    bar: ProgressBar,
    file: RefCell<Option<File>>,
}

/// The file that is being read.
struct File {
    path: PathBuf,
    start: Instant,
    shown: Instant,
}

impl Reading {
    pub fn new() -> Self {
        let bar = ProgressBar::with_draw_target(None, output::draw_target());
        let style = ProgressStyle::with_template("  {msg}").unwrap_or_else(|_| ProgressStyle::default_spinner());
        bar.set_style(style);
        Self { bar, file: RefCell::new(None) }
    }

    /// What to tell how far a file is read.
    pub fn on_read(self) -> impl Fn(&ReadProgress<'_>) {
        move |progress| self.show(progress)
    }

    fn show(&self, progress: &ReadProgress<'_>) {
        let mut file = self.file.borrow_mut();
        let now = Instant::now();
        let Some(file) = file.as_mut().filter(|file| file.path == progress.path && progress.rows > 0) else {
            *file = Some(File { path: progress.path.to_owned(), start: now, shown: now });
            return;
        };
        let every = if self.bar.is_hidden() { LINE } else { REDRAW };
        if now - file.shown < every {
            return;
        }
        file.shown = now;
        let line = described(progress, now - file.start);
        if self.bar.is_hidden() {
            output::note(&format!("  {line}"));
        } else {
            self.bar.set_message(line);
            self.bar.tick();
        }
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

/// `reading train.jsonl: 412,672 rows, 41 % of 1.10 GiB, 31,482 rows/s, 19 seconds left`.
fn described(progress: &ReadProgress<'_>, elapsed: Duration) -> String {
    let share = progress.bytes as f64 / progress.all_bytes.max(1) as f64;
    let rate = progress.rows as f64 / elapsed.as_secs_f64();
    let left = elapsed.as_secs_f64() * (1.0 / share.max(1e-9) - 1.0);
    format!(
        "reading {}: {} rows, {:.0} % of {}, {} rows/s, {} left",
        header::shown(progress.path),
        HumanCount(progress.rows),
        100.0 * share.min(1.0),
        HumanBytes(progress.all_bytes),
        HumanCount(rate as u64),
        // A file that grows while it is read has less than nothing left.
        HumanDuration(Duration::from_secs(left.clamp(0.0, 1e9) as u64)),
    )
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn a_line_has_rate_and_time_left() {
        let progress =
            ReadProgress { path: Path::new("train.jsonl"), rows: 40_000, bytes: 1 << 20, all_bytes: 4 << 20 };
        assert_eq!(
            described(&progress, Duration::from_secs(2)),
            "reading train.jsonl: 40,000 rows, 25 % of 4.00 MiB, 20,000 rows/s, 6 seconds left"
        );
    }
}
