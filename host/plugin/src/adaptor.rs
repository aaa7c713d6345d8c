//! A plugin as the engine's adaptor.

use std::collections::BTreeSet;

use brewer::{AdaptContext, Adaptor, Batch, Features, Outputs, Role};
use wasmtime::{Store, Trap, WasmBacktrace};

use crate::{
    bindings::{AdaptorPlugin, AdaptorPluginPre, types},
    contract::PluginRole,
    engine::Engine,
    error::{Abort, CallError, Cause, Error, LoadProblem, Released, Result},
    handles::Entry,
    limits::{Bytes, LimitError, Limits},
    log::clean,
    plugin::Plugin,
    state::State,
};

/// A component in the role of an adaptor.
pub struct PluginAdaptor {
    plugin: Plugin,
    pre: AdaptorPluginPre<State>,
    /// How messages name it: `plugin adaptor.wasm`.
    name: String,
    /// `None` after a trap: what the guest's memory holds then cannot be relied on.
    instance: Option<Instance>,
}

struct Instance {
    store: Store<State>,
    exports: AdaptorPlugin,
}

impl PluginAdaptor {
    /// Starts the plugin.
    ///
    /// Errors: [`Error::Load`] if it does not export the role, or if it fails while it starts.
    pub fn new(plugin: &Plugin) -> Result<Self> {
        let load_error = |problem| Error::Load { path: plugin.path.clone(), problem };
        let Some(pre) = plugin.adaptor.clone() else {
            let exports = plugin.roles().iter().map(PluginRole::to_string).collect();
            return Err(load_error(LoadProblem::OtherRole { role: PluginRole::Adaptor, exports }));
        };
        let name = format!("plugin {}", plugin.name());
        let mut adaptor = Self { plugin: plugin.clone(), pre, name, instance: None };
        match adaptor.start() {
            Ok(instance) => adaptor.instance = Some(instance),
            Err(error) => {
                return Err(load_error(LoadProblem::Start(adaptor.failure("starting".into(), error))));
            }
        }
        Ok(adaptor)
    }

    fn start(&self) -> wasmtime::Result<Instance> {
        let limits = &self.plugin.limits;
        let state = State::new(self.plugin.settings.clone(), limits.clone());
        let mut store = Store::new(self.plugin.engine.inner(), state);
        store.limiter(|state| &mut state.memory);
        store.set_epoch_deadline(Engine::ticks(limits.call_seconds));
        store.set_hostcall_fuel(request_bytes(limits));
        // Live handles and the dead ones of earlier calls; `Handles` counts both and acts before this trap does.
        store.set_max_component_handles(
            usize::try_from(limits.handles).unwrap_or(usize::MAX).saturating_mul(2).max(1000),
        );
        let exports = self.pre.instantiate(&mut store)?;
        Ok(Instance { store, exports })
    }

    fn call(&mut self, context: &AdaptContext, batch: &Batch, outputs: &Outputs) -> Result<Features, Box<CallError>> {
        let call = describe(context);
        let instance = match self.instance.take() {
            Some(instance) if !instance.store.data().handles.is_worn_out(&self.plugin.limits) => Ok(instance),
            _ => self.start(),
        };
        let mut instance = instance.map_err(|error| self.failure(call.clone(), error))?;
        let result = self.call_instance(&mut instance, context, batch, outputs);
        instance.store.data_mut().end_call(outputs);
        match result {
            // The guest gave an answer: its memory is in order.
            Ok(answer) => {
                self.instance = Some(instance);
                answer.map_err(|cause| self.error(call, cause, Vec::new()))
            }
            Err(error) => Err(self.failure(call, error)),
        }
    }

    /// Calls the guest. The outer error is a trap, the inner one what is wrong with its answer.
    fn call_instance(
        &self,
        instance: &mut Instance,
        context: &AdaptContext,
        batch: &Batch,
        outputs: &Outputs,
    ) -> wasmtime::Result<Result<Features, Cause>> {
        let Instance { store, exports } = instance;
        store.set_epoch_deadline(Engine::ticks(self.plugin.limits.call_seconds));
        let (batch, outputs) = store.data_mut().begin_call(context, batch, outputs)?;
        let context = guest_context(context);
        let answer = exports.brewer_plugin_adaptor().call_adapt(&mut *store, &context, batch, outputs)?;
        let features = match answer {
            Ok(features) => features,
            Err(message) => return Ok(Err(Cause::Returned(clean(&message)))),
        };
        Ok(match store.data_mut().handles.remove(&features) {
            Some(Entry::Features(draft)) if draft.len() == 0 => Err(Cause::NoFeatures),
            Some(Entry::Features(draft)) => Ok(draft.finish()),
            _ => Err(Cause::Released(Released("features").to_string())),
        })
    }

    /// What stopped the guest, in the user's terms.
    fn failure(&self, call: String, error: wasmtime::Error) -> Box<CallError> {
        let backtrace = error.downcast_ref::<WasmBacktrace>().map(functions).unwrap_or_default();
        self.error(call, self.cause(&error, &backtrace), backtrace)
    }

    fn error(&self, call: String, cause: Cause, backtrace: Vec<String>) -> Box<CallError> {
        Box::new(CallError { plugin: self.plugin.name().to_owned(), call, cause, backtrace })
    }

    fn cause(&self, error: &wasmtime::Error, backtrace: &[String]) -> Cause {
        if let Some(Abort(message)) = error.downcast_ref() {
            return Cause::Aborted(message.clone());
        }
        if let Some(limit) = error.downcast_ref::<LimitError>() {
            return Cause::Limit(limit.clone());
        }
        if let Some(released) = error.downcast_ref::<Released>() {
            return Cause::Released(released.to_string());
        }
        let limits = &self.plugin.limits;
        match error.downcast_ref::<Trap>() {
            Some(Trap::Interrupt) => {
                let limit = format_args!("{} s", limits.call_seconds);
                Cause::Limit(LimitError::new("call_seconds", limit, "did not return in time"))
            }
            Some(Trap::StackOverflow) => Cause::StackOverflow,
            // Compilers keep a stack of their own at the start of memory; below it there is nothing.
            Some(Trap::MemoryOutOfBounds) if is_recursion(backtrace) => Cause::StackOverflow,
            Some(trap) => Cause::Trap(trap.to_string()),
            None => match clean(&error.root_cause().to_string()) {
                // wasmtime does not name the type of this error.
                message if message.contains("fuel allocated for hostcalls") => {
                    let limit = Bytes(request_bytes(limits) as u64);
                    let did = "passed too much to the host in one request";
                    Cause::Limit(LimitError::new("value_bytes", limit, did))
                }
                message => Cause::Trap(message),
            },
        }
    }
}

/// What one request may copy to the host: elements as far as they are allowed, and in any case a shape, a name or a
/// message.
fn request_bytes(limits: &Limits) -> usize {
    const LEAST: usize = 1 << 20;
    usize::try_from(limits.value_bytes).unwrap_or(usize::MAX).max(LEAST)
}

impl Adaptor for PluginAdaptor {
    fn name(&self) -> &str {
        &self.name
    }

    fn identity(&self) -> String {
        let kibibytes = self.plugin.size().div_ceil(1024);
        format!("sha256 {}…, {kibibytes} KiB", &self.plugin.digest()[..12])
    }

    fn adapt(&mut self, context: &AdaptContext, batch: &Batch, outputs: &Outputs) -> brewer::Result<Features> {
        Ok(self.call(context, batch, outputs).map_err(Error::Call)?)
    }
}

/// The call as messages name it: `student, task qa, step 3`.
fn describe(context: &AdaptContext) -> String {
    match &context.task {
        Some(task) => format!("{}, task {task}, step {}", context.role, context.step),
        None => format!("{}, step {}", context.role, context.step),
    }
}

fn guest_context(context: &AdaptContext) -> types::Context {
    let model = match context.role {
        Role::Student => types::Model::Student,
        // No run has four billion teachers.
        Role::Teacher(index) => types::Model::Teacher(u32::try_from(index).unwrap_or(u32::MAX)),
    };
    types::Context { model, task: context.task.clone(), step: context.step }
}

/// Whether the innermost functions are a few that call each other over and over.
fn is_recursion(backtrace: &[String]) -> bool {
    let distinct: BTreeSet<_> = backtrace.iter().collect();
    backtrace.len() >= SHOWN_FUNCTIONS && distinct.len() <= SHOWN_FUNCTIONS / 3
}

const SHOWN_FUNCTIONS: usize = 12;

/// The guest's functions, innermost first, from the one that failed: what Rust does to panic comes before it.
fn functions(backtrace: &WasmBacktrace) -> Vec<String> {
    let frames = backtrace.frames().iter().map(|frame| {
        let demangled = frame.symbols().first().and_then(|symbol| symbol.name().map(str::to_owned));
        let name = demangled.or_else(|| frame.func_name().map(demangle));
        name.map_or_else(|| format!("function {}", frame.func_index()), |name| clean(&name))
    });
    let mut functions: Vec<_> = frames.collect();
    if let Some(panic) = functions.iter().rposition(|name| name.starts_with("core::panicking::")) {
        functions.drain(..=panic);
    }
    functions.truncate(SHOWN_FUNCTIONS);
    functions
}

/// Rust's names as they are written; names of other languages stay as they are.
fn demangle(name: &str) -> String {
    format!("{:#}", rustc_demangle::demangle(name))
}
