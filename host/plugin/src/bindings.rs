//! The contract as Rust: the traits that the host implements and the functions that it calls.

use wasmtime::{
    Store,
    component::{Instance, InstancePre},
};

use crate::{contract::PluginRole, state::State};

wasmtime::component::bindgen!({
    path: "../../wit",
    inline: "
        package brewer:host;

        world every-role {
            include brewer:plugin/adaptor-plugin@0.1.0;
            include brewer:plugin/batch-postprocessor-plugin@0.1.0;
            include brewer:plugin/callback-plugin@0.1.0;
            include brewer:plugin/kd-loss-plugin@0.1.0;
            include brewer:plugin/match-loss-plugin@0.1.0;
            include brewer:plugin/temperature-scheduler-plugin@0.1.0;
            include brewer:plugin/weight-scheduler-plugin@0.1.0;
            include brewer:plugin/stateful@0.1.0;
        }
    ",
    world: "brewer:host/every-role",
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

macro_rules! exports {
    ($($interface:ident => $role:ident),* $(,)?) => {$(
        impl Export for exported::$interface::Guest {
            const ROLE: PluginRole = PluginRole::$role;

            fn check(pre: &InstancePre<State>) -> wasmtime::Result<()> {
                exported::$interface::GuestIndices::new(pre).map(drop)
            }

            fn load(
                store: &mut Store<State>,
                pre: &InstancePre<State>,
                instance: &Instance,
            ) -> wasmtime::Result<Self> {
                exported::$interface::GuestIndices::new(pre)?.load(store, instance)
            }
        }
    )*

        impl PluginRole {
            /// Whether a component has this role's functions, with the contract's types.
            pub(crate) fn check(self, pre: &InstancePre<State>) -> wasmtime::Result<()> {
                match self {
                    $(PluginRole::$role => exported::$interface::Guest::check(pre),)*
                }
            }
        }
    };
}

exports! {
    adaptor => Adaptor,
    batch_postprocessor => BatchPostprocessor,
    callback => Callback,
    kd_loss => KdLoss,
    match_loss => MatchLoss,
    temperature_scheduler => TemperatureScheduler,
    weight_scheduler => WeightScheduler,
}
