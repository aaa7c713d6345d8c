//! The course of a run: a bar on a terminal, a line a checkpoint elsewhere.

use std::time::{Duration, Instant};

use brewer::callback::Scalars;
use brewer::train::{CheckpointReport, Observer, StepReport, Timetable};
use console::style;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Losses move less than this often on the screen.
const REDRAW: Duration = Duration::from_millis(200);

/// Shows a run on standard error.
pub struct Progress {
    bar: ProgressBar,
    epochs: usize,
    start: Instant,
    last_draw: Option<Instant>,
    num_examples: usize,
}

impl Progress {
    pub fn new() -> Self {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        Self { bar, epochs: 0, start: Instant::now(), last_draw: None, num_examples: 0 }
    }

    /// The bar, above which other lines may be printed.
    pub fn bar(&self) -> ProgressBar {
        self.bar.clone()
    }

    /// Examples trained on, for each second since the start.
    pub fn examples_per_second(&self) -> f64 {
        self.num_examples as f64 / self.start.elapsed().as_secs_f64()
    }

    /// Takes the bar off the screen.
    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }

    fn print(&self, line: &str) {
        if self.bar.is_hidden() {
            eprintln!("{line}");
        } else {
            self.bar.println(line);
        }
    }
}

impl Observer for Progress {
    fn on_start(&mut self, timetable: &Timetable, first_step: u64) -> brewer::Result<()> {
        let template = "  {prefix} {bar:24.cyan/black.bright} {percent:>3} %  {msg}  {eta} left";
        let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
        self.bar.set_style(style.progress_chars("━╸━"));
        self.bar.set_length(timetable.forward_steps() as u64);
        // Only the steps to come tell how long they take.
        self.bar.set_position(first_step);
        self.bar.reset_eta();
        self.epochs = timetable.epochs();
        self.start = Instant::now();
        Ok(())
    }

    fn on_step(&mut self, report: &StepReport) -> brewer::Result<()> {
        self.num_examples += report.num_examples;
        if let Some(reason) = &report.skipped {
            let head = format!("  step {}", report.step);
            self.print(&format!("{}  batch left out: {reason}", style(head).bold().for_stderr()));
        }
        self.bar.set_position(report.step + 1);
        if self.last_draw.is_none_or(|last| last.elapsed() >= REDRAW) {
            self.last_draw = Some(Instant::now());
            self.bar.set_prefix(format!("epoch {}/{}", report.epoch + 1, self.epochs));
            let rate = format!("{:.0} ex/s", self.examples_per_second());
            self.bar.set_message(format!("{}  {}", style(rate).bold(), losses(&report.losses)));
        }
        Ok(())
    }

    fn on_checkpoint(&mut self, report: &CheckpointReport) -> brewer::Result<()> {
        let head = format!("  step {}", report.global_step);
        let rate = format!("{:.0} examples/s", self.examples_per_second());
        let scalars = if report.scalars.is_empty() { "checkpoint saved".into() } else { scalars(&report.scalars) };
        self.print(&format!(
            "{}  epoch {}/{}  {scalars}  {rate}",
            style(head).bold().for_stderr(),
            report.epoch + 1,
            self.epochs
        ));
        Ok(())
    }
}

/// `total 1.234  kd 0.412  hard 0.301`.
fn losses(losses: &Scalars) -> String {
    let short = |name: &str| {
        let name = name.strip_prefix("unweighted_").unwrap_or(name);
        name.strip_suffix("_loss").unwrap_or(name).to_owned()
    };
    let shown = losses.iter().take(4).map(|(name, value)| format!("{} {value:.3}", short(name)));
    shown.collect::<Vec<_>>().join("  ")
}

/// `dev_loss 0.3012  dev_accuracy 0.8120`.
fn scalars(scalars: &Scalars) -> String {
    scalars.iter().map(|(name, value)| format!("{name} {value:.4}")).collect::<Vec<_>>().join("  ")
}
