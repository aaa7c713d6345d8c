//! The contract as Rust: the traits that the host implements and the functions that it calls.

use wasmtime::{
    Store,
    component::{Instance, InstancePre},
};

use crate::{roles::PluginRole, state::State};

wasmtime::component::bindgen!({
    path: "../../wit",
    world: "every-plugin",
    imports: { default: trappable },
    with: {
        "brewer:plugin/tensor.tensor": tch::Tensor,
        "brewer:plugin/tensor.tensor-list": crate::handles::TensorList,
        "brewer:plugin/types.batch": crate::batch::Columns,
        "brewer:plugin/types.outputs": crate::outputs::ModelOutputs,
        "brewer:plugin/types.features": crate::features::Draft,
        "brewer:plugin/loss-inputs.temperature": crate::loss_inputs::Temperature,
        "brewer:plugin/loss-inputs.kd-inputs": crate::loss_inputs::KdInputs,
        "brewer:plugin/loss-inputs.match-inputs": crate::loss_inputs::MatchInputs,
    },
    trappable_error_type: {
        "brewer:plugin/tensor.error" => crate::error::OpError,
    },
});

pub(crate) use self::{
    brewer::plugin::{dataset, host, loss_inputs, losses, metrics, model, tensor, types, values},
    exports::brewer::plugin as exported,
};

/// The functions that a component exports in one role.
pub(crate) trait Export: Sized {
    const ROLE: PluginRole;

    /// Whether the component has them, with the contract's types.
    fn check(pre: &InstancePre<State>) -> wasmtime::Result<()>;

    /// Finds them in an instance of the component.
    fn load(store: &mut Store<State>, pre: &InstancePre<State>, instance: &Instance) -> wasmtime::Result<Self>;
}
