use crate::{Batch, Context, Features, Outputs, Result, bindings::brewer::plugin::types};

/// Makes a function the plugin's adaptor:
/// `fn(&Context, &Batch, &Outputs) -> Result<Features>`.
#[macro_export]
macro_rules! export_adaptor {
    ($adapt:path) => {
        const _: () = {
            use $crate::bindings::{adaptor::exports::brewer::plugin::adaptor::Guest, brewer::plugin::types};

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

    $crate::bindings::adaptor::export_adaptor_component!(Component with_types_in $crate::bindings::adaptor);
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
    super::run(|| adapt(&context, &Batch::from_handle(batch), &Outputs::new(outputs))?.into_handle())
}
