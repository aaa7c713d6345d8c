//! What a plugin can be in a run: a file a role, each a trait of the engine implemented by a component.

mod adaptor;
mod batch_postprocessor;
mod callback;
mod kd_loss;
mod match_loss;
mod temperature_scheduler;
mod weight_scheduler;

pub use adaptor::PluginAdaptor;
pub use batch_postprocessor::PluginBatchPostprocessor;
pub use callback::PluginCallback;
pub use kd_loss::PluginKdLoss;
pub use match_loss::PluginMatchLoss;
pub use temperature_scheduler::PluginTemperatureScheduler;
pub use weight_scheduler::PluginWeightScheduler;

use brewer::{Side, StepContext, libtorch};
use tch::Tensor;
use wasmtime::component::Resource;

use crate::{
    bindings::types,
    error::{Cause, Released},
    handles::Entry,
    state::State,
    tensor_ops::{is_float, name_of},
    text::clean,
};

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
    let Some(Entry::Tensor(loss, _)) = state.handles.remove(loss) else {
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
