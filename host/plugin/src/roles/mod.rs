//! What a plugin can be in a run: a file a role, each a trait of the engine implemented by a component, and a row in the
//! table.

mod adaptor;
mod batch_postprocessor;
mod callback;
mod kd_loss;
mod match_loss;
mod place;
mod temperature_scheduler;
mod weight_scheduler;

pub use adaptor::PluginAdaptor;
pub use batch_postprocessor::PluginBatchPostprocessor;
pub use callback::PluginCallback;
pub use kd_loss::PluginKdLoss;
pub use match_loss::PluginMatchLoss;
pub use place::{Named, Place};
pub use temperature_scheduler::PluginTemperatureScheduler;
pub use weight_scheduler::PluginWeightScheduler;

use std::fmt;

use brewer::{Side, StepContext, libtorch};
use tch::Tensor;
use wasmtime::{
    Store,
    component::{Instance, InstancePre, Resource},
};

use crate::{
    bindings::{Export, exported, types},
    error::{Cause, Released},
    handles::Entry,
    plugin::Plugin,
    state::State,
    tensor_ops::{is_float, name_of},
    text::clean,
    trial::{Case, Made, Meter, Trial},
};

/// The table of roles. Whatever differs from role to role, and is not the role's own file, is read from its row.
macro_rules! roles {
    ($($(#[$doc:meta])* $role:ident {
        interface: $interface:ident = $name:literal,
        component: $component:ident,
        place: $place:expr,
    })*) => {
        /// What a plugin can be in a run.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Deserialize)]
        #[serde(rename_all = "kebab-case")]
        pub enum PluginRole {
            $($(#[$doc])* $role,)*
        }

        impl PluginRole {
            /// Every role that there is.
            pub const ALL: &[PluginRole] = &[$(PluginRole::$role),*];

            /// The interface that a plugin of this role exports, without package and version.
            pub(crate) fn interface(self) -> &'static str {
                match self {
                    $(PluginRole::$role => $name,)*
                }
            }

            /// Where an experiment has plugins of this role.
            pub fn place(self) -> Place {
                match self {
                    $(PluginRole::$role => $place,)*
                }
            }

            /// Whether a component has this role's functions, with the contract's types.
            pub(crate) fn check(self, pre: &InstancePre<State>) -> wasmtime::Result<()> {
                match self {
                    $(PluginRole::$role => exported::$interface::Guest::check(pre),)*
                }
            }

            /// Starts the plugin in this role and calls it as a case of the test bench says.
            pub(crate) fn run_case(self, plugin: &Plugin, case: &Case, meter: &Meter) -> Result<Made, String> {
                match self {
                    $(PluginRole::$role => $component::run_case(plugin, case, meter),)*
                }
            }
        }

        $(impl Export for exported::$interface::Guest {
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
        })*
    };
}

roles! {
    /// Features from a model's outputs.
    Adaptor {
        interface: adaptor = "adaptor",
        component: PluginAdaptor,
        place: Place::One { key: "plugins.adaptor", spec: |plugins| &mut plugins.adaptor },
    }
    /// A batch from a batch.
    BatchPostprocessor {
        interface: batch_postprocessor = "batch-postprocessor",
        component: PluginBatchPostprocessor,
        place: Place::One { key: "plugins.batch_postprocessor", spec: |plugins| &mut plugins.batch_postprocessor },
    }
    /// At each checkpoint, numbers and whether training goes on.
    Callback {
        interface: callback = "callback",
        component: PluginCallback,
        place: Place::Callbacks,
    }
    /// A loss from the logits of both sides.
    KdLoss {
        interface: kd_loss = "kd-loss",
        component: PluginKdLoss,
        place: Place::KdLoss,
    }
    /// A loss from layers of both sides.
    MatchLoss {
        interface: match_loss = "match-loss",
        component: PluginMatchLoss,
        place: place::MATCH_LOSS,
    }
    /// A temperature from the logits of both sides.
    TemperatureScheduler {
        interface: temperature_scheduler = "temperature-scheduler",
        component: PluginTemperatureScheduler,
        place: place::TEMPERATURE_SCHEDULER,
    }
    /// A weight from how far the run has come.
    WeightScheduler {
        interface: weight_scheduler = "weight-scheduler",
        component: PluginWeightScheduler,
        place: place::WEIGHT_SCHEDULER,
    }
}

impl fmt::Display for PluginRole {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.interface())
    }
}

/// The context as the guest sees it.
fn guest_context(context: &StepContext) -> types::Context {
    let StepContext { step, task, .. } = context;
    types::Context { model: guest_model(whose(context)), task: task.as_deref().map(str::to_owned), step: *step }
}

/// A side as the guest sees it.
pub(crate) fn guest_model(side: Side) -> types::Model {
    match side {
        Side::Student => types::Model::Student,
        // No run has four billion teachers.
        Side::Teacher(index) => types::Model::Teacher(u32::try_from(index).unwrap_or(u32::MAX)),
    }
}

/// The model that a call is about. The engine names it to every role that is called for one model.
fn whose(context: &StepContext) -> Side {
    context.side.unwrap_or(Side::Student)
}

/// Task and step as messages name them: `task qa, step 3`.
fn place(context: &StepContext) -> String {
    match &context.task {
        Some(task) => format!("task {task}, step {}", context.step),
        None => format!("step {}", context.step),
    }
}

/// A message that the guest returned as its error.
pub(crate) fn returned(message: String) -> Cause {
    Cause::Returned(clean(&message))
}

pub(crate) fn unlike(found: impl Into<String>, expected: impl Into<String>) -> Cause {
    Cause::Result { found: found.into(), expected: expected.into() }
}

/// Kind and shape, as messages name them: `int64 [3, 2]`.
fn described(tensor: &Tensor) -> Result<String, Cause> {
    Ok(format!("{} {:?}", name_of(tensor.f_kind().map_err(refused)?), tensor.size()))
}

/// libtorch's refusal to look at a result.
fn refused(error: tch::TchError) -> Cause {
    unlike("a tensor that cannot be read", libtorch::message(&error))
}

/// The loss of a handle that the guest returned, as a scalar: one floating-point number, and if something is trained, one
/// that depends on the student.
fn take_loss(state: &mut State, loss: &Resource<Tensor>, student: &[Tensor]) -> Result<Tensor, Cause> {
    let Some(Entry::Tensor(loss)) = state.handles.remove(loss) else {
        return Err(Cause::Released(Released("tensor").to_string()));
    };
    if loss.numel() != 1 || !is_float(loss.f_kind().map_err(refused)?) {
        return Err(unlike(format!("a loss of {}", described(&loss)?), "one floating-point number: a sum or a mean"));
    }
    if !loss.requires_grad() && trains(student).map_err(refused)? {
        let expected = "one that is computed from the student's tensors by operations with a gradient";
        return Err(unlike("a loss without a gradient", expected));
    }
    loss.f_reshape([0i64; 0]).map_err(refused)
}

/// Whether what is computed from any of these now has a gradient: a new tensor tells, also under no-grad.
fn trains(student: &[Tensor]) -> Result<bool, tch::TchError> {
    student
        .iter()
        .find(|tensor| tensor.requires_grad())
        .map_or(Ok(false), |tensor| Ok(tensor.f_alias()?.requires_grad()))
}
