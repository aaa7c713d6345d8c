//! The contract as Rust: the traits that the host implements and the functions that it calls.

wasmtime::component::bindgen!({
    path: "../../wit",
    world: "adaptor-plugin",
    imports: { default: trappable },
    with: {
        "brewer:plugin/tensor.tensor": tch::Tensor,
        "brewer:plugin/tensor.tensor-list": crate::handles::TensorList,
        "brewer:plugin/types.batch": crate::handles::BatchHandle,
        "brewer:plugin/types.outputs": crate::handles::OutputsHandle,
        "brewer:plugin/types.features": crate::features::Draft,
    },
    trappable_error_type: {
        "brewer:plugin/tensor.error" => crate::error::OpError,
    },
});

pub(crate) use self::brewer::plugin::{host, losses, tensor, types, values};
