use crate::{
    Result, Temperature, Tensor,
    bindings::brewer::plugin::{loss_inputs, tensor},
};

/// What a KD loss compares. Logits are `[batch, classes]`, `[batch, length, classes]`, or `[selected, classes]` where a
/// mask left positions out; both sides have one shape.
#[derive(Debug)]
pub struct KdInputs {
    /// The student's logits, before any softmax, with a gradient.
    pub student: Tensor,
    /// The teacher's logits, without a gradient.
    pub teacher: Tensor,
    /// What both sides are softened with: [`Temperature::soften`].
    pub temperature: Temperature,
    /// The labels of the rows, where there are any: integers `[…]` for logits `[…, classes]`, -100 for a row without one. Where
    /// a model may find several classes in an example, or predicts numbers: floats, NaN for a row without any.
    pub labels: Option<Tensor>,
}

impl KdInputs {
    fn read(inputs: &loss_inputs::KdInputs) -> Result<Self> {
        Ok(Self {
            student: Tensor::new(inputs.student()?),
            teacher: Tensor::new(inputs.teacher()?),
            temperature: Temperature::from_handle(inputs.temperature()?),
            labels: if inputs.has_labels() { Some(Tensor::new(inputs.labels()?)) } else { None },
        })
    }
}

/// Makes a function the plugin's KD loss: `fn(&KdInputs) -> Result<Tensor>`.
///
/// The loss is one number with a gradient, the mean or sum over rows already taken.
///
/// ```
/// use brewer_sdk::prelude::*;
///
/// /// Mean squared error of the softened logits.
/// fn loss(inputs: &KdInputs) -> Result<Tensor> {
///     let difference = inputs.temperature.soften(&inputs.student)? - inputs.temperature.soften(&inputs.teacher)?;
///     difference.pow(2)?.mean(&[], false)
/// }
///
/// brewer_sdk::export_kd_loss!(loss);
/// # fn main() {}
/// ```
#[macro_export]
macro_rules! export_kd_loss {
    ($loss:path) => {
        const _: () = {
            use $crate::bindings::{
                brewer::plugin::{loss_inputs, tensor},
                kd_loss::exports::brewer::plugin::kd_loss::Guest,
            };

            struct Component;

            impl Guest for Component {
                fn loss(inputs: loss_inputs::KdInputs) -> ::std::result::Result<tensor::Tensor, ::std::string::String> {
                    $crate::run_kd_loss($loss, inputs)
                }
            }

    $crate::bindings::kd_loss::export_kd_loss_component!(Component with_types_in $crate::bindings::kd_loss);
        };
    };
}

/// Calls a KD loss with what the host passed. [`export_kd_loss!`](crate::export_kd_loss) calls it.
#[doc(hidden)]
pub fn run_kd_loss(
    loss: fn(&KdInputs) -> Result<Tensor>,
    inputs: loss_inputs::KdInputs,
) -> std::result::Result<tensor::Tensor, String> {
    super::run(|| loss(&KdInputs::read(&inputs)?).map(Tensor::into_handle))
}
