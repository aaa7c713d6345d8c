//! A macro for each role, which makes functions of the plugin that role.

mod adaptor;
mod batch_postprocessor;
mod callback;
mod kd_loss;
mod match_loss;
mod temperature_scheduler;
mod weight_scheduler;

use std::sync::Once;

pub use adaptor::run_adaptor;
pub use batch_postprocessor::run_batch_postprocessor;
pub use callback::{Action, run_callback};
pub use kd_loss::{KdInputs, run_kd_loss};
pub use match_loss::{MatchInputs, run_match_loss, run_num_layers};
pub use temperature_scheduler::{Temperature, run_temperature_scheduler};
pub use weight_scheduler::run_weight_scheduler;

use crate::{Error, Result, host};

/// Runs a function of the plugin's; its error becomes the message that the user reads.
pub(crate) fn run<T>(role: impl FnOnce() -> Result<T>) -> std::result::Result<T, String> {
    send_panics_to_the_host();
    role().map_err(|error: Error| error.to_string())
}

/// Without standard error a panic would be a trap without a word.
fn send_panics_to_the_host() {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| std::panic::set_hook(Box::new(|panic| host::abort(&panic.to_string()))));
}
