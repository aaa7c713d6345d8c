use crate::{Batch, Context, Result, bindings::brewer::plugin::types};

/// Makes a function the plugin's batch post-processor: `fn(&Context, Batch) -> Result<Batch>`.
///
/// It changes a batch before the models see it. Every tensor that it returns has the examples in its first dimension.
///
/// ```
/// use brewer_sdk::prelude::*;
///
/// /// Hides one token in ten from the models; 103 is BERT's `[MASK]`.
/// fn process(_: &Context, mut batch: Batch) -> Result<Batch> {
///     let ids = batch.tensor("input_ids")?;
///     let length = ids.shape()[1];
///     let positions = Tensor::arange(0, length, 10, Kind::Int64)?;
///     let hidden = Tensor::arange(0, length, 1, Kind::Int64)?.unsqueeze(-1)?.eq(&positions)?.any(&[1], false)?;
///     batch.insert("input_ids", &ids.masked_fill(&hidden, 103)?)?;
///     Ok(batch)
/// }
///
/// brewer_sdk::export_batch_postprocessor!(process);
/// # fn main() {}
/// ```
#[macro_export]
macro_rules! export_batch_postprocessor {
    ($process:path) => {
        const _: () = {
            use $crate::bindings::{
                batch_postprocessor::exports::brewer::plugin::batch_postprocessor::Guest, brewer::plugin::types,
            };

            struct Component;

            impl Guest for Component {
                fn process(
                    context: types::Context,
                    batch: types::Batch,
                ) -> ::std::result::Result<types::Batch, ::std::string::String> {
                    $crate::run_batch_postprocessor($process, context, batch)
                }
            }

            $crate::bindings::batch_postprocessor::export_batch_postprocessor_component!(
                Component with_types_in $crate::bindings::batch_postprocessor
            );
        };
    };
}

/// Calls a post-processor with what the host passed.
/// [`export_batch_postprocessor!`](crate::export_batch_postprocessor) calls it.
#[doc(hidden)]
pub fn run_batch_postprocessor(
    process: fn(&Context, Batch) -> Result<Batch>,
    context: types::Context,
    batch: types::Batch,
) -> std::result::Result<types::Batch, String> {
    super::run(|| process(&context, Batch::from_handle(batch)).map(Batch::into_handle))
}
