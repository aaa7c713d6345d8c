//! What surrounds the plugin: its configuration, the step, the log, random numbers.

use crate::bindings::brewer::plugin::host;
pub use crate::bindings::brewer::plugin::{host::Level, types::StepContext};

/// The plugin's `config` in the experiment, as JSON text; `{}` if there is none.
pub fn config_json() -> String {
    host::config()
}

/// The plugin's `config` in the experiment, as a type of yours that derives `serde::Deserialize`.
#[cfg(feature = "config")]
pub fn config<T: serde::de::DeserializeOwned>() -> crate::Result<T> {
    serde_json::from_str(&config_json()).map_err(|error| format!("the plugin's config: {error}").into())
}

/// The point of the run at which the call is made, in every role. Everything is 0 or `None` while the plugin starts or its
/// state is saved or restored.
pub fn step() -> StepContext {
    host::step()
}

/// Writes a message to the run's log.
pub fn log(level: Level, message: &str) {
    host::log(level, message);
}

/// Ends the call with a message, as `panic!` does.
pub fn abort(message: &str) {
    host::abort(message);
}

/// 64 random bits. They follow from the experiment's seed, the model, the task and the step. Two instances of one role, as
/// two KD losses are, draw the same numbers at a step.
pub fn random_u64() -> u64 {
    host::random_u64()
}

/// A random number in 0..1, 1 excluded.
pub fn random_uniform() -> f64 {
    host::random_uniform()
}
