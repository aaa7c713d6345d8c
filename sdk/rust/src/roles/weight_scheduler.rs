use crate::Result;

/// Makes a function the plugin's weight scheduler: `fn(f64) -> Result<f64>`, from the share of optimizer steps done, in
/// 0..=1, to a weight.
///
/// ```
/// use brewer_sdk::prelude::*;
///
/// fn weight(progress: f64) -> Result<f64> {
///     Ok((1.0 - progress).powi(2))
/// }
///
/// brewer_sdk::export_weight_scheduler!(weight);
/// # fn main() {}
/// ```
#[macro_export]
macro_rules! export_weight_scheduler {
    ($weight:path) => {
        const _: () = {
            use $crate::bindings::weight_scheduler::exports::brewer::plugin::weight_scheduler::Guest;

            struct Component;

            impl Guest for Component {
                fn weight(progress: f64) -> ::std::result::Result<f64, ::std::string::String> {
                    $crate::run_weight_scheduler($weight, progress)
                }
            }

            $crate::bindings::weight_scheduler::export_weight_scheduler_component!(
                Component with_types_in $crate::bindings::weight_scheduler
            );
        };
    };
}

/// Calls a weight scheduler. [`export_weight_scheduler!`](crate::export_weight_scheduler) calls it.
#[doc(hidden)]
pub fn run_weight_scheduler(weight: fn(f64) -> Result<f64>, progress: f64) -> std::result::Result<f64, String> {
    super::run(|| weight(progress))
}
