use crate::{
    Result, Tensor, TensorList,
    bindings::brewer::plugin::{loss_inputs, tensor},
};

/// What a match loss compares: as many layers of either side as it asked for. Hidden states are `[batch, length, hidden]`,
/// attention maps `[batch, heads, length, length]`.
#[derive(Debug)]
pub struct MatchInputs {
    /// The student's layers, after the projection, with gradients.
    pub student: Vec<Tensor>,
    /// The teacher's layers, without gradients.
    pub teacher: Vec<Tensor>,
    /// `[batch, length]`, 1 for tokens and 0 for padding; it may hold integers. Without one every position counts.
    pub mask: Option<Tensor>,
}

impl MatchInputs {
    fn read(inputs: &loss_inputs::MatchInputs) -> Result<Self> {
        Ok(Self {
            student: TensorList::new(inputs.student()?).tensors()?,
            teacher: TensorList::new(inputs.teacher()?).tensors()?,
            mask: if inputs.has_mask() { Some(Tensor::new(inputs.mask()?)) } else { None },
        })
    }
}

/// Makes a function the plugin's match loss: `fn(&MatchInputs) -> Result<Tensor>`.
///
/// It takes one layer of each side, unless a second function `fn() -> Result<u32>` says another number. The loss is one
/// number with a gradient.
///
/// ```
/// use brewer_sdk::prelude::*;
///
/// /// How far the differences of two layers are apart.
/// fn loss(inputs: &MatchInputs) -> Result<Tensor> {
///     let of_student = &inputs.student[1] - &inputs.student[0];
///     let of_teacher = &inputs.teacher[1] - &inputs.teacher[0];
///     (of_student - of_teacher).pow(2)?.mean(&[], false)
/// }
///
/// fn num_layers() -> Result<u32> {
///     Ok(2)
/// }
///
/// brewer_sdk::export_match_loss!(loss, num_layers);
/// # fn main() {}
/// ```
#[macro_export]
macro_rules! export_match_loss {
    ($loss:path) => {
        $crate::export_match_loss!($loss, || Ok(1));
    };
    ($loss:path, $num_layers:expr) => {
        const _: () = {
            use $crate::bindings::{
                brewer::plugin::{loss_inputs, tensor},
                match_loss::exports::brewer::plugin::match_loss::Guest,
            };

            struct Component;

            impl Guest for Component {
                fn num_layers() -> ::std::result::Result<u32, ::std::string::String> {
                    $crate::run_num_layers($num_layers)
                }

                fn loss(
                    inputs: loss_inputs::MatchInputs,
                ) -> ::std::result::Result<tensor::Tensor, ::std::string::String> {
                    $crate::run_match_loss($loss, inputs)
                }
            }

            $crate::bindings::match_loss::export_match_loss_component!(
                Component with_types_in $crate::bindings::match_loss
            );
        };
    };
}

/// Asks a match loss for its number of layers. [`export_match_loss!`](crate::export_match_loss) calls it.
#[doc(hidden)]
pub fn run_num_layers(num_layers: fn() -> Result<u32>) -> std::result::Result<u32, String> {
    super::run(num_layers)
}

/// Calls a match loss with what the host passed. [`export_match_loss!`](crate::export_match_loss) calls it.
#[doc(hidden)]
pub fn run_match_loss(
    loss: fn(&MatchInputs) -> Result<Tensor>,
    inputs: loss_inputs::MatchInputs,
) -> std::result::Result<tensor::Tensor, String> {
    super::run(|| loss(&MatchInputs::read(&inputs)?).map(Tensor::into_handle))
}
