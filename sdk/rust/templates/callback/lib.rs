//! Ends the run when the student is good enough.

use brewer_sdk::{metrics, prelude::*};

const ENOUGH: f64 = 0.9;

fn on_checkpoint(_step: u64) -> Result<Action> {
    let accuracy = metrics::value("dev_accuracy")?;
    Ok(if accuracy >= ENOUGH { Action::Stop } else { Action::Continue })
}

brewer_sdk::export_callback!(on_checkpoint);
