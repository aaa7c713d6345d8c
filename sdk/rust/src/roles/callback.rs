use crate::{Result, bindings::callback::exports::brewer::plugin::callback};

pub use callback::Action;

/// Makes a function the plugin's callback: `fn(u64) -> Result<Action>`. It is called at each checkpoint with the number of
/// optimizer steps done.
///
/// [`model`](crate::model), [`dataset`](crate::dataset) and [`metrics`](crate::metrics) are there for it. What it keeps
/// from call to call stands in a `static` or a `thread_local!`.
///
/// ```
/// use brewer_sdk::{metrics, prelude::*};
///
/// fn on_checkpoint(step: u64) -> Result<Action> {
///     let good_enough = metrics::value("dev_accuracy")? > 0.95;
///     Ok(if good_enough { Action::Stop } else { Action::Continue })
/// }
///
/// brewer_sdk::export_callback!(on_checkpoint);
/// # fn main() {}
/// ```
#[macro_export]
macro_rules! export_callback {
    ($on_checkpoint:path) => {
        const _: () = {
            use $crate::bindings::callback::exports::brewer::plugin::callback::{Action, Guest};

            struct Component;

            impl Guest for Component {
                fn on_checkpoint(step: u64) -> ::std::result::Result<Action, ::std::string::String> {
                    $crate::run_callback($on_checkpoint, step)
                }
            }

    $crate::bindings::callback::export_callback_component!(Component with_types_in $crate::bindings::callback);
        };
    };
}

/// Calls a callback. [`export_callback!`](crate::export_callback) calls it.
#[doc(hidden)]
pub fn run_callback(on_checkpoint: fn(u64) -> Result<Action>, step: u64) -> std::result::Result<Action, String> {
    super::run(|| on_checkpoint(step))
}
