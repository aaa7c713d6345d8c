use std::sync::Once;

use crate::{Batch, Context, Features, Outputs, Result, bindings::brewer::plugin::types, host};

/// Makes a function the plugin's adaptor:
/// `fn(&Context, &Batch, &Outputs) -> Result<Features>`.
#[macro_export]
macro_rules! export_adaptor {
    ($adapt:path) => {
        const _: () = {
            use $crate::bindings::{brewer::plugin::types, exports::brewer::plugin::adaptor::Guest};

            struct Component;

            impl Guest for Component {
                fn adapt(
                    context: types::Context,
                    batch: types::Batch,
                    outputs: types::Outputs,
                ) -> ::std::result::Result<types::Features, ::std::string::String> {
                    $crate::run_adaptor($adapt, context, batch, outputs)
                }
            }

    $crate::bindings::export_adaptor_component!(Component with_types_in $crate::bindings);
        };
    };
}

/// Calls an adaptor with what the host passed. [`export_adaptor!`](crate::export_adaptor) calls it.
#[doc(hidden)]
pub fn run_adaptor(
    adapt: fn(&Context, &Batch, &Outputs) -> Result<Features>,
    context: types::Context,
    batch: types::Batch,
    outputs: types::Outputs,
) -> std::result::Result<types::Features, String> {
    send_panics_to_the_host();
    adapt(&context, &Batch::new(batch), &Outputs::new(outputs))
        .and_then(Features::into_handle)
        .map_err(|error| error.to_string())
}

/// Without standard error a panic would be a trap without a word.
fn send_panics_to_the_host() {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| std::panic::set_hook(Box::new(|panic| host::abort(&panic.to_string()))));
}
