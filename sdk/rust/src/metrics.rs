//! The numbers of a checkpoint, for callbacks. They end up in the run's `metrics.jsonl`.

use crate::{Result, bindings::brewer::plugin::metrics};

/// The names of what was reported at this checkpoint so far: by the evaluation (`dev_loss`, `dev_accuracy`), by callbacks.
pub fn names() -> Result<Vec<String>> {
    Ok(metrics::names()?)
}

/// The number reported under a name at this checkpoint; an error that lists the names if there is none.
pub fn value(name: &str) -> Result<f64> {
    Ok(metrics::value(name)?)
}

/// Reports a finite number under a name of letters, digits and `_-./` that nobody else took at this checkpoint.
pub fn report(name: &str, value: f64) -> Result<()> {
    Ok(metrics::report(name, value)?)
}
