//! A plugin in one role: its instance, the limits of a call, and what becomes of a failure.

use std::{collections::BTreeSet, time::Instant};

use brewer::{Device, StepContext};
use wasmtime::{
    Store, Trap, WasmBacktrace,
    component::{Instance as ComponentInstance, InstancePre},
};

use crate::{
    bindings::Export,
    engine::Engine,
    error::{Abort, CallError, Cause, Error, LoadProblem, Released, Result, Undisclosed},
    limits::{Bytes, Cost, LimitError, Limits, Usage},
    plugin::Plugin,
    random::Random,
    roles::PluginRole,
    state::{Call, State},
    text::clean,
};

/// A component in one role.
pub(crate) struct Guest<E> {
    plugin: Plugin,
    /// How messages name it: `plugin adaptor.wasm`.
    name: String,
    /// `None` after a trap: what the guest's memory holds then cannot be relied on.
    instance: Option<Instance<E>>,
    /// Of a role that gets several calls at a step: the step under way.
    context: StepContext,
    /// How many calls were made at it. Random numbers follow from the step and this number.
    calls: u64,
    /// What the last call used.
    usage: Usage,
}

pub(crate) struct Instance<E> {
    pub(crate) store: Store<State>,
    pub(crate) linked: InstancePre<State>,
    pub(crate) component: ComponentInstance,
    exports: E,
    /// What it used while it started, until a call has answered for it.
    started: Usage,
}

impl<E: Export> Guest<E> {
    /// Starts the plugin.
    ///
    /// Errors: [`Error::Load`] if it does not export the role, or if it fails while it starts.
    pub(crate) fn new(plugin: &Plugin) -> Result<Self> {
        let load_error = |problem| Error::Load { path: plugin.path.clone(), problem };
        if !plugin.roles().contains(&E::ROLE) {
            let exports = plugin.roles().iter().map(PluginRole::to_string).collect();
            return Err(load_error(LoadProblem::OtherRole { role: E::ROLE, exports }));
        }
        let name = format!("plugin {}", plugin.name());
        let mut guest = Self {
            plugin: plugin.clone(),
            name,
            instance: None,
            context: StepContext::default(),
            calls: 0,
            usage: Usage::default(),
        };
        match guest.start() {
            Ok(instance) => guest.instance = Some(instance),
            Err(error) => {
                return Err(load_error(LoadProblem::Start(guest.failure("starting".into(), error))));
            }
        }
        Ok(guest)
    }

    /// How messages name it.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn plugin(&self) -> &Plugin {
        &self.plugin
    }

    /// What the last call used.
    pub(crate) fn usage(&self) -> Usage {
        self.usage
    }

    /// What the only call at a step for one model begins with. It is repeated when it asks for what was not computed.
    pub(crate) fn call_at(&mut self, context: &StepContext, device: Device) -> Call {
        let spent = if self.usage.is_repeated { self.usage.step } else { Cost::default() };
        let random = Random::for_step(self.plugin.settings.seed, E::ROLE, context);
        Call::new(context.clone(), random, device, Usage::at_step(spent))
    }

    /// Begins a step, or the same one again, in a role that gets several calls at it. They share what is allowed in a step.
    pub(crate) fn begin_step(&mut self, context: &StepContext) {
        self.context = context.clone();
        self.calls = 0;
        self.usage.step = Cost::default();
    }

    /// What the next call at the step under way begins with.
    pub(crate) fn next_call(&mut self, device: Device) -> Call {
        let random = Random::for_number(self.plugin.settings.seed, E::ROLE, self.context.step, self.calls);
        self.calls += 1;
        Call::new(self.context.clone(), random, device, Usage::at_step(self.usage.step))
    }

    fn start(&self) -> wasmtime::Result<Instance<E>> {
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
        let linked = self.plugin.linked.clone();
        let component = linked.instantiate(&mut store)?;
        let exports = E::load(&mut store, &linked, &component)?;
        let started = store.data().call.usage;
        // What a component makes before it is called belongs to no call.
        store.data_mut().end_call();
        Ok(Instance { store, linked, component, exports, started })
    }

    /// Makes one call, which messages name `about`. `run` passes arguments, calls the guest and checks its answer: its
    /// outer error is a trap, the inner one what is wrong with the answer. All handles are released afterwards.
    ///
    /// Errors: [`Error::Call`].
    pub(crate) fn call<T>(
        &mut self,
        about: String,
        call: Call,
        run: impl FnOnce(&mut Store<State>, &E) -> wasmtime::Result<Result<T, Cause>>,
    ) -> Result<T> {
        let mut instance = self.ready(&about)?;
        let (result, usage) = self.run(&mut instance, call, |instance| run(&mut instance.store, &instance.exports));
        self.usage = usage;
        if result.is_ok() {
            // The guest gave an answer: its memory is in order.
            self.keep(instance);
        }
        self.outcome(&about, result)
    }

    /// The instance for the next call, which messages name `about`: that of the last one, or a new one after a trap, or where
    /// the last one holds too many handles.
    pub(crate) fn ready(&mut self, about: &str) -> Result<Instance<E>> {
        match self.instance.take() {
            Some(instance) if !instance.store.data().handles.is_worn_out(&self.plugin.limits) => Ok(instance),
            Some(worn) if self.plugin.has_state() => self.renewed(worn),
            _ => self.started(about),
        }
    }

    /// A new instance for a call.
    pub(crate) fn started(&self, about: &str) -> Result<Instance<E>> {
        self.start().map_err(|error| Error::Call(self.failure(about.to_owned(), error)))
    }

    /// Keeps an instance whose memory is in order for the next call.
    pub(crate) fn keep(&mut self, instance: Instance<E>) {
        self.instance = Some(instance);
    }

    /// Runs an instance once, within the limits of a call. Also returns what it used.
    pub(crate) fn run<T>(
        &self,
        instance: &mut Instance<E>,
        call: Call,
        run: impl FnOnce(&mut Instance<E>) -> wasmtime::Result<Result<T, Cause>>,
    ) -> (wasmtime::Result<Result<T, Cause>>, Usage) {
        instance.store.set_epoch_deadline(Engine::ticks(self.plugin.limits.call_seconds));
        let state = instance.store.data_mut();
        state.call = Call { started: Instant::now(), ..call };
        state.call.usage.add(&std::mem::take(&mut instance.started));
        let result = run(instance);
        let usage = instance.store.data().call.usage;
        instance.store.data_mut().end_call();
        (result, usage)
    }

    /// What came of a run, which messages name `about`.
    pub(crate) fn outcome<T>(&self, about: &str, result: wasmtime::Result<Result<T, Cause>>) -> Result<T> {
        let about = about.to_owned();
        match result {
            Ok(answer) => answer.map_err(|cause| Error::Call(self.error(about, cause, Vec::new()))),
            Err(error) => Err(Error::Call(self.failure(about, error))),
        }
    }

    /// What stopped the guest, in the user's terms.
    fn failure(&self, about: String, error: wasmtime::Error) -> Box<CallError> {
        let backtrace = error.downcast_ref::<WasmBacktrace>().map(functions).unwrap_or_default();
        self.error(about, cause(&self.plugin.limits, &error, &backtrace), backtrace)
    }

    fn error(&self, about: String, cause: Cause, backtrace: Vec<String>) -> Box<CallError> {
        Box::new(CallError { plugin: self.plugin.name().to_owned(), call: about, cause, backtrace })
    }
}

fn cause(limits: &Limits, error: &wasmtime::Error, backtrace: &[String]) -> Cause {
    if let Some(Abort(message)) = error.downcast_ref() {
        return Cause::Aborted(message.clone());
    }
    if let Some(limit) = error.downcast_ref::<LimitError>() {
        return Cause::Limit(limit.clone());
    }
    if let Some(released) = error.downcast_ref::<Released>() {
        return Cause::Released(released.to_string());
    }
    if let Some(undisclosed) = error.downcast_ref::<Undisclosed>() {
        return Cause::Undisclosed(undisclosed.to_string());
    }
    match error.downcast_ref::<Trap>() {
        Some(Trap::Interrupt) => {
            let limit = format_args!("{} s", limits.call_seconds);
            Cause::Limit(LimitError::new("call_seconds", limit, "did not return in time"))
        }
        Some(Trap::StackOverflow) => Cause::StackOverflow,
        // Compilers keep a stack of their own at the start of memory; below it there is nothing.
        Some(Trap::MemoryOutOfBounds) if is_recursion(backtrace) => Cause::StackOverflow,
        Some(trap) => Cause::Trap(trap.to_string()),
        None if is_too_much(error) => {
            let limit = Bytes(request_bytes(limits) as u64);
            let did = "passed too much to the host in one request";
            Cause::Limit(LimitError::new("value_bytes", limit, did))
        }
        None => Cause::Trap(clean(&error.root_cause().to_string())),
    }
}

/// Whether a request would copy more to the host than it may. wasmtime does not name the type of this error.
pub(crate) fn is_too_much(error: &wasmtime::Error) -> bool {
    error.root_cause().to_string().contains("fuel allocated for hostcalls")
}

/// What one request may copy to the host: elements as far as they are allowed, and in any case a shape, a name or a
/// message.
pub(crate) fn request_bytes(limits: &Limits) -> usize {
    const LEAST: usize = 1 << 20;
    usize::try_from(limits.value_bytes).unwrap_or(usize::MAX).max(LEAST)
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
