//! Early stopping: ends the run when a number has not got better for some checkpoints.
//!
//! ```json
//! { "path": "early-stopping.wasm", "config": { "metric": "dev_loss", "patience": 2 } }
//! ```

use std::cell::RefCell;

use brewer_sdk::{
    host::{self, Level},
    metrics,
    prelude::*,
};
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Config {
    /// What a callback before this one, or the evaluation, reports at each checkpoint.
    metric: String,
    /// How many checkpoints in a row may be no better than the best before them.
    patience: u32,
    /// Whether a higher number is the better one, as for an accuracy.
    higher_is_better: bool,
    /// By how much a number must be better to count.
    min_delta: f64,
}

impl Default for Config {
    fn default() -> Self {
        Self { metric: "dev_loss".to_owned(), patience: 1, higher_is_better: false, min_delta: 0.0 }
    }
}

/// The best number so far, and how many checkpoints ago it was.
#[derive(Default)]
struct Course {
    best: Option<f64>,
    since: u32,
}

thread_local! {
    static COURSE: RefCell<Course> = RefCell::default();
}

fn on_checkpoint(step: u64) -> Result<Action> {
    let Config { metric, patience, higher_is_better, min_delta } = config()?;
    let value = metrics::value(&metric)?;
    COURSE.with_borrow_mut(|course| {
        let gain = course.best.map_or(f64::INFINITY, |best| if higher_is_better { value - best } else { best - value });
        if gain > min_delta {
            *course = Course { best: Some(value), since: 0 };
        } else {
            course.since += 1;
        }
        metrics::report(&format!("best_{metric}"), course.best.unwrap_or(value))?;
        if course.since < patience {
            return Ok(Action::Continue);
        }
        host::log(Level::Info, &format!("{metric} is no better since {patience} checkpoints: stopped at step {step}"));
        Ok(Action::Stop)
    })
}

brewer_sdk::export_callback!(on_checkpoint);
