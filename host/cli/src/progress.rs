//! The course of a run: a bar on a terminal, a line every so often elsewhere.

use std::time::{Duration, Instant};

use brewer::callback::Scalars;
use brewer::train::{CheckpointEvent, EvaluationEvent, Observer, StartEvent, StepEvent};
use brewer_plugin_host::printable_lines;
use console::{measure_text_width, style};
use indicatif::{HumanDuration, ProgressBar, ProgressStyle};

use crate::output;
use crate::table::grouped;

/// Numbers move less than this often on the screen.
const REDRAW: Duration = Duration::from_millis(200);

/// Without a bar: when the first line is printed, and how long after it the next ones.
const FIRST_LINE: Duration = Duration::from_secs(10);
const NEXT_LINE: Duration = Duration::from_secs(30);

/// Shows how far a count has come: a bar on a terminal, elsewhere lines.
pub struct Gauge {
    bar: ProgressBar,
    /// What was done before the count began; it took no time.
    first: usize,
    total: usize,
    start: Instant,
    last_draw: Option<Instant>,
    next_line: Instant,
}

/// What stands beside the count.
pub struct Figures {
    /// `epoch 1/3`.
    pub place: String,
    /// What a line begins with in place of the bar: `step 12/60`.
    pub count: String,
    /// `812 examples/s`.
    pub rate: String,
    /// `total 1.234`; as many as there is room for beside the bar.
    pub details: Vec<String>,
}

impl Gauge {
    /// Starts to count from `first` to `total`.
    pub fn start(first: usize, total: usize) -> Self {
        let bar = ProgressBar::with_draw_target(Some(total as u64), output::draw_target());
        let template = "  {prefix} {wide_bar:.cyan/black.bright} {percent:>3} %  {msg}  {eta:>3} left";
        let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
        bar.set_style(style.progress_chars("━╸━"));
        // Only what is to come tells how long it takes.
        bar.set_position(first as u64);
        bar.reset_eta();
        output::show_bar(&bar);
        let start = Instant::now();
        Self { bar, first, total, start, last_draw: None, next_line: start + FIRST_LINE }
    }

    /// The count stands at `done`. The figures are taken when they are shown.
    pub fn update(&mut self, done: usize, figures: impl FnOnce() -> Figures) {
        let now = Instant::now();
        if !self.bar.is_hidden() {
            self.bar.set_position(done as u64);
            if self.last_draw.is_none_or(|last| now - last >= REDRAW) {
                self.last_draw = Some(now);
                self.draw(&figures());
            }
        } else if self.line_is_due(now) {
            output::note(&self.line(done, now - self.start, &figures()));
        }
    }

    fn line_is_due(&mut self, now: Instant) -> bool {
        let is_due = now >= self.next_line;
        if is_due {
            self.next_line = now + NEXT_LINE;
        }
        is_due
    }

    fn draw(&self, figures: &Figures) {
        // What the template holds beside prefix and message, with a bar of ten columns.
        const REST: usize = 33;
        let mut message = figures.rate.clone();
        let room = output::note_width().unwrap_or(80).saturating_sub(REST + figures.place.len());
        for detail in &figures.details {
            if measure_text_width(&message) + 2 + detail.len() > room {
                break;
            }
            message = format!("{message}  {detail}");
        }
        self.bar.set_prefix(figures.place.clone());
        self.bar.set_message(message);
    }

    /// `step 12/60 (20 %)  epoch 1/3  total 1.234  812 examples/s  4 minutes left`.
    fn line(&self, done: usize, elapsed: Duration, figures: &Figures) -> String {
        let Figures { place, count, rate, details } = figures;
        let share = 100 * done / self.total.max(1);
        let mut line = format!("  {count} ({share} %)  {place}");
        for part in details.iter().chain([rate]) {
            line = format!("{line}  {part}");
        }
        if done > self.first {
            let left = elapsed.as_secs_f64() * self.total.saturating_sub(done) as f64 / (done - self.first) as f64;
            line = format!("{line}  {} left", HumanDuration(Duration::from_secs(left as u64)));
        }
        line
    }
}

impl Drop for Gauge {
    fn drop(&mut self) {
        output::remove_bar();
    }
}

/// Shows a run, and keeps what its last line says.
pub struct Progress {
    gauge: Option<Gauge>,
    epochs: usize,
    optimizer_steps: usize,
    start: Instant,
    pub num_examples: usize,
    /// The last step; `None` before the first.
    pub last_step: Option<StepEvent>,
    /// What the last evaluation found, and the callbacks of the last checkpoint.
    pub metrics: Scalars,
    pub scalars: Scalars,
    /// The optimizer step of the last evaluation.
    evaluated_at: Option<u64>,
}

impl Progress {
    pub fn new() -> Self {
        Self {
            gauge: None,
            epochs: 0,
            optimizer_steps: 0,
            start: Instant::now(),
            num_examples: 0,
            last_step: None,
            metrics: Scalars::new(),
            scalars: Scalars::new(),
            evaluated_at: None,
        }
    }

    /// Examples trained on, for each second since the start.
    pub fn examples_per_second(&self) -> f64 {
        self.num_examples as f64 / self.start.elapsed().as_secs_f64()
    }

    /// Says what is known after an optimizer step.
    fn note(&self, global_step: u64, epoch: usize, what: &str) {
        let head = style(format!("  step {global_step}")).bold().for_stderr();
        let rate = self.examples_per_second();
        output::note(&format!("{head}  epoch {}/{}  {what}  {rate:.0} examples/s", epoch + 1, self.epochs));
    }

    /// Takes the bar off the screen.
    pub fn finish(&mut self) {
        self.gauge = None;
    }
}

impl Observer for Progress {
    fn on_start(&mut self, start: &StartEvent) -> brewer::Result<()> {
        self.epochs = start.epochs;
        self.optimizer_steps = start.optimizer_steps;
        self.start = Instant::now();
        self.gauge = Some(Gauge::start(start.first_step as usize, start.forward_steps));
        Ok(())
    }

    fn on_step(&mut self, report: &StepEvent) -> brewer::Result<()> {
        self.num_examples += report.num_examples;
        if let Some(reason) = &report.skipped {
            let head = format!("  step {}", report.step);
            output::note(&format!("{}  batch skipped: {}", style(head).bold().for_stderr(), printable_lines(reason)));
        }
        self.last_step = Some(report.clone());
        let rate = self.examples_per_second();
        if let Some(gauge) = &mut self.gauge {
            gauge.update(report.step as usize + 1, || Figures {
                place: format!("epoch {}/{}", grouped(report.epoch + 1), grouped(self.epochs)),
                count: format!("step {}/{}", grouped(report.global_step as usize), grouped(self.optimizer_steps)),
                rate: format!("{rate:.0} examples/s"),
                details: losses(&report.losses),
            });
        }
        Ok(())
    }

    fn on_evaluation(&mut self, report: &EvaluationEvent) -> brewer::Result<()> {
        self.metrics.clone_from(&report.metrics);
        self.evaluated_at = Some(report.global_step).filter(|_| !report.metrics.is_empty());
        if self.evaluated_at.is_some() {
            self.note(report.global_step, report.epoch, &scalars(&report.metrics));
        }
        Ok(())
    }

    fn on_checkpoint(&mut self, report: &CheckpointEvent) -> brewer::Result<()> {
        self.scalars.clone_from(&report.scalars);
        if !report.scalars.is_empty() {
            self.note(report.global_step, report.epoch, &scalars(&report.scalars));
        } else if self.evaluated_at != Some(report.global_step) {
            self.note(report.global_step, report.epoch, "checkpoint saved");
        }
        Ok(())
    }
}

/// `total 1.234`, `kd 0.412`, `hard 0.301`.
fn losses(losses: &Scalars) -> Vec<String> {
    let short = |name: &str| {
        let name = name.strip_prefix("unweighted_").unwrap_or(name);
        name.strip_suffix("_loss").unwrap_or(name).to_owned()
    };
    losses.iter().take(4).map(|(name, value)| format!("{} {value:.3}", short(name))).collect()
}

/// `dev_loss 0.3012  dev_accuracy 0.8120`.
fn scalars(scalars: &Scalars) -> String {
    scalars.iter().map(|(name, value)| format!("{name} {value:.4}")).collect::<Vec<_>>().join("  ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_come_after_ten_seconds_and_then_every_thirty() {
        let mut gauge = Gauge::start(0, 60);
        let start = gauge.start;
        let due: Vec<u64> = (0..120).filter(|second| gauge.line_is_due(start + Duration::from_secs(*second))).collect();
        assert_eq!(due, [10, 40, 70, 100]);
    }

    #[test]
    fn a_line_tells_what_is_left_from_what_was_done_since_the_start() {
        let gauge = Gauge::start(20, 60);
        let figures = Figures {
            place: "epoch 2/3".to_owned(),
            count: "step 30/60".to_owned(),
            rate: "812 examples/s".to_owned(),
            details: vec!["total 1.234".to_owned(), "kd 0.412".to_owned()],
        };
        assert_eq!(
            gauge.line(30, Duration::from_secs(60), &figures),
            "  step 30/60 (50 %)  epoch 2/3  total 1.234  kd 0.412  812 examples/s  3 minutes left"
        );
    }
}
