//! A weight that falls from 1 to 0 in the course of the run.

use brewer_sdk::prelude::*;

fn weight(progress: f64) -> Result<f64> {
    Ok(1.0 - progress)
}

brewer_sdk::export_weight_scheduler!(weight);
